"""A network on labelled pictures, run as a run runs it: the same preparation, the same heads."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from contracts.card import Card, HeadCard
from contracts.config import EngineConfig, RunConfig
from contracts.errors import EngineError, UsageError
from contracts.fit import Fit
from contracts.picture import Picture
from contracts.prediction import Part
from contracts.protocols import Engine, Head, Tensors, Thresholds, Ticket
from contracts.tensor import TensorSpec
from engines.files import require_readable
from engines.heads.open import open_head
from engines.open import open_engine
from engines.prepare import Preparer, fit_of
from sources.datasets.sample import Sample

RANKING_SCORE = 0.001
"""Least score of boxes that average precision ranks; greedy suppression gives the same boxes above any higher one."""
_INFERENCE_TIMEOUT_S = 60.0
_CHECKPOINTS = (".pt", ".pth", ".ckpt")

Seen = tuple[Sample, dict[str, Part]]
"""A sample and what each head says of it, in the pixels of its picture."""


class Looker(Protocol):
    """An open network. facts: file, backend, device, precision, sha256, as far as they are known."""

    card: Card
    facts: Mapping[str, str]

    def look(self, samples: Iterable[Sample], heads: Sequence[HeadCard]) -> Generator[Seen, None, None]:
        """Each sample in order with its parts; to be closed before the network is. Raises EngineError."""


@contextmanager
def looking(config: EngineConfig, defaults: RunConfig) -> Iterator[Looker]:
    """An open network file or checkpoint. defaults: score and iou where the engine's own options do not say them.

    Raises EngineError where it cannot run, UsageError where torch is needed and not there.
    """
    if _is_checkpoint(config):
        yield _CheckpointLooker(config, defaults)
        return
    with closing(open_engine(config, live=False)) as engine:
        yield _EngineLooker(engine, config, defaults)


def check_engine(config: EngineConfig) -> None:
    """Fails before the work: EngineError for a file that cannot run, UsageError for what a checkpoint cannot do."""
    if config.every > 1:
        raise UsageError(
            f"{config.file}: every={config.every} is for runs, here each picture is judged", "leave it out"
        )
    if not _is_checkpoint(config):
        require_readable(config.file)
        return
    if not config.file.is_file():
        raise EngineError(f"there is no checkpoint {config.file}", "check the path")
    given = config.model_dump(exclude_defaults=True, exclude={"file", "score", "iou"})
    if given:
        raise UsageError(
            f"{config.file} is a checkpoint: it runs in torch, without {', '.join(given)}",
            "export it for that (python -m training export), or leave the option out",
        )


def _is_checkpoint(config: EngineConfig) -> bool:
    return config.file.suffix.lower() in _CHECKPOINTS


def run_thresholds(head: HeadCard, config: EngineConfig, defaults: RunConfig) -> Thresholds:
    """Those of a run with these options."""
    return defaults.thresholds(config, head.score, head.iou)


@dataclass(frozen=True, slots=True)
class _Decoder:
    name: str
    head: Head
    thresholds: Thresholds

    @classmethod
    def of(cls, head: HeadCard, config: EngineConfig, defaults: RunConfig) -> _Decoder:
        thresholds = run_thresholds(head, config, defaults)
        return cls(head.name, open_head(head), replace(thresholds, score=min(RANKING_SCORE, thresholds.score)))

    def decode(self, outputs: Tensors, fit: Fit) -> Part:
        return self.head.decode(outputs, fit, (fit.frame_width, fit.frame_height), self.thresholds)


class _EngineLooker:
    """A network file in its runtime, as many pictures on their way as it takes."""

    def __init__(self, engine: Engine, config: EngineConfig, defaults: RunConfig) -> None:
        self.card = engine.card
        facts = engine.facts
        self.facts: Mapping[str, str] = {
            "file": facts.file,
            "backend": facts.backend,
            "device": facts.device,
            "precision": facts.precision,
            "sha256": facts.sha256,
        }
        self._engine, self._config, self._defaults = engine, config, defaults

    def look(self, samples: Iterable[Sample], heads: Sequence[HeadCard]) -> Generator[Seen, None, None]:
        decoders = [_Decoder.of(head, self._config, self._defaults) for head in heads]
        preparer = Preparer(self._engine)
        waiting: deque[tuple[Sample, Fit, Ticket]] = deque()

        def first() -> Seen:
            sample, fit, ticket = waiting.popleft()
            with closing(ticket):
                outputs = ticket.result(_INFERENCE_TIMEOUT_S)
                return sample, {decoder.name: decoder.decode(outputs, fit) for decoder in decoders}

        try:
            for sample in samples:
                if len(waiting) == self._engine.depth:
                    yield first()
                arrays, fit = preparer.prepare(Picture.from_bgr(sample.picture))
                waiting.append((sample, fit, self._engine.submit(arrays)))
            while waiting:
                yield first()
        finally:
            for _, _, ticket in waiting:
                ticket.close()


class _CheckpointLooker:
    """A checkpoint in torch: the deployed form of its network, one picture at a time."""

    def __init__(self, config: EngineConfig, defaults: RunConfig) -> None:
        try:
            import torch

            from training.checkpoints import open_subject
            from training.pictures import tensors
        except ModuleNotFoundError as fault:
            raise UsageError(
                f"the checkpoint {config.file} needs {fault.name}, which is not installed",
                'pip install -e ".[train]" in the checkout of roadstream',
            ) from fault
        self._torch, self._tensors = torch, tensors
        self._subject = open_subject(config.file)
        self.card = self._subject.card
        self.facts: Mapping[str, str] = {
            "file": str(config.file),
            "backend": "torch",
            "device": "cpu",
            "precision": "fp32",
        }
        self._config, self._defaults = config, defaults

    def look(self, samples: Iterable[Sample], heads: Sequence[HeadCard]) -> Generator[Seen, None, None]:
        decoders = [(head, _Decoder.of(head, self._config, self._defaults)) for head in heads]
        network = self._subject.deployed([head.name for head in heads])
        size = self.card.input.size
        assert size is not None  # a subject's card says it
        spec = TensorSpec("images", (1, 3, size[1], size[0]), "float32", "NCHW")
        for sample in samples:
            picture = Picture.from_bgr(sample.picture)
            fit = fit_of(self.card, size, (picture.width, picture.height))
            array = next(self._tensors(self.card, [spec], iter([picture])))
            with self._torch.inference_mode():
                given = network(self._torch.from_numpy(array))
            outputs = {name: tensor.numpy() for name, tensor in zip(network.names, given, strict=True)}
            yield (
                sample,
                {
                    head.name: decoder.decode({name: outputs[name] for name in head.outputs}, fit)
                    for head, decoder in decoders
                },
            )


def name_of(file: Path, taken: Iterable[str]) -> str:
    """A short name for one of several engines, told apart by a number where needed."""
    known = set(taken)
    name, number = file.stem, 2
    while name in known:
        name, number = f"{file.stem} ({number})", number + 1
    return name
