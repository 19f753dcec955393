"""Augmenter: a sample of a set as training sees it, at the size of the network."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sources.datasets.sample import Sample, SampleSet
from training.augment.fitting import FitName, fit_of, fitted
from training.augment.looks import Looks
from training.augment.mosaic import Tile, joined, tiles
from training.augment.options import AugmentOptions
from training.augment.warp import Matrix, moving, scaling, turning, warped

_MOSAIC_SCALE = (0.6, 1.2)
"""A picture that fills the network alone shows in a quarter of it at so much of its size."""
_UPRIGHT = 9 / 16
"""Width to height of what a phone held upright records."""


class Augmenter:
    """Reads samples and changes them at random; the same for the same seed and draw in whatever process."""

    def __init__(
        self,
        samples: SampleSet,
        size: tuple[int, int],
        options: AugmentOptions,
        *,
        fit: FitName,
        pad: int = 114,
        seed: int = 0,
    ) -> None:
        self._samples = samples
        self._size = size
        self._options = options
        self._fit: FitName = fit
        self._pad = pad
        self._seed = seed
        self._looks = Looks(options, size[1])

    def __call__(self, index: int, draw: int, *, mosaic: bool = True) -> Sample:
        """The sample at ``index``, augmented, at the network's size (width, height).

        draw: counts the samples of the whole training; all randomness is of it and the seed. mosaic: False where the
        training wants whole pictures only. Raises SourceError where a sample cannot be read.
        """
        generator = np.random.default_rng((self._seed, draw))
        if generator.random() < self._options.mosaic and mosaic:
            moved = self._mosaic(index, generator)
        else:
            moved = self._alone(self._samples[index], generator)
        return replace(moved, picture=self._looks(moved.picture, generator))

    def _alone(self, sample: Sample, generator: np.random.Generator) -> Sample:
        if generator.random() < self._options.upright:
            sample = upright_part(sample, generator)
        change = self._change(generator)
        if np.array_equal(change, np.eye(3)):  # to the bit what a run makes of it
            return fitted(sample, self._size, self._fit, self._pad)
        return warped(sample, change @ self._fitting(sample), self._size, self._pad)

    def _change(self, generator: np.random.Generator) -> Matrix:
        """Of the fitted picture: scaled and turned around a random place, moved, flipped."""
        options = self._options
        width, height = self._size
        scale = _between(generator, options.scale)
        x, y = generator.uniform(0, width), generator.uniform(0, height)
        angle = generator.uniform(-options.rotate_deg, options.rotate_deg)
        right, down = generator.uniform(-options.shift, options.shift, 2) * (width, height)
        change = scaling(scale, scale) @ turning(angle) if angle or scale != 1 else np.eye(3)
        if angle or scale != 1:
            change = moving(x, y) @ change @ moving(-x, -y)
        change = moving(right, down) @ change
        if generator.random() < options.flip:
            change = moving(width, 0) @ scaling(-1, 1) @ change
        return change

    def _fitting(self, sample: Sample) -> Matrix:
        """From the sample's picture into the network's size, as a run does it."""
        lying = fit_of(sample.picture, self._size, self._fit)
        window = lying.content
        shrink = scaling(window.width / lying.frame_width, window.height / lying.frame_height)
        return moving(window.left, window.top) @ shrink

    def _mosaic(self, index: int, generator: np.random.Generator) -> Sample:
        """Four pictures, the first the one at ``index``, the others from the whole set."""
        others = generator.integers(len(self._samples), size=3)
        samples = [self._samples[int(number)] for number in (index, *others)]
        places = tiles(self._size, generator)
        return joined([self._tile(*pair, generator) for pair in zip(samples, places, strict=True)], places, self._size)

    def _tile(self, sample: Sample, place: Tile, generator: np.random.Generator) -> Sample:
        """A part of the changed picture, smaller than it would be alone, as large as the tile."""
        width, height = self._size
        scale = _between(generator, _MOSAIC_SCALE)
        smaller = scaling(scale, scale) @ self._change(generator)
        x = generator.random() * (place.width - scale * width)
        y = generator.random() * (place.height - scale * height)
        return warped(sample, moving(x, y) @ smaller @ self._fitting(sample), (place.width, place.height), self._pad)


def upright_part(sample: Sample, generator: np.random.Generator) -> Sample:
    """A part of full height, 9 wide and 16 high, from the middle more often than from the sides."""
    height, width = sample.picture.shape[:2]
    part = round(height * _UPRIGHT)
    if part >= width:
        return sample
    left = round(generator.triangular(0, (width - part) / 2, width - part))
    return warped(sample, moving(-left, 0), (part, height), 0)


def _between(generator: np.random.Generator, limits: tuple[float, float]) -> float:
    """Doubling is as likely as halving."""
    return float(np.exp(generator.uniform(*np.log(limits))))
