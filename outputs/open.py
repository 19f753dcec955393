"""Which outputs a run asked for: one line per kind of output, one per file ending of the events."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from contracts.config import RunConfig
from contracts.errors import UsageError
from contracts.protocols import Output
from outputs.encoder import VideoSettings
from outputs.events import CsvEvents, JsonlEvents
from outputs.mp4 import Mp4Output

_VIDEOS = (".mp4",)
_EVENTS: dict[str, Callable[[Path], Output]] = {".jsonl": JsonlEvents, ".csv": CsvEvents}


def outputs_of(config: RunConfig) -> list[Output]:
    """The outputs of a run, none of them open yet. Raises UsageError for endings and settings nobody knows."""
    outputs: list[Output] = []
    if config.save is not None:
        _check_ending(config.save, _VIDEOS, "save")
        outputs.append(Mp4Output(config.save, VideoSettings(config.codec, config.crf, config.preset), config.audio))
    if config.events is not None:
        _check_ending(config.events, _EVENTS, "events")
        outputs.append(_EVENTS[config.events.suffix.lower()](config.events))
    return outputs


def _check_ending(path: Path, known: Collection[str], option: str) -> None:
    if path.suffix.lower() not in known:
        endings = " or ".join(known)
        raise UsageError(
            f"--{option} {path}: the name does not end in {endings}", f"write {path.stem}{next(iter(known))}"
        )
