"""Lane lines against masks whose lines are known, and when they are computed."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

import pipeline.lanes
from contracts.fit import Fit, Letterbox, Stretch
from contracts.prediction import Mask, Prediction
from contracts.protocols import Output, Tensors, Thresholds
from contracts.result import Polyline, Result
from outputs.events import JsonlEvents
from pipeline.lanes import LaneTracer, lane_lines
from sources.synthetic.drive import SyntheticDrive
from tests.support.fakes import CountingSource, EchoEngine, FirstPixelHead, ListOutput, make_run

WIDTH, HEIGHT = 1280, 720
NEAR = 10  # pixels of the frame: half a line's thickness, which it goes on for behind its end, and a pixel of the grid
Points = list[tuple[float, float]]


def mask_of(lines: list[Points], thickness: int = 12, fit: Fit | None = None) -> Mask:
    """Lines in frame pixels as a network with this fit would mark them (by default at half the frame's size)."""
    fit = fit or Stretch(WIDTH, HEIGHT, 640, 360)
    frame = np.zeros((HEIGHT, WIDTH), np.uint8)
    for line in lines:
        cv2.polylines(frame, [np.array(line).round().astype(np.int32)], False, 255, thickness)
    window = fit.content
    data = np.zeros((fit.network_height, fit.network_width), np.uint8)
    shrunk = cv2.resize(frame, (window.width, window.height), interpolation=cv2.INTER_AREA)
    data[window.top : window.top + window.height, window.left : window.left + window.width] = shrunk > 127
    return Mask(data, fit, "lane", "lane")


def farthest(one: Polyline, other: Points | Polyline) -> float:
    """How far points along ``one`` lie from ``other`` at most, in pixels."""
    steps = np.linspace(0, 1, 50)[:, None]
    dense = np.concatenate([a + steps * (b - a) for a, b in pairwise(one)])
    target = np.ones((HEIGHT, WIDTH), np.uint8)
    cv2.polylines(target, [np.array(other).round().astype(np.int32)], False, 0, 1)
    distances = cv2.distanceTransform(target, cv2.DIST_L2, 5)
    columns, rows = dense.round().astype(int).T
    return float(distances[rows.clip(0, HEIGHT - 1), columns.clip(0, WIDTH - 1)].max())


ROAD: list[Points] = [
    [(40, 640), (300, 470), (560, 330)],
    [(330, 719), (460, 540), (600, 330)],
    [(940, 719), (800, 520), (660, 330)],
    [(1270, 560), (1000, 450), (700, 330)],
]


@pytest.mark.parametrize(
    "fit",
    [
        Stretch(WIDTH, HEIGHT, 640, 360),
        Stretch(WIDTH, HEIGHT, 640, 640),
        Letterbox(WIDTH, HEIGHT, 640, 384),
        Letterbox(WIDTH, HEIGHT, 640, 640),
        Letterbox(WIDTH, HEIGHT, 1280, 1280),
        Stretch(WIDTH, HEIGHT, 320, 180),
    ],
)
def test_lines_of_a_road_however_the_frame_was_fitted(fit: Fit) -> None:
    found = lane_lines(mask_of(ROAD, fit=fit))
    assert len(found) == len(ROAD)
    for line, true in zip(found, ROAD, strict=True):  # from left to right, each from below
        assert line.dtype == np.float32
        assert farthest(line, true) < NEAR
        assert abs(line[0] - true[0]).max() < 15
        assert abs(line[-1] - true[-1]).max() < 15


def test_order_is_by_where_lines_meet_the_bottom() -> None:
    """The third ends far above it, and left of where the second begins."""
    lines: list[Points] = [[(100, 700), (500, 300)], [(880, 700), (620, 320)], [(820, 400), (700, 330)]]
    found = lane_lines(mask_of(lines[::-1]))
    assert [farthest(line, true) < NEAR for line, true in zip(found, lines, strict=True)] == [True] * 3
    assert all(line[0, 1] > line[-1, 1] for line in found)


def test_dashes_that_continue_one_another_are_one_line() -> None:
    def along(share: float) -> tuple[float, float]:
        return 300 + 330 * share, 700 - 380 * share

    shares = ((0, 0.2), (0.4, 0.52), (0.65, 0.73), (0.8, 0.9))
    dashes = [[along(start), along(end)] for start, end in shares]
    beside: list[Points] = [[(900, 700), (680, 320)]]
    joined, other = lane_lines(mask_of([*dashes, *beside], thickness=10))
    assert farthest(joined, [along(0), along(0.9)]) < NEAR
    assert np.hypot(*(joined[-1] - joined[0])) > 0.85 * np.hypot(330, 380)
    assert farthest(other, beside[0]) < NEAR


def test_neighbouring_dashes_that_do_not_are_two() -> None:
    lines: list[Points] = [[(300, 700), (420, 560)], [(520, 540), (600, 380)]]
    assert len(lane_lines(mask_of(lines))) == 2


def test_a_line_across_the_road_and_a_curve() -> None:
    across: Points = [(200, 500), (1080, 506)]
    (line,) = lane_lines(mask_of([across]))
    assert farthest(line, across) < NEAR
    assert abs(line[0, 0] - line[-1, 0]) > 850
    bend: Points = [(640 - 400 * np.cos(angle), 640 - 300 * np.sin(angle)) for angle in np.linspace(0.1, 2.2, 40)]
    (line,) = lane_lines(mask_of([bend]))
    assert farthest(line, bend) < NEAR
    assert farthest(np.array(bend, np.float32), line) < 12


def test_a_fork_is_the_straight_line_and_the_branch_that_leaves_it() -> None:
    trunk: Points = [(640, 710), (640, 300)]
    branch: Points = [(640, 520), (900, 310)]
    lines = lane_lines(mask_of([trunk, branch]))
    assert len(lines) == 2
    straight, leaving = sorted(lines, key=lambda line: float(np.ptp(line[:, 0])))
    assert farthest(straight, trunk) < 12
    assert farthest(leaving, branch) < 20


def test_specks_and_blobs_are_no_lines_and_nothing_gives_none() -> None:
    assert lane_lines(mask_of([])) == ()
    blob = mask_of([])
    cv2.circle(blob.data, (300, 200), 40, 1, -1)
    blob.data[50:53, 100:103] = blob.data[60, 400:404] = 1
    assert lane_lines(blob) == ()


def test_noise_gives_none() -> None:
    data = np.asarray(np.random.default_rng(1).random((360, 640)) < 0.5, np.uint8)
    assert lane_lines(Mask(data, Stretch(WIDTH, HEIGHT, 640, 360), "lane", "lane")) == ()


@settings(max_examples=60, deadline=None)
@given(
    data=arrays(np.uint8, (24, 40), elements=st.integers(0, 1)),
    frame=st.sampled_from([(1280, 720), (333, 187), (1, 1), (16, 4000)]),
    letterbox=st.booleans(),
)
def test_any_mask_of_any_frame(data: NDArray[np.uint8], frame: tuple[int, int], letterbox: bool) -> None:
    fit: Fit = (Letterbox if letterbox else Stretch)(*frame, 40, 24)
    for line in lane_lines(Mask(data, fit, "lane", "lane")):
        assert line.shape[1:] == (2,)
        assert 2 <= len(line) <= 20
        assert (line >= 0).all()
        assert (line <= frame).all()
        assert line[0, 1] >= line[-1, 1]


@pytest.mark.parametrize("look", ["city", "highway", "night", "rain"])
def test_the_lines_of_the_synthetic_drive_cover_its_exact_mask(look: str) -> None:
    """Marked pixels lie near a line (dashes too far away to have a direction aside), lines on marks or between."""
    drive = SyntheticDrive(look, 1, (640, 360), Fraction(30), True)
    for index in (0, 201):
        mask = drive.render(index)[1]["lane"]
        assert isinstance(mask, Mask)
        lines = [((line - 0.5) * 8).round().astype(np.int32) for line in lane_lines(mask)]
        redrawn = np.zeros((360, 640), np.uint8)
        cv2.polylines(redrawn, lines, False, 1, 1, cv2.LINE_8, 3)
        to_a_line = cv2.distanceTransform(1 - redrawn, cv2.DIST_L2, 5)
        half = cv2.dilate(cv2.distanceTransform(mask.data, cv2.DIST_L2, 5), np.ones((15, 15), np.uint8))
        covered = to_a_line <= half + 2
        assert covered[mask.data > 0].mean() > 0.93
        to_a_mark = cv2.distanceTransform(1 - mask.data, cv2.DIST_L2, 5)
        assert (to_a_mark[redrawn > 0] <= 1.5).mean() > 0.7


class LaneHead(FirstPixelHead):
    """A mask with one line, further to the right in every frame."""

    def decode(self, outputs: Tensors, fit: Fit, frame_size: tuple[int, int], thresholds: Thresholds) -> Mask:
        data = np.zeros((64, 64), np.uint8)
        left = 4 + int(outputs["x"].flat[0])
        data[10:60, left : left + 3] = 1
        return Mask(data, fit, "lane", "lane")


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> list[Mask]:
    """The masks whose lines are looked for."""
    masks: list[Mask] = []
    real: Callable[[Mask], tuple[Polyline, ...]] = lane_lines

    def counting(mask: Mask) -> tuple[Polyline, ...]:
        masks.append(mask)
        return real(mask)

    monkeypatch.setattr(pipeline.lanes, "lane_lines", counting)
    return masks


def _run(outputs: list[Output], every: int = 1) -> list[Result]:
    source = CountingSource(12)
    run = make_run(source, outputs, engine=EchoEngine(), head=LaneHead(), every=every)  # type: ignore[arg-type]
    try:
        return list(run.results())
    finally:
        run.close()


def test_nobody_asks_nothing_is_computed(traced: list[Mask]) -> None:
    assert len(_run([ListOutput()])) == 12
    assert traced == []


def test_events_ask_once_per_frame(traced: list[Mask], tmp_path: Path) -> None:
    events = JsonlEvents(tmp_path / "out.jsonl")
    events.open([])
    results = _run([events])
    assert len(traced) == 12
    again = [result.lanes()["lane"] for result in results]
    assert len(traced) == 12
    lines = [json.loads(line)["lanes"] for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [line[0] for line in lines] == [pytest.approx(found[0], abs=0.06) for found in again]
    lefts = [line[0][0][0] for line in lines]
    assert lefts == sorted(lefts)
    assert lefts[0] < lefts[-1]


def test_a_mask_that_is_carried_on_carries_its_lines(traced: list[Mask]) -> None:
    results = _run([ListOutput()], every=4)
    found = [result.lanes()["lane"] for result in results]
    assert len(traced) == 3
    assert [lines is found[index // 4 * 4] for index, lines in enumerate(found)] == [True] * 12


def test_only_masks_of_lanes_have_lines() -> None:
    mask = mask_of(ROAD)
    drivable = Mask(mask.data, mask.fit, "drivable", "drivable")
    found = LaneTracer()(Prediction({"area": drivable, "lane": mask, "more": mask}))
    assert {head: len(lines) for head, lines in found.items()} == {"lane": 4, "more": 4}
