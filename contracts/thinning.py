"""Thinning: masks made one pixel wide (Guo and Hall, "Parallel thinning with two-subiteration algorithms", CACM 1989).

It works on a list of the set pixels, so it costs by what is set and not by the size of the picture.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

_Pixels = NDArray[np.uint8]

_NEIGHBOURS = ((0, -1), (1, -1), (1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1))  # clockwise from the one above


def thinned(padded: _Pixels) -> _Pixels:
    """A mask (h, w) of 0 and 1 whose outermost pixels are 0 → the same connected parts and holes, one pixel wide."""
    thin = padded.copy()
    flat = thin.reshape(-1)
    alive = np.flatnonzero(flat)
    changed = True
    while changed:
        changed = False
        for removable in _removable():
            gone = removable[_codes(flat, alive, thin.shape[1])]
            if gone.any():
                flat[alive[gone]] = 0
                alive = alive[~gone]
                changed = True
    return thin


def _codes(flat: _Pixels, places: NDArray[np.intp], width: int) -> _Pixels:
    """One bit per neighbour that is set, in the order of ``_NEIGHBOURS``."""
    codes = np.zeros(len(places), np.uint8)
    for bit, (across, down) in enumerate(_NEIGHBOURS):
        codes |= flat[places + (down * width + across)] << np.uint8(bit)
    return codes


@cache
def _removable() -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which neighbourhoods give their pixel up, in each of the two passes."""
    first, second = np.zeros(256, bool), np.zeros(256, bool)
    for code in range(256):
        p2, p3, p4, p5, p6, p7, p8, p9 = (bool(code >> bit & 1) for bit in range(8))
        parts = (not p2 and (p3 or p4)) + (not p4 and (p5 or p6)) + (not p6 and (p7 or p8)) + (not p8 and (p9 or p2))
        pairs = min(
            (p9 or p2) + (p3 or p4) + (p5 or p6) + (p7 or p8), (p2 or p3) + (p4 or p5) + (p6 or p7) + (p8 or p9)
        )
        if parts == 1 and 2 <= pairs <= 3:
            first[code] = not ((p2 or p3 or not p5) and p4)
            second[code] = not ((p6 or p7 or not p9) and p8)
    return first, second
