"""Segmented recordings for tests: a live source's frames, recorded from open to close, and what lies there then."""

from __future__ import annotations

import re
import stat
import time
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from contracts.frame import Frame, SourceInfo
from contracts.picture import Picture
from contracts.prediction import Prediction
from contracts.result import Result, Timings
from contracts.segments import SegmentLimit
from outputs.encoder import VideoSettings
from outputs.segments import SegmentedMp4Output
from tests.support.recording import FAST, i420, level_of, picture, planes, rates

NAME = re.compile(r"out-(\d{6})-(\d{8}T\d{6}Z)\.mp4")
SECOND = SegmentLimit(seconds=Fraction(1))
HALF = SegmentLimit(seconds=Fraction(1, 2))
SIZE = (64, 48)
"""Of what is filmed."""


def live(size: tuple[int, int] = (128, 96), rate: Fraction | None = Fraction(30)) -> SourceInfo:
    return SourceInfo("cam", "camera:0", *size, rate, Fraction(1, 90000), live=True)


def arrived(shown: Picture, pts: Fraction, info: SourceInfo, index: int = 0) -> Result:
    """A frame that came right now."""
    frame = Frame(shown, index, pts, time.monotonic_ns(), info)
    return Result(frame, Prediction(), Timings(0), lambda _: shown)


def record(
    path: Path,
    times: Sequence[Fraction],
    limit: SegmentLimit,
    info: SourceInfo | None = None,
    video: VideoSettings = FAST,
) -> SegmentedMp4Output:
    """One grey picture per time, from open to close."""
    info = info or live()
    output = SegmentedMp4Output(path, video, limit)
    output.open([info])
    for index, pts in enumerate(times):
        output.write(arrived(picture((info.width, info.height), level_of(index)), pts, info, index))
    output.close(None)
    return output


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("out-*.mp4"))


def noise(index: int, size: tuple[int, int] = (320, 240)) -> Picture:
    """A picture that compresses badly."""
    width, height = size
    buffer = i420(size, 100)
    buffer[:height] = np.random.default_rng(index).integers(0, 255, (height, width))
    return Picture("yuv420p", planes(buffer))


def total(folder: Path) -> int:
    """Bytes of all that looks like the series' in a folder, the part that is written included."""
    sizes = []
    for file in folder.glob("out*.mp4"):
        try:
            status = file.lstat()
        except FileNotFoundError:
            continue
        sizes.append(status.st_size if stat.S_ISREG(status.st_mode) else 0)
    return sum(sizes)


def film(folder: Path, count: int, limit: SegmentLimit, keep: int | None) -> tuple[SegmentedMp4Output, int]:
    """Records ``count`` frames that compress badly; the output, closed, and the most that lay there meanwhile."""
    output, most = SegmentedMp4Output(folder / "out.mp4", FAST, limit, keep=keep), 0
    output.open([live(SIZE)])
    for index, pts in enumerate(rates(Fraction(30), count)):
        output.write(arrived(noise(index, SIZE), pts, live(SIZE), index))
        most = max(most, total(folder))
    output.close(None)
    return output, max(most, total(folder))
