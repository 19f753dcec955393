"""Small clips made on the spot, in every shape a test needs."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np


def write_clip(
    path: Path, frames: int = 30, *, size: tuple[int, int] = (128, 96), rate: int = 25, beep_at: float | None = None
) -> Path:
    """An H.264 clip in which a bright square moves; with ``beep_at`` also sound: silence, and a beep at that second."""
    width, height = size
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=rate, options={"preset": "ultrafast", "g": "10"})
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        audio = container.add_stream("aac", rate=48000, layout="mono") if beep_at is not None else None
        for index in range(frames):
            picture = np.full((height, width, 3), 40, np.uint8)
            left = index * 2 % (width - 16)
            picture[16:32, left : left + 16] = (200, 180, 40)
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, "bgr24")))
        container.mux(video.encode())
        if audio is not None and beep_at is not None:
            _write_beep(container, audio, frames / rate, beep_at)
    return path


def _write_beep(container: av.container.OutputContainer, audio: av.AudioStream, seconds: float, beep_at: float) -> None:
    time = np.arange(int(seconds * 48000)) / 48000
    tone = np.where((time >= beep_at) & (time < beep_at + 0.1), np.sin(2 * np.pi * 1000 * time), 0).astype(np.float32)
    for start in range(0, len(tone), 1024):
        block = av.AudioFrame.from_ndarray(tone[None, start : start + 1024], format="fltp", layout="mono")
        block.sample_rate, block.pts, block.time_base = 48000, start, Fraction(1, 48000)
        container.mux(audio.encode(block))
    container.mux(audio.encode(None))
