"""Which points of a network answer for which labelled box: task-aligned assignment.

Feng, Zhong, Gao, Scott, Huang: TOOD: Task-aligned One-stage Object Detection, ICCV 2021, arXiv:2108.07755.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from training.data.batch import Batch
from training.losses.overlap import iou


class Assignment(NamedTuple):
    """The M points that answer for a box, and what the others are to learn.

    picture_ids, point_ids, box_ids: int64 (M,); box_ids are rows of the batch's boxes. targets: float32 (M,), the
    class score each is to reach, 0 … 1. judged: bool (B, P); False for points in uncounted regions that answer for
    no box: they may say what they like.
    """

    picture_ids: Tensor
    point_ids: Tensor
    box_ids: Tensor
    targets: Tensor
    judged: Tensor


@dataclass(frozen=True, slots=True)
class Assigner:
    """For every box the ``topk`` points inside it with the best score^alpha · IoU^beta; the paper's values, its k 13.

    A point that several boxes want goes to the one it overlaps most. Targets are the metric, scaled so that the best
    point of a box has that box's best IoU. A box too small to hold a point has the one nearest to its centre.
    """

    topk: int = 10
    alpha: float = 0.5
    beta: float = 6.0
    eps: float = 1e-9

    @torch.no_grad()
    def __call__(self, points: Tensor, boxes: Tensor, scores: Tensor, batch: Batch) -> Assignment:
        """Points (P, 2) and predicted boxes (B, P, 4) in input pixels, scores (B, P, C), 0 … 1, all float32.

        Only pairs of a box and a point inside it are looked at, so the cost grows with boxes · points, not with
        pictures · most boxes · points.
        """
        inside = _inside(points, batch.boxes)
        pairs = _candidates(points, batch.boxes, inside) & batch.counts[:, None]
        box_ids, point_ids = pairs.nonzero(as_tuple=True)
        picture_ids = batch.picture_ids[box_ids]
        overlaps = iou(boxes[picture_ids, point_ids], batch.boxes[box_ids])
        metric = scores[picture_ids, point_ids, batch.class_ids[box_ids]] ** self.alpha * overlaps**self.beta

        places = picture_ids * len(points) + point_ids
        kept = self._best(pairs, metric).nonzero()[:, 0]
        kept = kept[_undisputed(places[kept], overlaps[kept], box_ids[kept])]
        picture_ids, point_ids, box_ids = picture_ids[kept], point_ids[kept], box_ids[kept]
        overlaps, metric = overlaps[kept], metric[kept]

        best_overlap = _most_per_row(overlaps, box_ids, len(batch.boxes))
        best_metric = _most_per_row(metric, box_ids, len(batch.boxes))
        targets = metric * best_overlap[box_ids] / (best_metric[box_ids] + self.eps)
        judged = _judged(inside, batch)
        judged[picture_ids, point_ids] = True
        return Assignment(picture_ids, point_ids, box_ids, targets, judged)

    def _best(self, pairs: Tensor, metric: Tensor) -> Tensor:
        """Which of the pairs, in the order of ``pairs.nonzero()``, are among the best of their box: bool."""
        ranked = metric.new_full(pairs.shape, -1.0)
        ranked[pairs] = metric
        _, best = ranked.topk(min(self.topk, pairs.shape[1]), dim=1)
        chosen: Tensor = torch.zeros_like(pairs).scatter_(1, best, value=True)
        picked: Tensor = chosen[pairs]
        return picked


def _inside(points: Tensor, boxes: Tensor) -> Tensor:
    """Which points lie inside which boxes: bool (N, P)."""
    x, y = points.unbind(1)
    x1, y1, x2, y2 = boxes[:, :, None].unbind(1)
    return (x > x1) & (x < x2) & (y > y1) & (y < y2)


def _candidates(points: Tensor, boxes: Tensor, inside: Tensor) -> Tensor:
    """``inside``, and for a box without any point the nearest."""
    candidates = inside.clone()
    empty = (~inside.any(1)).nonzero(as_tuple=True)[0]
    centres = (boxes[empty, :2] + boxes[empty, 2:]) / 2
    exact = "donot_use_mm_for_euclid_dist"
    candidates[empty, torch.cdist(centres, points, compute_mode=exact).argmin(1)] = True
    return candidates


def _undisputed(places: Tensor, overlaps: Tensor, box_ids: Tensor) -> Tensor:
    """Which pairs win their place: the largest overlap, then the lower box: bool (M,)."""
    _, rows = torch.unique(places, return_inverse=True)
    largest = overlaps == _most_per_row(overlaps, rows, len(places))[rows]
    first = box_ids.new_full((len(places),), torch.iinfo(torch.int64).max)
    first = first.scatter_reduce(0, rows[largest], box_ids[largest], "amin")
    return largest & (box_ids == first[rows])


def _most_per_row(values: Tensor, rows: Tensor, count: int) -> Tensor:
    """The largest value of each row: (count,), 0 where there is none."""
    return values.new_zeros(count).scatter_reduce(0, rows, values, "amax")


def _judged(inside: Tensor, batch: Batch) -> Tensor:
    """Which points lie in no uncounted region: bool (B, P)."""
    regions = ~batch.counts
    covered = inside.new_zeros((len(batch), inside.shape[1]), dtype=torch.int32)
    covered.index_add_(0, batch.picture_ids[regions], inside[regions].to(torch.int32))
    return covered == 0
