"""Areas, lane lines and class maps against scikit-learn and against slow references."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix

from contracts.card import HeadCard
from contracts.errors import EngineError
from contracts.fit import Letterbox, Stretch
from contracts.prediction import ClassMap, Mask
from tests.training.metrics.scenes import mask, sample, seen
from training.metrics.judge import Judge
from training.metrics.lanes import TOLERANCE, tolerant_counts

LABELS = st.sampled_from([0, 0, 0, 1, 255])
AREA = HeadCard(name="drivable", kind="two_class_mask", role="drivable")
LANE = HeadCard(name="lane", kind="two_class_mask", role="lane")
TWO = ("background", "it")
NAMES = ("road", "car", "sky", "tree")
MAP = HeadCard(name="map", kind="mask_ids", classes=NAMES)


def _masks(values: st.SearchStrategy[int], shape: tuple[int, int] = (9, 11)) -> st.SearchStrategy[NDArray[np.uint8]]:
    return arrays.arrays(np.uint8, shape, elements=values)


def _class_map(ids: NDArray[np.uint8], names: tuple[str, ...] = NAMES) -> ClassMap:
    height, width = ids.shape
    return ClassMap(ids, Stretch(width, height, width, height), names, ())


@settings(deadline=None)
@given(_masks(LABELS), _masks(st.sampled_from([0, 1])))
def test_areas_are_what_scikit_learn_counts(labels: NDArray[np.uint8], found: NDArray[np.uint8]) -> None:
    judge = Judge({"drivable": TWO}, [AREA])
    judge.add(sample(masks={"drivable": labels}), {"drivable": mask(found)})
    figures = judge.figures()["drivable"]
    counted = labels != 255
    if not counted.any():
        assert math.isnan(figures["iou"])
        return
    (rest, extra), (missed, hit) = confusion_matrix(labels[counted], found[counted], labels=[0, 1])
    union = hit + extra + missed
    assert figures["iou"] == pytest.approx(hit / union if union else math.nan, nan_ok=True)
    assert figures["accuracy"] == pytest.approx((hit + rest) / counted.sum())
    matrix = judge.details()["drivable"].confusion
    assert matrix is not None
    assert matrix.tolist() == [[rest, extra], [missed, hit]]


def test_areas_are_summed_over_pictures_before_dividing() -> None:
    judge = Judge({"drivable": TWO}, [AREA])
    full, empty = np.ones((4, 8), np.uint8), np.zeros((4, 8), np.uint8)
    half = full.copy()
    half[:, 4:] = 0
    for name, truth, found in (("a", full, full), ("b", half, full), ("c", empty, empty)):
        judge.add(sample(name, masks={"drivable": truth}), {"drivable": mask(found)})
    assert judge.figures()["drivable"]["iou"] == pytest.approx((32 + 16) / (32 + 32))
    assert judge.figures({"b"})["drivable"]["iou"] == pytest.approx(0.5)
    assert judge.figures({"a", "c"})["drivable"]["iou"] == 1


def test_a_mask_is_compared_at_the_size_of_its_labels() -> None:
    labels = np.zeros((36, 64), np.uint8)
    labels[18:] = 1
    small = np.zeros((32, 32), np.uint8)
    small[16:] = 1
    padded = Mask(small, Letterbox(64, 36, 32, 32), "drivable")
    judge = Judge({"drivable": TWO}, [AREA])
    judge.add(sample(masks={"drivable": labels}), {"drivable": padded})
    assert judge.figures()["drivable"]["iou"] == 1


@settings(deadline=None, max_examples=60)
@given(_masks(LABELS, (13, 17)), _masks(st.sampled_from([0, 0, 0, 0, 1]), (13, 17)))
def test_tolerant_lanes_are_those_of_a_slow_reference(labels: NDArray[np.uint8], found: NDArray[np.uint8]) -> None:
    labels, found = _spread(labels), _spread(found)
    hit, extra, missed = tolerant_counts(labels, found).tolist()
    assert (hit, extra, missed) == _slow(labels, found)


def _spread(small: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pixels two and three apart, in a picture 640 wide: many pairs are just near enough, many just not."""
    large = np.zeros((40, 640), np.uint8)
    large[10 : 10 + small.shape[0] * 2 : 2, 300 : 300 + small.shape[1] * 3 : 3] = small
    return large


def _slow(labels: NDArray[np.uint8], found: NDArray[np.uint8]) -> tuple[int, int, int]:
    """Every pixel against every other, in whole numbers."""
    wanted = [(int(y), int(x)) for y, x in np.argwhere(labels == 1)]
    seen_at = [(int(y), int(x)) for y, x in np.argwhere((found == 1) & (labels != 255))]

    def near(pixel: tuple[int, int], others: list[tuple[int, int]]) -> bool:
        return any(max(abs(pixel[0] - y), abs(pixel[1] - x)) <= TOLERANCE for y, x in others)

    hits = sum(near(pixel, wanted) for pixel in seen_at)
    return hits, len(seen_at) - hits, sum(not near(pixel, seen_at) for pixel in wanted)


@pytest.mark.parametrize(("width", "shift", "iou"), [(640, 3, 1.0), (640, 4, 0.0), (1280, 6, 1.0), (1280, 7, 0.0)])
def test_the_tolerance_grows_with_the_picture(width: int, shift: int, iou: float) -> None:
    labels, found = np.zeros((20, width), np.uint8), np.zeros((20, width), np.uint8)
    labels[:, 100] = 1
    found[:, 100 + shift] = 1
    judge = Judge({"lane": TWO}, [LANE])
    judge.add(sample(masks={"lane": labels}), {"lane": mask(found)})
    assert judge.figures()["lane"]["tolerant_iou"] == iou
    assert judge.figures()["lane"]["iou"] == 0


def test_pixels_that_do_not_count_are_neither_labelled_nor_predicted() -> None:
    labels, found = np.zeros((20, 640), np.uint8), np.zeros((20, 640), np.uint8)
    labels[:, 100], labels[:, 200:260] = 1, 255
    found[:, 101], found[:, 230] = 1, 1
    assert tolerant_counts(labels, found).tolist() == [20, 0, 0]


def test_lane_accuracies() -> None:
    labels, found = np.zeros((10, 10), np.uint8), np.zeros((10, 10), np.uint8)
    labels[:, :2], found[:, 1:3] = 1, 1
    judge = Judge({"lane": TWO}, [LANE])
    judge.add(sample(masks={"lane": labels}), {"lane": mask(found)})
    figures = judge.figures()["lane"]
    assert figures["accuracy"] == pytest.approx(0.8)
    assert figures["balanced_accuracy"] == pytest.approx((0.5 + 70 / 80) / 2)
    assert figures["iou"] == pytest.approx(1 / 3)


@settings(deadline=None)
@given(_masks(st.sampled_from([0, 1, 2, 3, 255])), _masks(st.integers(0, 3)))
def test_class_maps_are_what_scikit_learn_counts(labels: NDArray[np.uint8], found: NDArray[np.uint8]) -> None:
    judge = Judge({"map": NAMES}, [MAP])
    judge.add(sample(masks={"map": labels}), {"map": _class_map(found)})
    counted = labels != 255
    if not counted.any():
        return
    matrix = confusion_matrix(labels[counted], found[counted], labels=range(4))
    counts = judge.details()["map"].confusion
    assert counts is not None
    assert np.array_equal(counts, np.pad(matrix, ((0, 0), (0, 1))))
    hits, unions = np.diagonal(matrix), matrix.sum(0) + matrix.sum(1) - np.diagonal(matrix)
    present = unions > 0
    figures = judge.figures()["map"]
    assert figures["miou"] == pytest.approx(float((hits[present] / unions[present]).mean()))
    assert figures["miou_all"] == pytest.approx(float((hits[present] / unions[present]).sum() / 4))
    assert figures["accuracy"] == pytest.approx(hits.sum() / counted.sum())


def test_class_maps_are_matched_by_name() -> None:
    theirs = HeadCard(name="map", kind="class_map", classes=("sky", "street", "lamp"))
    judge = Judge({"map": NAMES}, [theirs], merge={"road": ("street",)})
    labels = np.array([[0, 0, 2, 3]], np.uint8)
    judge.add(sample(masks={"map": labels}), {"map": _class_map(np.array([[1, 2, 0, 0]], np.uint8), theirs.classes)})
    assert judge.words["map"].names == ("road", "sky")
    figures = judge.figures()["map"]  # of the two road pixels one is called lamp; the tree is not judged
    assert (figures["accuracy"], figures["miou"]) == pytest.approx((2 / 3, 0.75))


def test_heads_without_labels_are_left_out() -> None:
    judge = Judge({"lane": TWO}, [AREA, LANE])
    judge.add(
        sample("unlabelled"), {"drivable": mask(np.ones((4, 4), np.uint8)), "lane": mask(np.ones((4, 4), np.uint8))}
    )
    assert set(judge.figures()) == {"lane"}
    assert math.isnan(judge.figures()["lane"]["tolerant_iou"])
    assert math.isnan(judge.goodness("lane"))


def test_a_head_is_found_by_its_role_where_its_name_is_another() -> None:
    head = AREA.model_copy(update={"name": "da_seg"})
    judge = Judge({"drivable": TWO}, [head])
    ones = np.ones((4, 4), np.uint8)
    judge.add(sample(masks={"drivable": ones}), {"da_seg": mask(ones)})
    assert judge.figures()["da_seg"]["iou"] == 1


def test_a_part_of_another_kind_is_refused() -> None:
    judge = Judge({"drivable": TWO}, [AREA])
    with pytest.raises(EngineError, match=r"drivable.*Detections"):
        judge.add(sample(masks={"drivable": np.zeros((4, 4), np.uint8)}), {"drivable": seen()})
