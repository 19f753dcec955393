"""What segmentation learns from. Pixels that are not counted (255) neither teach nor dilute a mean.

Labels are uint8 or int64 (B, H, W) of class ids and 255; logits float32 (B, C, H, W) at the same size. Where no pixel
counts, a loss is 0 and its gradient too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from sources.datasets.sample import UNCOUNTED


@dataclass(frozen=True, slots=True)
class HardPixels:
    """Which pixels online hard example mining keeps: those whose class is given less than ``below``, 0 … 1.

    least: share of the counted pixels that is kept at any rate, the worst first. Shrivastava et al.: Training
    Region-based Object Detectors with Online Hard Example Mining, CVPR 2016, arXiv:1604.03540.
    """

    below: float
    least: float


def cross_entropy(
    logits: Tensor,
    labels: Tensor,
    class_weights: Tensor,
    *,
    focus: float = 0.0,
    hard: HardPixels | None = None,
) -> Tensor:
    """Mean of −(1 − p)^focus · log p over the counted pixels, p being the softmax score of the pixel's class: scalar.

    class_weights: float32 (C,); a pixel counts in the mean as much as its class. focus: γ of the focal loss (Lin et
    al. 2017, arXiv:1708.02002); 0 is plain cross-entropy. hard: only these pixels are averaged.
    """
    entropy = functional.cross_entropy(logits, labels.long(), ignore_index=UNCOUNTED, reduction="none")
    weights = class_weights[labels.long().clamp(max=len(class_weights) - 1)] * (labels != UNCOUNTED)
    if hard is not None:
        weights = weights * _hardest(entropy.detach(), labels, hard)
    losses = (1 - torch.exp(-entropy)) ** focus * entropy if focus else entropy
    return _mean(losses, weights)


def binary_focal(logits: Tensor, truth: Tensor, counted: Tensor, *, alpha: float = 0.25, gamma: float = 2.0) -> Tensor:
    """Focal loss of every channel for itself: the mean over the counted pixels of the sum over channels: scalar.

    −α (1 − p)^γ log p where the truth is 1, −(1 − α) p^γ log(1 − p) where it is 0, p being the sigmoid. Lin, Goyal,
    Girshick, He, Dollár: Focal Loss for Dense Object Detection, ICCV 2017, arXiv:1708.02002. logits, truth: float32
    (B, C, H, W). counted: bool (B, H, W).
    """
    entropy = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    balance = alpha * truth + (1 - alpha) * (1 - truth)
    losses = balance * (1 - torch.exp(-entropy)) ** gamma * entropy
    return _mean(losses.sum(1), counted.float())


class SoftCounts(NamedTuple):
    """Pixels counted by their scores: rightly found, wrongly found, missed; float32 (C,) each."""

    found: Tensor
    false: Tensor
    missed: Tensor


def soft_counts(scores: Tensor, truth: Tensor, counted: Tensor) -> SoftCounts:
    """Scores 0 … 1 and truth 0 or 1, float32 (B, C, H, W), over the counted (B, H, W) pixels of the whole batch."""
    kept = counted[:, None].float()
    dimensions = (0, 2, 3)
    found = (scores * truth * kept).sum(dimensions)
    false = (scores * (1 - truth) * kept).sum(dimensions)
    return SoftCounts(found, false, ((1 - scores) * truth * kept).sum(dimensions))


def tversky(counts: SoftCounts, *, false: float, missed: float, smooth: float = 1e-7) -> Tensor:
    """1 − found / (found + false · wrongly found + missed · missed), in the shape of the counts; 0 where nothing is.

    Salehi, Erdogmus, Gholipour: Tversky loss function for image segmentation, 2017, arXiv:1706.05721. 0.5 twice is
    the soft Dice loss. smooth is added above and below.
    """
    above = counts.found + smooth
    return 1 - above / (above + false * counts.false + missed * counts.missed)


def two_channels(labels: Tensor) -> tuple[Tensor, Tensor]:
    """A mask of 0, 1 and 255, (B, H, W) → truth of background and foreground, float32 (B, 2, H, W); counted, bool."""
    foreground = labels == 1
    return torch.stack([~foreground, foreground], dim=1).float(), labels != UNCOUNTED


def _hardest(entropy: Tensor, labels: Tensor, hard: HardPixels) -> Tensor:
    """Which pixels are kept: bool (B, H, W)."""
    scores = torch.exp(-entropy).masked_fill(labels == UNCOUNTED, torch.inf)
    counted = int((labels != UNCOUNTED).sum())
    least = int(hard.least * counted)
    kept = scores < hard.below
    if least and int(kept.sum()) < least:
        kept = scores <= scores.flatten().kthvalue(least).values
    return kept


def _mean(losses: Tensor, weights: Tensor) -> Tensor:
    """The weighted mean; 0 without weight."""
    total = weights.sum()
    return (losses * weights).sum() / torch.where(total > 0, total, 1.0)
