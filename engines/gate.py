"""The accuracy gate: a network file against its reference, both run the way a run runs them.

A file can be silently wrong in one runtime and right in another (quantised files above all). So the question is
never "is this file good?" but "does it see here, in this runtime and precision, what its reference sees?".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path

from contracts.card import Card
from contracts.config import EngineConfig
from contracts.errors import EngineError
from contracts.picture import Picture
from contracts.prediction import Part
from contracts.protocols import Engine, Thresholds
from engines.agreement import Tally, tally_for
from engines.gate_memory import remember, remembered
from engines.heads.open import open_head
from engines.open import open_engine
from engines.prepare import Preparer
from engines.verdicts import Verdict, judge

RUN_FRAMES = 16
"""A run checks itself on its first frames, this many at most."""
_FILE_SCORE = 0.25
"""A box counts as found with any score above this …"""
_REFERENCE_SCORE = 0.4
"""… and is looked for when the reference is surer than this; in between, quantisation may move scores."""
_INFERENCE_TIMEOUT_S = 60.0

Look = Callable[[Picture], dict[str, Part]]


def gate_engine(engine: EngineConfig, card: Card, pictures: Iterable[Picture]) -> Verdict | None:
    """The verdict on a run's own engine: the remembered one, else that of a check on the first of ``pictures``.

    None where the card names no reference (or the file itself). A reference that is not there gives "no verdict".
    ``pictures`` is read only for a check. Raises EngineError when one of the files cannot run.
    """
    if card.reference is None:
        return None
    reference = _reference_of(engine, card.reference)
    if not reference.file.is_file():
        name = Path(card.reference).name
        return Verdict("no verdict", f"its reference {card.reference} does not lie beside it", name)
    if reference.file.samefile(engine.file):
        return None
    return gate_against(engine, reference, pictures)


def needs_pictures(engine: EngineConfig, card: Card) -> bool:
    """Whether ``gate_engine`` would look at pictures: there is a reference, and no verdict is remembered."""
    if card.reference is None:
        return False
    reference = _reference_of(engine, card.reference)
    if not reference.file.is_file() or reference.file.samefile(engine.file):
        return False
    return remembered(engine, reference) is None


def _reference_of(engine: EngineConfig, name: str) -> EngineConfig:
    return engine.model_copy(update={"file": engine.file.parent / name})


def gate_against(engine: EngineConfig, reference: EngineConfig, pictures: Iterable[Picture]) -> Verdict:
    """As ``gate_engine``, with the reference given."""
    verdict = remembered(engine, reference)
    if verdict is None:
        verdict = check(engine, reference, islice(pictures, RUN_FRAMES))
        remember(engine, reference, verdict)
    return verdict


def check(file: EngineConfig, reference: EngineConfig, pictures: Iterable[Picture]) -> Verdict:
    """Run ``file`` as configured and ``reference`` in fp32 on the same pictures, one at a time, and judge.

    The reference runs in ONNX Runtime (an IR in OpenVINO), whatever ``reference`` says. Raises EngineError when one
    of them cannot run, or when their heads differ in name or kind.
    """
    with _looking(file, _FILE_SCORE) as (engine, look), _looking(as_reference(reference), _REFERENCE_SCORE) as other:
        truth, look_true = other
        _check_heads(engine.card, truth.card)
        tallies: dict[str, Tally] = {}
        frames = 0
        for frames, picture in enumerate(pictures, 1):  # noqa: B007  # how many there were
            seen = look(picture)
            for head, expected in look_true(picture).items():
                tallies.setdefault(head, tally_for(head, expected)).add(seen[head], expected)
        figures = [tally.figures() for tally in tallies.values()]
        ran = f"{engine.facts.backend} {engine.facts.precision}"
        return judge(figures, frames, reference.file.name, ran)


def as_reference(config: EngineConfig) -> EngineConfig:
    """How a reference runs: on the CPU in fp32, and in a runtime that is not the candidate's usual one."""
    backend = "openvino" if config.file.suffix.lower() == ".xml" else "onnxruntime"
    return config.model_copy(update={"backend": backend, "precision": "fp32", "device": "cpu"})


@contextmanager
def _looking(config: EngineConfig, score: float) -> Iterator[tuple[Engine, Look]]:
    """An open engine, and a function from a picture to its parts by head name, boxes above ``score``."""
    with closing(open_engine(config, live=False)) as engine:
        default = Thresholds()
        heads = [
            (card.name, open_head(card), Thresholds(score, default.iou if card.iou is None else card.iou))
            for card in engine.card.heads
        ]
        preparer = Preparer(engine)

        def look(picture: Picture) -> dict[str, Part]:
            tensors, fit = preparer.prepare(picture)
            size = (picture.width, picture.height)
            with closing(engine.submit(tensors)) as ticket:
                outputs = ticket.result(_INFERENCE_TIMEOUT_S)
                return {name: head.decode(outputs, fit, size, thresholds) for name, head, thresholds in heads}

        yield engine, look


def _check_heads(card: Card, reference: Card) -> None:
    """Raises EngineError unless both have heads of the same names."""
    ours, theirs = ({head.name for head in side.heads} for side in (card, reference))
    if ours != theirs:
        raise EngineError(
            f"file and reference have other heads: {', '.join(sorted(ours))} against {', '.join(sorted(theirs))}",
            "give a reference of the same network, or the right card of each: FILE?card=CARD",
        )
