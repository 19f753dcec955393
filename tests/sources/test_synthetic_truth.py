"""The synthetic drive's truth against its pixels and its geometry."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from itertools import pairwise

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from contracts.prediction import Detections, Mask, Prediction
from sources.synthetic.canvas import Canvas
from sources.synthetic.drive import SyntheticDrive
from sources.synthetic.layout import SECTION
from sources.synthetic.looks import LOOKS
from sources.synthetic.truth import LEAST_HEIGHT, LEAST_WIDTH, Claim, boxes_of

FPS = Fraction(30)
CASES = [
    ("highway", 1, (640, 360)),
    ("highway", 4, (333, 187)),
    ("city", 1, (640, 360)),
    ("city", 2, (241, 427)),
    ("night", 1, (640, 360)),
    ("night", 3, (320, 180)),
    ("rain", 2, (427, 241)),
    ("rain", 6, (64, 64)),
]
TIMES = (0, 77, 201, 399)


@cache
def drive(look: str, seed: int, size: tuple[int, int], traffic: bool = True) -> SyntheticDrive:
    return SyntheticDrive(look, seed, size, FPS, traffic)


def parts(truth: Prediction) -> tuple[Detections, NDArray[np.uint8], NDArray[np.uint8]]:
    boxes, drivable, lane = truth["boxes"], truth["drivable"], truth["lane"]
    assert isinstance(boxes, Detections)
    assert isinstance(drivable, Mask)
    assert isinstance(lane, Mask)
    return boxes, drivable.data, lane.data


@pytest.mark.parametrize(("look", "seed", "size"), CASES)
def test_truth_has_its_form(look: str, seed: int, size: tuple[int, int]) -> None:
    width, height = size
    for index in TIMES:
        pixels, truth = drive(look, seed, size).render(index)
        boxes, drivable, lane = parts(truth)
        assert pixels.shape == (height, width, 3)
        for mask in (drivable, lane):
            assert mask.shape == (height, width)
            assert mask.dtype == np.uint8
            assert mask.max() == 1
        corners = boxes.boxes
        assert (corners >= 0).all()
        assert (corners[:, 2::2] <= width).all()
        assert (corners[:, 3::2] <= height).all()
        assert (corners[:, 2] - corners[:, 0] >= LEAST_WIDTH).all()
        assert (corners[:, 3] - corners[:, 1] >= LEAST_HEIGHT).all()
        assert (boxes.scores == 1).all()
        assert set(boxes.class_ids.tolist()) <= set(range(5))


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("size", [(2048, 64), (64, 2048), (65, 64)])
def test_the_oddest_sizes_are_rendered(look: str, size: tuple[int, int]) -> None:
    """Where hills push the whole road out of a flat frame, or the sky fills a tall one, nothing breaks."""
    for seed in (1, 5):
        one = drive(look, seed, size)
        for index in range(0, 600, 60):
            pixels, truth = one.render(index)
            boxes, drivable, lane = parts(truth)
            assert pixels.shape == (size[1], size[0], 3)
            assert drivable.shape == lane.shape == size[::-1]
            assert (boxes.boxes[:, 2:] <= size).all()


@pytest.mark.parametrize(("look", "seed", "size"), CASES)
def test_random_access_equals_driving(look: str, seed: int, size: tuple[int, int]) -> None:
    forward = SyntheticDrive(look, seed, size, FPS)
    for index in (201, 0, 77):
        there, truth = forward.render(index)
        here, again = drive(look, seed, size).render(index)
        assert np.array_equal(there, here)
        assert np.array_equal(parts(truth)[2], parts(again)[2])


@pytest.mark.parametrize(("look", "seed", "size"), [case for case in CASES if case[2][0] > 64])
def test_every_box_holds_pixels_that_traffic_changed_and_masks_shrink_only_there(
    look: str, seed: int, size: tuple[int, int]
) -> None:
    seen = 0
    for index in TIMES:
        pixels, truth = drive(look, seed, size).render(index)
        empty, bare = drive(look, seed, size, traffic=False).render(index)
        boxes, drivable, lane = parts(truth)
        _, free_drivable, free_lane = parts(bare)
        changed = np.abs(pixels.astype(int) - empty).max(axis=2) > 3
        for x1, y1, x2, y2 in boxes.boxes.astype(int):
            assert changed[y1:y2, x1:x2].mean() > 0.3
            seen += 1
        for mask, free in ((drivable, free_drivable), (lane, free_lane)):
            assert (mask <= free).all()
            assert changed[(free > 0) & (mask == 0)].mean() > 0.8 if (free > mask).any() else True
    assert seen


@pytest.mark.parametrize(("look", "seed", "size"), CASES)
def test_drivable_pixels_are_bare_road(look: str, seed: int, size: tuple[int, int]) -> None:
    """Where the truth says drivable, neither traffic nor scenery stands; and vehicles do take their share of it."""
    taken = 0
    for index in TIMES:
        one = drive(look, seed, size)
        view = one.view(index)
        canvas = Canvas(np.zeros((size[1], size[0], 3), np.uint8), np.zeros(size[::-1], np.uint8), one.camera)
        figures = one._seen(view, index)
        for number, figure in enumerate(figures):
            one._figures.paint(canvas, figure, number + 1)
        _, drivable, lane = parts(one.render(index)[1])
        assert not (drivable & (canvas.ids > 0)).any()
        assert not (lane & (canvas.ids > 0)).any()
        taken += int(np.count_nonzero(canvas.ids))
    assert taken


@pytest.mark.parametrize(("look", "seed", "size"), CASES)
def test_masks_agree_with_the_ground_computed_pixel_by_pixel(look: str, seed: int, size: tuple[int, int]) -> None:
    """A slow second way: from each pixel back to the road, by the row's distance and the column's place across."""
    one = drive(look, seed, size, traffic=False)
    left, right = one.layout.drivable
    for index in TIMES:
        view = one.view(index)
        _, drivable, lane = parts(one.render(index)[1])
        rows = np.arange(view.top + 2, size[1]) + 0.5
        _, column, scale = view.ground(rows)
        side = (np.arange(size[0])[None] + 0.5 - column[:, None]) / scale[:, None]
        slope = np.abs(np.gradient(column)[:, None] + side * np.gradient(scale)[:, None])  # columns per row
        slack = (1.5 + slope) / scale[:, None]  # OpenCV's polygons include their borders
        inside = (side > left + slack) & (side < right - slack)
        outside = (side < left - slack) | (side > right + slack)
        mask = drivable[view.top + 2 :]
        smooth = scale > one.camera.focal / 60  # further off a row spans so much road that curves bend in it
        assert mask[smooth][outside[smooth]].sum() == 0
        assert mask[smooth][inside[smooth]].mean() > 0.985  # gantries and the like may stand before it
        painted = np.min([np.abs(side - marking.side) for marking in one.layout.markings], axis=0)
        assert (painted < 0.25 + slack)[(lane[view.top + 2 :] > 0) & smooth[:, None]].all()
        assert not drivable[: view.top].any()
        assert not lane[: view.top].any()


def test_lane_lines_are_painted_where_the_mask_says() -> None:
    """By day paint is brighter than the asphalt beside it."""
    for index in TIMES:
        pixels, truth = drive("highway", 1, (640, 360), traffic=False).render(index)
        lane = parts(truth)[2]
        beside = cv2.dilate(lane, np.ones((1, 13), np.uint8)) - cv2.dilate(lane, np.ones((1, 7), np.uint8))
        low = slice(230, 360)
        red = pixels[..., 2].astype(float)
        assert red[low][lane[low] > 0].mean() > red[low][beside[low] > 0].mean() + 60


@pytest.mark.parametrize(("look", "seed"), [("highway", 1), ("city", 1), ("night", 2), ("rain", 3)])
def test_boxes_move_continuously(look: str, seed: int) -> None:
    """From frame to frame every large box well inside the frame has a near successor of its class."""
    one, before, pairs = drive(look, seed, (640, 360)), None, 0
    lost = []
    for index in range(60, 75):
        boxes, _, _ = parts(one.render(index)[1])
        if before is not None:
            for box, kind in zip(before.boxes, before.class_ids, strict=True):
                inner = box[0] > 30 and box[2] < 610 and box[3] < 340 and 14 < box[3] - box[1] < 90
                if inner and boxes.boxes[boxes.class_ids == kind].size:
                    pairs += 1
                    away = np.abs(boxes.boxes[boxes.class_ids == kind] - box).max(axis=1).min()
                    if away >= max(8, 0.35 * (box[2] - box[0])):
                        lost.append((index, box))
        before = boxes
    assert pairs > 10
    assert len(lost) <= 0.06 * pairs, lost  # somebody may step behind somebody else


@pytest.mark.parametrize("look", LOOKS)
def test_curves_and_hills_occur(look: str) -> None:
    one = drive(look, 1, (320, 180))
    views = [one.view(index) for index in range(0, 600, 20)]
    ahead = [float(view.project(np.array([view.s + 70.0]), 0.0)[0][0, 0]) for view in views]
    assert max(ahead) - min(ahead) > 15  # pixels of 320: the road swings
    assert np.ptp([view.horizon for view in views]) > 5  # pixels of 180: the camera pitches
    heights = one.course.height(np.array([view.s for view in views]))
    assert np.ptp(heights) > 1.0  # metres


def test_every_kind_of_marking_vehicle_and_colour_occurs() -> None:
    patterns, colours, kinds = set(), set(), set()
    for look in LOOKS:
        for seed in (1, 2, 3):
            one = drive(look, seed, (320, 180))
            start, end = one.view(0).s, one.view(599).s
            for number, marking in enumerate(one.layout.markings):
                colours.add(marking.colour)
                for section in range(int(start // SECTION), int(end // SECTION) + 1):
                    patterns.add(marking.patterns[(section + one._surface._sections[number]) % len(marking.patterns)])
            for index in range(0, 600, 60):
                boxes, _, _ = parts(one.render(index)[1])
                kinds |= {boxes.name(n) for n in range(len(boxes))}
    assert patterns == {"solid", "dashed", "double", "solid+dashed"}
    assert colours == {"white", "yellow"}
    assert kinds == {"person", "car", "bus", "truck", "two_wheeler"}


def test_vehicles_overtake_and_come_towards_us() -> None:
    one = drive("highway", 1, (320, 180))
    speeds = []
    for lane in one._traffic._lanes:
        places = [lane.place(3, time)[0] for time in (0.0, 60.0)]
        speeds.append((places[1] - places[0]) / 60 - one.layout.speed)
    assert min(speeds) < -30  # oncoming
    assert max(speeds) > 2  # overtakes us


@pytest.mark.parametrize("look", LOOKS)
def test_nobody_drives_into_another(look: str) -> None:
    for seed in (1, 2):
        one = drive(look, seed, (320, 180))
        for time in np.arange(0, 40, 1.7):
            for lane in one._traffic._lanes:
                row = sorted(lane.actors(one._start - 50, one._start + 1500, float(time)), key=lambda actor: actor.s)
                for a, b in pairwise(row):
                    if abs(lane.stream.speed) > 2:  # people may walk side by side
                        assert b.s - a.s > (a.mesh.length + b.mesh.length) / 2


def test_the_rule_for_boxes() -> None:
    """Small, thin or mostly covered actors have no box; the others one around what is left of them."""
    ids = np.zeros((60, 100), np.uint8)
    window = (0, 0, 100, 60)
    areas = {1: (5, 5, 10, 25), 2: (2, 40, 3, 20), 3: (30, 30, 20, 5), 4: (60, 10, 20, 20)}  # x, y, width, height
    for owner, (x, y, wide, high) in areas.items():
        ids[y : y + high, x : x + wide] = owner
    claims = [Claim(owner, owner, window, wide * high) for owner, (_, _, wide, high) in areas.items()]
    ids[10:30, 60:70] = 255  # hides the left half of number 4
    found = boxes_of(ids, claims)
    assert found.boxes.tolist() == [[5, 5, 15, 30], [70, 10, 80, 30]]
    assert found.class_ids.tolist() == [1, 4]
    ids[10:30, 70:76] = 255  # a fifth is left
    assert boxes_of(ids, claims).class_ids.tolist() == [1]
