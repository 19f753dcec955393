"""Road agents decoded slowly, box by box, as the kind is defined: for tests to compare with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.card import HeadCard
from contracts.fit import Fit
from contracts.protocols import Thresholds
from tests.support.instances import slow_logits


@dataclass(frozen=True)
class SlowAgent:
    """One road user. mask: bool, of the whole frame. sure: where rounding does not decide about the mask."""

    agent: str
    score: float
    box: list[float]
    location: str
    actions: tuple[str, ...]
    mask: NDArray[np.bool_]
    sure: NDArray[np.bool_]


def slow_agents(
    head: HeadCard, rows: NDArray[Any], prototypes: NDArray[Any], fit: Fit, thresholds: Thresholds
) -> list[SlowAgent]:
    """rows: (4 + A + L + K + M, N), finite. prototypes: (M, h, w)."""
    candidates = []
    for column in range(rows.shape[1]):
        numbers = rows[:, column].tolist()
        cx, cy, width, height = numbers[:4]
        agents, rest = _cut(numbers[4:], len(head.classes))
        locations, rest = _cut(rest, len(head.locations))
        actions, coefficients = _cut(rest, len(head.actions))
        best = agents.index(max(agents))
        if agents[best] > thresholds.score:
            box = [cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2]
            lit = tuple(name for name, score in zip(head.actions, actions, strict=True) if score > 0.5)
            where = head.locations[locations.index(max(locations))]
            candidates.append((agents[best], best, box, where, lit, coefficients))
    candidates.sort(key=lambda candidate: -candidate[0])
    kept: list[tuple[int, list[float]]] = []
    found = []
    for score, best, box, where, lit, coefficients in candidates:
        corners = fit.to_frame(np.array(box).reshape(2, 2))
        on_frame = np.clip(corners, 0, [fit.frame_width, fit.frame_height]).astype(np.float32).ravel().tolist()
        x1, y1, x2, y2 = on_frame
        rivals = [other for agent, other in kept if thresholds.class_agnostic or agent == best]
        if x2 <= x1 or y2 <= y1 or any(slow_iou(box, other) > thresholds.iou for other in rivals):
            continue
        kept.append((best, box))
        logits = slow_logits(prototypes, np.array(coefficients, np.float32), fit)
        across, down = np.arange(fit.frame_width), np.arange(fit.frame_height)[:, None]
        inside = (across >= x1) & (across < x2) & (down >= y1) & (down < y2)
        close = 1e-5 * np.abs(prototypes).max() * np.abs(coefficients).max() * len(coefficients)
        sure = inside & (np.abs(logits) > max(close, 1e-4))
        found.append(SlowAgent(head.classes[best], score, on_frame, where, lit, inside & (logits > 0), sure))
    return found[: thresholds.max_detections]


def slow_iou(a: list[float], b: list[float]) -> float:
    """Intersection over union of two boxes x1, y1, x2, y2; 0 where both are empty."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0) * max(height, 0)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    return shared / union if union > 0 else 0.0


def _cut(numbers: list[float], count: int) -> tuple[list[float], list[float]]:
    return numbers[:count], numbers[count:]
