"""What makes two pictures the same: their pixels, or how they look."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from contracts.picture import Pixels

BITS = 256
_ROWS, _COLUMNS = 16, 17
_PAIRS = 1 << 22
"""Compared at a time: some 80 MB."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Of one picture.

    exact: SHA-256 of size and pixels. look: 256 bits as four uint64, one per step between neighbours in a row of a
    16×17 thumbnail: set where it grows brighter to the right (dHash, N. Krawetz, "Kind of Like That", 2013).
    """

    exact: str
    look: tuple[int, int, int, int]


def fingerprint(picture: Pixels) -> Fingerprint:
    """Of a picture uint8 (H, W, 3)."""
    exact = hashlib.sha256(repr(picture.shape).encode() + np.ascontiguousarray(picture).tobytes()).hexdigest()
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    small = np.asarray(cv2.resize(grey, (_COLUMNS, _ROWS), interpolation=cv2.INTER_AREA), np.int16)
    words = np.packbits(small[:, 1:] > small[:, :-1]).view(np.uint64)
    return Fingerprint(exact, (int(words[0]), int(words[1]), int(words[2]), int(words[3])))


def near_pairs(looks: Sequence[tuple[int, int, int, int]], most: int) -> Iterator[tuple[int, int]]:
    """Index pairs (i < j) of looks that differ in at most ``most`` bits. Every pair is compared: n² / 2 of them."""
    words = np.array(looks, np.uint64).reshape(-1, 4)
    block = max(_PAIRS // max(len(words), 1), 1)
    for start in range(0, len(words), block):
        distance = _distances(words[start : start + block], words[start:])
        for row, column in zip(*np.nonzero(distance <= most), strict=True):
            if row < column:
                yield start + int(row), start + int(column)


def _distances(ones: NDArray[np.uint64], others: NDArray[np.uint64]) -> NDArray[np.uint16]:
    """Differing bits, uint16 (n, m)."""
    found = np.zeros((len(ones), len(others)), np.uint16)
    for word in range(4):
        found += np.bitwise_count(ones[:, word, None] ^ others[None, :, word])
    return found
