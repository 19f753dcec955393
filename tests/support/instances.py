"""Instance masks made slowly: every pixel of the frame, in double precision."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.fit import Fit
from contracts.prediction import InstanceMasks


def on_frame(part: InstanceMasks, index: int, fit: Fit) -> NDArray[np.bool_]:
    """An instance's mask among all of the frame's pixels."""
    full = np.zeros((fit.frame_height, fit.frame_width), bool)
    window = part.window(index)
    full[window.top : window.top + window.height, window.left : window.left + window.width] = part.masks[index]
    return full


def stretched(pixels: NDArray[np.float64], length: int) -> NDArray[np.float64]:
    """Rows of numbers scaled linearly to ``length`` each, one by one."""
    places = (np.arange(length) + 0.5) * pixels.shape[1] / length - 0.5
    return np.array([np.interp(places, np.arange(pixels.shape[1]), row) for row in pixels])


def slow_logits(prototypes: NDArray[Any], weights: NDArray[Any], fit: Fit) -> NDArray[np.float64]:
    """The whole frame, in double precision: enlarged to the network's input, padding cut, scaled to the frame."""
    small: NDArray[np.float64] = np.zeros(prototypes.shape[1:])
    for prototype, weight in zip(prototypes.astype(np.float64), weights.astype(np.float64), strict=True):
        small += prototype * weight
    content = fit.content
    left, top, width, height = content.left, content.top, content.width, content.height
    edges = np.array([left, left + width, top, top + height])
    factor = min(f for f in (1, 2, 4) if not (edges * f % 4).any())
    grown = stretched(stretched(small, small.shape[1] * factor).T, small.shape[0] * factor).T
    left, right, top, bottom = (edges * factor // 4).tolist()
    grown = grown[top:bottom, left:right]
    return stretched(stretched(grown, fit.frame_width).T, fit.frame_height).T
