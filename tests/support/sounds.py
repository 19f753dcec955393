"""Sound with a beep at a known second, and where it is heard afterwards."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

BEEP = 2.0
"""Second on the source's clock at which the beep begins."""


def write_sound(path: Path, codec: str, seconds: float = 4.0, rate: int = 48000, first: Fraction = Fraction(0)) -> Path:
    """Silence with a 1 kHz beep of 0.2 s at ``BEEP``; the clock starts at ``first``."""
    layout = {"amr_nb": "mono"}.get(codec, "stereo")
    time = np.arange(int(seconds * rate)) / rate + float(first)
    tone = np.where((time >= BEEP) & (time < BEEP + 0.2), 0.8 * np.sin(2 * np.pi * 1000 * time), 0)
    with av.open(str(path), "w") as container:
        track = container.add_stream(codec, rate=rate, options={"strict": "experimental"})
        assert isinstance(track, av.AudioStream)
        track.codec_context.layout = layout
        resampler = av.AudioResampler(track.codec_context.format or "fltp", layout, rate)
        samples = np.repeat(tone.astype(np.float32)[None], 2, 0)
        for begin in range(0, samples.shape[1], 1000):
            block = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[:, begin : begin + 1000]), "fltp", "stereo")
            block.sample_rate, block.time_base = rate, Fraction(1, rate)
            block.pts = begin + round(first * rate)
            for ready in resampler.resample(block):
                container.mux(track.encode(ready))
        container.mux(track.encode(None))
    return path


def sound(path: Path) -> tuple[NDArray[np.float32], int, float]:
    """Samples (mono), their rate and the second of the first one, as a player hears them."""
    blocks: list[NDArray[np.float32]] = []
    begin = None
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        resampler = av.AudioResampler("fltp", "mono", stream.codec_context.sample_rate)
        for frame in _all(container.decode(stream), resampler):
            if begin is None:
                assert frame.pts is not None
                assert frame.time_base is not None
                begin = float(frame.pts * frame.time_base)
            blocks.append(frame.to_ndarray()[0])
        return np.concatenate(blocks), stream.codec_context.sample_rate, begin or 0.0


def _all(frames: Iterable[av.AudioFrame], resampler: av.AudioResampler) -> Iterable[av.AudioFrame]:
    for frame in frames:
        yield from resampler.resample(frame)


def beep_at(path: Path) -> float:
    """Second of the first loud sample."""
    samples, rate, begin = sound(path)
    loud = np.flatnonzero(np.abs(samples) > 0.3)
    assert len(loud), "no beep"
    return begin + float(loud[0]) / rate
