"""``dataset:``: labelled folders as recorded sources, their labels as the truth of the frames."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contracts.errors import RoadStreamError, SourceError, UsageError
from contracts.frame import Frame
from contracts.prediction import Classification, ClassMap, Detections, Mask
from roadstream import stream
from sources.open import has_truth, open_source, places_read
from sources.picturefiles import read_picture
from tests.support.labelled import (
    SIZE,
    Corners,
    picture,
    put,
    put_coco,
    put_json,
    put_picture,
    put_text,
    put_yolo,
    yolo_lines,
)
from tests.support.networks import mask_network

WIDTH, HEIGHT = SIZE
LABELS: dict[str, list[tuple[int, Corners]]] = {
    "a_1": [(0, (4.0, 8.0, 20.0, 40.0)), (1, (30.0, 0.0, 64.0, 12.0))],
    "a_2": [],
    "b_10": [(1, (1.0, 1.0, 3.0, 5.0))],
}


def played(uri: str, **options: Any) -> list[Frame]:
    source = open_source(uri, **options)
    frames = list(source.frames())
    source.close()
    return frames


def boxes(frame: Frame) -> list[tuple[str, Corners]]:
    """Names and whole corners of what is in a frame's truth."""
    assert frame.truth is not None
    part = frame.truth["boxes"]
    assert isinstance(part, Detections)
    assert part.boxes.dtype == np.float32
    assert (part.scores == 1).all()
    corners = [tuple(round(float(side), 3) for side in box) for box in part.boxes]
    return [(part.name(index), corners[index]) for index in range(len(part))]  # type: ignore[misc]


EXPECTED = [[(("car", "bus")[kind], corners) for kind, corners in found] for found in LABELS.values()]


def _yolo(root: Path) -> str:
    return f"dataset:{put_yolo(root, LABELS)}"


def _coco(root: Path) -> str:
    return f"dataset:{put_coco(root, LABELS, {3: 'car', 7: 'bus'})}"


def _corners(root: Path) -> str:
    for seed, (name, found) in enumerate(LABELS.items()):
        put_picture(root / f"{name}.png", seed)
        shapes = [{"label": ("car", "bus")[kind], "points": [[a, b], [c, d]]} for kind, (a, b, c, d) in found]
        put_json(root / f"{name}.json", {"shapes": shapes})
    return f"dataset:{root}"


@pytest.mark.parametrize("write", [_yolo, _coco, _corners])
def test_boxes_of_every_layout_are_the_truth(tmp_path: Path, write: Any) -> None:
    frames = played(write(tmp_path / "set"))
    assert [boxes(frame) for frame in frames] == EXPECTED
    assert [frame.index for frame in frames] == [0, 1, 2]
    assert [frame.pts for frame in frames] == [Fraction(0), Fraction(1, 5), Fraction(2, 5)]
    assert np.array_equal(frames[0].picture.bgr(), picture(0))
    assert frames[0].source.id == "set"
    assert not frames[0].source.live


def _drive(root: Path) -> Path:
    put_picture(root / "images/val/a_1.png", 1)
    put_picture(root / "images/val/a_2.png", 2)
    area = np.zeros((HEIGHT, WIDTH), np.uint8)
    area[20:, 10:50], area[:5] = 1, 255
    put(root / "drivable/val/a_1.png", area)
    put(root / "lane/val/a_1.png", np.eye(HEIGHT, WIDTH, dtype=np.uint8))
    sure, unsure = yolo_lines([(1, (4, 8, 20, 40))]).strip(), yolo_lines([(0, (30, 8, 40, 40))]).strip()
    put_text(root / "boxes/val/a_1.txt", f"{sure} 0.9\n{unsure} 0.2\n")
    return root


def test_areas_and_lines_have_their_roles_and_what_does_not_count_is_no_truth(tmp_path: Path) -> None:
    first, second = played(f"dataset:{_drive(tmp_path)}?split=val")
    assert boxes(first) == [("car", (4.0, 8.0, 20.0, 40.0))]
    assert first.truth is not None
    drivable, lane = first.truth["drivable"], first.truth["lane"]
    assert isinstance(drivable, Mask)
    assert isinstance(lane, Mask)
    assert (drivable.role, lane.role) == ("drivable", "lane")
    expected = np.zeros((HEIGHT, WIDTH), np.uint8)
    expected[20:, 10:50] = 1
    assert np.array_equal(drivable.on_frame(), expected)
    assert lane.share() == HEIGHT / (HEIGHT * WIDTH)
    assert dict(second.truth or {}) == {}, "nobody has labelled it: that is not the same as nothing in it"


def test_maps_of_classes(tmp_path: Path) -> None:
    put_picture(tmp_path / "image/train/cam/x_leftImg8bit.png")
    ids = np.arange(WIDTH * HEIGHT, dtype=np.int64).reshape(HEIGHT, WIDTH) % 19
    ids[:4] = 255
    put(tmp_path / "labelmap/train/cam/x_gtFine_CategoryId.png", ids.astype(np.uint8))
    (frame,) = played(f"dataset:{tmp_path}")
    assert frame.truth is not None
    part = frame.truth["classes"]
    assert isinstance(part, ClassMap)
    assert np.array_equal(part.content(), ids)
    assert part.name(0) == "drivable area"
    assert len(part.palette) == 19


def test_folders_that_are_classes(tmp_path: Path) -> None:
    for name in ("glass", "can"):
        put_picture(tmp_path / "val" / name / "1.png")
    frames = played(f"dataset:{tmp_path}?split=val&layout=class_folders&fps=2")
    parts = [frame.truth["label"] for frame in frames if frame.truth is not None]
    assert [part.name(0) for part in parts if isinstance(part, Classification)] == ["can", "glass"]
    assert frames[1].pts == Fraction(1, 2)


def test_labels_follow_a_picture_that_is_fitted_into_another_shape(tmp_path: Path) -> None:
    """Portrait among landscapes: a white square in the picture lies where its box says, in the frame too."""
    put_picture(tmp_path / "images/train/a.png")
    tall = np.zeros((96, 64, 3), np.uint8)
    tall[32:64, 16:48] = 255
    put(tmp_path / "images/train/b.png", tall)
    area = np.zeros((96, 64), np.uint8)
    area[32:64, 16:48] = 1
    put(tmp_path / "drivable/train/b.png", area)
    put(tmp_path / "lane/train/b.png", area)
    box = " ".join(yolo_lines([(1, (16, 32, 48, 64))], (64, 96)).split())
    put_text(tmp_path / "boxes/train/b.txt", f"{box} 1\n")
    _, frame = played(f"dataset:{tmp_path}?layout=drive")
    assert (frame.picture.width, frame.picture.height) == SIZE
    assert boxes(frame) == [("car", (24.0, 16.0, 40.0, 32.0))]
    white = frame.picture.bgr()[..., 0] > 127
    assert frame.truth is not None
    mask = frame.truth["drivable"]
    assert isinstance(mask, Mask)
    assert np.array_equal(mask.on_frame() == 1, white)
    assert white.sum() == 16 * 16


def test_pictures_that_cannot_be_read_are_named_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    uri = _yolo(tmp_path)
    (tmp_path / "images/train/a_2.png").write_bytes(b"no picture")
    source = open_source(uri)
    frames = list(source.frames())
    assert [frame.index for frame in frames] == [0, 2]
    assert source.losses.lost == 1
    assert "a_2.png" in caplog.text


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (lambda root: put_text(root / "labels/train/a_1.txt", "0 .5 .5 .1 .1\n0 .5 .5\n"), r"a_1\.txt:2: 3 numbers"),
        (lambda root: put_text(root / "labels/train/a_1.txt", "0 .5 .5 .1 x\n"), r"a_1\.txt:1: not a class id"),
        (lambda root: put_text(root / "labels/train/a_1.txt", "9 .5 .5 .1 .1\n"), r"a_1: boxes has class 9"),
    ],
)
def test_broken_labels_are_named_with_their_line_and_the_picture_still_plays(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, break_it: Any, words: str
) -> None:
    uri = _yolo(tmp_path)
    break_it(tmp_path)
    frames = played(uri)
    assert len(frames) == 3
    assert frames[0].truth is None
    assert boxes(frames[2]) == EXPECTED[2]
    (line,) = [record.message for record in caplog.records]
    assert re.search(words, line)


def test_a_broken_line_of_the_drive_layout_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = _drive(tmp_path)
    put_text(root / "boxes/val/a_1.txt", "1 .5 .5 .1 .1 .9\n1 .5 .5 .1 .1\n")
    played(f"dataset:{root}?split=val")
    assert "a_1.txt:2: not a class and five numbers" in caplog.text


def test_start_and_loop(tmp_path: Path) -> None:
    uri = _yolo(tmp_path)
    assert [boxes(frame) for frame in played(uri, start=0.2)] == EXPECTED[1:]
    looping = open_source(uri, loop=True).frames()
    assert [boxes(next(looping)) for _ in range(6)] == EXPECTED * 2


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("?layuot=yolo", "'layuot'.*did you mean 'layout'"),
        ("?layout=yoloo", "'yoloo'.*did you mean 'yolo'"),
        ("?fps=0", "above 0"),
        ("?split=test", "images/test"),
    ],
)
def test_what_stands_behind_the_question_mark_is_checked(tmp_path: Path, query: str, words: str) -> None:
    with pytest.raises(RoadStreamError, match=words):
        open_source(f"{_yolo(tmp_path)}{query}")


@pytest.mark.parametrize(
    ("uri", "kind", "words"),
    [
        ("dataset:", UsageError, "names no folder"),
        ("dataset:synthetic:city", UsageError, "→ write synthetic:city"),
        ("dataset:/nowhere/at/all", SourceError, "does not exist"),
    ],
)
def test_no_set(uri: str, kind: type[RoadStreamError], words: str) -> None:
    with pytest.raises(kind, match=words):
        open_source(uri)


def test_a_folder_whose_layout_nobody_knows_says_how_to_name_it(tmp_path: Path) -> None:
    put_text(tmp_path / "notes.md", "hello")
    with pytest.raises(UsageError, match=r"\?layout=, one of ayolom, class_folders"):
        open_source(f"dataset:{tmp_path}")


def test_no_output_may_be_what_is_read(tmp_path: Path) -> None:
    root = put_coco(tmp_path / "set", LABELS, {3: "car", 7: "bus"})
    uri = f"dataset:{root}"
    network = mask_network(tmp_path / "network.onnx")
    labels = root / "annotations" / "instances_train.json"
    assert {root, root / "train", root / "train" / "a_1.png", labels} <= set(places_read(uri))
    places: list[dict[str, Any]] = [
        {"stats": labels},
        {"pictures": root / "train"},
        {"labels": root},
        {"masks": root / "annotations"},
    ]
    for outputs in places:
        before = labels.read_bytes()
        with pytest.raises(UsageError, match="input"):
            stream(uri, engines=[network], overwrite=True, **outputs)
        assert labels.read_bytes() == before


def test_truth_is_asked_of_sources_that_have_it_only(tmp_path: Path) -> None:
    put_picture(tmp_path / "a.png")
    assert has_truth(f"dataset:{tmp_path}")
    assert has_truth("synthetic:city")
    with pytest.raises(UsageError, match=r"a\.png has no truth to draw → leave --truth out"):
        stream(tmp_path / "a.png", truth=True, engines=[mask_network(tmp_path / "network.onnx")])


def test_a_run_with_truth_draws_it_and_leaves_the_events_as_they_are(tmp_path: Path) -> None:
    uri = f"dataset:{_drive(tmp_path / 'set')}?split=val"
    network = mask_network(tmp_path / "network.onnx")
    made = {}
    for truth in (False, True):
        events, pictures = tmp_path / f"{truth}.jsonl", tmp_path / str(truth)
        list(stream(uri, engines=[network], truth=truth, events=events, pictures=pictures, layers="boxes,drivable"))
        made[truth] = events.read_text(), read_picture(pictures / "set-000000.jpg")
    assert made[True][0] == made[False][0]
    different = np.abs(made[True][1].astype(int) - made[False][1].astype(int)).max(axis=2) > 60
    assert different[8:40, 4:20].any(), "the box"
    assert different[20:, 10:50].any(), "the area"
    assert not different[6:18, 52:].any(), "where no truth is"


@pytest.mark.shared
def test_frames_of_the_shared_drive(shared: Path) -> None:
    source = open_source(f"dataset:{shared / 'drive'}?split=val")
    assert source.info.frames == 241
    frames = [frame for frame, _ in zip(source.frames(), range(4), strict=False)]
    assert all(set(frame.truth or {}) == {"boxes", "drivable", "lane"} for frame in frames)
    source.close()
