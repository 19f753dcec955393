"""Validation as a run would see it: the deployed network, the run's preparation and heads, judged in frame pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from contracts.card import Card, HeadCard, InputCard
from contracts.errors import UsageError
from contracts.fit import Fit
from contracts.picture import Picture
from contracts.prediction import ClassMap, Mask, Part
from contracts.protocols import Head, Thresholds
from contracts.tensor import TensorSpec
from engines.heads.open import open_head
from engines.prepare import fit_of
from sources.datasets.sample import Sample, SampleSet
from training.loop.feed import loaded
from training.loop.scaling import Scaling
from training.metrics.judge import Judge, label_key
from training.networks.network import Network
from training.pictures import tensors

_THRESHOLDS = Thresholds(score=0.001, iou=0.65)
"""Low, as precision and recall are looked at over all scores."""


_NO_PICTURE = np.zeros((0, 0, 3), np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A sample as the network is shown it. sample: without its picture. pixels: uint8 (3, H, W), RGB."""

    sample: Sample
    pixels: Tensor
    fit: Fit


class Views(Dataset[View]):
    """Samples fitted by the code of a run."""

    def __init__(self, samples: SampleSet, card: Card) -> None:
        assert card.input.size is not None
        width, height = card.input.size
        self._samples = samples
        self._card = card.model_copy(update={"input": card.input.model_copy(update={"colour": "rgb"})})
        self._spec = TensorSpec("images", (1, height, width, 3), "uint8", "NHWC")

    def __getitem__(self, index: int) -> View:
        sample = self._samples[index]
        picture = Picture.from_bgr(sample.picture)
        pixels = next(tensors(self._card, [self._spec], iter([picture])))[0]
        fit = fit_of(self._card, (pixels.shape[1], pixels.shape[0]), (picture.width, picture.height))
        labels = replace(sample, picture=_NO_PICTURE)  # judged without it, and megabytes less between processes
        return View(labels, torch.from_numpy(pixels.transpose(2, 0, 1).copy()), fit)


@dataclass(frozen=True, slots=True)
class Verdict:
    """figures: head → figure → value. constant: heads that said the same of every pixel of every picture."""

    figures: Mapping[str, Mapping[str, float]]
    constant: frozenset[str]


class Validator:
    """Judges a network on labelled samples. batch: pictures at once. workers: processes that read them."""

    def __init__(
        self, network: Network, samples: SampleSet, card: InputCard, device: torch.device, *, batch: int, workers: int
    ) -> None:
        self.heads = judged_heads(network.heads, samples.classes)
        if not self.heads:
            raise UsageError(
                f"no head of {network.blueprint.family} is labelled in the validation sets",
                f"heads: {', '.join(head.name for head in network.heads)}; labelled: {', '.join(samples.classes)}",
            )
        self._views = Views(samples, Card(name="training", input=card, heads=network.heads))
        self._samples = samples
        self._scaling = Scaling(card, device)
        self._device = device
        self._batch = batch
        self._workers = workers

    @torch.no_grad()
    def verdict(self, network: Network, stopped: Callable[[], bool], most: int | None = None) -> Verdict | None:
        """The verdict on the deployed form of a network; None where it was ``stopped`` before the end.

        most: only the first so many samples. Raises SourceError where one cannot be read.
        """
        count = min(len(self._samples), most or len(self._samples))
        deployed = network.deployed([head.name for head in self.heads])
        decoders = {head.name: open_head(head) for head in self.heads}
        judge = Judge(self._samples.classes, self.heads)
        values: dict[str, set[int]] = {}
        views = loaded(self._views, range(count), self._workers if count > self._batch else 0)
        while batch := list(islice(views, self._batch)):
            if stopped():
                return None
            outputs = deployed(self._scaling(torch.stack([view.pixels for view in batch]).to(self._device)))
            arrays = dict(zip(deployed.names, (each.cpu().numpy() for each in outputs), strict=True))
            for view, parts in zip(batch, self._decoded(decoders, arrays, batch), strict=True):
                judge.add(view.sample, parts)
                for head, part in parts.items():
                    values.setdefault(head, set()).update(_values(part))
        return Verdict(judge.figures(), frozenset(head for head, found in values.items() if len(found) == 1))

    def _decoded(
        self, decoders: Mapping[str, Head], arrays: Mapping[str, NDArray[np.generic]], batch: Sequence[View]
    ) -> Iterator[dict[str, Part]]:
        """Parts of each picture of a batch, by head."""
        for index, view in enumerate(batch):
            size = (view.fit.frame_width, view.fit.frame_height)
            one = {name: array[index : index + 1] for name, array in arrays.items()}
            yield {
                head.name: decoders[head.name].decode(
                    {name: one[name] for name in head.outputs}, view.fit, size, _THRESHOLDS
                )
                for head in self.heads
            }


def judged_heads(heads: Sequence[HeadCard], classes: Mapping[str, tuple[str, ...]]) -> tuple[HeadCard, ...]:
    """The heads that the sets label."""
    return tuple(head for head in heads if label_key(head, classes))


def _values(part: Part) -> set[int]:
    """Which values a mask has; of other parts, two, as one that is constant is not told by its values."""
    if isinstance(part, Mask):
        return set(np.unique(part.content()).tolist())
    return set(np.unique(part.ids).tolist()) if isinstance(part, ClassMap) else {0, 1}
