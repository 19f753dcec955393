"""A run's output that pushes, fed picture by picture, and what came of that at the server."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from contracts.frame import SourceInfo
from contracts.picture import Picture
from outputs.encoder import VideoSettings
from outputs.push import PushOutput
from tests.support.peers import unused_port
from tests.support.recording import i420, level_of, luma, picture, planes, result_of, source_info
from tests.support.waiting import LONG_S, until

SIZE = (320, 180)
RATE = Fraction(30)


class Feeder:
    """Gives an output one picture after the other, as a run does."""

    def __init__(self, url: str, info: SourceInfo | None = None, **settings: object) -> None:
        self.output = PushOutput(url, VideoSettings(preset="ultrafast", **settings))  # type: ignore[arg-type]
        self.info = info or source_info(SIZE, RATE)
        self.count = 0
        self.output.open([self.info])

    def give(self, shown: Picture | None = None) -> None:
        made, index = shown or picture(SIZE, level_of(self.count)), self.count
        self.count += 1
        self.output.write(result_of(made, index / RATE, self.info, index))

    @property
    def sent(self) -> int:
        return self.count - self.output.dropped

    def give_until(self, condition: Callable[[], bool], what: str) -> None:
        """At the source's own pace, for as long as it takes."""
        end = time.monotonic() + LONG_S
        while not condition():
            assert time.monotonic() < end, f"not so: {what}"
            self.give()
            time.sleep(float(1 / RATE))

    def give_all_of(self, count: int, shown: Callable[[int], Picture] | None = None) -> None:
        """Each when the one before is sent, so none is left out."""
        for _ in range(count):
            before = self.sent
            self.give(shown(self.count) if shown else None)
            until(lambda: self.sent > before, "the picture was sent")  # noqa: B023

    def close(self) -> None:
        self.output.close(None)


def frames_of(file: Path) -> list[av.VideoFrame]:
    with av.open(str(file)) as container:
        return list(container.decode(video=0))


def arrived(feeder: Feeder, file: Path, count: int) -> list[av.VideoFrame]:
    """The first ``count`` frames of a session, once the server has them.

    More are given meanwhile: it holds the last ones back and forgets them with the goodbye. Of times nothing is asked:
    GStreamer makes them fit the moments of arrival.
    """

    def came() -> int:
        return len(frames_of(file)) if file.exists() and file.stat().st_size else 0

    feeder.give_until(lambda: came() >= count, f"{count} frames arrived")
    return frames_of(file)[:count]


def shows(frames: list[av.VideoFrame], first: int) -> bool:
    """Whether they are the plain pictures from ``first`` on."""
    return all(abs(luma(frame).mean() - level_of(index)) < 3 for index, frame in enumerate(frames, first))


def coloured(size: tuple[int, int], index: int) -> Picture:
    """A picture that is nowhere the same, and another one each time."""
    buffer = i420(size, 0)
    for plane, (low, high) in zip(planes(buffer), ((30, 220), (60, 200), (200, 60)), strict=True):
        plane[:] = (
            np.roll(np.linspace(low, high, plane.shape[1]), index * 8)[None]
            * np.linspace(0.6, 1, plane.shape[0])[:, None]
        )
    return Picture("yuv420p", planes(buffer), "bt709", False, True, buffer)


def planes_of(frame: av.VideoFrame) -> list[np.ndarray]:
    return [
        np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]
        for plane in frame.planes
    ]


def assert_arrived_as_drawn(feeder: Feeder, file: Path, size: tuple[int, int], count: int) -> None:
    for index, frame in enumerate(arrived(feeder, file, count)):
        assert (frame.width, frame.height) == size
        for got, sent in zip(planes_of(frame), coloured(size, index).planes, strict=True):
            assert np.abs(got.astype(int) - sent).mean() < 3, index


@contextmanager
def rtmp_taker(file: Path) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """A server for one stream to ``live/cam``, and its port."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("needs the program ffmpeg, which takes RTMP")
    port = unused_port()
    url = f"rtmp://127.0.0.1:{port}/live/cam"
    command = ["ffmpeg", "-v", "error", "-listen", "1", "-f", "flv", "-i", url, "-c", "copy", str(file)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as taker:
        try:
            yield port, taker
        finally:
            taker.kill()
