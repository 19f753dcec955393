"""Small video files of every kind, and the slow, plain decoder that video tests compare with."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
from numpy.typing import NDArray

QUIET = {"libx265": {"x265-params": "log-level=none"}, "libx264": {"preset": "veryfast"}}


class Shown(NamedTuple):
    """A decoded frame: its time stamp in ticks, and a digest of its pixels."""

    pts: int | None
    digest: int


def picture(index: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Picture ``index``: texture that moves, so that every frame differs and packets have some size."""
    width, height = size
    texture = np.random.default_rng(7).integers(0, 256, (height, width, 3), np.uint8)
    rolled = np.roll(texture, (index, 3 * index), (0, 1))
    rolled[: height // 4] = (index * 5) % 256
    return rolled


def make_video(
    path: Path,
    frames: int = 40,
    *,
    codec: str = "libx264",
    size: tuple[int, int] = (96, 64),
    rate: Fraction | int = 25,
    stamps: Sequence[int] | None = None,
    time_base: Fraction = Fraction(1, 1000),
    pixel_format: str = "yuv420p",
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    audio: bool = False,
) -> Path:
    """Writes a video; ``stamps``: time stamps of the frames in ``time_base`` where they are not evenly spaced."""
    with av.open(str(path), "w", container_options=container_options or {}) as container:
        chosen = QUIET.get(codec, {}) | (options or {})
        stream: Any = container.add_stream(codec, rate=rate, options=chosen)  # the literal types know few codecs
        stream.width, stream.height, stream.pix_fmt = *size, pixel_format
        if stamps is not None:
            stream.codec_context.time_base = time_base
        sound: Any = container.add_stream("aac", rate=48000, layout="mono") if audio else None
        for index in range(frames):
            frame = av.VideoFrame.from_ndarray(picture(index, size), "bgr24")
            if stamps is not None:
                frame.pts, frame.time_base = stamps[index], time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if sound is not None:
            _write_silence(container, sound, frames / float(rate))
    return path


def _write_silence(container: av.container.OutputContainer, stream: Any, seconds: float) -> None:
    for start in range(0, int(seconds * 48000), 1024):
        block = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        block.sample_rate, block.pts, block.time_base = 48000, start, Fraction(1, 48000)
        container.mux(stream.encode(block))
    container.mux(stream.encode(None))


def packets(path: Path) -> list[tuple[int, int]]:
    """Position and size in the file of every video packet, in the order of the file."""
    with av.open(str(path)) as container:
        found = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    return [(position, size) for position, size in found if position is not None]


def overwrite(path: Path, position: int, data: bytes) -> None:
    """Damages a file in place."""
    content = bytearray(path.read_bytes())
    content[position : position + len(data)] = data
    path.write_bytes(content)


def reference(path: Path) -> list[Shown]:
    """Every frame that one thread gets out, packet by packet."""
    shown: list[Shown] = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "NONE"
        try:
            for packet in container.demux(stream):
                shown += _decoded(packet)
        except av.FFmpegError:
            shown += _decoded(None, stream)
    return shown


def _decoded(packet: Any, stream: Any = None) -> list[Shown]:
    try:
        frames = packet.decode() if packet is not None else stream.decode(None)
    except av.FFmpegError:
        return []
    return [Shown(frame.pts, digest(frame)) for frame in frames]


def digest(frame: av.VideoFrame) -> int:
    """Stands for the pixels of a frame: only what is seen, not the padding of its rows."""
    planes = [np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size) for plane in frame.planes]
    wide = 2 if frame.format.components[0].bits > 8 else 1
    return hash(
        b"".join(rows[:, : plane.width * wide].tobytes() for rows, plane in zip(planes, frame.planes, strict=True))
    )
