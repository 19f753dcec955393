"""Results to record, and what is in the file afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from contracts.frame import Frame, SourceInfo
from contracts.picture import ColourMatrix, Picture
from contracts.pool import Pool
from contracts.prediction import Prediction
from contracts.result import Result, Timings
from outputs.encoder import VideoSettings
from outputs.mp4 import Mp4Output

FAST = VideoSettings(preset="ultrafast", crf=18)


def source_info(
    size: tuple[int, int] = (128, 96),
    rate: Fraction | None = Fraction(30),
    *,
    audio: Path | None = None,
    telemetry: Path | None = None,
    start: Fraction = Fraction(0),
    tags: Mapping[str, str] | None = None,
    skipped: Fraction = Fraction(0),
) -> SourceInfo:
    return SourceInfo(
        "clip",
        "clip.mp4",
        *size,
        rate,
        Fraction(1, 90000),
        start=start,
        audio=audio,
        telemetry=telemetry,
        tags=tags or {},
        skipped=skipped,
    )


def i420(size: tuple[int, int], level: int, pool: Pool | None = None) -> NDArray[np.uint8]:
    """One contiguous I420 buffer (height · 3/2, width), even sides, all of one grey."""
    width, height = size
    buffer = pool.take() if pool else np.empty((height * 3 // 2, width), np.uint8)
    buffer[:height], buffer[height:] = level, 128
    return buffer


def planes(buffer: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], ...]:
    height, width = buffer.shape[0] * 2 // 3, buffer.shape[1]
    flat = buffer.reshape(-1)
    whole, quarter = width * height, width * height // 4
    half = (height // 2, width // 2)
    u, v = flat[whole : whole + quarter], flat[whole + quarter :]
    return flat[:whole].reshape(height, width), u.reshape(half), v.reshape(half)


def picture(size: tuple[int, int], level: int, matrix: ColourMatrix = "bt709", tagged: bool = False) -> Picture:
    buffer = i420(size, level)
    return Picture("yuv420p", planes(buffer), matrix, False, tagged, buffer)


def level_of(index: int) -> int:
    """A grey that tells neighbours apart after encoding."""
    return 40 + index * 37 % 160


def result_of(shown: Picture, pts: Fraction, info: SourceInfo, index: int = 0) -> Result:
    frame = Frame(shown, index, pts, 0, info)
    return Result(frame, Prediction(), Timings(0), lambda _: shown)


def record(
    path: Path,
    times: Sequence[Fraction],
    info: SourceInfo,
    settings: VideoSettings = FAST,
    error: BaseException | None = None,
) -> None:
    """One grey picture per time, from open to close."""
    output = Mp4Output(path, settings)
    output.open([info])
    size = (info.width, info.height)
    for index, pts in enumerate(times):
        output.write(result_of(picture(size, level_of(index)), pts, info, index))
    output.close(error)


def decoded(path: Path) -> list[tuple[Fraction, float]]:
    """(seconds, mean luma) of every frame; fails where one does not decode."""
    with av.open(str(path)) as container:
        return [(seconds(frame), float(luma(frame).mean())) for frame in container.decode(video=0)]


def luma(frame: av.VideoFrame) -> NDArray[np.uint8]:
    return np.asarray(frame.to_ndarray(format="gray") if frame.format.name == "gray" else _y(frame))


def _y(frame: av.VideoFrame) -> NDArray[np.uint8]:
    plane = frame.planes[0]
    return np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]


def seconds(item: av.VideoFrame | av.Packet[av.VideoStream]) -> Fraction:
    assert item.pts is not None
    assert item.time_base is not None
    return item.pts * item.time_base


def keyframes(path: Path) -> list[Fraction]:
    with av.open(str(path)) as container:
        return [seconds(packet) for packet in container.demux(video=0) if packet.pts is not None and packet.is_keyframe]


def boxes(path: Path) -> list[str]:
    """Kinds of the top-level boxes, in order."""
    data, position, kinds = path.read_bytes(), 0, []
    while position + 8 <= len(data):
        size = int.from_bytes(data[position : position + 4], "big")
        kinds.append(data[position + 4 : position + 8].decode("latin-1"))
        if size == 1:
            size = int.from_bytes(data[position + 8 : position + 16], "big")
        if size < 8:
            break
        position += size
    return kinds


def rates(rate: Fraction, count: int) -> list[Fraction]:
    return [index / rate for index in range(count)]
