"""Regions: who stands in them, frame by frame and over a run, in Python, events and statistics."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.fit import Stretch
from contracts.polygon import Polygon
from contracts.prediction import Detections, InstanceMasks, Mask, Prediction
from pipeline.regions import Regions, feet
from roadstream import UsageError, stream
from run_stream import main
from tests.pipeline.test_ignoring import CORNERS, SIZE, boxes, detections, frame_of
from tests.support.clips import write_clip
from tests.support.events import events_of
from tests.support.networks import box_network, mask_network

WHOLE = Polygon.parse("0%,0% 100%,0% 100%,100% 0%,100%")


def regions(*named: tuple[str, str], away_s: float = 1.0) -> Regions:
    polygons: dict[str, list[Polygon]] = {}
    for name, text in named:
        polygons.setdefault(name, []).append(Polygon.parse(text))
    return Regions(polygons, away_s)


def stands_in(corners: list[tuple[int, int]], x: float, y: float) -> bool:
    inside = False
    for (x1, y1), (x2, y2) in zip(corners, corners[1:] + corners[:1], strict=True):
        if (y1 > y) != (y2 > y) and x < x1 + (y - y1) * ((x2 - x1) / (y2 - y1)):
            inside = not inside
    return inside


@given(CORNERS, CORNERS, st.lists(boxes(), max_size=9), st.lists(boxes(), max_size=9))
def test_boxes_of_all_heads_are_counted_where_their_feet_are(
    one: list[tuple[int, int]],
    other: list[tuple[int, int]],
    first: list[tuple[int, int, int, int]],
    second: list[tuple[int, int, int, int]],
) -> None:
    texts = {name: " ".join(f"{x},{y}" for x, y in corners) for name, corners in (("one", one), ("other", other))}
    masks = tuple(np.zeros((y2 - y1, x2 - x1), np.uint8) for x1, y1, x2, y2 in second)
    seen = Prediction({"a": detections(first), "b": InstanceMasks(detections(second), masks)}, {"b": 2})
    found = regions(*texts.items()).counted(seen, frame_of(*SIZE))
    for name, corners in (("one", one), ("other", other)):
        wanted: dict[str, int] = {}
        for part in (first, second):
            for index, (x1, _, x2, y2) in enumerate(part):
                x, y = np.clip((x1 + x2) / 2, 0.5, SIZE[0] - 0.5), min(y2, SIZE[1] - 0.5)
                if stands_in(corners, x, y):
                    wanted[("car", "bus")[index % 2]] = wanted.get(("car", "bus")[index % 2], 0) + 1
        assert found.regions[name] == wanted
    assert (dict(found.parts), found.carried) == (dict(seen.parts), {"b": 2})


@pytest.mark.parametrize(
    ("box", "foot"),
    [
        ((10, 10, 20, 30), (15, 30)),
        ((10, 10, 20, 48), (15, 47.5)),  # cut off by the lower edge
        ((0, 10, 0, 30), (0.5, 30)),
        ((64, 10, 64, 30), (63.5, 30)),
        ((0, 0, 64, 0), (32, 0.5)),
    ],
)
def test_feet_are_in_the_picture(box: tuple[float, ...], foot: tuple[float, float]) -> None:
    assert feet(np.array([box], np.float32), *SIZE).tolist() == [list(foot)]
    whole = Regions({"whole": [WHOLE]}, 1.0)
    part = Detections(np.array([box], np.float32), np.ones(1, np.float32), np.zeros(1, np.int32), ("car",))
    assert whole.counted(Prediction({"a": part}), frame_of(*SIZE)).regions == {"whole": {"car": 1}}


def test_a_box_without_a_place_stands_nowhere() -> None:
    part = Detections(np.full((1, 4), np.nan, np.float32), np.ones(1, np.float32), np.zeros(1, np.int32), ("car",))
    assert Regions({"w": [WHOLE]}, 1).counted(Prediction({"a": part}), frame_of(*SIZE)).regions == {"w": {}}


def test_polygons_of_one_name_are_one_region_and_nobody_counts_twice() -> None:
    found = regions(("gap", "0,0 40,0 40,48 0,48"), ("gap", "20,0 64,0 64,48 20,48"), ("far", "60,0 64,0 64,5"))
    seen = Prediction({"a": detections([(0, 0, 10, 10), (25, 5, 35, 30), (50, 5, 60, 30)])})
    assert found.counted(seen, frame_of(*SIZE)).regions == {"gap": {"car": 2, "bus": 1}, "far": {}}


def test_a_frame_without_boxes_has_its_regions_too() -> None:
    found = Regions({"w": [WHOLE]}, 1)
    assert found.counted(Prediction(), frame_of(*SIZE)).regions == {"w": {}}
    assert found.counted(Prediction({"a": detections([])}), frame_of(*SIZE)).regions == {"w": {}}


def tracked(*who: tuple[int, int]) -> Prediction:
    """Things with a number at a place across, of class car."""
    part = Detections(
        np.array([[x - 2, 10, x + 2, 20] for _, x in who], np.float32).reshape(-1, 4),
        np.ones(len(who), np.float32),
        np.zeros(len(who), np.int32),
        ("car",),
        np.array([number for number, _ in who], np.int64),
    )
    return Prediction({"a": part})


def test_totals_of_a_run() -> None:
    """Number 1 flickers for less than a second and is the same visit; 2 comes back after two seconds; -1 is unsure."""
    left = regions(("left", "0,0 30,0 30,48 0,48"), away_s=1.0)
    scenes = [
        (0.0, tracked((1, 10), (2, 50))),
        (0.5, tracked((-1, 12))),
        (1.0, tracked((1, 14), (2, 20))),
        (1.5, tracked((2, 50))),
        (3.5, tracked((2, 10), (3, 60))),
    ]
    for seconds, scene in scenes:
        left.counted(scene, replace(frame_of(*SIZE), pts=Fraction(seconds)))
    assert left.summary() == {"left": {"car": {"frames": 4, "most": 2, "entries": 3}}}


def test_who_is_seen_in_every_frame_enters_once_however_slow_the_source_is() -> None:
    """A picture each ten seconds."""
    whole = Regions({"w": [WHOLE]}, away_s=1.0)
    for index in range(4):
        frame = frame_of(*SIZE)
        slow = replace(frame, pts=Fraction(10 * index), source=replace(frame.source, rate=Fraction(1, 10)))
        whole.counted(tracked((1, 10)), slow)
    assert whole.summary()["w"]["car"] == {"frames": 4, "most": 1, "entries": 1}


def test_what_is_carried_on_counts_too(tmp_path: Path) -> None:
    clip, network = write_clip(tmp_path / "clip.mp4", 7), box_network(tmp_path / "boxes.onnx")
    results = list(stream(clip, engines=[f"{network}?every=3"], regions=["all=0%,0% 100%,0% 100%,100% 0%,100%"]))
    assert [bool(result.prediction.carried) for result in results] == [False, True, True] * 2 + [False]
    assert [result.prediction.regions for result in results] == [{"all": {"car": 1, "bus": 1}}] * 7


def test_without_numbers_nobody_enters() -> None:
    whole = Regions({"w": [WHOLE], "none": [Polygon.parse("0,0 1,0 1,1")]}, 1)
    for _ in range(3):
        whole.counted(Prediction({"a": detections([(0, 5, 9, 20), (5, 5, 15, 20)])}), frame_of(*SIZE))
    assert whole.summary() == {"w": {"car": {"frames": 3, "most": 1}, "bus": {"frames": 3, "most": 1}}, "none": {}}


def test_events_statistics_and_python_say_the_same(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 6)
    engines = [box_network(tmp_path / "boxes.onnx"), mask_network(tmp_path / "mask.onnx")]
    asked: dict[str, Any] = {
        "engines": engines,
        "regions": {"left": "0%,0% 50%,0% 50%,100% 0%,100%", "sky": ["0%,0% 100%,0% 50%,10%"]},
        "track": "sort",
    }
    with stream(clip, **asked, events=tmp_path / "out.jsonl", stats=tmp_path / "stats.json") as run:
        seen = [result.prediction.regions for result in run]
    assert seen == [{"left": {"car": 1}, "sky": {}}] * 6
    records = events_of(tmp_path / "out.jsonl")
    assert [record["regions"] for record in records] == seen
    statistics = json.loads((tmp_path / "stats.json").read_text(encoding="utf-8"))
    assert statistics["regions"] == {"left": {"car": {"frames": 6, "most": 1, "entries": 1}}, "sky": {}}


def test_a_run_without_regions_says_nothing_about_them(tmp_path: Path) -> None:
    clip, network = write_clip(tmp_path / "clip.mp4", 2), box_network(tmp_path / "boxes.onnx")
    assert main([str(clip), "--engine", str(network), "--quiet", "--stats", str(tmp_path / "stats.json")]) == 0
    assert "regions" not in json.loads((tmp_path / "stats.json").read_text(encoding="utf-8"))
    assert next(iter(stream(clip, engines=[network]))).prediction.regions == {}


def test_the_command_line_and_a_preset_mean_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    preset = tmp_path / "preset.yaml"
    preset.write_text(
        "ignore:\n  - 0%,80% 100%,80% 100%,100%\n"
        "regions:\n  gap: [\"0,0 9,0 9,9\", '5,5 7,5 7,7']\n"
        "output_size: 64x48\n",
        encoding="utf-8",
    )
    network = box_network(tmp_path / "boxes.onnx")
    common = ["x.mp4", "--engine", str(network), "--dry-run"]
    assert main([*common, "--config", str(preset)]) == 0
    from_preset = capsys.readouterr().out
    options = ["--ignore", "0%,80% 100%,80% 100%,100%", "--region", "gap=0,0 9,0 9,9", "--region", "gap=5,5 7,5 7,7"]
    assert main([*common, *options, "--output-size", "64x48"]) == 0
    assert capsys.readouterr().out == from_preset


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--ignore=500,0 600,0 600,9", ["ignore: '500,0 600,0 600,9'", "not in the picture", "per cent"]),
        ("--region=far=0%,100% 50%,120% 100%,100%", ["region far", "not in the picture"]),
        ("--region=flat=0,0 5,5 9,9", ["region flat", "a line"]),
        ("--region=mixed=0%,0 50%,0 100%,0%", ["region mixed", "not in the picture"]),
    ],
)
def test_areas_that_can_hold_nothing_are_refused(
    tmp_path: Path, option: str, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """As soon as the source's size is known, before anything is written."""
    clip, network = write_clip(tmp_path / "clip.mp4", 2), box_network(tmp_path / "boxes.onnx")
    assert main([str(clip), "--engine", str(network), option, "--save", str(tmp_path / "out.mp4")]) == 2
    said = capsys.readouterr().err
    for word in words:
        assert word in said
    assert not list(tmp_path.glob("out*"))


def test_an_area_may_reach_beyond_the_picture(tmp_path: Path) -> None:
    clip, network = write_clip(tmp_path / "clip.mp4", 2), box_network(tmp_path / "boxes.onnx")
    around = "-50%,-50% 200%,-50% 200%,200% -50%,200%"
    result = next(iter(stream(clip, engines=[network], regions=[f"all={around}"])))
    assert result.prediction.regions == {"all": {"car": 1, "bus": 1}}
    assert len(next(iter(stream(clip, engines=[network], ignore=around))).prediction.detections()["boxes"]) == 0


def test_a_faulty_polygon_is_refused_before_the_source_is_opened() -> None:
    with pytest.raises(UsageError, match="point 2"):
        stream("nowhere.mp4", ignore=["0,0 1 2,2"])


def test_masks_have_no_feet() -> None:
    mask = Mask(np.ones((4, 4), np.uint8), Stretch(64, 48, 4, 4), "road")
    found = Regions({"w": [WHOLE]}, 1).counted(Prediction({"m": mask}), frame_of(*SIZE))
    assert found.regions == {"w": {}}
