"""Batch: several samples as tensors, as the losses take them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from sources.datasets.sample import UNCOUNTED, Sample


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """B pictures of the same size and what is true of them.

    images: uint8 (B, 3, H, W), RGB. boxes: float32 (N, 4), x1 y1 x2 y2 in input pixels, of all pictures together.
    class_ids: int64 (N,). picture_ids: int64 (N,), which picture of the batch a box is in. counts: bool (N,), False
    for regions that are not judged. masks: head name → uint8 (B, H, W), class ids, 255 where nothing is judged.
    labels: int64 (B,), class of the whole picture, -1 where it has none.
    """

    images: Tensor
    boxes: Tensor
    class_ids: Tensor
    picture_ids: Tensor
    counts: Tensor
    masks: Mapping[str, Tensor]
    labels: Tensor

    def __len__(self) -> int:
        return len(self.images)

    def to(self, device: torch.device) -> Batch:
        """The same on another device."""
        masks = {head: mask.to(device, non_blocking=True) for head, mask in self.masks.items()}
        moved = {
            name: getattr(self, name).to(device, non_blocking=True)
            for name in ("images", "boxes", "class_ids", "picture_ids", "counts", "labels")
        }
        return replace(self, masks=masks, **moved)


def collate(samples: Sequence[Sample], mask_heads: Sequence[str]) -> Batch:
    """Samples of the same picture size → Batch; a mask that a sample lacks is 255 everywhere."""
    height, width = samples[0].picture.shape[:2]
    images = np.stack([sample.picture[:, :, ::-1].transpose(2, 0, 1) for sample in samples])
    nothing = np.full((height, width), UNCOUNTED, np.uint8)
    masks = {
        head: torch.from_numpy(np.stack([sample.masks.get(head, nothing) for sample in samples])) for head in mask_heads
    }
    picture_ids = [np.full(len(sample.boxes), index, np.int64) for index, sample in enumerate(samples)]
    return Batch(
        images=torch.from_numpy(images),
        boxes=torch.from_numpy(np.concatenate([sample.boxes for sample in samples]).astype(np.float32)),
        class_ids=torch.from_numpy(np.concatenate([sample.class_ids for sample in samples]).astype(np.int64)),
        picture_ids=torch.from_numpy(np.concatenate(picture_ids)),
        counts=torch.from_numpy(np.concatenate([sample.counts for sample in samples]).astype(np.bool_)),
        masks=masks,
        labels=torch.tensor([-1 if sample.label is None else sample.label for sample in samples]),
    )
