"""What heads with instance masks share: how their two outputs are found, and how an instance's mask is made.

An instance's mask is the sum of M prototypes (images of a quarter of the input), each times its coefficient; its
pixels are those above 0, which is a sigmoid above ½.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from contracts.card import HeadCard
from contracts.errors import EngineError
from contracts.fit import Fit, box_window
from contracts.protocols import Tensors
from engines.heads.tensors import as_float, misfit

_BLOCK = 1 << 17
"""Multiplications at once: their sums stay in the cache, and no float array is as large as a frame. Above twice as
many NumPy's BLAS works with several threads; on cores that are busy it then waits for the slowest."""
_CEILING = 1e30
"""Stands for infinity: weights may multiply it."""


def boxes_and_prototypes(
    head: HeadCard, outputs: Tensors, wanted: str
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Both outputs, in whatever order: boxes of three dimensions with the first cut off, prototypes (M, h, w).

    wanted: what the head wants, for errors. Raises EngineError; how many numbers a box has is left to the head.
    """
    names = head.outputs or tuple(outputs)
    if len(names) != 2 or not set(names) <= set(outputs):
        raise EngineError(
            f"head {head.name!r}: {head.kind} reads two outputs (boxes and prototypes), the network has"
            f" {', '.join(outputs)}",
            "name them in the card: `outputs: [BOXES, PROTOTYPES]`",
        )
    boxes, prototypes = sorted((as_float(head, outputs[name], wanted) for name in names), key=np.ndim)
    if prototypes.ndim != 4 or len(prototypes) != 1 or not prototypes.size:
        raise misfit(head, prototypes, wanted)
    if boxes.ndim != 3 or len(boxes) != 1:
        raise misfit(head, boxes, wanted)
    return boxes[0], prototypes[0]


def masks_of(
    coefficients: NDArray[np.float32], prototypes: NDArray[np.float32], boxes: NDArray[np.float32], fit: Fit
) -> tuple[NDArray[np.uint8], ...]:
    """A mask of 0 and 1 per box, at frame resolution, of the size of the box's window.

    coefficients: (n, M). prototypes: (M, h, w). boxes: (n, 4) in frame pixels.
    """
    of_x, of_y = _axes(fit, prototypes.shape[1:])
    masks = []
    for weights, box in zip(coefficients, boxes, strict=True):
        window = box_window(box)
        columns, across = of_x.piece(window.left, window.width)
        rows, down = of_y.piece(window.top, window.height)
        piece = prototypes[:, rows, columns]
        with np.errstate(over="ignore", invalid="ignore"):  # strange files have strange numbers
            logits = (weights @ piece.reshape(len(weights), -1)).reshape(piece.shape[1:])
        wide = np.nan_to_num(logits, copy=False, nan=0, posinf=_CEILING, neginf=-_CEILING) @ across.T
        mask = np.empty((window.height, window.width), np.bool_)
        step = max(_BLOCK // wide.size, 1)
        for start in range(0, window.height, step):
            block = slice(start, start + step)
            np.greater(down[block] @ wide, 0, out=mask[block])
        masks.append(mask.view(np.uint8))
    return tuple(masks)


@dataclass(frozen=True, slots=True, eq=False)
class _Axis:
    """How the frame's pixels of one axis come from the prototypes': weights (frame pixels, prototype pixels).

    first, last: (frame pixels,), rising: the prototype pixels of each that weigh anything.
    """

    weights: NDArray[np.float32]
    first: NDArray[np.intp]
    last: NDArray[np.intp]

    def piece(self, start: int, length: int) -> tuple[slice, NDArray[np.float32]]:
        """The prototype pixels that ``length`` frame pixels from ``start`` on need, and the weights of these."""
        needed = slice(int(self.first[start]), int(self.last[start + length - 1]) + 1)
        return needed, self.weights[start : start + length, needed]


@lru_cache(maxsize=16)
def _axes(fit: Fit, shape: tuple[int, int]) -> tuple[_Axis, _Axis]:
    """Both axes, x and y, for prototypes of ``shape`` (height, width).

    Prototypes are enlarged until the padding ends where a pixel does (at most to the network's input), it is cut off,
    and the rest scaled to the frame, bilinearly both times. Three of four letterboxes need it; ultralytics does the
    same (utils/ops.py, process_mask_native).
    """
    content, height, width = fit.content, *shape
    right = fit.network_width - content.left - content.width
    bottom = fit.network_height - content.top - content.height
    ratio = fit.network_width // width
    if (fit.network_width, fit.network_height) == (ratio * width, ratio * height):
        left_over = math.gcd(ratio, content.left, content.top, right, bottom)
    else:
        left_over = 1
    return (
        _axis(width, fit.network_width // left_over, content.left // left_over, right // left_over, fit.frame_width),
        _axis(height, fit.network_height // left_over, content.top // left_over, bottom // left_over, fit.frame_height),
    )


def _axis(count: int, enlarged: int, before: int, behind: int, target: int) -> _Axis:
    """``count`` prototype pixels to ``enlarged`` ones, of which ``before`` and ``behind`` are cut, to ``target``."""
    weights = _linear(enlarged - before - behind, target) @ _linear(count, enlarged)[before : enlarged - behind]
    used = weights > 0
    last = count - 1 - used[:, ::-1].argmax(axis=1)
    return _Axis(weights.astype(np.float32), used.argmax(axis=1), last)


def _linear(source: int, target: int) -> NDArray[np.float64]:
    """Weights (target, source) that scale a row of pixels linearly; beyond its outer centres it goes on as it ends."""
    places = np.clip((np.arange(target) + 0.5) * (source / target) - 0.5, 0, source - 1)
    low = np.floor(places).astype(np.intp)
    weights = np.zeros((target, source))
    weights[np.arange(target), low] = 1 - (places - low)
    weights[np.arange(target), np.minimum(low + 1, source - 1)] += places - low
    return weights
