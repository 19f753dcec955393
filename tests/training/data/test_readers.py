"""The same labels in every layout, read back; and what is said of files that are wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contracts.errors import RoadStreamError, SourceError, UsageError
from sources.datasets.guess import guessed_layout
from tests.support.labelled import (
    SIZE,
    as_pairs,
    picture,
    put,
    put_coco,
    put_json,
    put_picture,
    put_text,
    put_yolo,
    yolo_lines,
)
from tests.training.data.folders import opened
from training.config import SetConfig
from training.data.open import open_set
from training.data.view import View

LABELS = {
    "a_1": [(0, (4.0, 8.0, 20.0, 40.0)), (1, (30.0, 0.0, 64.0, 12.0))],
    "a_2": [],
    "b_10": [(1, (1.0, 1.0, 3.0, 5.0))],
}


def boxes_by_name(samples: View) -> dict[str, list[tuple[int, tuple[float, float, float, float]]]]:
    """What the sets say, to compare with LABELS."""
    read = [samples[index] for index in range(len(samples))]
    assert all(sample.counts.all() for sample in read)
    return {Path(sample.name).name: as_pairs(sample.boxes, sample.class_ids) for sample in read}


def test_yolo_boxes(tmp_path: Path) -> None:
    samples = opened(put_yolo(tmp_path, LABELS), "yolo")
    assert boxes_by_name(samples) == LABELS
    assert samples.classes == {"boxes": ("car", "bus")}
    assert np.array_equal(samples[0].picture, picture(0))


@pytest.mark.parametrize("shape", ["images", "split/images", "no splits", "list"])
def test_yolo_wherever_it_lies(tmp_path: Path, shape: str) -> None:
    below = {"images": "{}/train", "split/images": "train/{}", "no splits": "{}", "list": "deep/{}/day"}[shape]
    for seed, (name, boxes) in enumerate(LABELS.items()):
        put_picture(tmp_path / below.format("images") / f"{name}.png", seed)
        put_text(tmp_path / below.format("labels") / f"{name}.txt", yolo_lines(boxes))
    if shape == "list":
        put_text(tmp_path / "train.txt", "".join(f"./deep/images/day/{name}.png\n" for name in LABELS))
        put_text(tmp_path / "data.yaml", "path: /gone\ntrain: train.txt\nnames: {0: car, 1: bus}\n")
    samples = opened(tmp_path, "yolo", classes={"boxes": ("car", "bus")})
    assert boxes_by_name(samples) == LABELS


def test_coco_ids_count_from_zero_whatever_theirs_are(tmp_path: Path) -> None:
    samples = opened(put_coco(tmp_path, LABELS, {3: "car", 90: "bus"}), "coco")
    assert boxes_by_name(samples) == LABELS
    assert samples.classes == {"boxes": ("car", "bus")}


def test_coco_crowds_do_not_count_and_polygons_do(tmp_path: Path) -> None:
    put_picture(tmp_path / "x.png")
    polygon = {"image_id": 1, "category_id": 1, "segmentation": [[1, 2, 9, 2, 5, 30]]}
    crowd = {"image_id": 1, "category_id": 1, "bbox": [0, 0, 30, 20], "iscrowd": 1}
    images, categories = [{"id": 1, "file_name": "x.png"}], [{"id": 1, "name": "car"}]
    put_json(tmp_path / "all.json", {"images": images, "annotations": [polygon, crowd], "categories": categories})
    sample = opened(tmp_path / "all.json", "coco")[0]
    assert sample.boxes.tolist() == [[1, 2, 9, 30], [0, 0, 30, 20]]
    assert sample.counts.tolist() == [True, False]


CORNER_FORMS: dict[str, Any] = {
    "labelme": {
        "imageWidth": SIZE[0],
        "imageHeight": SIZE[1],
        "shapes": [{"label": "front", "points": [[4, 8], [20, 9], [19, 40], [5, 39]], "shape_type": "polygon"}],
    },
    "labelme's rectangle": {
        "shapes": [{"label": "front", "points": [[20, 40], [4, 8]], "shape_type": "rectangle"}],
    },
    "labelme's circle": {"shapes": [{"label": "front", "points": [[12, 24], [12, 32]], "shape_type": "circle"}]},
    "list of objects": [{"class": "front", "corners": [4, 8, 20, 8, 20, 40, 4, 40]}],
    "named points": {"objects": [{"category": "front", "quad": {"top_left": [4, 8], "bottom_right": [20, 40]}}]},
    "named points in the object": {"name": "front", "top_left": {"x": 4, "y": 8}, "bottom_right": {"x": 20, "y": 40}},
    "numbers": {"annotations": [{"label": "front", "x1": 4, "y1": 8, "x2": 20, "y2": 8, "x3": 20, "y3": 40}]},
    "shares": {"label": "front", "polygon": [[0.0625, 1 / 6], [0.3125, 1 / 6], [0.3125, 5 / 6], [0.0625, 5 / 6]]},
}


@pytest.mark.parametrize("form", CORNER_FORMS)
def test_corners_in_the_forms_people_write(tmp_path: Path, form: str) -> None:
    put_picture(tmp_path / "note.png")
    put_json(tmp_path / "note.json", CORNER_FORMS[form])
    samples = opened(tmp_path, "corners")
    assert samples.classes == {"boxes": ("front",)}
    expected = [4, 16, 20, 32] if "circle" in form else [4, 8, 20, 40]
    assert samples[0].boxes[0].tolist() == pytest.approx(expected)


def test_ayolom_boxes_polygons_and_masks(tmp_path: Path) -> None:
    put_picture(tmp_path / "images/train2017/aa-1.jpg", 1)
    put_picture(tmp_path / "images/train2017/aa-2.jpg", 2)
    put_text(tmp_path / "detection-object/labels/train2017/aa-1.txt", yolo_lines([(9, (0, 0, 8, 8))]))
    put_text(tmp_path / "seg-drivable-10/labels/train2017/aa-1.txt", "10 0 0.5 1 0.5 1 1 0 1\n")
    mask = np.zeros((SIZE[1], SIZE[0]), np.uint8)
    mask[:5], mask[5:9] = 11, 255
    put(tmp_path / "seg-lane-11/labels/train2017/aa-1.png", mask)
    samples = opened(tmp_path, "ayolom")
    assert samples.groups == ("aa", "aa")
    first, second = samples[0], samples[1]
    assert samples.classes["boxes"][first.class_ids[0]] == "train"
    assert first.masks["drivable"].mean(axis=1).tolist() == [0] * 24 + [1] * 24
    assert np.array_equal(first.masks["lane"][:, 0], [1] * 5 + [255] * 4 + [0] * 39)
    assert second.masks == {}
    assert second.boxes.tolist() == [[0, 0, *SIZE]]
    assert second.counts.tolist() == [False]


def test_ayolom_merged_to_one_class(tmp_path: Path) -> None:
    put_picture(tmp_path / "images/val/a.jpg")
    put_text(
        tmp_path / "detection-object/val/a.txt", yolo_lines([(2, (0, 0, 8, 8)), (9, (9, 9, 20, 20)), (0, (1, 1, 2, 9))])
    )
    merged = {2: 0, 3: 0, 4: 0, 9: 0} | dict.fromkeys((0, 1, 5, 6, 7, 8), 255)
    samples = opened(tmp_path, "ayolom", split="val", classes={"boxes": ("vehicle",)}, remap={"boxes": {"*": merged}})
    assert samples[0].class_ids[samples[0].counts].tolist() == [0, 0]
    assert samples[0].counts.tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("picture_name", "map_name"),
    [
        ("000010_leftImg8bit.png", "000010_gtFine_CategoryId.png"),
        ("000010.jpg", "000010_CategoryId.png"),
        ("000010.jpg", "000010.png"),
    ],
)
def test_ddrnet_names(tmp_path: Path, picture_name: str, map_name: str) -> None:
    put_picture(tmp_path / "image/train/cam0" / picture_name)
    ids = np.arange(SIZE[0] * SIZE[1]).reshape(SIZE[1], SIZE[0]) % 19
    put(tmp_path / "labelmap/train/cam0" / map_name, np.where(ids == 5, 255, ids).astype(np.uint8))
    samples = opened(tmp_path, "ddrnet")
    assert samples.groups == ("cam0",)
    assert samples[0].name == "train/cam0/000010"
    assert np.array_equal(samples[0].masks["classes"], np.where(ids == 5, 255, ids))


def test_polygons_as_a_map(tmp_path: Path) -> None:
    put_picture(tmp_path / "images/train/a.png")
    put_text(tmp_path / "labels/train/a.txt", "3 0 0 0.5 0 0.5 1 0 1\n7 0 0 0.25 0 0.25 1 0 1\n")
    put_text(tmp_path / "classes.txt", "\n".join(f"kind {number}" for number in range(8)))
    mask = opened(tmp_path, "yolo_polygons")[0].masks["classes"]
    assert mask[0].tolist() == [7] * 16 + [3] * 16 + [0] * 32


@pytest.mark.parametrize("splits", [True, False])
def test_class_folders(tmp_path: Path, splits: bool) -> None:
    for seed, name in enumerate(("glass/1", "can/2", "can/10")):
        put_picture(tmp_path / ("train" if splits else "") / f"{name}.jpg", seed)
    samples = opened(tmp_path, "class_folders")
    assert samples.classes == {"label": ("can", "glass")}
    assert [samples[index].label for index in range(3)] == [0, 0, 1]
    assert [samples.base[index].name.split("/")[-1] for index in range(3)] == ["2", "10", "1"]
    assert samples[0].boxes.shape == (0, 4)
    turned = opened(tmp_path, "class_folders", classes={"label": ("glass", "can")})
    assert sorted(turned[index].label or 0 for index in range(3)) == [0, 1, 1]


def test_classes_are_those_of_all_splits(tmp_path: Path) -> None:
    for split, name in (("train", "can"), ("train", "paper"), ("val", "glass")):
        put_picture(tmp_path / f"folders/{split}/{name}/1.jpg")
        put_picture(tmp_path / f"notes/{split}/{name}.jpg")
        put_json(tmp_path / f"notes/{split}/{name}.json", {"label": name, "points": [[1, 1], [5, 5]]})
    for split in ("train", "val"):
        assert opened(tmp_path / "folders", "class_folders", split=split).classes["label"] == ("can", "glass", "paper")
        assert opened(tmp_path / "notes", "corners", split=split).classes["boxes"] == ("can", "glass", "paper")


def test_remap_in_one_folder_and_in_all(tmp_path: Path) -> None:
    for camera in ("cam0", "cam1"):
        put_picture(tmp_path / f"image/train/{camera}/1.jpg")
        put(tmp_path / f"labelmap/train/{camera}/1.png", np.full((SIZE[1], SIZE[0]), 6, np.uint8))
    samples = opened(tmp_path, "ddrnet", remap={"classes": {"*": {6: 7}, "cam1": {6: 18}}})
    assert [int(samples[index].masks["classes"][0, 0]) for index in range(2)] == [7, 18]


def test_most_spreads_evenly(tmp_path: Path) -> None:
    samples = opened(put_yolo(tmp_path, {f"f{number}": [] for number in range(10)}), "yolo", most=4)
    assert [samples[index].name[-2:] for index in range(4)] == ["f0", "f2", "f5", "f7"]


def test_boxes_are_cut_at_the_edge(tmp_path: Path) -> None:
    labels = {"a": [(0, (-10.0, 10.0, 5.0, 60.0)), (0, (70.0, 5.0, 80.0, 9.0))]}
    sample = opened(put_yolo(tmp_path, labels), "yolo")[0]
    assert sample.boxes.tolist() == [[0, 10, 5, 48]]


@pytest.mark.parametrize("layout", ["yolo", "corners"])
def test_missing_class_names_are_asked_for_as_the_command_takes_them(tmp_path: Path, layout: str) -> None:
    put_picture(tmp_path / "images/a.png")
    if layout == "yolo":
        put_text(tmp_path / "labels/a.txt", "0 0.5 0.5 0.1 0.1\n")
    else:
        put_json(tmp_path / "images/a.json", {"class_id": 0, "points": [[1, 1], [5, 5]]})
    with pytest.raises(UsageError) as caught:
        opened(tmp_path, layout)
    assert "--classes boxes=car,bus" in caught.value.cure
    assert "classes: {boxes: [car, bus]}" in caught.value.cure


def test_a_box_of_negative_size_is_not_turned_round(tmp_path: Path) -> None:
    put_yolo(tmp_path, {"a": []})
    put_text(tmp_path / "labels/train/a.txt", "0 0.5 0.5 -.2 .2\n1 0.5 0.5 0.25 0.25\n")
    assert opened(tmp_path, "yolo")[0].class_ids.tolist() == [1]


@pytest.mark.parametrize("layout", ["yolo", "yolo_polygons", "coco", "corners"])
def test_a_byte_order_mark_is_read_over(tmp_path: Path, layout: str) -> None:
    if layout == "coco":
        put_coco(tmp_path, LABELS, {1: "car", 2: "bus"})
    elif layout == "corners":
        put_picture(tmp_path / "a.png")
        put_json(tmp_path / "a.json", {"label": "front", "points": [[4, 8], [20, 40]]})
    else:
        put_yolo(tmp_path, LABELS)
        put_text(tmp_path / "data.yaml", "train: train.txt\nnames: [car, bus]\n")
        put_text(tmp_path / "train.txt", "".join(f"images/train/{name}.png\n" for name in LABELS))
    plain = opened(tmp_path, layout)
    before = [plain[place] for place in range(len(plain))]
    for path in tmp_path.rglob("*"):
        if path.suffix in (".json", ".txt", ".yaml"):
            path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    marked = opened(tmp_path, layout)
    assert marked.classes == plain.classes
    assert len(marked) == len(before)
    for place, sample in enumerate(before):
        assert np.array_equal(marked[place].boxes, sample.boxes)
        assert all(np.array_equal(marked[place].masks[head], mask) for head, mask in sample.masks.items())


WRONG: list[tuple[str, str, type[RoadStreamError]]] = [
    ("labels/train/a_1.txt", "0 0.5 0.5 0.1\n", SourceError),
    ("labels/train/a_1.txt", "car 0.5 0.5 0.1 0.1\n", SourceError),
    ("labels/train/a_1.txt", "0 nan 0.5 0.1 0.1\n", SourceError),
    ("labels/train/a_1.txt", "2 0.5 0.5 0.1 0.1\n", SourceError),
    ("images/train/a_1.png", "no picture", SourceError),
    ("data.yaml", "names: {1: car, 2: bus}\n", UsageError),
    ("data.yaml", "train: images/train\n", UsageError),
    ("data.yaml", "train: nowhere\nnames: [car]\n", SourceError),
    ("data.yaml", "names: [", UsageError),
    ("data.yaml", "train: images/train\nnc: 3\nnames: [car, bus]\n", UsageError),
]


@pytest.mark.parametrize(("file", "text", "error"), WRONG)
def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, file: str, text: str, error: type[RoadStreamError]) -> None:
    put_yolo(tmp_path, LABELS)
    put_text(tmp_path / file, text)
    with pytest.raises(error) as caught:
        opened(tmp_path, "yolo")[0]
    assert caught.value.cure


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"layout": "yollo"}, "did you mean 'yolo'?"),
        ({"remap": {"boxs": {}}}, "did you mean 'boxes'?"),
        ({"remap": {"boxes": {"images/trian": {0: 1}}}}, "did you mean 'images/train'?"),
        ({"split": "val"}, "has no"),
    ],
)
def test_what_is_asked_wrongly(tmp_path: Path, more: dict[str, Any], said: str) -> None:
    put_yolo(tmp_path, LABELS)
    with pytest.raises(RoadStreamError, match=said.replace("?", "[?]")):
        open_set(SetConfig(**{"path": str(tmp_path), "layout": "yolo", **more}))


@pytest.mark.parametrize(
    "text",
    ["1 0.5 0.5 0.1 0.1\n" * 6, "1 nan 0.5 0.1 0.1 1\n", "1.5 0.5 0.5 0.1 0.1 1\n", "-1 0.5 0.5 0.1 0.1 1\n"],
)
def test_drive_rows_are_six_numbers(tmp_path: Path, text: str) -> None:
    put_picture(tmp_path / "images/train/a_0.jpg")
    put_text(tmp_path / "boxes/train/a_0.txt", text)
    with pytest.raises(SourceError, match="a_0"):
        opened(tmp_path, "drive")[0]


def test_drive_pictures_of_every_kind_are_read(tmp_path: Path) -> None:
    names = ["a_0.png", "a_1.jpeg", "a_2.JPG", "b_10.bmp"]
    for number, name in enumerate(names):
        put_picture(tmp_path / "images/train" / name, number)
        put_text(tmp_path / "boxes/train" / Path(name).with_suffix(".txt"), "1 0.5 0.5 0.5 0.5 0.9\n")
    samples = opened(tmp_path, "drive")
    assert [samples[n].name for n in range(len(samples))] == [f"train/{Path(name).stem}" for name in names]
    assert samples.groups == ("a", "a", "a", "b")
    assert all(len(samples[n].boxes) == 1 for n in range(len(samples)))


@pytest.mark.parametrize(
    "content",
    [
        {"label": "front", "points": [[4, 8, 2], [20, 8, 2], [20, 40, 2], [4, 40, 2]]},
        {"label": "front", "points": {"x": [4, 20, 20, 4], "y": [8, 8, 40, 40]}},
        {"label": -(10**30), "points": [[4, 8], [20, 40]]},
    ],
)
def test_corners_that_are_no_pairs_are_not_guessed_at(tmp_path: Path, content: Any) -> None:
    put_picture(tmp_path / "note.png")
    put_json(tmp_path / "note.json", content)
    with pytest.raises(SourceError):
        opened(tmp_path, "corners", classes={"boxes": ("front",)})[0]


@pytest.mark.parametrize("twice", ["images", "categories"])
def test_coco_ids_that_mean_two_things(tmp_path: Path, twice: str) -> None:
    put_picture(tmp_path / "x.png")
    parts = {
        "images": [{"id": 1, "file_name": "x.png"}, {"id": 2, "file_name": "y.png"}],
        "categories": [{"id": 1, "name": "car"}, {"id": 2, "name": "bus"}],
    }
    parts[twice][1]["id"] = 1
    put_json(tmp_path / "all.json", {**parts, "annotations": []})
    with pytest.raises(SourceError, match="same id"):
        opened(tmp_path / "all.json", "coco")


def test_the_notes_of_a_labelling_tool_do_not_make_it_another_layout(tmp_path: Path) -> None:
    put_yolo(tmp_path, LABELS)
    (tmp_path / "data.yaml").unlink()
    put_json(tmp_path / "notes.json", {"categories": []})
    assert guessed_layout(str(tmp_path)) == "yolo"
