"""``models check``: whether a network file is still the network it was."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import islice

from commands.terminal import answer
from contracts.config import EngineConfig
from contracts.errors import UsageError
from contracts.picture import Picture
from contracts.validation import validated
from engines.gate import check
from engines.open import open_generator
from sources.open import open_source


def run(parsed: argparse.Namespace) -> int:
    """Check one file; the verdict goes to stdout."""
    if parsed.max_frames < 1:
        raise UsageError(f"--max-frames {parsed.max_frames}: at least one", "leave it out for 64")
    file = EngineConfig.parse(parsed.file)
    given = {key: getattr(parsed, key) for key in ("backend", "precision") if getattr(parsed, key) is not None}
    file = validated(EngineConfig, {**file.model_dump(exclude_none=True), **given}, "models check", UsageError)
    verdict = check(file, EngineConfig.parse(parsed.reference), _pictures(parsed.frames, parsed.max_frames))
    answer(verdict.report())
    if verdict.state == "refused":
        raise verdict.error(file.file)
    return 0


def _pictures(uri: str, count: int) -> Iterator[Picture]:
    """``count`` pictures spread evenly over a source (the first ones where its length is unknown)."""
    source = open_source(uri, maker=open_generator)
    try:
        step = max(1, (source.info.frames or 0) // count)
        for frame in islice(source.frames(), 0, step * count, step):
            yield frame.picture
    finally:
        source.close()
