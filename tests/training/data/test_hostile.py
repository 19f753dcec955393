"""Files that are not what they should be: one line and an exit code, never a traceback, nothing outside the folder."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from contracts.errors import RoadStreamError, SourceError
from sources.datasets.coco import read_coco
from sources.datasets.corner_json import IDS, NAMES, read_shapes
from sources.datasets.fileset import Boxes, read_mask
from sources.datasets.yolo import map_of
from sources.datasets.yolo_text import boxes_around, read_outlines
from tests.support.labelled import SIZE, put_json, put_picture, put_text, put_yolo
from tests.training.data.commanding import data
from tests.training.data.folders import opened

numbers = st.one_of(st.integers(), st.floats(), st.sampled_from([0, 1, -1, 10**400, 1e308, 2**63]))
leaves = st.one_of(st.none(), st.booleans(), numbers, st.text(max_size=4))
KEYS = """shapes objects points quad x1 y1 x2 y2 shape_type top_left imageWidth
    images annotations categories id file_name image_id bbox segmentation iscrowd"""
keys = st.sampled_from((*NAMES, *IDS, *KEYS.split()))
trees = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(keys, inner, max_size=6), max_leaves=25
)


not_on_darwin = pytest.mark.skipif(sys.platform == "darwin", reason="its file system takes UTF-8 names only")


def _yolo(path: Path) -> None:
    outlines = read_outlines(path)
    boxes_around(outlines, *SIZE)
    map_of(path, *SIZE)


def _shapes(path: Path) -> None:
    for shape in read_shapes(path, *SIZE):
        label = 0 if isinstance(shape.label, str) else shape.label
        Boxes.of([[*shape.points.min(axis=0), *shape.points.max(axis=0)]], [label])


READERS: dict[str, Callable[[Path], object]] = {
    "yolo": _yolo,
    "shapes": _shapes,
    "coco": read_coco,
    "coco set": lambda path: opened(path, "coco"),
    "mask": lambda path: read_mask(path, *SIZE),
}


def reads_or_says_why(reader: str, content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file.json"
        path.write_bytes(content)
        with contextlib.suppress(RoadStreamError):
            READERS[reader](path)


@pytest.mark.parametrize("reader", READERS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(content=st.binary(max_size=80) | trees.map(lambda tree: json.dumps(tree).encode()))
def test_anything_in_the_file(reader: str, content: bytes) -> None:
    reads_or_says_why(reader, content)


@settings(max_examples=100, deadline=None)
@given(lines=st.lists(st.lists(numbers, min_size=1, max_size=10), max_size=4))
def test_any_numbers_in_yolo_text(lines: list[list[Any]]) -> None:
    reads_or_says_why("yolo", "\n".join(" ".join(map(str, line)) for line in lines).encode())


@settings(max_examples=80, deadline=None)
@given(box=st.lists(numbers, max_size=5), polygons=trees)
def test_any_numbers_in_coco(box: list[Any], polygons: Any) -> None:
    annotation = {"image_id": 1, "category_id": 1, "bbox": box, "segmentation": polygons}
    images, categories = [{"id": 1, "file_name": "a.jpg"}], [{"id": 1, "name": "car"}]
    tree = {"images": images, "categories": categories, "annotations": [annotation]}
    reads_or_says_why("coco set", json.dumps(tree).encode())


def test_a_mask_cut_short_or_in_colour(tmp_path: Path) -> None:
    path = tmp_path / "mask.png"
    noise = np.random.default_rng(0).integers(0, 256, (SIZE[1], SIZE[0], 3), np.uint8)
    Image.fromarray(noise[..., 0]).save(path)
    whole = path.read_bytes()
    assert np.array_equal(read_mask(path, *SIZE), noise[..., 0])
    for length in range(0, len(whole) - 40, 97):
        path.write_bytes(whole[:length])
        with pytest.raises(RoadStreamError):
            read_mask(path, *SIZE)
    Image.fromarray(noise).save(path)
    with pytest.raises(RoadStreamError, match="no map of classes"):
        read_mask(path, *SIZE)


def test_names_do_not_lead_out_of_the_new_folder(tmp_path: Path) -> None:
    put_picture(tmp_path / "a.png")
    image = {"id": 1, "file_name": "../a.png"}
    category = {"id": 1, "name": "car"}
    put_json(tmp_path / "set/all.json", {"images": [image], "annotations": [], "categories": [category]})
    data("convert", tmp_path / "set/all.json", "--to", "yolo", "--output", tmp_path / "deep/new")
    written = sorted(path for path in tmp_path.rglob("a.*"))
    assert written == [tmp_path / "a.png", *sorted((tmp_path / "deep/new").rglob("a.*"))]


@pytest.mark.parametrize(
    "text", ["names: {a: car, 1: bus}", "names: {0: car}\ntrain: [[1], {a: b}]", "names: [car]\npath: 7\ntrain: 5"]
)
def test_strange_descriptions(tmp_path: Path, text: str) -> None:
    put_text(tmp_path / "data.yaml", text)
    with pytest.raises(RoadStreamError):
        opened(tmp_path, "yolo")


@pytest.mark.parametrize("name", ["\ud800.png", "a\0.png"])
def test_a_coco_file_that_names_what_no_file_is_called(tmp_path: Path, name: str) -> None:
    images, categories = [{"id": 1, "file_name": name}], [{"id": 1, "name": "car"}]
    put_json(tmp_path / "all.json", {"images": images, "annotations": [], "categories": categories})
    with pytest.raises(SourceError, match="no file can be called"):
        data("check", tmp_path / "all.json")


def _strange(root: Path) -> Path:
    """A YOLO set of one picture whose name is not UTF-8."""
    put_yolo(root, {"a": [(0, (1.0, 1.0, 9.0, 9.0))]})
    for path in (root / "images/train/a.png", root / "labels/train/a.txt"):
        path.rename(os.fsdecode(os.fsencode(path.parent) + b"/caf\xe9" + os.fsencode(path.suffix)))
    return root


@not_on_darwin
@pytest.mark.parametrize("words", [("list",), ("split", "--shares", "1:0"), ("convert", "--to", "yolo")])
def test_a_name_that_is_not_utf8_survives_being_written(tmp_path: Path, words: tuple[str, ...]) -> None:
    command, *more = words
    assert data(command, _strange(tmp_path / "set"), *more, "--output", tmp_path / "new")[0] == 0
    if command == "list":
        assert (tmp_path / "new/train.txt").read_bytes().endswith(b"/images/train/caf\xe9.png\n")
        put_text(tmp_path / "new/data.yaml", "train: train.txt\nnames: [car, bus]\n")
    sample = opened(tmp_path / "new", "yolo")[0]
    assert sample.name.endswith("caf\udce9")
    assert sample.boxes.tolist() == [pytest.approx([1, 1, 9, 9], abs=1e-4)]


@not_on_darwin
def test_a_name_that_is_not_utf8_lists_its_labels_and_reports(tmp_path: Path) -> None:
    _strange(tmp_path / "set")
    data("list", tmp_path / "set", "--labels", "--output", tmp_path / "lists")
    places = (tmp_path / "lists/train.lst").read_bytes().split()
    assert [place.rpartition(b"/")[2] for place in places] == [b"caf\xe9.png", b"caf\xe9.txt"]
    (tmp_path / "set/images").rename(os.fsdecode(os.fsencode(tmp_path) + b"/set/\xe9"))
    (tmp_path / "set/data.yaml").write_bytes(b'train: "\\udce9"\nnames: [car]\n')
    _, lines = data("report", tmp_path / "set", "--output", tmp_path / "report")
    assert Path(lines[0]).read_text(encoding="utf-8")


@not_on_darwin
def test_coco_cannot_say_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"caf\\xe9\.png is not UTF-8") as caught:
        data("convert", _strange(tmp_path / "set"), "--to", "coco", "--output", tmp_path / "new")
    assert caught.value.cure == "rename it"
    assert not list((tmp_path / "new").iterdir())


@not_on_darwin
def test_what_is_found_in_a_name_that_is_not_utf8_can_be_printed(tmp_path: Path) -> None:
    picture = next((_strange(tmp_path) / "images/train").iterdir())
    picture.write_bytes(b"no picture")
    _, lines = data("check", tmp_path)
    assert "caf\\xe9" in lines[0]
    assert "\n".join(lines).encode("utf-8")


@not_on_darwin
@pytest.mark.parametrize(("layout", "folder"), [("drive", "images/train"), ("class_folders", "train/car")])
def test_a_name_that_is_not_utf8_is_read_like_any_other(tmp_path: Path, layout: str, folder: str) -> None:
    (tmp_path / folder).mkdir(parents=True)
    name = os.fsdecode(os.fsencode(tmp_path / folder) + b"/caf\xe9.jpg")
    put_picture(tmp_path / "whole.jpg")
    (tmp_path / "whole.jpg").rename(name)
    found = opened(tmp_path, layout)
    assert [found[place].picture.shape[:2] for place in range(len(found))] == [SIZE[::-1]]
