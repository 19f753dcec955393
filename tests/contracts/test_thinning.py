"""Thinning against the paper's own words, pixel by pixel."""

from __future__ import annotations

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from contracts.thinning import thinned

Mask = NDArray[np.uint8]


@settings(max_examples=150, deadline=None)
@given(arrays(np.uint8, (12, 14), elements=st.integers(0, 1)))
def test_thinning_is_the_paper_s_and_keeps_parts_and_holes(mask: Mask) -> None:
    padded = np.pad(mask, 1)
    thin = thinned(padded)
    assert np.array_equal(thin, slowly_thinned(padded))
    assert not (thin & ~padded).any()
    for connectivity, flipped in ((8, 0), (4, 1)):  # parts, then holes
        parts = [cv2.connectedComponents(each ^ flipped, connectivity=connectivity)[0] for each in (padded, thin)]
        assert parts[0] == parts[1]


def slowly_thinned(mask: Mask) -> Mask:
    """Guo and Hall 1989, A1, pixel by pixel."""
    thin = mask.copy()
    while True:
        before = thin.copy()
        for second in (False, True):
            gone = [(y, x) for y, x in np.argwhere(thin) if _goes(thin, y, x, second)]
            for y, x in gone:
                thin[y, x] = 0
        if np.array_equal(before, thin):
            return thin


def _goes(thin: Mask, y: int, x: int, second: bool) -> bool:
    places = ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))
    p2, p3, p4, p5, p6, p7, p8, p9 = (bool(thin[y + down, x + across]) for down, across in places)
    c = sum(not one and (two or three) for one, two, three in ((p2, p3, p4), (p4, p5, p6), (p6, p7, p8), (p8, p9, p2)))
    n1 = sum((p9 or p2, p3 or p4, p5 or p6, p7 or p8))
    n2 = sum((p2 or p3, p4 or p5, p6 or p7, p8 or p9))
    m = (p6 or p7 or not p9) and p8 if second else (p2 or p3 or not p5) and p4
    return c == 1 and 2 <= min(n1, n2) <= 3 and not m
