"""Conversions there and back, and read by other people's readers."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import UsageError
from tests.support.labelled import SIZE, put_coco, put_json, put_picture, put_text, put_yolo
from tests.training.data.commanding import data
from tests.training.data.folders import opened
from tests.training.data.test_readers import LABELS, boxes_by_name

ROOT = Path(__file__).resolve().parents[3]


@st.composite
def boxes(draw: st.DrawFn) -> tuple[int, tuple[float, float, float, float]]:
    """At least an eighth of a pixel wide and high."""
    left, right = sorted(draw(st.lists(st.integers(0, SIZE[0] * 8), min_size=2, max_size=2, unique=True)))
    top, bottom = sorted(draw(st.lists(st.integers(0, SIZE[1] * 8), min_size=2, max_size=2, unique=True)))
    return draw(st.integers(0, 2)), (left / 8, top / 8, right / 8, bottom / 8)


@settings(max_examples=12, deadline=None)
@given(first=st.lists(boxes(), max_size=5), second=st.lists(boxes(), max_size=5))
def test_coco_to_yolo_to_coco(first: list[Any], second: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root, labels = Path(folder), {"a": first, "b": second}
        put_coco(root / "coco", labels, {7: "car", 8: "bus", 20: "van"})
        data("convert", root / "coco", "--to", "yolo", "--output", root / "yolo")
        data("convert", root / "yolo", "--to", "coco", "--output", root / "again")
        for path, layout in ((root / "yolo", "yolo"), (root / "again", "coco")):
            samples = opened(path, layout)
            assert samples.classes == {"boxes": ("car", "bus", "van")}
            found = boxes_by_name(samples)
            for name, expected in labels.items():
                assert [kind for kind, _ in found[name]] == [kind for kind, _ in expected]
                for (_, one), (_, two) in zip(found[name], expected, strict=True):
                    assert one == pytest.approx(two, abs=1e-4)


def test_coco_is_read_by_the_coco_tools(tmp_path: Path) -> None:
    from faster_coco_eval import COCO

    put_yolo(tmp_path / "yolo", LABELS)
    put_text(tmp_path / "yolo/labels/train/b_10.txt", "1 0.25 0.25 0.5 0.25 0.5 0.75\n")
    data("convert", tmp_path / "yolo", "--to", "coco", "--output", tmp_path / "coco")
    with contextlib.redirect_stdout(io.StringIO()):
        theirs = COCO(str(tmp_path / "coco/annotations/instances_train.json"))
    by_name = {image["file_name"]: theirs.imgToAnns[number] for number, image in theirs.imgs.items()}
    assert {category["name"] for category in theirs.cats.values()} == {"car", "bus"}
    assert [annotation["bbox"] for annotation in by_name["a_1.png"]] == [
        pytest.approx([4, 8, 16, 32]),
        pytest.approx([30, 0, 34, 12]),
    ]
    triangle = by_name["b_10.png"][0]
    assert triangle["area"] == pytest.approx(0.5 * 16 * 24)
    assert np.count_nonzero(theirs.annToMask(triangle)) == pytest.approx(triangle["area"], rel=0.15)


def test_yolo_is_read_by_ultralytics(tmp_path: Path) -> None:
    if importlib.util.find_spec("ultralytics") is None:
        pytest.skip("ultralytics is not installed")
    put_coco(tmp_path / "coco", LABELS, {1: "car", 2: "bus"})
    data("convert", tmp_path / "coco", "--to", "yolo", "--output", tmp_path / "yolo")
    command = [sys.executable, "-m", "tests.training.data.ultralytics_labels", str(tmp_path / "yolo/images/train")]
    environment = {**os.environ, "YOLO_OFFLINE": "1", "YOLO_AUTOINSTALL": "0", "YOLO_CONFIG_DIR": str(tmp_path)}
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, timeout=240)
    theirs = json.loads(done.stdout)
    for name, expected in LABELS.items():
        assert [row[0] for row in theirs[name]] == [kind for kind, _ in expected]
        rows = np.array(theirs[name], np.float64).reshape(-1, 5)
        edges = np.concatenate([rows[:, 1:3] - rows[:, 3:] / 2, rows[:, 1:3] + rows[:, 3:] / 2], axis=1)
        corners = np.array([corners for _, corners in expected], np.float64).reshape(-1, 4)
        assert np.allclose(edges * [*SIZE, *SIZE], corners, atol=1e-3)


def test_corners_to_yolo(tmp_path: Path) -> None:
    put_picture(tmp_path / "notes/images/1.png")
    corners = [[4, 8], [20, 9], [19, 40], [5, 39]]
    put_json(tmp_path / "notes/json/1.json", {"shapes": [{"label": "front", "points": corners}]})
    data("convert", tmp_path / "notes", "--to", "yolo", "--output", tmp_path / "yolo")
    sample = opened(tmp_path / "yolo", "yolo")[0]
    assert sample.class_ids.tolist() == [0]
    assert sample.boxes[0].tolist() == pytest.approx([4, 8, 20, 40], abs=1e-4)


@pytest.mark.parametrize(
    ("options", "inside", "outside"),
    [(("--background", "255"), 3, 255), (("--remap", "classes:*:3=1"), 1, 0)],
    ids=["background", "remapped"],
)
def test_polygons_to_maps(tmp_path: Path, options: tuple[str, str], inside: int, outside: int) -> None:
    put_picture(tmp_path / "set/images/train/a.png")
    put_text(tmp_path / "set/labels/train/a.txt", "3 0 0 0.5 0 0.5 1 0 1\n")
    words = ("--layout", "yolo_polygons", "--classes", "classes=a,b,c,d", *options)
    data("convert", tmp_path / "set", *words, "--to", "masks", "--output", tmp_path / "maps")
    found = cv2.imread(str(tmp_path / "maps/labelmap/train/a.png"), cv2.IMREAD_UNCHANGED)
    assert found is not None
    assert found.shape == (SIZE[1], SIZE[0])
    assert found[0].tolist() == [inside] * 32 + [outside] * 32


def test_remapped_while_converting(tmp_path: Path) -> None:
    put_yolo(tmp_path / "set", LABELS)
    rules = ("--remap", "boxes:*:0=1,1=255")
    data("convert", tmp_path / "set", *rules, "--to", "coco", "--output", tmp_path / "coco")
    made = json.loads((tmp_path / "coco/annotations/instances_train.json").read_text())
    assert [(each["category_id"], each["iscrowd"]) for each in made["annotations"]] == [(2, 0), (2, 1), (2, 1)]
    assert len(made["images"]) == len(LABELS)


def test_nothing_is_written_into_a_folder_that_holds_something(tmp_path: Path) -> None:
    put_yolo(tmp_path / "set", LABELS)
    before = sorted(path.read_bytes() for path in (tmp_path / "set").rglob("*") if path.is_file())
    for output in (tmp_path / "set", tmp_path / "set/images"):
        with pytest.raises(UsageError):
            data("convert", tmp_path / "set", "--to", "coco", "--output", output)
    assert sorted(path.read_bytes() for path in (tmp_path / "set").rglob("*") if path.is_file()) == before


@pytest.mark.parametrize("form", ["yolo", "coco", "masks"])
def test_two_pictures_of_one_name_have_one_label_file(tmp_path: Path, form: str) -> None:
    put_picture(tmp_path / "set/images/train/a.png", 1)
    put_picture(tmp_path / "set/images/train/a.jpg", 2)
    put_text(tmp_path / "set/labels/train/a.txt", "0 0 0 0.5 0 0.5 1 0 1\n")
    put_text(tmp_path / "set/classes.txt", "car\n")
    layout = "yolo_polygons" if form == "masks" else "yolo"
    with pytest.raises(UsageError, match="called images/train/a:"):
        data("convert", tmp_path / "set", "--layout", layout, "--to", form, "--output", tmp_path / "new")


def test_what_does_not_count_is_read_back_from_a_drive(tmp_path: Path) -> None:
    names = ("person", "car", "bus", "truck", "two_wheeler")
    put_yolo(tmp_path / "set", {"a": [(1, (1, 1, 9, 9)), (4, (20, 20, 40, 40))]}, names=names)
    data("convert", tmp_path / "set", "--remap", "boxes:*:4=255", "--to", "drive", "--output", tmp_path / "drive")
    sample = opened(tmp_path / "drive", "drive")[0]
    assert sample.counts.tolist() == [True, False]
    assert sample.class_ids[0] == 1


def test_a_drive_of_other_labels_is_refused(tmp_path: Path) -> None:
    put_picture(tmp_path / "set/can/1.png")
    with pytest.raises(UsageError, match="it has label"):
        data("convert", tmp_path / "set", "--to", "drive", "--output", tmp_path / "drive")
