"""Videos of numbered pictures, made by PyAV: files, and containers that grow in real time."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from tests.support.numbered import i420, number_in

SIZE = (320, 240)
RATE = 25


class NumberedVideo:
    """A video being written: one picture after the other, picture n at n / rate seconds."""

    def __init__(
        self,
        file: Any,
        container: str,
        *,
        size: tuple[int, int] = SIZE,
        rate: int = RATE,
        gop: int = RATE // 2,
        codec: str = "libx264",
        options: Mapping[str, str] | None = None,
        noisy: bool = False,
    ) -> None:
        self._container = av.open(file, "w", format=container, options=dict(options or {}))
        self._size, self._rate = size, rate
        self._noise = np.random.default_rng(7) if noisy else None
        encoder = {"preset": "ultrafast", "tune": "zerolatency", "g": str(gop), "keyint_min": str(gop)}
        stream: Any = self._container.add_stream(codec, rate=rate, options=encoder if codec == "libx264" else {})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p" if codec == "libx264" else "yuvj420p"
        self._stream = stream

    def add(self, numbers: Iterable[int]) -> None:
        """Encode and write these pictures."""
        for number in numbers:
            width, height = self._size
            planes = np.frombuffer(i420(number, width, height), np.uint8).reshape(height * 3 // 2, width)
            if self._noise is not None:
                planes = planes.copy()
                planes[height // 2 : height] = self._noise.integers(0, 256, (height - height // 2, width), np.uint8)
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, self._rate)
            self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Finish the container."""
        self._container.mux(self._stream.encode())
        self._container.close()


def mp4(count: int, *, gop: int = RATE // 2, fast_start: bool = True, noisy: bool = False) -> bytes:
    """An MP4 of pictures 0 to count - 1; its index first, or last. noisy: it is large."""
    options = {"movflags": "faststart"} if fast_start else {}
    with tempfile.TemporaryDirectory() as folder:  # a real file: moving the index forward reads it again
        path = Path(folder, "clip.mp4")
        video = NumberedVideo(str(path), "mp4", gop=gop, options=options, noisy=noisy)
        video.add(range(count))
        video.close()
        return path.read_bytes()


def jpeg(number: int, size: tuple[int, int] = SIZE) -> bytes:
    """One picture."""
    file = io.BytesIO()
    video = NumberedVideo(file, "image2pipe", size=size, codec="mjpeg")
    video.add([number])
    video.close()
    return file.getvalue()


def number_of(frame: Any) -> int | None:
    """The number in a frame of a source; None: it cannot be read."""
    return number_in(frame.picture.planes[0])
