"""Tracking: the same number for the same thing; time is the frames' own."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import supervision
import trackers
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from contracts.config import TRACKERS, Tracker
from contracts.fit import Stretch
from contracts.frame import Frame, SourceInfo
from contracts.picture import Picture
from contracts.prediction import Detections, InstanceMasks, Mask, Part
from pipeline.trackers import CONFIRMED, OVERLAP, STARTS
from pipeline.tracking import Tracking
from roadstream import stream
from run_stream import main
from tests.support.clips import write_clip
from tests.support.networks import box_network

CAR = (100.0, 100.0, 160.0, 140.0)
Boxes = NDArray[np.float32]


def source(name: str = "clip", rate: Fraction | None = Fraction(25)) -> SourceInfo:
    return SourceInfo(name, name, 640, 360, rate, Fraction(1, 1000))


def frame(pts: float | Fraction, info: SourceInfo | None = None) -> Frame:
    pts = Fraction(pts).limit_denominator(1000)
    picture = Picture.from_bgr(np.zeros((2, 2, 3), np.uint8))
    return Frame(picture, round(pts * 25), pts, time.monotonic_ns(), info or source())


def detections(*boxes: tuple[float, ...], score: float = 0.8) -> Detections:
    found = np.array(boxes, np.float32).reshape(-1, 4)
    return Detections(found, np.full(len(found), score, np.float32), np.zeros(len(found), np.int32), ("car", "truck"))


def ids_of(part: Part) -> list[int]:
    found = part.detections if isinstance(part, InstanceMasks) else part
    assert isinstance(found, Detections)
    assert found.track_ids is not None
    assert found.track_ids.dtype == np.int64
    return [int(one) for one in found.track_ids]


def at(tracking: Tracking, pts: float, *boxes: tuple[float, ...], info: SourceInfo | None = None) -> list[int]:
    return ids_of(tracking.follow({"boxes": detections(*boxes)}, frame(pts, info))["boxes"])


# -- against the library itself ----------------------------------------------------------------------------------------


def by_the_library(kind: Tracker, seconds: float) -> Any:
    common: dict[str, Any] = {"lost_track_buffer": round(30 * seconds), "frame_rate": 25.0}
    common |= {"minimum_consecutive_frames": CONFIRMED, "minimum_iou_threshold": OVERLAP}
    if kind == "bytetrack":
        return trackers.ByteTrackTracker(**common, track_activation_threshold=STARTS, high_conf_det_threshold=STARTS)
    if kind == "sort":
        return trackers.SORTTracker(**common, track_activation_threshold=STARTS)
    return trackers.OCSORTTracker(**common, high_conf_det_threshold=0)


def wandering(seed: int, frames: int) -> list[tuple[Boxes, NDArray[np.float32]]]:
    """Things on straight ways, some of them missed, in an order that changes from frame to frame."""
    rng = np.random.default_rng(seed)
    starts, speeds, sides = rng.uniform(0, 500, (8, 2)), rng.uniform(-6, 6, (8, 2)), rng.uniform(20, 90, (8, 2))
    found = []
    for number in range(frames):
        seen = rng.permutation(8)[: rng.integers(4, 9)]
        corners = starts[seen] + number * speeds[seen] + rng.normal(0, 1, (len(seen), 2))
        boxes = np.hstack([corners, corners + sides[seen]]).astype(np.float32)
        found.append((boxes, rng.uniform(0.25, 1, len(seen)).astype(np.float32)))
    return found


@pytest.mark.parametrize("kind", TRACKERS)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_ids_are_the_library_s_own_for_the_same_boxes(kind: Tracker, seed: int) -> None:
    library, tracking = by_the_library(kind, 0.4), Tracking(kind, 0.4)
    times = np.cumsum(np.random.default_rng(seed).choice([0.04, 0.04, 0.04, 0.2, 0.7], 60))
    given_ids: set[int] = set()
    for (boxes, scores), seconds in zip(wandering(seed, 60), times, strict=True):
        moment = frame(float(seconds))
        ours = Detections(boxes, scores, np.zeros(len(boxes), np.int32), ("car",))
        theirs = library.update(supervision.Detections(boxes, confidence=scores), timestamp=float(moment.pts))
        wanted = {
            tuple(box): int(track) + 1 if track >= 0 else -1
            for box, track in zip(theirs.xyxy.tolist(), theirs.tracker_id, strict=True)
        }
        ids = ids_of(tracking.follow({"boxes": ours}, moment)["boxes"])
        assert ids == [wanted[tuple(box)] for box in boxes.tolist()]
        given_ids.update(ids)
    assert len(given_ids) > 8, "nothing was tracked"


# -- what must never change --------------------------------------------------------------------------------------------

ODD = st.floats(width=32) | st.floats(-50, 700, width=32)


@st.composite
def anything(draw: st.DrawFn) -> Detections:
    count = draw(st.integers(0, 5))
    boxes = draw(arrays(np.float32, (count, 4), elements=ODD))
    scores = draw(arrays(np.float32, count, elements=st.floats(0, 1, width=32) | st.just(float("nan"))))
    return Detections(boxes, scores, np.arange(count, dtype=np.int32) % 2, ("car", "truck"))


@pytest.mark.parametrize("kind", TRACKERS)
@settings(max_examples=60, deadline=None)
@given(frames=st.lists(anything(), min_size=1, max_size=6))
def test_boxes_scores_and_order_stay_and_an_id_is_given_once(kind: Tracker, frames: list[Detections]) -> None:
    tracking = Tracking(kind, 1.0)
    for number, found in enumerate(frames):
        before = (found.boxes.copy(), found.scores.copy(), found.class_ids.copy())
        part = tracking.follow({"boxes": found}, frame(number * 0.04))["boxes"]
        assert isinstance(part, Detections)
        for ours, was in zip((part.boxes, part.scores, part.class_ids), before, strict=True):
            np.testing.assert_array_equal(ours, was)
        assert part.names == found.names
        ids = [one for one in ids_of(part) if one != -1]
        assert len(set(ids)) == len(ids)
        assert min(ids, default=1) >= 1


def test_masks_of_instances_keep_their_boxes_and_other_parts_are_not_touched() -> None:
    tracking = Tracking("bytetrack", 1.0)
    masks = (np.ones((40, 60), np.uint8),)
    road = Mask(np.zeros((2, 2), np.uint8), Stretch(640, 360, 2, 2), "road", "drivable")
    for number in range(3):
        given_parts: dict[str, Part] = {"things": InstanceMasks(detections(CAR), masks), "road": road}
        parts = tracking.follow(given_parts, frame(number * 0.04))
        assert list(parts) == ["things", "road"]
        assert parts["road"] is road
        things = parts["things"]
        assert isinstance(things, InstanceMasks)
        assert things.masks is masks
        assert ids_of(things) == [-1 if number == 0 else 1]


# -- time --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", TRACKERS)
@pytest.mark.parametrize("rate", [Fraction(25), Fraction(10), Fraction(60000, 1001), Fraction(90000), None])
@pytest.mark.parametrize(("gap", "same"), [(0.9, True), (1.1, False)])
def test_a_gap_in_time_ages_tracks_whatever_the_rate(
    kind: Tracker, rate: Fraction | None, gap: float, same: bool
) -> None:
    info = source(rate=rate)
    tracking = Tracking(kind, 1.0)
    for number in range(5):
        at(tracking, number * 0.04, CAR, info=info)
    assert at(tracking, 0.2, CAR, info=info) == [1]
    after = [at(tracking, 0.2 + gap + number * 0.04, CAR, info=info) for number in range(3)]
    assert after[-1] == ([1] if same else [2])


@pytest.mark.parametrize("kind", TRACKERS)
@pytest.mark.parametrize(("empty", "same"), [(22, True), (28, False)])
def test_frames_without_it_age_a_track_as_a_gap_does(kind: Tracker, empty: int, same: bool) -> None:
    tracking = Tracking(kind, 1.0)
    for number in range(5):
        at(tracking, number * 0.04, CAR)
    for number in range(5, 5 + empty):
        assert at(tracking, number * 0.04) == []
    after = [at(tracking, (5 + empty + number) * 0.04, CAR) for number in range(3)]
    assert after[-1] == ([1] if same else [2])


def test_frames_further_apart_than_the_buffer_are_neighbours_all_the_same() -> None:
    slow = source(rate=Fraction(1, 2))
    tracking = Tracking("bytetrack", 1.0)
    assert [at(tracking, 2.0 * number, CAR, info=slow) for number in range(3)] == [[-1], [1], [1]]


def test_what_moves_is_found_where_it_must_be_after_a_gap() -> None:
    tracking = Tracking("bytetrack", 1.0)
    moving = [(10 * n + 0.0, 100.0, 10 * n + 60.0, 140.0) for n in range(30)]
    for number in range(12):
        at(tracking, number * 0.04, moving[number])
    assert at(tracking, 24 * 0.04, moving[24]) == [1]  # 120 pixels on: twice its own length


# -- who has which number ----------------------------------------------------------------------------------------------


def test_sources_and_heads_count_for_themselves() -> None:
    tracking = Tracking("bytetrack", 1.0)
    left, right = source("left"), source("right")
    other = (300.0, 100.0, 380.0, 160.0)
    for number in range(3):
        parts: dict[str, Part] = {"boxes": detections(CAR, other), "signs": detections(other)}
        first = tracking.follow(parts, frame(number * 0.04, left))
        second = tracking.follow({"boxes": detections(other)}, frame(number * 0.04, right))
    assert sorted(ids_of(first["boxes"])) == [1, 2]
    assert ids_of(first["signs"]) == [1]
    assert ids_of(second["boxes"]) == [1]


def test_a_car_that_is_taken_for_a_truck_for_a_moment_is_the_same_thing() -> None:
    tracking = Tracking("bytetrack", 1.0)
    for number, class_id in enumerate([0, 0, 1, 0]):
        found = replace(detections(CAR), class_ids=np.array([class_id], np.int32))
        ids = ids_of(tracking.follow({"boxes": found}, frame(number * 0.04))["boxes"])
    assert ids == [1]


def test_weak_boxes_start_no_track_but_go_on_with_one() -> None:
    tracking = Tracking("bytetrack", 1.0)
    weak, strong = detections(CAR, score=0.3), detections(CAR, score=0.6)
    ids = [
        ids_of(tracking.follow({"boxes": found}, frame(number * 0.04))["boxes"])[0]
        for number, found in enumerate([weak, weak, weak, strong, weak, weak])
    ]
    assert ids == [-1, -1, -1, -1, 1, 1]


# -- a drive -----------------------------------------------------------------------------------------------------------


def actors_of(frames: int) -> list[list[tuple[object, Boxes]]]:
    """Who is seen in every frame of a synthetic drive, and where: the drive's own actors, not what a tracker thinks."""
    from sources.synthetic.canvas import Canvas
    from sources.synthetic.drive import SyntheticDrive
    from sources.synthetic.figures import Figure
    from sources.synthetic.road import View
    from sources.synthetic.truth import Claim, boxes_of

    class Witness(SyntheticDrive):
        def _things(self, canvas: Canvas, view: View, figures: list[Figure]) -> list[Claim]:
            claims = super()._things(canvas, view, figures)
            self.seen: list[tuple[object, Boxes]] = []
            for one in claims:
                actor = figures[one.owner - 1].actor
                looks = (id(actor.mesh), actor.direction, round(actor.side, 3), str(actor.colour), str(actor.second))
                self.seen += [(looks, box) for box in boxes_of(canvas.ids, [one]).boxes]
            return claims

    drive = Witness("city", 2, (640, 360), Fraction(25))
    found = []
    for index in range(frames):
        drive.render(index)
        assert len({who for who, _ in drive.seen}) == len(drive.seen), "two actors look alike: choose another seed"
        found.append(drive.seen)
    return found


@pytest.mark.parametrize("kind", TRACKERS)
def test_in_a_drive_everybody_keeps_its_id_and_nobody_shares_it(
    kind: Tracker, city: list[list[tuple[object, Boxes]]]
) -> None:
    rng = np.random.default_rng(5)
    tracking = Tracking(kind, 1.0)
    lives: dict[object, list[list[int]]] = {}
    last: dict[object, int] = {}
    for index, everybody in enumerate(city):
        kept = [one for one in everybody if rng.random() > 0.02]
        boxes = np.array([box for _, box in kept], np.float32).reshape(-1, 4)
        boxes = (boxes + rng.normal(0, 0.02, boxes.shape) * np.tile(boxes[:, 2:] - boxes[:, :2], 2)).astype(np.float32)
        scores = rng.uniform(0.3, 0.95, len(kept)).astype(np.float32)
        found = Detections(boxes, scores, np.zeros(len(kept), np.int32), ("car",))
        ids = ids_of(tracking.follow({"boxes": found}, frame(index / 25))["boxes"])
        sure = [one for one in ids if one > 0]
        assert len(set(sure)) == len(sure)
        for (who, _), one in zip(kept, ids, strict=True):
            if index - last.get(who, -100) > 6:  # hidden for more than a quarter of a second: another stretch
                lives.setdefault(who, []).append([])
            lives[who][-1].append(one)
            last[who] = index
    stretches = [life for own in lives.values() for life in own if len(life) >= 25]
    most = [max(Counter(one for one in life if one > 0).values(), default=0) for life in stretches]
    assert len(stretches) > 12
    assert sum(most) >= 0.9 * sum(map(len, stretches))


@pytest.fixture(scope="module")
def city() -> list[list[tuple[object, Boxes]]]:
    return actors_of(110)


# -- a run -------------------------------------------------------------------------------------------------------------


def test_a_run_gives_ids_to_the_caller_the_events_and_the_table(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 6)
    engines = [box_network(tmp_path / "a.onnx"), box_network(tmp_path / "b.onnx")]
    lines, rows = tmp_path / "out.jsonl", tmp_path / "out.csv"
    found = [
        [ids_of(part) for part in result.prediction.detections().values()]
        for result in stream(clip, engines=engines, track="bytetrack", events=lines)
    ]
    assert found == [[[-1, -1], [-1, -1]]] + [[[1, 2], [1, 2]]] * 5
    written = [json.loads(line)["detections"] for line in lines.read_text(encoding="utf-8").splitlines()]
    assert not any("track" in one for one in written[0])  # nobody is sure yet
    assert [[one["track"] for one in frame_] for frame_ in written[1:]] == [[1, 2, 1, 2]] * 5
    for _ in stream(clip, engines=engines[:1], track="sort", events=rows):
        pass
    table = csv.DictReader(rows.read_text(encoding="utf-8").splitlines())
    assert [row["track"] for row in table] == ["", "", *["1", "2"] * 5]


def test_a_run_that_was_not_asked_has_no_ids(tmp_path: Path) -> None:
    clip, engine = write_clip(tmp_path / "clip.mp4", 3), box_network(tmp_path / "a.onnx")
    for result in stream(clip, engines=[engine]):
        assert all(part.track_ids is None for part in result.prediction.detections().values())


def test_a_missing_library_is_one_line_with_the_command_that_brings_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "trackers", None)
    assert main(["synthetic:?seconds=1", "--track", "--save", str(tmp_path / "out.mp4"), "--quiet"]) == 2
    said = capsys.readouterr().err.strip()
    assert "\n" not in said
    assert "pip install --no-deps trackers" in said
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "cure"), [("bytetrak", "'bytetrack'"), ("foo", "bytetrack, ocsort, sort"), ("x.mp4", "behind the source")]
)
def test_an_unknown_tracker_is_refused_with_the_nearest_name(
    capsys: pytest.CaptureFixture[str], name: str, cure: str
) -> None:
    assert main(["synthetic:", "--track", name]) == 2
    said = capsys.readouterr().err.strip()
    assert "\n" not in said
    assert cure in said


def test_nothing_of_it_is_imported_by_a_run_that_does_not_track() -> None:
    code = "import sys, run_stream, pipeline.stream; print({'trackers', 'supervision', 'scipy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
