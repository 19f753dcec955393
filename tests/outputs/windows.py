"""An open window on a test's own screen: what is put into it, and whether it is seen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from contracts.control import Control
from contracts.picture import Picture
from outputs.window import WindowOutput
from tests.support.recording import result_of, source_info
from tests.support.screen import Screen


@contextmanager
def shown(
    display: Screen, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], *, live: bool = False
) -> Iterator[tuple[WindowOutput, Control]]:
    """An open window for pictures of a size."""
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setenv("DISPLAY", display.name)
    control = Control()
    output = WindowOutput(control, live=live)
    output.open([source_info(size)])
    try:
        yield output, control
    finally:
        output.close(None)
        assert display.window() is None


def put(output: WindowOutput, picture: Picture, size: tuple[int, int] | None = None, index: int = 0) -> None:
    """One picture; size: of the frame, where drawing made it even."""
    info = source_info(size or (picture.width, picture.height))
    result = result_of(picture, Fraction(index, 25), info, index)
    if size is not None:
        frame = Picture.from_bgr(np.zeros((size[1], size[0], 3), np.uint8))
        result = result_of(frame, Fraction(index, 25), info, index)
        result.paint = lambda _result: picture
    output.write(result)


def bars(size: tuple[int, int], kind: str = "bt709") -> Picture:
    """Eight colours beside one another, light above and dark below; as a Canvas has it or in another form."""
    width, height = size
    colours = np.array([[(n & 1) * 220, (n >> 1 & 1) * 220, (n >> 2 & 1) * 220] for n in range(8)], np.uint8)
    pixels = np.broadcast_to(colours[np.arange(width) * 8 // width], (height, width, 3)).copy()
    pixels[height // 2 :] //= 2
    if kind == "bgr24":
        return Picture.from_bgr(pixels)
    frame = (
        Picture.from_bgr(pixels)
        .av_frame()
        .reformat(format="nv12" if kind == "nv12" else "yuv420p", dst_colorspace=1 if kind == "bt709" else 5)
    )
    return Picture.from_av(frame)


def read(file: Path) -> NDArray[np.uint8]:
    pixels = cv2.imread(str(file))
    assert pixels is not None
    return np.asarray(pixels, np.uint8)


def likeness(seen: NDArray[np.uint8], wanted: NDArray[np.uint8]) -> float:
    """Share of pixels that are the same colour (borders of bars are not: chroma has half the resolution)."""
    if seen.shape != wanted.shape:
        return 0.0
    return float((np.abs(seen.astype(int) - wanted).max(2) <= 4).mean())
