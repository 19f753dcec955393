"""Box heads: against slow references on made-up and on real outputs, and at every edge."""

from __future__ import annotations

import itertools
import threading
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from contracts.card import HeadCard
from contracts.fit import Fit, Letterbox, Stretch
from contracts.prediction import Detections
from contracts.protocols import Thresholds
from engines.heads.candidates import MAX_CANDIDATES
from engines.heads.open import open_head

CLASSES = ("person", "car", "truck")
FIT = Letterbox(1280, 720, 640, 640)
SAME = Stretch(640, 640, 640, 640)
"""Network pixels are frame pixels."""


def decode_boxes(tensor: NDArray[Any], fit: Fit = SAME, names: tuple[str, ...] = CLASSES, **options: Any) -> Detections:
    head = open_head(HeadCard(name="boxes", kind="yolo_boxes", classes=names))
    part = head.decode({"output0": tensor}, fit, (fit.frame_width, fit.frame_height), Thresholds(**options))
    assert isinstance(part, Detections)
    return part


def raw(*rows: tuple[float, ...]) -> NDArray[np.float32]:
    """Rows of cx, cy, w, h, score … → the tensor [1, 4 + C, N]."""
    return np.ascontiguousarray(np.array(rows, np.float32).T[None])


def slow_yolo(tensor: NDArray[Any], fit: Fit, thresholds: Thresholds) -> list[tuple[float, ...]]:
    """Row by row in double precision: the definition of the kind, written to be read."""
    found = []
    for column in tensor[0].astype(np.float64).T.tolist():
        cx, cy, w, h, *scores = column
        best = max(range(len(scores)), key=lambda class_id: scores[class_id])
        if not all(np.isfinite(column)) or not scores[best] > thresholds.score:
            continue
        if thresholds.classes is not None and CLASSES[best] not in thresholds.classes:
            continue
        found.append((scores[best], best, (cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2)))
    found.sort(key=lambda row: -row[0])
    kept: list[tuple[float, int, Any, list[float]]] = []
    for score, class_id, box in found:
        corners = fit.to_frame(np.array(box).reshape(2, 2))
        x1, y1, x2, y2 = np.clip(corners, 0, [fit.frame_width, fit.frame_height]).ravel().tolist()
        rivals = [row for row in kept if thresholds.class_agnostic or row[1] == class_id]
        if x2 > x1 and y2 > y1 and all(slow_iou(row[2], box) <= thresholds.iou for row in rivals):
            kept.append((score, class_id, box, [x1, y1, x2, y2]))
    return [(score, class_id, *corners) for score, class_id, _, corners in kept[: thresholds.max_detections]]


def slow_iou(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0) * max(height, 0)
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


def like_a_street(seed: int, anchors: int = 1000) -> NDArray[np.float32]:
    """Mostly nothing, and around each of a few objects a dozen anchors that all see it, as detection heads give."""
    rng = np.random.default_rng(seed)
    tensor = np.zeros((1, 4 + len(CLASSES), anchors), np.float32)
    tensor[0, :2] = rng.uniform(0, 640, (2, anchors))
    tensor[0, 2:4] = rng.uniform(5, 100, (2, anchors))
    tensor[0, 4:] = rng.uniform(0, 0.05, (len(CLASSES), anchors))
    for _ in range(12):
        seen_by = rng.choice(anchors, 12, replace=False)
        tensor[0, :2, seen_by] = rng.uniform(0, 640, 2) + rng.normal(0, 2, (12, 2))
        tensor[0, 2:4, seen_by] = rng.uniform(20, 150, 2) + rng.normal(0, 4, (12, 2))
        tensor[0, 4 + rng.integers(len(CLASSES)), seen_by] = rng.uniform(0.1, 0.95, 12)
    return tensor


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("fit", [FIT, Stretch(1920, 1080, 640, 640), Letterbox(479, 853, 640, 640)], ids=repr)
@pytest.mark.parametrize(
    "thresholds",
    [
        Thresholds(),
        Thresholds(score=0.5, iou=0.7),
        Thresholds(class_agnostic=True, iou=0.2),
        Thresholds(classes=frozenset({"car", "bicycle"}), max_detections=3),
    ],
    ids=["default", "strict", "agnostic", "cars"],
)
def test_yolo_boxes_agrees_with_the_slow_reference(seed: int, fit: Fit, thresholds: Thresholds) -> None:
    tensor = like_a_street(seed)
    tensor[0, :, 5] = np.nan
    expected = slow_yolo(tensor, fit, thresholds)
    head = open_head(HeadCard(name="boxes", kind="yolo_boxes", classes=CLASSES))
    part = head.decode({"o": tensor}, fit, (fit.frame_width, fit.frame_height), thresholds)
    assert isinstance(part, Detections)
    assert expected
    assert part.class_ids.tolist() == [row[1] for row in expected]
    np.testing.assert_allclose(part.scores, [row[0] for row in expected], rtol=1e-6)
    np.testing.assert_allclose(part.boxes, [row[2:] for row in expected], atol=2e-3)
    assert [array.dtype.name for array in (part.boxes, part.scores, part.class_ids)] == ["float32", "float32", "int32"]


ROWS = [(100, 100, 40, 20, 0.0, 0.8, 0.1), (102, 100, 40, 20, 0.7, 0.0, 0.0), (103, 100, 40, 20, 0.0, 0.6, 0.0)]


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({}, [("car", 0.8), ("person", 0.7)]),
        ({"class_agnostic": True}, [("car", 0.8)]),
        ({"iou": 1.0}, [("car", 0.8), ("person", 0.7), ("car", 0.6)]),
        ({"iou": 1.0, "max_detections": 2}, [("car", 0.8), ("person", 0.7)]),
        ({"score": 0.75}, [("car", 0.8)]),
        ({"score": 1.0}, []),
        # Filtered before suppression: the car that would have suppressed the person is not looked for.
        ({"classes": frozenset({"person"}), "class_agnostic": True}, [("person", 0.7)]),
        ({"classes": frozenset()}, []),
        ({"classes": frozenset({"tram"})}, []),
    ],
)
def test_thresholds_of_the_run(options: dict[str, Any], kept: list[tuple[str, float]]) -> None:
    part = decode_boxes(raw(*ROWS), **options)
    assert [(part.name(i), round(float(part.scores[i]), 3)) for i in range(len(part))] == kept


def test_a_score_must_be_greater_than_the_threshold() -> None:
    tensor = raw((10, 10, 5, 5, 0.5, 0, 0), (50, 50, 5, 5, 0.5000001, 0, 0))
    assert decode_boxes(tensor, score=0.5).boxes.tolist() == [[47.5, 47.5, 52.5, 52.5]]


def test_equal_scores_come_in_the_networks_order_every_time() -> None:
    tensor = raw(*((20 * i + 10, 10, 5, 5, 0, 0.5, 0) for i in range(30)))
    lefts = decode_boxes(tensor).boxes[:, 0]
    assert (np.diff(lefts) > 0).all()
    assert len(lefts) == 30


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("row", range(7))
def test_rows_that_are_not_finite_are_no_boxes(value: float, row: int) -> None:
    tensor = raw((100, 100, 40, 20, 0.1, 0.8, 0.1), (300, 300, 40, 20, 0.1, 0.7, 0.1))
    tensor[0, row, 0] = value
    assert decode_boxes(tensor).boxes.tolist() == [[280, 290, 320, 310]]


@pytest.mark.parametrize(
    "row",
    [(100, 100, 0, 20), (100, 100, 20, -5), (-50, 100, 20, 20), (100, 900, 20, 20), (3e38, 3e38, 3e38, 3e38)],
    ids=["no width", "turned inside out", "left of the frame", "below the frame", "huge"],
)
def test_boxes_that_show_nothing_vanish_and_suppress_nothing(row: tuple[float, ...]) -> None:
    tensor = raw((*row, 0, 0.9, 0), (100, 100, 20, 20, 0, 0.5, 0))
    part = decode_boxes(tensor, iou=0.0)
    assert part.boxes.tolist() == [[90, 90, 110, 110]]


def test_boxes_are_clipped_to_the_frame() -> None:
    part = decode_boxes(raw((0, 320, 100, 1000, 0, 0.9, 0)), fit=FIT)  # 1280×720 lies in rows 140 … 500 at half size
    assert part.boxes.tolist() == [[0, 0, 100, 720]]


def test_nothing_found_is_an_empty_part_of_the_right_types() -> None:
    for tensor in (raw((9, 9, 9, 9, 0, 0, 0)), np.zeros((1, 7, 0), np.float32)):
        part = decode_boxes(tensor)
        assert (len(part), part.boxes.shape, part.boxes.dtype.name, part.names) == (0, (0, 4), "float32", CLASSES)


def test_classes_without_names_are_called_by_their_number() -> None:
    part = decode_boxes(raw(*ROWS), names=())
    assert [part.name(i) for i in range(len(part))] == ["1", "0"]


def test_noise_is_bounded_and_the_best_are_kept() -> None:
    rng = np.random.default_rng(0)
    tensor = rng.uniform(0, 1, (1, 7, 33_600)).astype(np.float32)
    tensor[0, :2] *= 640
    part = decode_boxes(tensor, score=0.0, iou=1.0, max_detections=10**6)
    assert len(part) == MAX_CANDIDATES
    best = np.sort(tensor[0, 4:].max(axis=0))[::-1][:MAX_CANDIDATES]
    assert part.scores.tolist() == best.tolist()


def test_half_precision_outputs_are_read() -> None:
    tensor = raw(*ROWS)
    assert decode_boxes(tensor.astype(np.float16)).boxes.tolist() == decode_boxes(tensor).boxes.tolist()


def test_one_head_serves_several_threads() -> None:
    head = open_head(HeadCard(name="boxes", kind="yolo_boxes", classes=CLASSES))
    tensors = [like_a_street(seed) for seed in range(4)]
    alone = [head.decode({"o": tensor}, FIT, (1280, 720), Thresholds()) for tensor in tensors]
    wrong: list[int] = []

    def work(index: int) -> None:
        for _ in range(20):
            part = head.decode({"o": tensors[index]}, FIT, (1280, 720), Thresholds())
            if part.boxes.tolist() != alone[index].boxes.tolist():  # type: ignore[union-attr]
                wrong.append(index)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert wrong == []


END2END = np.array(
    [
        [0, 0, 10, 10, 0.6, 0],
        [0, 0, 10, 10, 0.9, 1],
        [0, 0, 10, 10, 0.6, 2],
        [5, 5, 5, 9, 0.8, 1],
        [np.nan, 0, 10, 10, 0.8, 1],
        [0, 0, 10, 10, 0.8, -1],
        [0, 0, 10, 10, 0.8, 1e30],
        [0, 0, 10, 10, 0.8, 77],
        [0, 0, 10, 10, 0.25, 1],
    ],
    np.float32,
)[None]


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({}, [("car", 0.9), ("77", 0.8), ("person", 0.6), ("truck", 0.6)]),
        ({"score": 0.7, "iou": 0.0, "class_agnostic": True}, [("car", 0.9), ("77", 0.8)]),
        ({"classes": frozenset({"truck", "77"})}, [("77", 0.8), ("truck", 0.6)]),
        ({"max_detections": 1}, [("car", 0.9)]),
    ],
)
def test_end_to_end_boxes(options: dict[str, Any], kept: list[tuple[str, float]]) -> None:
    head = open_head(HeadCard(name="boxes", kind="yolo_boxes_end2end", classes=CLASSES))
    part = head.decode({"o": END2END}, SAME, (640, 640), Thresholds(**options))
    assert isinstance(part, Detections)
    assert [(part.name(i), round(float(part.scores[i]), 3)) for i in range(len(part))] == kept


def frames_of(clip: Path, indices: set[int]) -> list[NDArray[np.uint8]]:
    """Some frames of a clip, BGR."""
    with av.open(str(clip)) as container:
        upto = itertools.islice(container.decode(video=0), max(indices) + 1)
        return [np.asarray(p.to_ndarray(format="bgr24"), np.uint8) for i, p in enumerate(upto) if i in indices]


def outputs_of(network: Path, frame: NDArray[np.uint8]) -> tuple[NDArray[np.float32], Fit]:
    """The first output of a 640×640 network for one frame, letterboxed, in ONNX Runtime."""
    import onnxruntime

    fit = Letterbox(frame.shape[1], frame.shape[0], 640, 640)
    window = fit.content
    square = np.full((640, 640, 3), 114, np.uint8)
    rows, columns = slice(window.top, window.top + window.height), slice(window.left, window.left + window.width)
    square[rows, columns] = cv2.resize(frame, (window.width, window.height))
    session = onnxruntime.InferenceSession(network, providers=["CPUExecutionProvider"])
    tensor = np.ascontiguousarray(square[:, :, ::-1].transpose(2, 0, 1)[None], np.float32) / 255
    return session.run(None, {session.get_inputs()[0].name: tensor})[0], fit


CLIPS = (("city_seattle_a.mp4", {10, 70}), ("highway720_300.mp4", {0}))
RUNS = (Thresholds(), Thresholds(score=0.05, iou=0.6), Thresholds(score=0.01, class_agnostic=True, max_detections=50))


@pytest.mark.shared
@pytest.mark.parametrize("network", ["yolov8n-fp32.onnx", "yolov8n-int8-qdq.onnx"])
@pytest.mark.parametrize(("clip", "indices"), CLIPS)
def test_real_yolo_outputs_agree_with_the_slow_reference(
    shared: Path, network: str, clip: str, indices: set[int]
) -> None:
    head = open_head(HeadCard(name="boxes", kind="yolo_boxes"))
    for frame in frames_of(shared / "clips" / clip, indices):
        tensor, fit = outputs_of(shared / "weights" / network, frame)
        for thresholds in RUNS:
            expected = slow_yolo(tensor, fit, thresholds)
            part = head.decode({"output0": tensor}, fit, (fit.frame_width, fit.frame_height), thresholds)
            assert isinstance(part, Detections)
            assert expected
            assert part.class_ids.tolist() == [row[1] for row in expected]
            assert part.scores.tolist() == [row[0] for row in expected]
            np.testing.assert_allclose(part.boxes, [row[2:] for row in expected], atol=1e-3)


@pytest.mark.shared
@pytest.mark.parametrize(("clip", "indices"), CLIPS)
def test_real_end_to_end_outputs_agree_with_the_slow_reference(shared: Path, clip: str, indices: set[int]) -> None:
    head = open_head(HeadCard(name="boxes", kind="yolo_boxes_end2end"))
    for frame in frames_of(shared / "clips" / clip, indices):
        tensor, fit = outputs_of(shared / "weights" / "yolov10n-int8.onnx", frame)
        rows = sorted((row for row in tensor[0].tolist() if row[4] > 0.25), key=lambda row: -row[4])
        expected = [fit.boxes_to_frame(np.array([row[:4]]))[0] for row in rows]
        part = head.decode({"output0": tensor}, fit, (fit.frame_width, fit.frame_height), Thresholds())
        assert isinstance(part, Detections)
        assert rows
        assert part.class_ids.tolist() == [int(row[5]) for row in rows]
        assert part.scores.tolist() == [row[4] for row in rows]
        np.testing.assert_allclose(part.boxes, expected, atol=1e-3)
