"""Labels written by a run, read by other programs: the classes, boxes and masks of the run come back."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from contracts.prediction import Detections, InstanceMasks
from roadstream import Result, stream

DRIVE = "synthetic:city?size=640x360&seconds=10&fps=5"
Masks = NDArray[np.bool_]


def run(source: str | Path, folder: Path, layout: str, frames: int, **options: Any) -> dict[str, Result]:
    """What the run that labelled ``frames`` frames gave, by file name without ending."""
    results = list(stream(source, max_frames=frames, labels=folder, labels_format=layout, **options))
    return {f"{result.frame.source.id}-{result.frame.index:06d}": result for result in results}


def boxes_of(result: Result) -> Detections:
    (found,) = result.prediction.detections().values()
    return found


def masks_of(result: Result) -> Masks:
    """Every instance's mask on the frame; one without an outline is labelled by its box."""
    (part,) = result.prediction.instances().values()
    assert isinstance(part, InstanceMasks)
    picture = result.frame.picture
    masks = np.zeros((len(part.masks), picture.height, picture.width), bool)
    for index, mask in enumerate(part.masks):
        window = part.window(index)
        place = masks[index, window.top : window.top + window.height, window.left : window.left + window.width]
        place[:] = mask if mask.any() else 1
    return masks


def ious(one: Masks, other: Masks) -> NDArray[np.float64]:
    """Of each mask with the other of the same place."""
    both, either = (one & other).sum(axis=(1, 2)), (one | other).sum(axis=(1, 2))
    return np.asarray(both / either, np.float64)


def as_ultralytics_reads(folder: Path, task: str) -> dict[str, NDArray[Any]]:
    if importlib.util.find_spec("ultralytics") is None:
        pytest.skip("ultralytics is not installed")
    out = folder / "read.npz"
    words = ("tests.support.ultralytics_dataset", folder / "data.yaml", task, out)
    done = subprocess.run(
        [sys.executable, "-m", *map(str, words)], capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr
    with np.load(out) as read:
        return dict(read)


def test_ultralytics_reads_boxes(tmp_path: Path) -> None:
    seen = run(DRIVE, tmp_path / "out", "yolo", 12)
    read = as_ultralytics_reads(tmp_path / "out", "detect")
    assert read["names"].tolist() == list(boxes_of(next(iter(seen.values()))).names)
    assert {name.split(" ", 1)[1] for name in read if " " in name} == set(seen)
    total = 0
    for name, result in seen.items():
        boxes, label = boxes_of(result), read[f"boxes {name}"]
        centres, sizes = label[:, :2] * (640, 360), label[:, 2:] * (640, 360)
        corners = np.concatenate([centres - sizes / 2, centres + sizes / 2], axis=1)
        order, wanted = np.lexsort(corners.T), np.lexsort(boxes.boxes.T)
        np.testing.assert_allclose(corners[order], boxes.boxes[wanted], atol=0.01)
        np.testing.assert_array_equal(read[f"classes {name}"][order], boxes.class_ids[wanted])
        total += len(boxes)
    assert total > len(seen)


def instances(shared: Path, folder: Path, layout: str) -> dict[str, Result]:
    """A run of the real segmentation network over some frames of a city."""
    clip, network = shared / "clips" / "city_seattle_a.mp4", shared / "weights" / "yolov8n-seg-int8-320.onnx"
    seen = run(clip, folder, layout, 12, engines=[network], score=0.3)
    assert sum(len(boxes_of(result)) for result in seen.values()) >= 30
    return seen


@pytest.mark.shared
def test_ultralytics_reads_polygons(shared: Path, tmp_path: Path) -> None:
    seen = instances(shared, tmp_path / "out", "yolo")
    read = as_ultralytics_reads(tmp_path / "out", "segment")
    worst = []
    for name, result in seen.items():
        boxes, masks = boxes_of(result), masks_of(result)
        bits = read[f"masks {name}"]
        label = np.unpackbits(bits, count=masks.size).astype(bool).reshape(masks.shape)
        np.testing.assert_array_equal(read[f"classes {name}"], boxes.class_ids)
        worst += ious(label, masks).tolist()
    assert min(worst) >= 0.95


def judged(truth: Any, found: list[dict[str, Any]], kind: str) -> float:
    """Mean average precision over IoU 0.5 … 0.95 as COCO counts it."""
    coco = pytest.importorskip("faster_coco_eval")
    evaluation = coco.COCOeval_faster(truth, truth.loadRes(found), kind, print_function=lambda *_: None)
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return float(evaluation.stats[0])


@pytest.mark.shared
def test_coco_reads_polygons_and_the_run_is_perfect_against_them(shared: Path, tmp_path: Path) -> None:
    coco = pytest.importorskip("faster_coco_eval")
    encode = importlib.import_module("faster_coco_eval.core.mask").encode
    seen = instances(shared, tmp_path / "out", "coco")
    truth = coco.COCO(str(tmp_path / "out" / "annotations" / "instances.json"))
    images = {image["file_name"]: image["id"] for image in truth.loadImgs(truth.getImgIds())}
    assert set(images) == {f"{name}.jpg" for name in seen}
    found: list[dict[str, Any]] = []
    worst = []
    for name, result in seen.items():
        boxes, masks, image = boxes_of(result), masks_of(result), images[f"{name}.jpg"]
        labels = truth.loadAnns(truth.getAnnIds([image]))
        worst += ious(np.array([truth.annToMask(label) for label in labels], bool).reshape(masks.shape), masks).tolist()
        for index, mask in enumerate(masks):
            x1, y1, x2, y2 = boxes.boxes[index].tolist()
            place = {"bbox": [x1, y1, x2 - x1, y2 - y1], "segmentation": encode(np.asfortranarray(mask, np.uint8))}
            known = {"image_id": image, "category_id": int(boxes.class_ids[index]) + 1}
            found.append({**known, **place, "score": float(boxes.scores[index])})
    assert min(worst) >= 0.99
    assert judged(truth, found, "bbox") == pytest.approx(1.0)
    assert judged(truth, found, "segm") == pytest.approx(1.0)
