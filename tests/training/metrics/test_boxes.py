"""Boxes against COCO's evaluation run directly, and against slow references written for clarity."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from faster_coco_eval import COCO, COCOeval_faster
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.card import HeadCard
from contracts.prediction import Detections
from sources.datasets.sample import BOXES, Sample
from tests.training.metrics.scenes import CLASSES, random_scene, sample, seen
from training.metrics.box_record import BoxRecord
from training.metrics.boxes import Boxes
from training.metrics.judge import Judge
from training.metrics.vocabulary import vocabulary

Scene = tuple[Sample, Detections]
SCORE = 0.5


def _scenes(seed: int, count: int = 6) -> list[Scene]:
    rng = np.random.default_rng(seed)
    return [random_scene(rng, str(number)) for number in range(count)]


def _judged(scenes: Sequence[Scene], **options: float) -> tuple[Boxes, list[BoxRecord]]:
    measure = Boxes("boxes", vocabulary(CLASSES, CLASSES), score=SCORE, **options)
    records = (measure.record(truth, part) for truth, part in scenes)
    return measure, [record for record in records if record is not None]


def _iou(one: Sequence[float], other: Sequence[float]) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(width, 0) * max(height, 0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return shared / (sum(areas) - shared)


def _inside(box: Sequence[float], region: Sequence[float]) -> float:
    width = min(box[2], region[2]) - max(box[0], region[0])
    height = min(box[3], region[3]) - max(box[1], region[1])
    return max(width, 0) * max(height, 0) / ((box[2] - box[0]) * (box[3] - box[1]))


def _hits(scenes: Sequence[Scene], class_id: int, least: float) -> tuple[list[tuple[float, bool]], int]:
    """(score, hit) of every judged prediction of a class, and how many boxes there were; box by box."""
    found, wanted = [], 0
    for truth, part in scenes:
        rows = list(zip(truth.boxes.tolist(), truth.class_ids.tolist(), truth.counts.tolist(), strict=True))
        free = [box for box, owner, counts in rows if counts and owner == class_id]
        regions = [box for box, _, counts in rows if not counts]
        wanted += len(free)
        for box, owner, score in zip(part.boxes.tolist(), part.class_ids.tolist(), part.scores.tolist(), strict=True):
            if owner != class_id:
                continue
            best = max(free, key=lambda other: _iou(box, other), default=None)
            if best is not None and _iou(box, best) >= least:
                free.remove(best)
                found.append((score, True))
            elif not any(_inside(box, region) >= least for region in regions):
                found.append((score, False))
    return sorted(found, reverse=True), wanted


def _average_precision(scenes: Sequence[Scene], class_id: int, least: float) -> float:
    """Mean over 101 recalls of the best precision that is had at that recall or a higher one."""
    found, wanted = _hits(scenes, class_id, least)
    if not wanted:
        return math.nan
    points, hits = [], 0
    for number, (_, hit) in enumerate(found, 1):
        hits += hit
        points.append((hits / wanted, hits / number))
    at = np.linspace(0, 1, 101)
    return float(np.mean([max((p for r, p in points if r >= recall), default=0.0) for recall in at]))


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000))
def test_average_precision_is_that_of_a_slow_reference(seed: int) -> None:
    scenes = _scenes(seed)
    measure, records = _judged(scenes)
    rows = measure.details(records).rows
    for class_id, name in enumerate(CLASSES):
        expected = [_average_precision(scenes, class_id, least) for least in np.linspace(0.5, 0.95, 10)]
        assert rows[name]["ap50"] == pytest.approx(expected[0], abs=1e-6, nan_ok=True)
        assert rows[name]["ap50_95"] == pytest.approx(float(np.mean(expected)), abs=1e-6, nan_ok=True)


@pytest.mark.parametrize("seed", [3, 4])
def test_mean_average_precision_is_cocos_own(seed: int) -> None:
    scenes = _scenes(seed, 30)
    annotations: list[dict[str, object]] = [
        {"image_id": index, "category_id": category, "bbox": _corner(box), "iscrowd": int(not counts), "area": 99}
        for index, (picture, _) in enumerate(scenes)
        for box, owner, counts in zip(picture.boxes, picture.class_ids, picture.counts, strict=True)
        for category in ([int(owner)] if counts else range(len(CLASSES)))
    ]
    for number, annotation in enumerate(annotations, 1):
        annotation["id"] = number
    truth = {
        "images": [{"id": index, "width": 64, "height": 48} for index in range(len(scenes))],
        "categories": [{"id": index} for index in range(len(CLASSES))],
        "annotations": annotations,
    }
    results = [
        {"image_id": index, "category_id": int(owner), "bbox": _corner(box), "score": float(score)}
        for index, (_, part) in enumerate(scenes)
        for box, owner, score in zip(part.boxes, part.class_ids, part.scores, strict=True)
    ]
    known = COCO(truth)
    coco = COCOeval_faster(known, known.loadRes(results), "bbox")
    coco.run()
    measure, records = _judged(scenes)
    figures = measure.figures(records)
    assert figures["map50_95"] == pytest.approx(coco.stats[0])
    assert figures["map50"] == pytest.approx(coco.stats[1])


def _corner(box: np.ndarray) -> list[float]:
    left, top, right, bottom = map(float, box)
    return [left, top, right - left, bottom - top]


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000))
def test_precision_and_recall_at_a_score_and_where_f1_is_best(seed: int) -> None:
    scenes = _scenes(seed)
    measure, records = _judged(scenes)
    pairs = [_hits(scenes, class_id, 0.5) for class_id in range(len(CLASSES))]
    every = [pair for found, _ in pairs for pair in found]
    wanted = sum(count for _, count in pairs)

    def at(score: float) -> tuple[float, float, float]:
        kept = [hit for own, hit in every if own >= score]
        hits = sum(kept)
        precision = hits / len(kept) if kept else math.nan
        recall = hits / wanted if wanted else math.nan
        return precision, recall, 2 * hits / (len(kept) + wanted) if kept or wanted else math.nan

    figures = measure.figures(records)
    assert (figures["precision"], figures["recall"]) == pytest.approx(at(SCORE)[:2], nan_ok=True)
    if wanted and every:
        assert figures["best_f1"] == pytest.approx(max(at(score)[2] for score, _ in every))
        best = at(figures["best_f1_score"])
        assert (figures["best_f1_precision"], figures["best_f1_recall"], figures["best_f1"]) == pytest.approx(best)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000))
def test_the_confusion_matrix_counts_every_box_once(seed: int) -> None:
    scenes = _scenes(seed)
    measure, records = _judged(scenes)
    matrix = measure.details(records).confusion
    assert matrix is not None
    wanted = [sum(int(np.sum(truth.counts & (truth.class_ids == each))) for truth, _ in scenes) for each in range(3)]
    assert matrix[:3].sum(axis=1).tolist() == wanted
    shown = [
        sum(int(np.sum((part.scores >= SCORE) & (part.class_ids == each))) for _, part in scenes) for each in range(3)
    ]
    assert all(found <= most for found, most in zip(matrix[:, :3].sum(axis=0), shown, strict=True))
    assert matrix[3, 3] == 0


BOX = [8.0, 8.0, 24.0, 20.0]
FAR = [40.0, 30.0, 52.0, 40.0]


@pytest.mark.parametrize(
    ("truth", "part", "figures"),
    [
        (sample("hit", [BOX], [1]), seen([BOX], [1], [0.9]), {"precision": 1, "recall": 1, "success": 1, "map50": 1}),
        (sample("other class", [BOX], [1]), seen([BOX], [2], [0.9]), {"precision": 0, "recall": 0, "success": 1}),
        (sample("unsure", [BOX], [1]), seen([BOX], [1], [0.3]), {"recall": 0, "success": 0, "map50": 1, "best_f1": 1}),
        (sample("nothing there"), seen([BOX], [1], [0.9]), {"precision": 0, "success": 1, "map50": math.nan}),
        (sample("nothing there nor seen"), seen(), {"precision": math.nan, "success": 0, "map50": math.nan}),
        (sample("nothing seen", [BOX], [1]), seen(), {"precision": math.nan, "recall": 0, "success": 0, "map50": 0}),
        (sample("twice", [BOX], [1]), seen([BOX, BOX], [1, 1], [0.9, 0.8]), {"precision": 0.5, "recall": 1}),
        (
            sample("region", [BOX, FAR], [1, 7], [True, False]),
            seen([BOX, FAR], [1, 2], [0.9, 0.8]),
            {"precision": 1, "recall": 1, "boxes": 1},
        ),
        (
            sample("unlabelled picture", [[0, 0, 64, 48]], [0], [False]),
            seen([BOX], [1], [0.9]),
            {"precision": math.nan, "recall": math.nan, "success": math.nan, "boxes": 0, "pictures": 0},
        ),
    ],
    ids=lambda value: value.name if isinstance(value, Sample) else "",
)
def test_simple_scenes(truth: Sample, part: Detections, figures: dict[str, float]) -> None:
    measure, records = _judged([(truth, part)])
    found = measure.figures(records)
    assert {name: found[name] for name in figures} == pytest.approx(figures, nan_ok=True)


def test_small_labels_do_not_count_and_are_no_misses() -> None:
    small = [40.0, 30.0, 47.0, 45.0]
    scene = (sample("a", [BOX, small], [1, 1]), seen([BOX, small], [1, 1], [0.9, 0.8]))
    measure, records = _judged([scene], min_side=8)
    figures = measure.figures(records)
    assert (figures["boxes"], figures["precision"], figures["recall"], figures["map50"]) == (1, 1, 1, 1)
    assert _judged([scene])[0].figures(_judged([scene])[1])["boxes"] == 2


def test_merged_classes_are_one_on_both_sides() -> None:
    head = HeadCard(name="boxes", kind="yolo_boxes", classes=("person", "motorcycle", "truck", "traffic light"))
    classes = {BOXES: ("car", "truck", "two_wheeler", "person")}
    merge = {"vehicle": ("car", "truck", "bus"), "two_wheeler": ("motorcycle", "bicycle")}
    judge = Judge(classes, [head], merge=merge)
    assert judge.words["boxes"].names == ("vehicle", "two_wheeler", "person")
    assert judge.words["boxes"].network_only == ("traffic light",)
    judge.add(sample("a", [BOX, FAR], [0, 2]), {"boxes": seen([BOX, FAR], [2, 1], [0.9, 0.9], head.classes)})
    figures = judge.figures()["boxes"]
    assert (figures["map50"], figures["precision"], figures["recall"]) == (1, 1, 1)


def test_classes_of_one_side_only_are_not_judged() -> None:
    head = HeadCard(name="boxes", kind="yolo_boxes", classes=("car", "dog"))
    judge = Judge({BOXES: ("car", "person")}, [head])
    judge.add(sample("a", [BOX, FAR], [0, 1]), {"boxes": seen([BOX, FAR], [0, 1], [0.9, 0.9], head.classes)})
    figures = judge.figures()["boxes"]
    assert (figures["boxes"], figures["precision"], figures["recall"]) == (1, 1, 1)
    assert judge.words["boxes"].labels_only == ("person",)


def test_pictures_in_which_nothing_was_found_are_named() -> None:
    judge = Judge({BOXES: CLASSES}, [HeadCard(name="boxes", kind="yolo_boxes", classes=CLASSES)])
    judge.add(sample("seen", [BOX], [1]), {"boxes": seen([BOX], [1], [0.9])})
    judge.add(sample("wrong", [BOX], [1]), {"boxes": seen([FAR], [0], [0.9])})
    judge.add(sample("unsure", [BOX], [1]), {"boxes": seen([BOX], [1], [0.2])})
    judge.add(sample("empty"), {"boxes": seen()})
    judge.add(sample("nothing there", [FAR], [1], [False]), {"boxes": seen([BOX], [1], [0.9])})
    judge.add(sample("unlabelled", [[0, 0, 64, 48]], [0], [False]), {"boxes": seen()})
    assert judge.blank("boxes") == ("unsure", "empty")
    assert judge.figures()["boxes"]["success"] == pytest.approx(3 / 5)


def test_a_box_of_exactly_the_runs_score_is_one_of_the_run() -> None:
    """0.7 as float32, which scores are, is less than 0.7: one rule for precision, recall, success and the matrix."""
    scene = (sample("a", [BOX], [1]), seen([BOX], [1], [0.7]))
    measure = Boxes("boxes", vocabulary(CLASSES, CLASSES), score=0.7)
    record = measure.record(*scene)
    assert record is not None
    figures = measure.figures([record])
    assert (figures["precision"], figures["recall"], figures["success"]) == (1, 1, 1)


def test_goodness_is_f1_of_one_picture() -> None:
    judge = Judge({BOXES: CLASSES}, [HeadCard(name="boxes", kind="yolo_boxes", classes=CLASSES)])
    judge.add(sample("a", [BOX, FAR], [1, 1]), {"boxes": seen([BOX], [1], [0.9])})
    assert judge.goodness("boxes") == pytest.approx(2 / 3)
    judge.add(sample("b"), {"boxes": seen()})
    assert math.isnan(judge.goodness("boxes"))
