"""Labels: lines, classes, resuming, refusing."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from contracts.errors import OutputError
from contracts.frame import Frame, SourceInfo
from contracts.picture import Picture
from contracts.prediction import Classification, Detections, InstanceMasks, Part, Prediction
from contracts.result import Result, Timings
from outputs.labels import LabelsOutput, YoloLabels
from outputs.labels_coco import CocoLabels
from tests.outputs.test_polygons import as_ultralytics_fills, blob, iou
from tests.support.disks import small_disk

INFO = SourceInfo("clip", "clip.mp4", 200, 150, Fraction(25), Fraction(1, 25))
SHOWN = Picture.from_bgr(np.full((150, 200, 3), 90, np.uint8))
LAYOUTS: list[type[LabelsOutput]] = [YoloLabels, CocoLabels]


def nobody_draws(_: Result) -> Picture:
    raise AssertionError("labels must not ask for a drawing")


def boxes(*corners: tuple[float, ...], classes: tuple[int, ...] = (), names: tuple[str, ...] = ("car", "bus")) -> Part:
    count = len(corners)
    ids = np.array(classes or [0] * count, np.int32)
    return Detections(np.array(corners, np.float32).reshape(-1, 4), np.full(count, 0.87, np.float32), ids, names)


def result(index: int, part: Part | None = None, **more: Part) -> Result:
    parts = more if part is None else {"boxes": part, **more}
    return Result(Frame(SHOWN, index, Fraction(index, 25), 0, INFO), Prediction(parts), Timings(0), nobody_draws)


def write(output: LabelsOutput, *results: Result) -> None:
    try:
        output.open([INFO])
        for one in results:
            output.write(one)
    finally:
        output.close(None)


def contents(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_yolo_lines_and_data(tmp_path: Path) -> None:
    write(
        YoloLabels(tmp_path / "out"),
        result(0, boxes((20, 30, 120, 90), (0, 0, 10, 10), classes=(1, 0))),
        result(1, boxes()),
    )
    found = contents(tmp_path / "out")
    assert set(found) == {
        "data.yaml", "roadstream.json", "images/clip-000000.jpg", "images/clip-000001.jpg",
        "labels/clip-000000.txt", "labels/clip-000001.txt",
    }  # fmt: skip
    first = "1 0.35000000 0.40000000 0.50000000 0.40000000\n0 0.02500000 0.03333333 0.05000000 0.06666667\n"
    assert found["labels/clip-000000.txt"].decode() == first
    assert found["labels/clip-000001.txt"] == b""
    assert yaml.safe_load(found["data.yaml"]) == {"train": "images", "val": "images", "names": {0: "car", 1: "bus"}}
    picture = cv2.imread(str(tmp_path / "out" / "images" / "clip-000000.jpg"))
    assert picture is not None
    assert (picture.shape, round(float(picture.mean()))) == ((150, 200, 3), 90)


def test_coco_json(tmp_path: Path) -> None:
    write(CocoLabels(tmp_path / "out"), result(0, boxes((20, 30, 120, 90), classes=(1,))), result(1, boxes()))
    assert set(contents(tmp_path / "out")) == {
        "roadstream.json", "images/clip-000000.jpg", "images/clip-000001.jpg", "annotations/instances.json",
    }  # fmt: skip
    assert json.loads((tmp_path / "out" / "annotations" / "instances.json").read_text()) == {
        "images": [
            {"id": 1, "file_name": "clip-000000.jpg", "width": 200, "height": 150},
            {"id": 2, "file_name": "clip-000001.jpg", "width": 200, "height": 150},
        ],
        "annotations": [
            {
                "id": 1,
                "image_id": 1,
                "category_id": 2,
                "iscrowd": 0,
                "score": 0.87,
                "bbox": [20, 30, 100, 60],
                "area": 6000,
            }
        ],
        "categories": [{"id": 1, "name": "car"}, {"id": 2, "name": "bus"}],
    }


def test_classes_of_several_heads_are_prefixed_only_where_they_collide(tmp_path: Path) -> None:
    signs = boxes((0, 0, 10, 10), (10, 10, 30, 30), classes=(0, 1), names=("stop", "car"))
    whole = Classification(np.zeros(1, np.int32), np.ones(1, np.float32), ("street",))
    write(YoloLabels(tmp_path / "out"), result(0, boxes((20, 30, 120, 90), classes=(1,)), signs=signs, kind=whole))
    assert yaml.safe_load((tmp_path / "out" / "data.yaml").read_text())["names"] == {
        0: "boxes.car", 1: "bus", 2: "stop", 3: "signs.car",
    }  # fmt: skip
    lines = (tmp_path / "out" / "labels" / "clip-000000.txt").read_text().splitlines()
    assert [line.split()[0] for line in lines] == ["1", "2", "3"]


@pytest.mark.parametrize("bad", [(10, 10, 10, 20), (np.nan, 0, 10, 10), (0, 0, np.inf, 10)])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_boxes_that_are_none_are_left_out(
    tmp_path: Path, layout: type[LabelsOutput], bad: tuple[float, ...], caplog: pytest.LogCaptureFixture
) -> None:
    write(layout(tmp_path / "out"), result(0, boxes(bad, (1, 1, 9, 9), bad)))
    assert caplog.text.count("are left out") == 1
    if layout is YoloLabels:
        assert (tmp_path / "out" / "labels" / "clip-000000.txt").read_text().count("\n") == 1
    else:
        text = (tmp_path / "out" / "annotations" / "instances.json").read_text()
        assert len(json.loads(text)["annotations"]) == 1


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_run_goes_on_behind_an_earlier_one(tmp_path: Path, layout: type[LabelsOutput]) -> None:
    everything = [result(index, boxes((index, 0, 50 + index, 50))) for index in range(6)]
    write(layout(tmp_path / "whole"), *everything)
    write(layout(tmp_path / "out"), *everything[:3])
    (tmp_path / "out" / "images" / "of a person.jpg").write_bytes(b"theirs")
    before = contents(tmp_path / "out")
    changed = [replace(one, prediction=Prediction({"boxes": boxes((1, 1, 2, 2))})) for one in everything[:3]]
    write(layout(tmp_path / "out"), *changed, *everything[3:])
    after = contents(tmp_path / "out")
    assert {name for name in before if after[name] != before[name]} <= {"annotations/instances.json"}
    del after["images/of a person.jpg"]
    assert after == contents(tmp_path / "whole")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_overwriting_replaces_frames_of_the_same_number(tmp_path: Path, layout: type[LabelsOutput]) -> None:
    old, new = boxes((0, 0, 50, 50)), boxes((20, 30, 120, 90))
    write(layout(tmp_path / "out"), result(0, old), result(1, old))
    write(layout(tmp_path / "out", overwrite=True), result(0, new))
    if layout is YoloLabels:
        write(layout(tmp_path / "new"), result(0, new), result(1, old))
        assert contents(tmp_path / "out") == contents(tmp_path / "new")
        return
    data = json.loads((tmp_path / "out" / "annotations" / "instances.json").read_text())
    names = {image["id"]: image["file_name"] for image in data["images"]}
    assert {names[each["image_id"]]: each["bbox"] for each in data["annotations"]} == {
        "clip-000000.jpg": [20, 30, 100, 60], "clip-000001.jpg": [0, 0, 50, 50],
    }  # fmt: skip
    assert len({each["id"] for each in data["annotations"]}) == 2


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("names", [("bus", "car"), ("car",), ("car", "bus", "van")])
def test_labels_of_other_classes_are_refused_and_untouched(
    tmp_path: Path, layout: type[LabelsOutput], names: tuple[str, ...]
) -> None:
    write(layout(tmp_path / "out"), result(0, boxes((0, 0, 50, 50))))
    before = contents(tmp_path / "out")
    with pytest.raises(OutputError, match="labels of other classes: car, bus, not") as raised:
        write(layout(tmp_path / "out"), result(1, boxes((0, 0, 50, 50), names=names)))
    assert raised.value.cure
    assert contents(tmp_path / "out") == before


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", ["data.yaml", "labels/a.txt", "annotations/instances.json"])
def test_labels_of_another_hand_are_refused_and_untouched(
    tmp_path: Path, layout: type[LabelsOutput], name: str
) -> None:
    file = tmp_path / "out" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("names: [car, bus]")
    with pytest.raises(OutputError, match="holds files of somebody else"):
        write(layout(tmp_path / "out"), result(0, boxes()))
    assert contents(tmp_path / "out") == {name: b"names: [car, bus]"}


def test_the_other_layout_is_refused(tmp_path: Path) -> None:
    write(YoloLabels(tmp_path / "out"), result(0, boxes()))
    with pytest.raises(OutputError, match="holds YOLO labels, not COCO labels"):
        write(CocoLabels(tmp_path / "out"), result(1, boxes()))


def test_what_a_person_mended_in_the_json_stays(tmp_path: Path) -> None:
    write(CocoLabels(tmp_path / "out"), result(0, boxes((0, 0, 50, 50))))
    file = tmp_path / "out" / "annotations" / "instances.json"
    data = json.loads(file.read_text())
    data["annotations"][0] |= {"bbox": [1, 2, 3, 4], "id": 77}
    data["info"] = {"description": "mended"}
    file.write_text(json.dumps(data))
    write(CocoLabels(tmp_path / "out"), result(0, boxes()), result(1, boxes((0, 0, 50, 50))))
    after = json.loads(file.read_text())
    assert after["info"] == data["info"]
    assert after["annotations"][0] == data["annotations"][0]
    assert after["annotations"][1]["id"] == 78


@pytest.mark.parametrize("broken", ["{", "[]", '{"images": [], "annotations": []}'])
def test_a_broken_json_is_said_and_left(tmp_path: Path, broken: str) -> None:
    write(CocoLabels(tmp_path / "out"), result(0, boxes()))
    file = tmp_path / "out" / "annotations" / "instances.json"
    file.write_text(broken)
    with pytest.raises(OutputError, match=r"instances\.json cannot be read"):
        write(CocoLabels(tmp_path / "out"), result(1, boxes()))
    assert file.read_text() == broken


def test_lines_of_a_killed_run_become_part_of_the_json(tmp_path: Path) -> None:
    killed = CocoLabels(tmp_path / "out")
    killed.open([INFO])
    killed.write(result(0, boxes((0, 0, 50, 50))))
    killed.write(result(1, boxes((0, 0, 60, 60))))
    assert killed._lines is not None
    killed._lines.close()  # as the system does when a process is gone, and nothing else happens
    killed.folder.close()
    part = tmp_path / "out" / "annotations" / "instances.part.jsonl"
    part.write_bytes(part.read_bytes()[:-20])  # the last line is cut off
    write(CocoLabels(tmp_path / "out"), *(result(index, boxes((0, 0, 90, 90))) for index in range(3)))
    data = json.loads((tmp_path / "out" / "annotations" / "instances.json").read_text())
    assert [image["file_name"] for image in data["images"]] == [f"clip-00000{index}.jpg" for index in range(3)]
    assert [each["bbox"][2] for each in data["annotations"]] == [50, 90, 90]
    assert not part.exists()


def test_a_full_disk_keeps_whole_lines_and_another_run_goes_on(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 96 * 1024) as disk:
        output = CocoLabels(disk / "out")
        with pytest.raises(OutputError, match="disk full; the files so far are whole"):
            write(output, *(result(index, boxes(*[(0, 0, 50, 50)] * 20)) for index in range(200)))
        lines = (disk / "out" / "annotations" / "instances.part.jsonl").read_text().splitlines()
        labelled = [json.loads(line)["image"]["file_name"] for line in lines]
        assert labelled
        assert not list(disk.rglob("*.part"))
        shutil.copytree(disk / "out", tmp_path / "out")  # to a larger disk
    write(CocoLabels(tmp_path / "out"), *(result(index, boxes()) for index in range(len(labelled) + 3)))
    data = json.loads((tmp_path / "out" / "annotations" / "instances.json").read_text())
    assert len(data["images"]) == len(labelled) + 3
    assert len(data["annotations"]) == 20 * len(labelled)


def test_no_boxes_or_no_names_are_errors(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="no network of this run gives boxes"):
        write(YoloLabels(tmp_path / "out"), result(0))
    with pytest.raises(OutputError, match="classes of head 'boxes' have no names"):
        write(YoloLabels(tmp_path / "out"), result(0, boxes(names=())))
    assert list(tmp_path.iterdir()) == []


def instances(
    seed: int, *, hole: bool = False, parts: int = 1
) -> tuple[InstanceMasks, np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]:
    """One instance somewhere in the frame, and its mask at the frame's size."""
    small = blob(seed, hole=hole, parts=parts)
    left, top, width, height = cv2.boundingRect(small)
    mask = small[top : top + height, left : left + width]
    whole = np.zeros((150, 200), np.uint8)
    whole[top + 20 : top + 20 + height, left + 30 : left + 30 + width] = mask
    found = boxes((left + 29.4, top + 19.3, left + 30 + width - 0.2, top + 20 + height - 0.1))
    assert isinstance(found, Detections)
    return InstanceMasks(found, (mask,)), whole


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("hole", "parts"), [(False, 1), (True, 1), (False, 3)])
def test_instance_masks_come_back_from_polygons(tmp_path: Path, seed: int, hole: bool, parts: int) -> None:
    part, whole = instances(seed, hole=hole, parts=parts)
    write(YoloLabels(tmp_path / "yolo"), result(0, part, plain=boxes((0, 0, 20, 15), names=("sign",))))
    polygon, box = (tmp_path / "yolo" / "labels" / "clip-000000.txt").read_text().splitlines()
    assert box == "2 0.00000000 0.00000000 0.10000000 0.00000000 0.10000000 0.10000000 0.00000000 0.10000000"
    ring = np.array(polygon.split()[1:], float).reshape(-1, 2) * (200, 150)
    assert iou(as_ultralytics_fills(ring, (150, 200)), whole) >= 0.95

    write(CocoLabels(tmp_path / "coco"), result(0, part))
    coco = pytest.importorskip("faster_coco_eval").COCO(str(tmp_path / "coco" / "annotations" / "instances.json"))
    (annotation,) = coco.loadAnns(coco.getAnnIds())
    assert iou(coco.annToMask(annotation).astype(np.uint8), whole) >= 0.95
    assert annotation["area"] == np.count_nonzero(whole)


def test_an_empty_instance_mask_is_its_box(tmp_path: Path) -> None:
    found = boxes((20, 30, 120, 90))
    assert isinstance(found, Detections)
    write(YoloLabels(tmp_path / "out"), result(0, InstanceMasks(found, (np.zeros((60, 100), np.uint8),))))
    numbers = (tmp_path / "out" / "labels" / "clip-000000.txt").read_text().split()
    assert list(map(float, numbers)) == [0, 0.1, 0.2, 0.6, 0.2, 0.6, 0.6, 0.1, 0.6]
