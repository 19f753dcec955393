"""Picture → tensors: scaled once, fitted into the network's input, in the arithmetic the engine wants."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.card import Card, InputCard
from contracts.fit import Fit, Letterbox, Stretch, Window
from contracts.picture import Picture
from contracts.protocols import Engine
from engines.inputs import size_of
from engines.scale import Scaler


class Preparer:
    """Makes the tensors of one engine; used from one thread.

    Two kinds of input exist. uint8 NHWC: plain pixels in the card's colour order (the engine does the arithmetic
    inside the network). Everything else: ``(pixel / scale - mean) / std`` per channel is written here.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._spec = engine.inputs[0]
        self._input = engine.card.input
        self._scaler = Scaler()
        self._plain = self._spec.dtype == "uint8" and self._spec.layout == "NHWC"
        self._factor, self._offset = arithmetic(self._input)

    def prepare(self, picture: Picture) -> tuple[dict[str, NDArray[Any]], Fit]:
        """The engine's input tensors (one buffer of its pool, for ``submit``) and how the frame lies in them.

        Raises what the engine's ``buffer`` raises.
        """
        fit = fit_of(self._engine.card, size_of(self._spec), (picture.width, picture.height))
        window = fit.content
        tensor = self._engine.buffer(self._spec)
        if self._plain:
            rows, columns = _slices(window)
            self._scaler.packed(picture, self._input.colour, tensor[0, rows, columns])
            _surround(tensor[0], window, self._input.pad)
        else:
            planar = tensor[0] if self._spec.layout == "NCHW" else tensor[0].transpose(2, 0, 1)
            scaled = self._scaler.channels(picture, self._input.colour, window.width, window.height)
            for index, pixels in enumerate(scaled):
                self._write(planar[index], pixels, window, index)
        return {self._spec.name: tensor}, fit

    def _write(self, channel: NDArray[Any], plane: NDArray[np.uint8], window: Window, index: int) -> None:
        """One channel: content and padding through the same arithmetic."""
        factor, offset = self._factor[index], self._offset[index]
        rows, columns = _slices(window)
        content = channel[rows, columns]
        if channel.dtype == np.uint8:
            np.copyto(content, plane)
        else:
            np.multiply(plane, factor, out=content, dtype=np.float32, casting="unsafe")
            if offset:
                content += offset
        _surround(channel, window, self._input.pad * factor + offset)


def fit_of(card: Card, network: tuple[int, int], frame: tuple[int, int]) -> Fit:
    """How frames of this size lie in the network's input; sizes are (width, height)."""
    kind = Letterbox if card.input.fit == "letterbox" else Stretch
    return kind(*frame, *network)


def arithmetic(card: InputCard) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(pixel / scale - mean) / std as pixel * factor + offset, one of each per channel."""
    mean, std = np.array(card.mean), np.array(card.std)
    return (1 / (card.scale * std)).astype(np.float32), (-mean / std).astype(np.float32)


def _surround(tensor: NDArray[Any], window: Window, value: Any) -> None:
    """Padding around the content. Always written: buffers are shared by preparers of different frame sizes."""
    rows, columns = _slices(window)
    tensor[: rows.start] = value
    tensor[rows.stop :] = value
    tensor[rows, : columns.start] = value
    tensor[rows, columns.stop :] = value


def _slices(window: Window) -> tuple[slice, slice]:
    return slice(window.top, window.top + window.height), slice(window.left, window.left + window.width)
