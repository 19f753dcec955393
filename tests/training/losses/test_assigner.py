"""Task-aligned assignment against the paper's words, one box and one point at a time."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from tests.training.losses.batches import batch_of, grid, random_boxes
from tests.training.losses.test_overlap import slow_iou
from training.data.batch import Batch
from training.losses.assigner import Assigner

Answers = dict[tuple[int, int], tuple[int, float]]
"""(picture, point) → (box, target)."""


def contains(box: NDArray[np.float64], point: NDArray[np.float64]) -> bool:
    return bool(box[0] < point[0] < box[2] and box[1] < point[1] < box[3])


def slow_candidates(box: NDArray[np.float64], points: NDArray[np.float64]) -> list[int]:
    inside = [index for index, point in enumerate(points) if contains(box, point)]
    return inside or [int(np.hypot(*(points - (box[:2] + box[2:]) / 2).T).argmin())]


def slow_answers(points: Tensor, found: Tensor, scores: Tensor, batch: Batch, topk: int) -> Answers:
    """Every box takes its best points; points wanted twice go to the larger overlap; then targets are scaled."""
    places = points.double().numpy()
    taken: dict[tuple[int, int], tuple[float, int, float]] = {}
    for number, box in enumerate(batch.boxes.double().numpy()):
        if not batch.counts[number]:
            continue
        picture, kind = int(batch.picture_ids[number]), int(batch.class_ids[number])
        ranked = []
        for point in slow_candidates(box, places):
            overlap = slow_iou(tuple(found[picture, point].tolist()), tuple(box.tolist()))
            ranked.append((float(scores[picture, point, kind]) ** 0.5 * overlap**6, overlap, point))
        for metric, overlap, point in sorted(ranked, reverse=True)[:topk]:
            if overlap > taken.get((picture, point), (-1.0,))[0]:
                taken[picture, point] = (overlap, number, metric)
    answers: Answers = {}
    for place, (_, number, metric) in taken.items():
        own = [entry for entry in taken.values() if entry[1] == number]
        most = max(entry[2] for entry in own) + 1e-9
        answers[place] = (number, metric * max(entry[0] for entry in own) / most)
    return answers


def random_case(seed: int, boxes: int) -> tuple[Tensor, Tensor, Tensor, Batch]:
    """Points, predicted boxes around them, scores, and a batch of 3 pictures, some regions of which do not count."""
    rng = np.random.default_rng(seed)
    points = torch.cat([grid(64, 64, 8), grid(64, 64, 16)])
    reach = torch.from_numpy(rng.uniform(2, 40, (3, len(points), 4)).astype(np.float32))
    found = torch.cat([points - reach[..., :2], points + reach[..., 2:]], 2)
    scores = torch.from_numpy(rng.uniform(0.05, 1, (3, len(points), 2)).astype(np.float32))
    batch = batch_of(
        random_boxes(rng, boxes, 64),
        pictures=3,
        picture_ids=rng.integers(0, 3, boxes).tolist(),
        class_ids=rng.integers(0, 2, boxes).tolist(),
        counts=(rng.random(boxes) < 0.8).tolist(),
    )
    return points, found, scores, batch


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10_000), boxes=st.integers(0, 12), topk=st.sampled_from([1, 3, 10]))
def test_answers_are_those_of_the_slow_reference(seed: int, boxes: int, topk: int) -> None:
    points, found, scores, batch = random_case(seed, boxes)
    assignment = Assigner(topk=topk)(points, found, scores, batch)
    wanted = slow_answers(points, found, scores, batch, topk)
    places = list(zip(assignment.picture_ids.tolist(), assignment.point_ids.tolist(), strict=True))
    assert len(set(places)) == len(places)
    assert set(places) == set(wanted)
    for place, box, target in zip(places, assignment.box_ids.tolist(), assignment.targets.tolist(), strict=True):
        assert box == wanted[place][0]
        assert abs(target - wanted[place][1]) < 1e-4


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10_000), boxes=st.integers(0, 12))
def test_points_are_not_judged_in_uncounted_regions_unless_they_answer(seed: int, boxes: int) -> None:
    points, found, scores, batch = random_case(seed, boxes)
    assignment = Assigner()(points, found, scores, batch)
    answering = set(zip(assignment.picture_ids.tolist(), assignment.point_ids.tolist(), strict=True))
    regions = [
        (int(picture), region)
        for picture, region in zip(
            batch.picture_ids[~batch.counts], batch.boxes[~batch.counts].double().numpy(), strict=True
        )
    ]
    for picture in range(len(batch)):
        for number, point in enumerate(points.double().numpy()):
            covered = any(where == picture and contains(region, point) for where, region in regions)
            judged = not covered or (picture, number) in answering
            assert bool(assignment.judged[picture, number]) == judged


def test_a_picture_without_labels_is_not_judged_at_all() -> None:
    points = grid(32, 32, 8)
    batch = batch_of([[0, 0, 32, 32], [0, 0, 9, 9]], 2, [0, 1], counts=[False, True])
    assignment = Assigner()(points, torch.rand(2, 16, 4), torch.rand(2, 16, 1), batch)
    assert not assignment.judged[0].any()
    assert assignment.judged[1].all()


def test_a_box_between_the_points_has_the_nearest_one() -> None:
    points = grid(32, 32, 8)  # centres at 4, 12, 20, 28
    found = torch.cat([points - 4, points + 4], 1)[None]
    assignment = Assigner()(points, found, torch.full((1, 16, 1), 0.5), batch_of([[13, 13, 15, 15]]))
    assert assignment.point_ids.tolist() == [5]
    assert assignment.targets[0] > 0


def test_a_truer_box_and_a_surer_class_raise_the_target() -> None:
    points = grid(32, 32, 8)
    found = torch.tensor([[0.0, 0.0, 32.0, 32.0]]).repeat(16, 1)[None].clone()
    found[0, 5] = torch.tensor([1.0, 1.0, 31.0, 31.0])  # the truth
    scores = torch.full((1, 16, 1), 0.5)
    scores[0, 6] = 0.6
    assignment = Assigner(topk=16)(points, found, scores, batch_of([[1, 1, 31, 31]]))
    targets = dict(zip(assignment.point_ids.tolist(), assignment.targets.tolist(), strict=True))
    assert max(targets, key=lambda point: targets[point]) == 5
    assert abs(targets[5] - 1) < 1e-4
    assert targets[6] > targets[7]
