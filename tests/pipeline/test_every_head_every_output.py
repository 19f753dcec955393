"""Every kind of head in a run with every output: nothing fails that makes sense, and the rest says what is wrong."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any, get_args

import av
import cv2
import pytest

from contracts.card import HeadKind
from contracts.errors import UsageError
from engines.heads.open import HEADS
from roadstream import Result, stream
from tests.support.clips import write_clip
from tests.support.every_head import EVERY_HEAD
from tests.support.program import run_stream

FRAMES = 4
BOXES = ("yolo_boxes", "yolo_boxes_end2end", "anchor_boxes", "yolo_instances", "road_agents")
INSTANCES = ("yolo_instances", "road_agents")
MASKS = ("two_class_mask", "mask_ids", "class_map")
BACKENDS = ("openvino", "onnxruntime")


def options(folder: Path, *kinds: str, layout: str = "yolo", events: str = "events.jsonl") -> dict[str, Any]:
    """Every output that makes sense for these kinds of heads, at once."""
    wanted: dict[str, Any] = {
        "save": folder / "out.mp4",
        "events": folder / events,
        "stats": folder / "stats.json",
        "pictures": folder / "pictures",
    }
    if set(kinds) & set(BOXES):
        wanted |= {"labels": folder / "labels", "labels_format": layout, "track": "bytetrack"}
    if set(kinds) & set(MASKS):
        wanted |= {"masks": folder / "masks"}
    return wanted


def engines(folder: Path, *kinds: HeadKind) -> list[Path]:
    return [EVERY_HEAD[kind](folder / f"{kind}.onnx") for kind in kinds]


def check_files(folder: Path, *kinds: str, layout: str, clip: str = "clip") -> None:
    """What every run leaves, and what these heads leave in it."""
    with av.open(str(folder / "out.mp4")) as written:
        assert sum(1 for _ in written.decode(video=0)) == FRAMES
    assert json.loads((folder / "stats.json").read_text())["frames"]["written"] == FRAMES
    names = [f"{clip}-{index:06d}" for index in range(FRAMES)]
    assert sorted(file.stem for file in (folder / "pictures").glob("*.jpg")) == names
    if set(kinds) & set(BOXES):
        assert sorted(file.stem for file in (folder / "labels" / "images").iterdir()) == names
        if layout == "yolo":
            texts = [(folder / "labels" / "labels" / f"{name}.txt").read_text() for name in names]
            assert all(text.count("\n") >= 2 for text in texts)
        else:
            written = json.loads((folder / "labels" / "annotations" / "instances.json").read_text())
            assert (len(written["images"]), len(written["annotations"]) >= 2 * FRAMES) == (FRAMES, True)
    if set(kinds) & set(MASKS):
        for head in (place for place in (folder / "masks").iterdir() if place.is_dir()):
            masks = [cv2.imread(str(head / f"{name}.png"), cv2.IMREAD_UNCHANGED) for name in names]
            assert [None if mask is None else mask.shape[:2] for mask in masks] == [(96, 128)] * FRAMES


def seen_in(results: list[Result]) -> set[str]:
    (kinds,) = {tuple(type(part).__name__ for part in result.prediction.values()) for result in results}
    return set(kinds)


def test_every_kind_has_a_network_here() -> None:
    assert set(EVERY_HEAD) == set(HEADS) & set(get_args(HeadKind))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", EVERY_HEAD)
def test_one_kind_with_all_outputs_that_make_sense(tmp_path: Path, kind: HeadKind, backend: str) -> None:
    layout, events = ("yolo", "events.jsonl") if backend == "openvino" else ("coco", "events.csv")
    wanted = options(tmp_path, kind, layout=layout, events=events)
    clip = write_clip(tmp_path / "clip.mp4", FRAMES)
    results = list(stream(clip, engines=engines(tmp_path, kind), backend=backend, **wanted))
    check_files(tmp_path, kind, layout=layout)
    text = (tmp_path / events).read_text(encoding="utf-8")
    if kind in BOXES:
        found = results[-1].prediction.detections().popitem()[1]
        assert [found.name(index) for index in range(len(found))] == ["car", "bus"]
        assert found.track_ids is not None
        assert (found.track_ids >= 1).all()
    if events == "events.csv":
        rows = list(csv.DictReader(text.splitlines()))
        assert [row["class"] for row in rows] == (["car", "bus"] * FRAMES if kind in BOXES else [])
        return
    for line in map(json.loads, text.splitlines()):
        assert [one["class"] for one in line["detections"]] == (["car", "bus"] if kind in BOXES else [])
        assert [one.get("area", 0) > 0 for one in line["detections"]] == [kind in INSTANCES, False][
            : len(line["detections"])
        ]
        said = [{"location": ["VehLane"], "actions": ["Brake"]}, {"location": ["Parking"], "actions": []}]
        assert [one.get("attributes") for one in line["detections"]] == (
            said if kind == "road_agents" else [None] * len(line["detections"])
        )
        assert bool(line["masks"]) == (kind in ("two_class_mask", "mask_ids"))
        assert bool(line["class_maps"]) == (kind == "class_map")
        assert [one["class"] for one in line["classification"]][:1] == (["street"] if kind == "classification" else [])


@pytest.mark.parametrize("layout", ["yolo", "coco"])
def test_all_kinds_at_once_from_the_command_line(tmp_path: Path, layout: str) -> None:
    clip, words = write_clip(tmp_path / "clip.mp4", FRAMES), list[str | Path]()
    for file in engines(tmp_path, *EVERY_HEAD):
        words += ["--engine", file]
    for name, value in options(tmp_path, *EVERY_HEAD, layout=layout).items():
        words += [f"--{name.replace('_', '-')}", value]
    done = run_stream(clip, *words)
    assert done.code == 0, done.err
    check_files(tmp_path, *EVERY_HEAD, layout=layout)
    line = json.loads((tmp_path / "events.jsonl").read_text().splitlines()[-1])
    assert sorted(one["head"] for one in line["detections"]) == sorted(
        2 * ["boxes", "finished", "anchored", "things", "agents"]
    )
    assert (sorted(line["masks"]), list(line["class_maps"])) == (["drivable", "lane"], ["scene"])
    assert sorted(place.name for place in (tmp_path / "masks").iterdir() if place.is_dir()) == [
        "drivable",
        "lane",
        "scene",
    ]


@pytest.mark.parametrize("kind", EVERY_HEAD)
def test_what_no_network_can_fill_is_refused_before_anything_is_written(tmp_path: Path, kind: HeadKind) -> None:
    clip, networks = write_clip(tmp_path / "clip.mp4", FRAMES), engines(tmp_path, kind)
    before = set(tmp_path.iterdir())
    if kind not in BOXES:
        for option in ("labels", "findings"):
            wanted: dict[str, Any] = {"save": tmp_path / "out.mp4", option: tmp_path / option}
            with pytest.raises(UsageError, match=f"{option}: no network of this run gives boxes"):
                list(stream(clip, engines=networks, **wanted))
        with pytest.raises(UsageError, match="no network of this run gives boxes, so there are no classes to keep"):
            list(stream(clip, engines=networks, classes=["street"]))
    if kind not in MASKS:
        with pytest.raises(UsageError, match="no network of this run gives masks of the whole picture") as caught:
            list(stream(clip, engines=networks, save=tmp_path / "out.mp4", masks=tmp_path / "masks"))
        assert ("labels writes those of instances" in caught.value.cure) == (kind in INSTANCES)
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize("kind", EVERY_HEAD)
def test_tracking_where_nothing_can_be_followed_is_said(
    tmp_path: Path, kind: HeadKind, caplog: pytest.LogCaptureFixture
) -> None:
    clip, networks = write_clip(tmp_path / "clip.mp4", FRAMES), engines(tmp_path, kind)
    assert len(list(stream(clip, engines=networks, track="sort"))) == FRAMES
    assert ("track follows nothing" in caplog.text) == (kind not in BOXES)
