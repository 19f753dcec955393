"""How often classes occur in the masks of a labelled set, and weights that even it out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sources.datasets.sample import SampleSet

_MOST_COUNTED = 1000
"""Samples looked at, evenly spread: shares of pixels hardly change after that."""


def class_pixel_counts(samples: SampleSet, head: str, classes: int) -> NDArray[np.int64]:
    """How many pixels each class id has in the masks of ``head``, 255 left out: int64 (classes,).

    Of a long set, 1000 samples evenly spread. Raises SourceError where one cannot be read.
    """
    counts = np.zeros(classes, np.int64)
    for index in np.linspace(0, len(samples) - 1, min(len(samples), _MOST_COUNTED)).round().astype(int):
        mask = samples[int(index)].masks.get(head)
        if mask is not None:
            counts += np.bincount(mask.ravel(), minlength=256)[:classes]
    return counts


def rare_class_weights(counts: NDArray[np.int64]) -> NDArray[np.float32]:
    """1 / ln(1.02 + share of the pixels): 1.4 for a class that is everywhere, 50.5 for one that is nowhere.

    Paszke, Chaurasia, Kim, Culurciello: ENet, 2016, arXiv:1606.02147, section 5.2. float32 (C,).
    """
    shares = counts / max(int(counts.sum()), 1)
    weights: NDArray[np.float32] = (1 / np.log(1.02 + shares)).astype(np.float32)
    return weights
