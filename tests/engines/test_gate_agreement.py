"""What the gate counts, part by part: boxes found again, pixels shared, classes equal."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from contracts.errors import EngineError
from contracts.fit import Fit, Letterbox, Stretch
from contracts.prediction import Classification, ClassMap, Detections, InstanceMasks, Mask, Part
from engines.agreement import found_again, tally_for
from engines.verdicts import HeadFigures, judge

FIT = Stretch(100, 100, 100, 100)
NAMES = ("car", "person")


def detections(rows: list[tuple[int, int, int, int, int]], names: tuple[str, ...] = NAMES) -> Detections:
    """Rows of x, y, width, height, class; scores fall from row to row."""
    table = np.array(rows, np.float32).reshape(-1, 5)
    boxes = np.hstack([table[:, :2], table[:, :2] + table[:, 2:4]])
    return Detections(boxes, np.linspace(0.9, 0.5, len(rows), dtype=np.float32), table[:, 4].astype(np.int32), names)


def slow_found_again(candidate: Detections, reference: Detections) -> int:
    """Pair by pair."""
    free = set(range(len(candidate)))
    for index, (x1, y1, x2, y2) in enumerate(reference.boxes.tolist()):
        best, best_iou = None, 0.0
        for other in sorted(free):
            u1, v1, u2, v2 = candidate.boxes[other].tolist()
            shared = max(min(x2, u2) - max(x1, u1), 0) * max(min(y2, v2) - max(y1, v1), 0)
            iou = shared / ((x2 - x1) * (y2 - y1) + (u2 - u1) * (v2 - v1) - shared)
            if candidate.name(other) == reference.name(index) and iou > best_iou:
                best, best_iou = other, iou
        if best is not None and best_iou >= 0.7:
            free.remove(best)
    return len(candidate) - len(free)


row = st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(8, 14), st.integers(8, 14), st.integers(0, 1))


@settings(max_examples=300, deadline=None)
@given(st.lists(row, max_size=8), st.lists(row, max_size=8))
def test_found_again_agrees_with_the_slow_reference(
    candidate: list[tuple[int, int, int, int, int]], reference: list[tuple[int, int, int, int, int]]
) -> None:
    ours, theirs = detections(candidate), detections(reference)
    assert found_again(ours, theirs) == slow_found_again(ours, theirs)


def test_one_box_answers_for_one_only() -> None:
    pair = detections([(0, 0, 10, 10, 0), (0, 0, 10, 11, 0)])
    assert found_again(detections([(0, 0, 10, 10, 0)]), pair) == 1
    assert found_again(pair, pair) == 2


def test_classes_are_compared_by_name() -> None:
    reference = detections([(0, 0, 10, 10, 0), (50, 50, 10, 10, 1)])
    renumbered = detections([(0, 0, 10, 10, 1), (50, 50, 10, 10, 0)], names=("person", "car"))
    assert found_again(renumbered, reference) == 2
    assert found_again(detections([(0, 0, 10, 10, 1), (50, 50, 10, 10, 0)]), reference) == 0


def mask(data: NDArray[np.uint8], fit: Fit = FIT, role: str = "") -> Mask:
    return Mask(data, fit, "road", role)  # type: ignore[arg-type]


def half(rows: int, height: int = 100, width: int = 100) -> NDArray[np.uint8]:
    data = np.zeros((height, width), np.uint8)
    data[:rows] = 1
    return data


def counted(*pairs: tuple[Part, Part]) -> HeadFigures:
    tally = tally_for("road", pairs[0][1])
    for candidate, reference in pairs:
        tally.add(candidate, reference)
    return tally.figures()


def test_masks_are_counted_over_all_frames() -> None:
    figures = counted((mask(half(40)), mask(half(50))), (mask(half(10)), mask(half(0))))
    assert figures == HeadFigures("road", "areas", agreed=4000, total=6000, seen=20_000)


def test_a_frame_without_an_area_on_both_sides_changes_nothing() -> None:
    alone = counted((mask(half(40)), mask(half(50))))
    with_empty = counted((mask(half(40)), mask(half(50))), (mask(half(0)), mask(half(0))))
    assert (with_empty.agreed, with_empty.total) == (alone.agreed, alone.total)


def test_lane_masks_are_lines() -> None:
    assert counted((mask(half(1), role="lane"), mask(half(1), role="lane"))).compared == "lines"


def test_padding_is_not_counted() -> None:
    fit = Letterbox(100, 50, 100, 100)  # the frame lies in rows 25 … 75
    reference, candidate = half(0), half(25)
    reference[25:50] = candidate[25:50] = 1
    assert counted((mask(candidate, fit), mask(reference, fit))) == HeadFigures("road", "areas", 2500, 2500, 5000)


def test_masks_of_different_sizes_are_compared_on_the_frame() -> None:
    small = mask(half(25, 50, 50), Stretch(100, 100, 50, 50))
    figures = counted((small, mask(half(50))))
    assert figures.seen == 100 * 100
    assert figures.share > 0.97


def class_map(ids: NDArray[np.uint8], names: tuple[str, ...] = NAMES) -> ClassMap:
    return ClassMap(ids, FIT, names, ((0, 0, 0), (255, 255, 255)))


@pytest.mark.parametrize(("wrong", "state"), [(0, "accepted"), (5, "accepted"), (6, "refused")])
def test_class_maps_count_a_wrong_pixel_in_two_classes(wrong: int, state: str) -> None:
    figures = counted((class_map(half(wrong)), class_map(half(0))))
    assert (figures.agreed, figures.total) == ((100 - wrong) * 100, (100 + wrong) * 100)
    assert judge([figures], 1, "sure.onnx", "here").state == state


@pytest.mark.parametrize(
    ("candidate", "reference", "message"),
    [
        (mask(half(1)), detections([]), "gives Mask, the reference Detections"),
        (detections([]), mask(half(1)), "gives Detections, the reference Mask"),
        (mask(half(1)), Classification(np.zeros(1, np.int32), np.ones(1, np.float32), NAMES), "reference Classif"),
        (mask(half(1)), class_map(half(1)), "gives Mask, the reference ClassMap"),
        (class_map(half(1), ("road", "car")), class_map(half(1)), "other classes or sizes"),
        (class_map(half(1, 50, 50)), class_map(half(1)), "other classes or sizes"),
    ],
)
def test_parts_that_cannot_be_compared_are_an_error(candidate: Part, reference: Part, message: str) -> None:
    with pytest.raises(EngineError, match=message):
        tally_for("road", reference).add(candidate, reference)


def classified(*scores: float, names: tuple[str, ...] = NAMES) -> Classification:
    """What a head makes of these scores, one per class."""
    order = np.argsort(-np.array(scores), kind="stable")
    return Classification(order.astype(np.int32), np.array(scores, np.float32)[order], names)


CAR, PERSON = classified(0.9, 0.1), classified(0.1, 0.9)


@pytest.mark.parametrize(
    ("alike", "other", "state"),
    [(10, 0, "accepted"), (9, 1, "accepted"), (18, 2, "accepted"), (17, 3, "refused"), (9, 0, "no verdict")],
)
def test_classifications_are_counted_by_frames(alike: int, other: int, state: str) -> None:
    figures = counted(*[(PERSON, PERSON)] * alike, *[(CAR, PERSON)] * other)
    assert figures == HeadFigures("road", "frames", alike, alike + other)
    verdict = judge([figures], alike + other, "sure.onnx", "here")
    assert verdict.state == state
    assert f"{alike} of {alike + other} frames classified alike" in verdict.reason


def test_frames_that_the_reference_is_not_sure_of_do_not_count() -> None:
    nothing = Classification(np.zeros(0, np.int32), np.zeros(0, np.float32), NAMES)
    vague = classified(0.4, 0.35, names=())
    assert counted((PERSON, vague), (PERSON, nothing)).total == 0
    assert counted((vague, PERSON), (nothing, PERSON)) == HeadFigures("road", "frames", 0, 2)


def test_classifications_are_compared_by_name() -> None:
    assert counted((classified(0.1, 0.9, names=("person", "car")), CAR)).agreed == 1


def instances(shift: int) -> InstanceMasks:
    """A car of 10 × 10 pixels whose mask has six full columns from ``shift`` on."""
    mask = np.zeros((10, 10), np.uint8)
    mask[:, shift : shift + 6] = 1
    return InstanceMasks(detections([(20, 20, 10, 10, 0)]), (mask,))


def test_instances_are_found_again_by_box_and_mask() -> None:
    pairs = (instances(0), instances(0)), (instances(1), instances(0)), (instances(4), instances(0))
    assert counted(*pairs) == HeadFigures("road", "boxes", agreed=2, total=3)
    boxes_only = instances(0).detections
    with pytest.raises(EngineError, match="gives Detections, the reference InstanceMasks"):
        counted((boxes_only, instances(0)))
