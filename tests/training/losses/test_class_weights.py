"""Class weights computed from masks."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from sources.datasets.sample import Sample
from training.losses.class_weights import class_pixel_counts, rare_class_weights


class Masks:
    """A SampleSet of as many samples as there are masks; None: not labelled."""

    def __init__(self, masks: list[np.ndarray[tuple[int, int], np.dtype[np.uint8]] | None]) -> None:
        self._masks = masks
        self.read: list[int] = []

    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]:
        return {"classes": ("road", "lane", "sky")}

    @property
    def groups(self) -> tuple[str, ...]:
        return ("",) * len(self._masks)

    def __len__(self) -> int:
        return len(self._masks)

    def __getitem__(self, index: int) -> Sample:
        self.read.append(index)
        mask = self._masks[index]
        picture = np.zeros((2, 3, 3), np.uint8)
        return Sample(str(index), picture, masks={} if mask is None else {"classes": mask})


def mask(*ids: int) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    return np.array(ids, np.uint8).reshape(2, 3)


def test_counted_pixels_are_counted() -> None:
    samples = Masks([mask(0, 0, 0, 1, 255, 255), None, mask(0, 1, 1, 1, 0, 255)])
    assert class_pixel_counts(samples, "classes", 3).tolist() == [5, 4, 0]


def test_of_a_long_set_samples_from_end_to_end_are_read() -> None:
    samples = Masks([mask(0, 0, 0, 0, 0, 0)] * 2500)
    assert class_pixel_counts(samples, "classes", 3).tolist() == [6000, 0, 0]
    assert samples.read[0] == 0
    assert samples.read[-1] == 2499
    assert max(np.diff(samples.read)) <= 3


def test_a_rare_class_weighs_more_but_not_without_limit() -> None:
    weights = rare_class_weights(np.array([900, 100, 0]))
    assert weights.tolist() == pytest.approx([1 / np.log(1.92), 1 / np.log(1.12), 1 / np.log(1.02)], rel=1e-5)
    assert np.isfinite(rare_class_weights(np.zeros(3, np.int64))).all()
