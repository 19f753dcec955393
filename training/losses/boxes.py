"""BoxLoss: what a detector without anchor boxes learns from."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional

from training.data.batch import Batch
from training.losses.assigner import Assigner, Assignment
from training.losses.overlap import complete_iou


@dataclass(frozen=True, slots=True)
class BoxLoss:
    """Task-aligned assignment, CIoU, binary cross-entropy of classes and, where there are bins, their distribution.

    Every term is divided by the sum of the targets of the whole batch (at least 1). box, classes, bins: weights.
    class_weights: of each class in the cross-entropy; empty: all 1.
    Sources: Feng et al. 2021, arXiv:2108.07755 (assignment, soft class targets); Zheng et al. 2020, arXiv:1911.08287
    (CIoU); Li et al.: Generalized Focal Loss, 2020, arXiv:2006.04388 (bins).
    """

    box: float = 7.5
    classes: float = 0.5
    bins: float = 1.5
    class_weights: tuple[float, ...] = ()
    assigner: Assigner = field(default_factory=Assigner)

    def __call__(
        self,
        points: Tensor,
        strides: Tensor,
        boxes: Tensor,
        logits: Tensor,
        batch: Batch,
        *,
        bins: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Weighted scalar terms "box", "class" and, with bins, "dfl", in float32 whatever the network works in.

        points: float32 (P, 2), x y in input pixels. strides: float32 (P,), pixels that a distance of 1 in bins is.
        boxes: (B, P, 4), predicted, x1 y1 x2 y2 in input pixels. logits: (B, P, C), class scores before sigmoid.
        bins: (B, P, 4 · K), logits of left, top, right and bottom being 0 … K − 1 strides away; None where distances
        are predicted directly.
        """
        boxes, logits = boxes.float(), logits.float()
        given = self.assigner(points, boxes.detach(), logits.detach().sigmoid(), batch)
        total = given.targets.sum().clamp(min=1)
        truth = batch.boxes[given.box_ids]
        overlap = complete_iou(boxes[given.picture_ids, given.point_ids], truth)
        terms = {
            "box": self.box * ((1 - overlap) * given.targets).sum() / total,
            "class": self.classes * self._class_loss(logits, given, batch) / total,
        }
        if bins is not None:
            chosen = bins[given.picture_ids, given.point_ids].float()
            distances = _distances(points[given.point_ids], truth) / strides[given.point_ids, None]
            terms["dfl"] = self.bins * (distribution_loss(chosen, distances) * given.targets).sum() / total
        return terms

    def _class_loss(self, logits: Tensor, given: Assignment, batch: Batch) -> Tensor:
        """Sum of the binary cross-entropies of all judged points and classes."""
        wanted = torch.zeros_like(logits)
        wanted[given.picture_ids, given.point_ids, batch.class_ids[given.box_ids]] = given.targets
        losses = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
        if self.class_weights:
            losses = losses * losses.new_tensor(self.class_weights)
        return (losses * given.judged[:, :, None]).sum()


def distribution_loss(bins: Tensor, distances: Tensor) -> Tensor:
    """Distribution focal loss (Li et al. 2020, equation 6), mean of the four sides: (M,).

    bins: logits (M, 4 · K). distances: (M, 4) in strides, held to 0 … K − 1. Cross-entropy against the two bins
    around the distance, each weighted with its nearness.
    """
    count = bins.shape[1] // 4
    logits = bins.reshape(-1, count).log_softmax(1)
    wanted = distances.reshape(-1, 1).clamp(0, count - 1)
    lower = wanted.floor().clamp(max=count - 2)
    share = wanted - lower
    below, above = logits.gather(1, lower.long()), logits.gather(1, lower.long() + 1)
    return -((1 - share) * below + share * above).reshape(-1, 4).mean(1)


def _distances(points: Tensor, boxes: Tensor) -> Tensor:
    """How far left, top, right and bottom are from the points: (M, 4), in pixels."""
    return torch.cat([points - boxes[:, :2], boxes[:, 2:] - points], dim=1)
