"""GeneratorSource: pictures that a generator network makes of random numbers, as a recorded source."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from contracts.errors import UsageError
from contracts.frame import Frame, SourceInfo
from contracts.picture import Picture, Pixels
from contracts.protocols import Losses, PictureMaker
from sources.options import MOST_SEED, options_of, rate_option, whole_option

_MOST = 1_000_000


@dataclass(frozen=True, slots=True)
class GeneratorAddress:
    """``generator:NET.onnx?count=16&seed=1&fps=5``: the network, how many pictures, of which random numbers."""

    file: Path
    count: int = 16
    seed: int = 1
    rate: Fraction = Fraction(5)

    @classmethod
    def parse(cls, uri: str) -> GeneratorAddress:
        """Raises UsageError."""
        name, _, query = uri.partition(":")[2].partition("?")
        if not name:
            raise UsageError(f"{uri!r} names no network", "write generator:NET.onnx?count=16&seed=1")
        options = options_of(uri, query, ("count", "seed", "fps"))
        return cls(
            Path(name),
            whole_option(uri, "count", options.get("count", "16"), 1, _MOST),
            whole_option(uri, "seed", options.get("seed", "1"), 0, MOST_SEED),
            rate_option(uri, options.get("fps", "5")),
        )


class GeneratorSource:
    """Gives ``count`` pictures. Picture i is made of standard normal numbers from (seed, i), so the same in every run.

    maker: the open network; it is this source's from here on. Raises EngineError where the network fails.
    """

    def __init__(self, address: GeneratorAddress, uri: str, maker: PictureMaker) -> None:
        self._address, self._maker = address, maker
        self._stopping = threading.Event()
        self._using = threading.Lock()
        """Held while the network works: it is freed by whoever is last."""
        try:
            self._made: tuple[int, Pixels] = (0, self._batch(0))
        except BaseException:
            maker.close()
            raise
        self._info = SourceInfo(
            id=address.file.stem,
            uri=uri,
            width=maker.width,
            height=maker.height,
            rate=address.rate,
            time_base=1 / address.rate,
            frames=address.count,
        )

    @property
    def info(self) -> SourceInfo:
        """What is known about the pictures; exact."""
        return self._info

    @property
    def losses(self) -> Losses:
        """Always none."""
        return Losses()

    def frames(self) -> Iterator[Frame]:
        """The pictures, once, or until ``close()``. Raises EngineError."""
        try:
            for index in range(self._address.count):
                with self._using:
                    if self._stopping.is_set():
                        break
                    pixels = self._picture(index)
                pts = Fraction(index) / self._address.rate
                yield Frame(Picture.from_bgr(pixels), index, pts, time.monotonic_ns(), self._info)
        finally:
            self.close()

    def close(self) -> None:
        """Ends ``frames()`` before its next picture; from any thread, as often as you like."""
        self._stopping.set()
        if self._using.acquire(blocking=False):  # else who works on it sees that it is to stop
            try:
                self._maker.close()
            finally:
                self._using.release()

    def _picture(self, index: int) -> Pixels:
        start = index - index % self._maker.batch
        if self._made[0] != start:
            self._made = start, self._batch(start)
        pixels: Pixels = self._made[1][index - start]
        pixels.flags.writeable = False
        return pixels

    def _batch(self, start: int) -> Pixels:
        """The pictures from ``start`` on, as many as the network makes at once."""
        size, seed = self._maker.latent, self._address.seed
        randoms = (np.random.default_rng((seed, start + place)) for place in range(self._maker.batch))
        return self._maker.pictures(np.stack([random.standard_normal(size, np.float32) for random in randoms]))
