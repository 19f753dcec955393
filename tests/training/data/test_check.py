"""Every fault is found, named, and nothing else is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from contracts.errors import SourceError
from tests.support.labelled import SIZE, picture, put, put_coco, put_json, put_picture, put_text, put_yolo
from tests.training.data.commanding import data
from tests.training.data.folders import opened
from tests.training.data.test_readers import LABELS

FULL = {name: boxes or [(0, (1.0, 1.0, 9.0, 9.0))] for name, boxes in LABELS.items()}


def _cut_off(root: Path) -> None:
    path = put_picture(root / "images/train/cut.jpg", 77)
    put_text(root / "labels/train/cut.txt", "0 0.5 0.5 0.1 0.1\n")
    path.write_bytes(path.read_bytes()[:-40])


FAULTS: dict[str, tuple[str, str, Callable[[Path], object]]] = {
    "no picture": ("error", "unreadable", lambda root: put_text(root / "images/train/a_1.png", "no picture")),
    "cut off": ("error", "unreadable", _cut_off),
    "no numbers": ("error", "labels", lambda root: put_text(root / "labels/train/a_1.txt", "0 a b c d\n")),
    "odd polygon": (
        "error",
        "labels",
        lambda root: put_text(root / "labels/train/a_1.txt", "0 0 0 1 1 2 2 3\n"),
    ),
    "unknown class": ("error", "class", lambda root: put_text(root / "labels/train/a_1.txt", "2 0.5 0.5 0.1 0.1\n")),
    "beyond": ("error", "range", lambda root: put_text(root / "labels/train/a_1.txt", "0 0.9 0.5 0.4 0.1\n")),
    "no area": ("error", "range", lambda root: put_text(root / "labels/train/a_1.txt", "0 0.5 0.5 0 0.1\n")),
    "negative width": (
        "error",
        "range",
        lambda root: put_text(root / "labels/train/a_1.txt", "0 0.5 0.5 -.2 .2\n"),
    ),
    "negative height": (
        "error",
        "range",
        lambda root: put_text(root / "labels/train/a_1.txt", "0 0.5 0.5 .2 -.2 0.9\n"),
    ),
    "twice": ("warning", "twice", lambda root: put_text(root / "labels/train/a_1.txt", "0 0.5 0.5 0.1 0.1\n" * 2)),
    "empty": ("warning", "empty", lambda root: put_text(root / "labels/train/a_1.txt", "")),
    "missing": ("warning", "missing", lambda root: (root / "labels/train/a_1.txt").unlink()),
    "orphan": ("warning", "orphan", lambda root: put_text(root / "labels/train/gone.txt", "")),
    "copy": ("error", "copy", lambda root: _again(root, picture(0))),
    "scaled": ("warning", "near", lambda root: _again(root, np.asarray(cv2.resize(picture(0), (128, 96)), np.uint8))),
}


def _again(root: Path, pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> None:
    put(root / "images/val/again.png", pixels)
    put_text(root / "labels/val/again.txt", "0 0.5 0.5 0.1 0.1\n")
    put_text(root / "data.yaml", "train: images/train\nval: images/val\nnames: [car, bus]\n")


def test_a_set_in_order(tmp_path: Path) -> None:
    assert data("check", put_yolo(tmp_path, FULL), "--strict") == (0, ["nothing found"])


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault(tmp_path: Path, fault: str) -> None:
    severity, kind, spoil = FAULTS[fault]
    spoil(put_yolo(tmp_path, FULL))
    code, lines = data("check", tmp_path, "--strict")
    assert code == (3 if severity == "error" else 0)
    assert len(lines) == 2, lines
    assert lines[0].startswith(f"{severity}: ")
    assert lines[0].endswith(f"[{kind}]")
    assert lines[1] == f"{severity}s [{kind}]: 1"
    assert data("check", tmp_path)[0] == 0


def test_coco_labelled_at_another_size(tmp_path: Path) -> None:
    file = put_coco(tmp_path, FULL, {1: "car", 2: "bus"}) / "annotations/instances_train.json"
    file.write_text(file.read_text().replace(f'"width": {SIZE[0]}', f'"width": {2 * SIZE[0]}', 1))
    code, lines = data("check", tmp_path, "--strict")
    assert code == 3
    assert len(lines) == 2, lines
    assert f"says {2 * SIZE[0]}x{SIZE[1]} of" in lines[0]
    assert lines[0].endswith(f"the picture is {SIZE[0]}x{SIZE[1]} [labels]")


@pytest.mark.parametrize(
    ("bbox", "why"),
    [([1, 1, float("nan"), 5], "nan is no place"), ([1, 1, 5], "3 numbers, not 4"), ([1, 1, None, 5], "NoneType")],
)
def test_a_coco_annotation_without_a_box_is_of_its_picture(tmp_path: Path, bbox: list[object], why: str) -> None:
    file = put_coco(tmp_path, FULL, {1: "car", 2: "bus"}) / "annotations/instances_train.json"
    made = json.loads(file.read_text())
    made["annotations"][-1].update(id=77, bbox=bbox)
    put_json(file, made)
    put_text(tmp_path / "train/a_1.png", "no picture")
    code, lines = data("check", tmp_path, "--strict")
    assert code == 3
    assert [line.rsplit("[", 1)[1] for line in lines[:2]] == ["unreadable]", "labels]"]
    assert f"{file}: b_10: annotation 77 has no box: " in lines[1]
    assert why in lines[1]
    samples = opened(tmp_path, "coco")
    assert len(samples[1].boxes) == 1
    with pytest.raises(SourceError, match="annotation 77"):
        samples[2]


def test_corners_that_cannot_be_read_hide_nothing(tmp_path: Path) -> None:
    for seed, name in enumerate("abc"):
        put_picture(tmp_path / f"{name}.png", seed)
        put_json(tmp_path / f"{name}.json", {"label": "front", "points": [[4, 8], [20, 40]]})
    put_text(tmp_path / "a.json", "{")
    put_text(tmp_path / "b.png", "no picture")
    without = data("check", tmp_path, "--strict")
    assert without == data("check", tmp_path, "--strict", "--classes", "boxes=front")
    assert [line.rsplit("[", 1)[1] for line in without[1][:2]] == ["labels]", "unreadable]"]
    with pytest.raises(SourceError, match=r"a[.]json"):
        opened(tmp_path, "corners")[0]
    for name in "bc":
        put_text(tmp_path / f"{name}.json", "{")
    with pytest.raises(SourceError, match=r"a[.]json"):
        opened(tmp_path, "corners")


@pytest.mark.parametrize("form", ["the file", "the folder"])
def test_a_coco_file_without_images_is_no_set(tmp_path: Path, form: str) -> None:
    put_coco(tmp_path, {}, {1: "car"})
    where = tmp_path / "annotations/instances_train.json" if form == "the file" else tmp_path
    with pytest.raises(SourceError, match="no pictures"):
        data("check", where, "--strict")
    put_coco(tmp_path, FULL, {1: "car", 2: "bus"}, split="val")
    if form == "the folder":
        assert data("check", tmp_path, "--strict") == (0, ["nothing found"])


def test_maps_of_classes(tmp_path: Path) -> None:
    for number, camera in enumerate(("cam0", "cam1", "cam2")):
        put_picture(tmp_path / f"image/train/{camera}/1.png", number)
    put(tmp_path / "labelmap/train/cam0/1.png", np.full((SIZE[1], SIZE[0]), 20, np.uint8))
    put(tmp_path / "labelmap/train/cam1/1.png", np.zeros((5, 5), np.uint8))
    put(tmp_path / "labelmap/train/cam2/1.png", np.full((SIZE[1], SIZE[0]), 255, np.uint8))
    _, lines = data("check", tmp_path)
    assert [line.rsplit("[", 1)[1].rstrip("]") for line in lines[:3]] == ["class", "labels", "empty"]
    _, lines = data("check", tmp_path, "--remap", "classes:cam0:20=18")
    assert not any(line.endswith("[class]") for line in lines)


def test_sets_without_files_and_drives(tmp_path: Path) -> None:
    code, lines = data("check", "synthetic:highway?seconds=2&fps=2&size=320x192", "--near", "0", "--strict")
    assert code == 0
    for number in range(2):
        put_picture(tmp_path / f"images/train/x_{number}.jpg", number)
        put_text(tmp_path / f"boxes/train/x_{number}.txt", "0 0.5 0.5 0.1 0.1 0.2\n")
        put(tmp_path / f"drivable/train/x_{number}.png", np.full((SIZE[1], SIZE[0]), 1 + number, np.uint8))
        put(tmp_path / f"lane/train/x_{number}.png", np.zeros((SIZE[1], SIZE[0]), np.uint8))
    code, lines = data("check", tmp_path, "--strict")
    assert code == 3
    assert lines[-1] == "errors [class]: 1"


@pytest.mark.parametrize(
    ("line", "kind"),
    [("1 .99 .5 .2 .2 .9", "range"), ("1 1.5 .5 .2 .2 .9", "range"), ("7 .5 .5 .2 .2 .9", "class"), ("1 .5", "labels")],
)
def test_boxes_of_a_drive_are_seen_as_they_were_written(tmp_path: Path, line: str, kind: str) -> None:
    put_picture(tmp_path / "images/train/z_0.jpg")
    put_text(tmp_path / "boxes/train/z_0.txt", line + "\n")
    put(tmp_path / "drivable/train/z_0.png", np.zeros((SIZE[1], SIZE[0]), np.uint8))
    put(tmp_path / "lane/train/z_0.png", np.zeros((SIZE[1], SIZE[0]), np.uint8))
    code, lines = data("check", tmp_path, "--strict")
    assert code == 3
    assert lines[-1] == f"errors [{kind}]: 1"
    assert "z_0" in lines[0]


def test_many_findings_are_counted_and_cut(tmp_path: Path) -> None:
    put_yolo(tmp_path, {f"f{number}": [] for number in range(9)})
    _, lines = data("check", tmp_path, "--most-lines", "3")
    assert len(lines) == 4
    assert lines[-1] == "warnings [empty]: 9, the first 3 shown (--most-lines)"


def test_splits_that_share_a_folder_have_no_orphans(tmp_path: Path) -> None:
    labels = [(0, (1.0, 1.0, 9.0, 9.0))]
    put_yolo(tmp_path / "set", {f"{run}_1": labels for run in "abcdefghij"})
    data("split", tmp_path / "set", "--output", tmp_path / "parts", "--near", "0")
    assert data("check", tmp_path / "parts", "--near", "0") == (0, ["nothing found"])


def test_looks_are_not_compared_where_that_is_not_wanted(tmp_path: Path) -> None:
    put_yolo(tmp_path, FULL)
    _again(tmp_path, np.asarray(cv2.resize(picture(0), (128, 96)), np.uint8))
    assert data("check", tmp_path, "--near", "0") == (0, ["nothing found"])


def test_what_a_phone_puts_behind_a_picture_is_no_cut(tmp_path: Path) -> None:
    put_yolo(tmp_path, FULL)
    path = put_picture(tmp_path / "images/train/phone.jpg", 77)
    put_text(tmp_path / "labels/train/phone.txt", "0 0.5 0.5 0.1 0.1\n")
    path.write_bytes(path.read_bytes() + bytes(5000))
    assert data("check", tmp_path) == (0, ["nothing found"])
