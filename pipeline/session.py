"""Session: one engine with its preparer and its heads, ready for frames."""

from __future__ import annotations

import logging
from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Any

from contracts.card import HeadKind
from contracts.config import EngineConfig, RunConfig
from contracts.errors import UsageError
from contracts.fit import Fit
from contracts.frame import Frame
from contracts.picture import Picture
from contracts.prediction import Part
from contracts.protocols import Engine, Head, Tensors, Thresholds, Ticket
from contracts.text import did_you_mean
from engines.heads.open import open_head
from engines.open import open_engine
from engines.prepare import Preparer

log = logging.getLogger(__name__)

_MASK_KINDS = ("two_class_mask", "mask_ids", "class_map")
_KINDS_WITHOUT_BOXES = (*_MASK_KINDS, "classification")
_INSTANCE_KINDS = ("yolo_instances", "road_agents")
INFERENCE_TIMEOUT_S = 60.0
"""No network in this field takes a minute for one frame; a runtime that does has hung."""


@dataclass(frozen=True, slots=True)
class NamedHead:
    """A head under the name it has in this run."""

    name: str
    head: Head
    thresholds: Thresholds


@dataclass(frozen=True, slots=True)
class Pending:
    """One inference on its way, and how the frame was fitted for it."""

    session: Session
    ticket: Ticket
    fit: Fit


class Session:
    """Frames in, parts of predictions out; ``submit`` from one thread, ``decode`` from another."""

    def __init__(self, engine: Engine, config: EngineConfig, heads: tuple[NamedHead, ...]) -> None:
        self.engine = engine
        self.config = config
        self._heads = heads
        self._preparer = Preparer(engine)

    def prepare(self, picture: Picture) -> tuple[dict[str, Any], Fit]:
        """Tensors for the engine, in its own buffers."""
        return self._preparer.prepare(picture)

    def submit(self, prepared: tuple[dict[str, Any], Fit]) -> Pending:
        """Start the inference."""
        tensors, fit = prepared
        return Pending(self, self.engine.submit(tensors), fit)

    def decode(self, outputs: Tensors, fit: Fit, frame: Frame) -> dict[str, Part]:
        """Parts of the prediction, by head name."""
        size = (frame.picture.width, frame.picture.height)
        return {head.name: head.head.decode(outputs, fit, size, head.thresholds) for head in self._heads}


def open_sessions(config: RunConfig, *, live: bool) -> list[Session]:
    """Every engine of the run with its heads under unique names; raises EngineError, UsageError."""
    return sessions_of(config, open_engines(config, live=live))


def open_engines(config: RunConfig, *, live: bool, users: int = 1) -> list[Engine]:
    """Every engine of the run, held against what the run asks for; raises EngineError, UsageError.

    users: how many share each of them.
    """
    engines: list[Engine] = []
    try:
        for engine_config in config.engine_configs():
            engines.append(open_engine(engine_config, live=live, users=users))  # noqa: PERF401  # closed on error
        _check_boxes(config, engines)
        _check_outputs(config, {head.kind for engine in engines for head in engine.card.heads})
    except BaseException:
        for engine in engines:
            engine.close()
        raise
    return engines


def sessions_of(config: RunConfig, engines: Sequence[Engine]) -> list[Session]:
    """A session for each of the run's engines, its heads under names unique in the run."""
    return [
        Session(engine, engine_config, heads)
        for engine, engine_config, heads in zip(
            engines, config.engine_configs(), _named_heads(config, engines), strict=True
        )
    ]


def _named_heads(config: RunConfig, engines: Sequence[Engine]) -> list[tuple[NamedHead, ...]]:
    """Heads per engine; a name that several engines use becomes ``engine.head`` (``engine-2.head`` …)."""
    counts: dict[str, int] = {}
    for engine in engines:
        for card in engine.card.heads:
            counts[card.name] = counts.get(card.name, 0) + 1
    taken: set[str] = set()
    named: list[tuple[NamedHead, ...]] = []
    for engine, engine_config in zip(engines, config.engine_configs(), strict=True):
        heads: list[NamedHead] = []
        for card in engine.card.heads:
            name = card.name if counts[card.name] == 1 else f"{engine.name}.{card.name}"
            unique, number = name, 2
            while unique in taken:
                unique, number = f"{engine.name}-{number}.{card.name}", number + 1
            taken.add(unique)
            thresholds = config.thresholds(engine_config, card.score, card.iou)
            heads.append(NamedHead(unique, open_head(card), thresholds))
        named.append(tuple(heads))
    return named


def _check_outputs(config: RunConfig, kinds: Set[HeadKind]) -> None:
    """What no network of the run could fill is refused before anything is written."""
    without_boxes = kinds <= set(_KINDS_WITHOUT_BOXES)
    for option, folder in (("labels", config.labels), ("findings", config.findings)):
        if folder is not None and without_boxes:
            raise UsageError(
                f"{option}: no network of this run gives boxes",
                f"leave {option} out, or name a network with boxes, too",
            )
    if config.masks is not None and not kinds & set(_MASK_KINDS):
        instead = "labels writes those of instances" if kinds & set(_INSTANCE_KINDS) else "leave masks out"
        raise UsageError(
            "masks: no network of this run gives masks of the whole picture", f"{instead}, or name one with --engine"
        )


def _check_boxes(config: RunConfig, engines: Sequence[Engine]) -> None:
    """A class that no network finds is a typing mistake, not an empty result; a tracker may come from a preset."""
    boxed = [head for engine in engines for head in engine.card.heads if head.kind not in _KINDS_WITHOUT_BOXES]
    known = {name for head in boxed for name in head.classes}
    for wanted in config.classes or ():
        if not boxed:
            raise UsageError("no network of this run gives boxes, so there are no classes to keep", "leave classes out")
        if wanted not in known:
            raise UsageError(f"no network of this run knows the class {wanted!r}", did_you_mean(wanted, known))
    if config.track is not None and not boxed:
        log.warning("track follows nothing: no network of this run gives boxes")
