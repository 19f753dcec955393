"""Splits, lists, reports and remapped files as a person orders them."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from contracts.errors import OutputError, RoadStreamError, SourceError, UsageError
from tests.support.labelled import SIZE, Corners, put, put_coco, put_picture, put_text, put_yolo
from tests.training.data.commanding import data
from tests.training.data.folders import opened
from tests.training.data.test_readers import LABELS

RUNS: dict[str, list[tuple[int, Corners]]] = {f"{run}_{number:04}": [] for run in "abcdefghij" for number in range(3)}


def read(path: Path, layout: str, split: str, **more: Any) -> set[str]:
    samples = opened(path, layout, split=split, **more)
    return {Path(samples[index].name).name for index in range(len(samples))}


def assert_no_run_is_cut(parts: Sequence[set[str]]) -> None:
    assert [len(part) for part in parts] == [21, 6, 3]
    runs = [{name[0] for name in part} for part in parts]
    assert sum(map(len, runs)) == 10


@pytest.mark.parametrize("files", ["lists", "link", "copy"])
def test_split_of_yolo_reads_back(tmp_path: Path, files: str) -> None:
    put_yolo(tmp_path / "set", RUNS)
    code, lines = data("split", tmp_path / "set", "--output", tmp_path / "parts", "--files", files, "--near", "0")
    assert code == 0
    assert lines == ["train: 21 pictures, 70.0 %", "val: 6 pictures, 20.0 %", "test: 3 pictures, 10.0 %"]
    assert_no_run_is_cut([read(tmp_path / "parts", "yolo", split) for split in ("train", "val", "test")])
    assert len(list((tmp_path / "set").rglob("*.png"))) == 30


def test_split_of_ddrnet_keeps_its_tree(tmp_path: Path) -> None:
    for seed, name in enumerate(RUNS):
        put_picture(tmp_path / f"set/image/train/cam{seed % 2}/{name}_leftImg8bit.png", seed)
        put(tmp_path / f"set/labelmap/train/cam{seed % 2}/{name}_gtFine_CategoryId.png", np.zeros(SIZE[::-1], np.uint8))
        put_picture(tmp_path / f"set/colormap/train/cam{seed % 2}/{name}_gtFine_Color.png", seed)
    words = ("--files", "link", "--keep", "runs", "--near", "0", "--shares", "8:2")
    data("split", tmp_path / "set", "--output", tmp_path / "parts", *words)
    splits = {split: read(tmp_path / "parts", "ddrnet", split) for split in ("train", "val")}
    assert len(splits["train"]) == 24
    assert splits["train"] | splits["val"] == set(RUNS)
    sample = opened(tmp_path / "parts", "ddrnet", split="val")[0]
    assert "classes" in sample.masks
    assert len(list((tmp_path / "parts/colormap/val").rglob("*.png"))) == 6


def test_pictures_that_look_the_same_are_not_separated(tmp_path: Path) -> None:
    for number in range(12):
        put_picture(tmp_path / f"set/images/{chr(97 + number)}.png", number // 4)
        put_text(tmp_path / f"set/labels/{chr(97 + number)}.txt", "")
    put_text(tmp_path / "set/classes.txt", "car\n")
    data(
        "split",
        tmp_path / "set",
        "--layout",
        "yolo",
        "--keep",
        "runs",
        "--output",
        tmp_path / "parts",
        "--shares",
        "1:1:1",
    )
    parts = [read(tmp_path / "parts", "yolo", split) for split in ("train", "val", "test")]
    assert sorted("".join(sorted(part)) for part in parts) == ["abcd", "efgh", "ijkl"]


def test_one_run_cannot_be_split(tmp_path: Path) -> None:
    put_yolo(tmp_path / "set", {f"v_{number}": [] for number in range(20)})
    with pytest.raises(UsageError, match=r"^20 pictures: 1 part to keep together, too few for 3 splits"):
        data("split", tmp_path / "set", "--output", tmp_path / "parts", "--near", "0")


def test_one_long_video_in_blocks(tmp_path: Path) -> None:
    put_yolo(tmp_path / "set", {f"v_{number}": [] for number in range(60)})
    words = ("--blocks", "10", "--margin", "2", "--shares", "8:2")
    data("split", tmp_path / "set", *words, "--output", tmp_path / "parts")
    parts = [sorted(int(name[2:]) for name in read(tmp_path / "parts", "yolo", split)) for split in ("train", "val")]
    assert min(abs(one - two) for one in parts[0] for two in parts[1]) == 3
    assert len(parts[1]) == 10


def test_lists_with_labels(tmp_path: Path) -> None:
    put_yolo(tmp_path / "set", LABELS)
    data("list", tmp_path / "set", "--labels", "--output", tmp_path / "lists")
    pairs = [line.split() for line in (tmp_path / "lists/train.lst").read_text().splitlines()]
    assert [Path(one).name for one, _ in pairs] == [f"{name}.png" for name in LABELS]
    assert all(Path(file).is_file() for pair in pairs for file in pair)


def test_report(tmp_path: Path) -> None:
    put_yolo(tmp_path / "set/a", LABELS)
    for name in ("a", "b"):
        for seed, text in enumerate(("0 0.5 0.5 0.2 0.2\n1 0.2 0.5 0.1 0.1\n", "")):
            put_picture(tmp_path / f"set/images/train/{name}/{seed}.png", seed)
            put_text(tmp_path / f"set/labels/train/{name}/{seed}.txt", text)
    put_text(tmp_path / "set/data.yaml", "train: images/train\nnames: [car, <bus>]\n")
    _, lines = data("report", tmp_path / "set", "--output", tmp_path / "report")
    page = Path(lines[0]).read_text()
    assert "4 pictures in 2 folders, 0 unreadable" in page
    assert "&lt;bus&gt;" in page
    assert "<bus>" not in page
    figures = sorted(path.name for path in (tmp_path / "report").glob("*.png"))
    assert figures == ["train-000.png", "train-001.png", "train-002.png", "train-folders.png"]
    assert all(cv2.imread(str(tmp_path / "report" / name)) is not None for name in figures)


def test_remap_files_of_one_folder(tmp_path: Path) -> None:
    for camera in ("cam0", "cam1"):
        put_picture(tmp_path / f"set/image/train/{camera}/1.png")
        put(tmp_path / f"set/labelmap/train/{camera}/1.png", np.full(SIZE[::-1], 6, np.uint8))
    rule = ("--remap", "classes:cam1:6=18")
    _, lines = data("remap", tmp_path / "set", *rule, "--output", tmp_path / "new")
    assert lines == ["1 label file differs from what it was"]
    values = [np.unique(np.asarray(Image.open(path))) for path in sorted((tmp_path / "new").rglob("*.png"))]
    assert [value.tolist() for value in values] == [[6], [18]]
    assert np.unique(np.asarray(Image.open(tmp_path / "set/labelmap/train/cam1/1.png"))).tolist() == [6]
    data("remap", tmp_path / "set", *rule, "--in-place")
    assert np.unique(np.asarray(Image.open(tmp_path / "set/labelmap/train/cam1/1.png"))).tolist() == [18]
    assert data("remap", tmp_path / "set", *rule, "--in-place")[1] == ["0 label files differ from what they were"]


def test_a_folder_that_only_one_split_has(tmp_path: Path) -> None:
    for split, camera in (("train", "cam0"), ("val", "cam1")):
        put_picture(tmp_path / f"set/image/{split}/{camera}/1.png")
        put(tmp_path / f"set/labelmap/{split}/{camera}/1.png", np.full(SIZE[::-1], 6, np.uint8))
    assert data("remap", tmp_path / "set", "--remap", "classes:cam1:6=18", "--in-place")[1][0].startswith("1 ")
    with pytest.raises(UsageError, match="did you mean 'cam1'"):
        data("remap", tmp_path / "set", "--remap", "classes:cam2:6=18", "--in-place")


def test_a_palette_stays(tmp_path: Path) -> None:
    put_picture(tmp_path / "set/image/train/cam/1.png")
    image = Image.fromarray(np.full(SIZE[::-1], 3, np.uint8))
    image.putpalette([10, 20, 30] * 256)
    path = tmp_path / "set/labelmap/train/cam/1.png"
    path.parent.mkdir(parents=True)
    image.save(path)
    data("remap", tmp_path / "set", "--remap", "classes:*:3=4", "--in-place")
    with Image.open(path) as changed:
        assert changed.mode == "P"
        assert (changed.getpalette() or [])[:3] == [10, 20, 30]
        assert np.unique(np.asarray(changed)).tolist() == [4]


def test_text_changes_in_its_first_number_only(tmp_path: Path) -> None:
    put_yolo(tmp_path / "set", {"a": []})
    put_text(tmp_path / "set/labels/train/a.txt", "0 0.5   0.50 0.1 0.1\n1 0 0 1 0 1 1\n")
    data("remap", tmp_path / "set", "--remap", "boxes:*:0=1,1=0", "--output", tmp_path / "new")
    assert (tmp_path / "new/labels/train/a.txt").read_text() == "1 0.5   0.50 0.1 0.1\n0 0 0 1 0 1 1\n"


def test_in_place_leaves_links_alone(tmp_path: Path) -> None:
    put_yolo(tmp_path / "set", {"a": [(0, (1, 1, 9, 9))], "b": [(0, (1, 1, 9, 9))]})
    link, file = tmp_path / "set/labels/train/b.txt", tmp_path / "shared.txt"
    link.rename(file)
    link.symlink_to(file)
    before = file.read_text()
    with pytest.raises(UsageError, match="is a link to"):
        data("remap", tmp_path / "set", "--remap", "boxes:*:0=1", "--in-place")
    assert link.is_symlink()
    assert file.read_text() == (tmp_path / "set/labels/train/a.txt").read_text() == before
    data("remap", tmp_path / "set", "--remap", "boxes:*:0=1", "--output", tmp_path / "new")
    assert (tmp_path / "new/labels/train/a.txt").read_text().startswith("1 ")
    assert file.read_text() == before


def test_in_place_writes_no_id_that_is_no_class(tmp_path: Path) -> None:
    put_yolo(tmp_path / "set", {"a": [(0, (1, 1, 9, 9))]})
    file = tmp_path / "set/labels/train/a.txt"
    before = file.read_text()
    with pytest.raises(UsageError, match="id 2 is no class: boxes has 2 classes"):
        data("remap", tmp_path / "set", "--remap", "boxes:*:0=2", "--in-place")
    assert file.read_text() == before
    words = ("--remap", "boxes:*:0=2", "--classes", "boxes=car,bus,van")
    assert data("remap", tmp_path / "set", *words, "--in-place")[0] == 0
    assert file.read_text() == "2" + before[1:]


WRONG: list[tuple[Sequence[str], str]] = [
    (["remap", "SET", "--remap", "boxes:*:0=1,1=0", "--in-place"], "--output"),
    (["remap", "SET", "--in-place"], "--remap"),
    (["remap", "SET", "--remap", "boxes:*:0=255", "--in-place"], "remap while reading"),
    (["split", "SET", "--remap", "boxes:*:0=1", "--output", "NEW"], "did you mean"),
    (["split", "SET", "--seed", "-1", "--output", "NEW"], "from 0"),
    (["split", "SET", "--gap", "-1", "--output", "NEW"], "--gap 0"),
    (["split", "SET", "--gap", "nan", "--output", "NEW"], "--gap 0"),
    (["split", "SET", "--margin", "-1", "--output", "NEW"], "--margin 0"),
    (["split", "SET", "--near", "-1", "--output", "NEW"], "0 compares nothing"),
    (["check", "SET", "--near", "-3"], "0 compares nothing"),
    (["check", "SET", "--near", "256"], "0 compares nothing"),
    (["remap", "SET", "--remap", "boxes:0=1", "--in-place"], "--remap"),
    (["check", "SET", "--classes", "boxes"], "--classes"),
    (["check", "SET", "--layout", "yolo5"], "'yolo'"),
    (["check", "NOWHERE"], "check the path"),
    (["check", "SET", "--most", "0"], "leave it out"),
    (["split", "SET", "--blocks", "0", "--output", "NEW"], "--blocks 500"),
    (["split", "SET", "--shares", "7", "--output", "NEW"], "--shares 7:2:1"),
    (["split", "COCO", "--files", "link", "--output", "NEW", "--near", "0"], "convert"),
    (["convert", "SET", "--to", "masks", "--output", "NEW"], "yolo_polygons"),
    (["list", "synthetic:", "--output", "NEW"], "folder of pictures"),
]


@pytest.mark.parametrize(("words", "cure"), WRONG)
def test_what_is_ordered_wrongly_is_said_with_its_cure(tmp_path: Path, words: Sequence[str], cure: str) -> None:
    put_yolo(tmp_path / "set", LABELS)
    put_coco(tmp_path / "coco", {f"{name}_0": [] for name in "abcdef"}, {1: "car"})
    places = {"SET": tmp_path / "set", "NOWHERE": tmp_path / "no", "NEW": tmp_path / "new", "COCO": tmp_path / "coco"}
    with pytest.raises(RoadStreamError) as caught:
        data(*(places.get(word, word) for word in words))
    assert cure in caught.value.cure


@pytest.mark.shared
def test_the_drives_beside_the_project(shared: Path, tmp_path: Path) -> None:
    _, lines = data("split", shared / "drive", "--most", "60", "--output", tmp_path / "parts", "--shares", "8:2")
    parts = [(tmp_path / f"parts/{split}.txt").read_text().splitlines() for split in ("train", "val")]
    drives = [{Path(line).stem.rpartition("_")[0] for line in part} for part in parts]
    assert not drives[0] & drives[1]
    assert len(lines) == 2


def test_class_folders_are_divided_class_by_class(tmp_path: Path) -> None:
    for kind in ("can", "glass", "paper"):
        for seed, name in enumerate(RUNS):
            put_picture(tmp_path / f"set/{kind}/{name}.png", seed)
    data("split", tmp_path / "set", "--output", tmp_path / "parts", "--files", "link", "--near", "0")
    for kind in ("can", "glass", "paper"):
        found = [
            {path.stem for path in (tmp_path / f"parts/{split}/{kind}").iterdir()} for split in ("train", "val", "test")
        ]
        assert_no_run_is_cut(found)


def test_neighbours_that_a_former_split_parted_come_together(tmp_path: Path) -> None:
    for seed, name in enumerate(RUNS):
        split = ("train", "val", "test")[seed % 3]
        put_picture(tmp_path / f"set/images/{split}/{name}.png", seed)
        put_text(tmp_path / f"set/labels/{split}/{name}.txt", "")
    put_text(tmp_path / "set/classes.txt", "car\n")
    data("split", tmp_path / "set", "--output", tmp_path / "parts", "--near", "0")
    assert_no_run_is_cut([read(tmp_path / "parts", "yolo", split) for split in ("train", "val", "test")])


def test_data_yaml_says_where_the_pictures_are(tmp_path: Path) -> None:
    for seed, name in enumerate(RUNS):
        put_picture(tmp_path / f"set/train/images/{name}.png", seed)
        put_text(tmp_path / f"set/train/labels/{name}.txt", "0 0.5 0.5 0.1 0.1\n")
    put_text(tmp_path / "set/data.yaml", "train: ../train/images\nnames: [car]\n")
    data("split", tmp_path / "set", "--output", tmp_path / "parts", "--files", "copy", "--near", "0")
    assert_no_run_is_cut([read(tmp_path / "parts", "yolo", split) for split in ("train", "val", "test")])
    assert len(opened(tmp_path / "parts", "yolo", split="val")[0].boxes) == 1


def test_a_split_that_cannot_be_read_is_not_passed_over(tmp_path: Path) -> None:
    put_coco(tmp_path, {"a": []}, {1: "car"})
    assert data("check", tmp_path)[0] == 0
    put_text(tmp_path / "annotations/instances_val.json", "{")
    with pytest.raises(SourceError, match="instances_val"):
        data("check", tmp_path)


def test_a_full_disk_leaves_no_half_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_yolo(tmp_path / "set", RUNS)

    def half(source: Path, target: Path) -> None:
        target.write_bytes(source.read_bytes()[:20])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("training.data.entries.shutil.copy2", half)
    with pytest.raises(OutputError, match="disk full"):
        data("split", tmp_path / "set", "--output", tmp_path / "parts", "--files", "copy", "--near", "0")
    assert not [path for path in (tmp_path / "parts").rglob("*") if path.is_file()]
