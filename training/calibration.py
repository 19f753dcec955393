"""Frames for quantisation: most of them calibrate, every fifth is held out for the judgement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.card import Card
from contracts.errors import SourceError
from contracts.picture import Picture
from contracts.tensor import TensorSpec
from engines.inputs import resolve_input
from engines.prepare import arithmetic
from training.onnx_files import of_one
from training.pictures import frames_of, tensors

FRAMES = 250
"""Frames taken in all, spread over the sources: 200 calibrate, 50 judge."""
LEAST_FRAMES = 10
"""Fewer say too little about the ranges of activations."""
_HELD_OUT_EVERY = 5


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """calibration: input tensors, a batch of one each. held_out: pictures of other frames, between those."""

    calibration: PackedTensors
    held_out: tuple[Picture, ...]


def sample(sources: Sequence[str], card: Card, inputs: Sequence[TensorSpec]) -> Sample:
    """Reads the frames once. inputs: the network's, as its file has them (float32).

    Raises SourceError and UsageError (sources that cannot be read, too few frames), EngineError (the card does not
    fit the network).
    """
    held_out: list[Picture] = []

    def calibrating() -> Iterator[Picture]:
        for position, picture in enumerate(frames_of(sources, FRAMES), 1):
            if position % _HELD_OUT_EVERY:
                yield picture
            else:
                held_out.append(picture)

    packed = PackedTensors(card, inputs, calibrating())
    if len(packed) + len(held_out) < LEAST_FRAMES:
        raise SourceError(
            f"int8 needs frames to calibrate on, but there are only {len(packed) + len(held_out)}",
            f"give sources with {LEAST_FRAMES} frames or more, better {FRAMES}",
        )
    return Sample(packed, tuple(held_out))


class PackedTensors(Sequence[NDArray[np.float32]]):
    """Input tensors kept as the bytes they were made from: a quarter of the memory, the same floats to the bit."""

    def __init__(self, card: Card, inputs: Sequence[TensorSpec], pictures: Iterator[Picture]) -> None:
        spec = resolve_input(card, [of_one(spec) for spec in inputs])
        per_channel = (1, 3, 1, 1) if spec.layout == "NCHW" else (1, 1, 1, 3)
        self._factor, self._offset = (values.reshape(per_channel) for values in arithmetic(card.input))
        self._pixels = [self._packed(tensor) for tensor in tensors(card, inputs, pictures)]

    def __len__(self) -> int:
        return len(self._pixels)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self._unpacked(pixels) for pixels in self._pixels[index]]
        return self._unpacked(self._pixels[index])

    def _packed(self, tensor: NDArray[np.float32]) -> NDArray[np.uint8]:
        pixels: NDArray[np.uint8] = np.rint((tensor - self._offset) / self._factor).astype(np.uint8)
        return pixels

    def _unpacked(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The arithmetic of ``engines.prepare``, operation by operation."""
        tensor = np.multiply(pixels, self._factor, dtype=np.float32)
        tensor += self._offset
        return tensor
