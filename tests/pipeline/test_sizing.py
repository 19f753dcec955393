"""Sizes of boxes and masks that are known: before walls, with gaps, where depth is missing; and in a whole run."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from contracts.config import RunConfig
from contracts.fit import Stretch
from contracts.frame import Frame
from contracts.prediction import Classification, Detections, Mask, Part
from contracts.protocols import Losses
from contracts.sizes import SIZE_COLUMNS
from contracts.space import Pose, inverse
from outputs.draw import Painter
from outputs.events import JsonlEvents
from pipeline.figures import Figures
from pipeline.runner import Run
from pipeline.session import open_sessions
from pipeline.sizing import Sizing
from pipeline.tracking import Tracking
from tests.support.networks import box_network
from tests.support.sized import WALL, Box, before, detections, instances, sizes
from tests.support.space import BESIDE, CAMERA, HEIGHT, WIDTH, Piece, frame, lacking, turned


def outline(piece: Piece, camera: Pose) -> Box:
    """The box around a rectangle of the world."""
    assert piece.size is not None
    corners = np.array([(x, y, 0, 1) for x in (-0.5, 0.5) for y in (-0.5, 0.5)]) * [*piece.size, 1, 1]
    seen = CAMERA.projected((corners @ piece.pose.T @ inverse(camera).T)[:, :3])
    return (*seen.min(axis=0).tolist(), *seen.max(axis=0).tolist())


@pytest.mark.parametrize("behind", [0.05, 0.4, 3.0])
@pytest.mark.parametrize("yaw", [-30, 0, 30])
@pytest.mark.parametrize("masked", [True, False])
def test_a_board_is_as_wide_and_high_as_it_is(behind: float, yaw: float, masked: bool) -> None:
    board = Piece(np.eye(4), (0.5, 0.35))
    camera = before(1.5, yaw)
    depth = BESIDE.seen([board, Piece(turned(at=(0, 0, behind)))], camera, noise=0.003, holes=0.3)
    box = outline(board, camera)
    left, top, right, bottom = (round(side) for side in box)
    part = instances((np.ones((bottom - top, right - left), np.uint8), box)) if masked else detections(box)
    found = sizes(part, frame(depth, camera))
    # Its nearer edge is higher than its middle, and the box is as high as that.
    nearer = 1 + 0.25 * abs(math.sin(math.radians(yaw))) / 1.5
    assert found.box_widths[0] == pytest.approx(500, rel=0.05)
    assert found.box_heights[0] == pytest.approx(350 * nearer, rel=0.05)
    assert np.isnan([found.lengths[0], found.widths[0], found.mean_widths[0], found.max_widths[0]]).all()


def test_something_with_gaps_is_where_its_near_parts_are() -> None:
    """Bars, and between them the wall behind, of which the depth camera sees more."""
    bars = [Piece(turned(at=(x, 0, 0)), (0.045, 0.6)) for x in (-0.25, -0.09, 0.07, 0.23)]
    camera = before(2.0)
    depth = BESIDE.seen([*bars, Piece(turned(at=(0, 0, 2)))], camera, noise=0.003)
    boxes = np.array([outline(bar, camera) for bar in bars])
    found = sizes(detections((*boxes[:, :2].min(axis=0), *boxes[:, 2:].max(axis=0))), frame(depth, camera))
    assert found.box_widths[0] == pytest.approx(525, rel=0.05)
    assert found.box_heights[0] == pytest.approx(600, rel=0.05)


def test_a_bush_has_the_size_of_what_faces_the_camera() -> None:
    """No plane: leaves anywhere in 40 cm of depth."""
    camera, random = np.eye(4), np.random.default_rng(0)
    depth = BESIDE.seen([Piece(turned(at=(0, 0, 3)))], camera)
    bush = replace(depth, z=random.uniform(2.8, 3.2, depth.z.shape).astype(np.float32))
    found = sizes(detections((500.0, 200.0, 800.0, 500.0)), frame(bush, camera))
    assert found.box_widths[0] == pytest.approx(300 / CAMERA.fx * 3000, rel=0.05)
    assert found.box_heights[0] == pytest.approx(300 / CAMERA.fy * 3000, rel=0.05)


def test_without_depth_everything_stays_as_it_is() -> None:
    seen = frame(None, np.eye(4))
    more = instances((np.eye(9, dtype=np.uint8), (1, 1, 10, 10)))
    parts: dict[str, Part] = {"boxes": detections((10.0, 10.0, 50.0, 50.0)), "more": more}
    sized = Sizing().sized(parts, seen)
    assert all(sized[head] is part for head, part in parts.items())


@pytest.mark.parametrize("missing", ["intrinsics", "pose"])
def test_depth_alone_says_nothing(missing: str) -> None:
    seen = lacking(frame(BESIDE.seen([WALL], before(1)), before(1)), missing)
    found = sizes(detections((10.0, 10.0, 50.0, 50.0)), seen)
    assert np.isnan([*found.columns().values()]).all()


def test_where_the_depth_camera_is_blind_nothing_is_known_and_elsewhere_all_is() -> None:
    camera = before(1)
    depth = BESIDE.seen([WALL], camera)
    depth.z[:, :160] = 0  # the left of its picture
    mask = np.asarray(cv2.line(np.zeros((101, 101), np.uint8), (0, 0), (100, 100), 1, 3), np.uint8)
    boxes = ((100.0, 300.0, 201.0, 401.0), (900.0, 300.0, 1001.0, 401.0), (np.nan, 0.0, 5.0, 5.0))
    found = sizes(instances((mask, boxes[0]), (mask, boxes[1])), frame(depth, camera))
    assert [found.known(0), [*found.known(1)]] == [{}, [*SIZE_COLUMNS]]
    found = sizes(detections(*boxes), frame(depth, camera))
    assert [[*found.known(index)] for index in range(3)] == [[], ["box_width_mm", "box_height_mm"], []]


def test_odd_masks_do_not_end_a_run() -> None:
    """Empty, a pixel, a row, noise, one that fills the picture, one that reaches its edge."""
    camera = before(1)
    noise = np.random.default_rng(0).integers(0, 2, (200, 200)).astype(np.uint8)
    masks: list[NDArray[Any]] = [
        np.zeros((20, 20)),
        np.ones((1, 1)),
        np.ones((1, 400)),
        noise,
        np.ones((HEIGHT, WIDTH)),
        np.ones((HEIGHT, 4)),
    ]
    part = instances(*((mask.astype(np.uint8), (0, 0, mask.shape[1], mask.shape[0])) for mask in masks))
    found = sizes(part, frame(BESIDE.seen([WALL], camera, noise=0.003, holes=0.1), camera))
    assert found.box_widths[4] == pytest.approx(WIDTH / CAMERA.fx * 1000, rel=0.01)
    assert [not math.isnan(width) for width in found.widths] == [False, False, True, False, False, True]


def test_only_boxes_have_sizes() -> None:
    camera = before(1)
    mask = Mask(np.ones((9, 16), np.uint8), Stretch(WIDTH, HEIGHT, 16, 9), "lane")
    kinds = Classification(np.zeros(1, np.int32), np.ones(1, np.float32), ("wall",))
    parts: dict[str, Part] = {"lane": mask, "kind": kinds, "boxes": Detections.empty()}
    sized = Sizing().sized(parts, frame(BESIDE.seen([WALL], camera), camera))
    assert (sized["lane"], sized["kind"]) == (mask, kinds)
    assert isinstance(sized["boxes"], Detections)
    assert sized["boxes"].sizes is not None


class Glasses:
    """A recorded walk along a wall 1.5 m away; depth with the second frame of three only."""

    def __init__(self) -> None:
        camera = before(1.5)
        seen = frame(BESIDE.seen([WALL], camera), camera)
        self.info, self.losses = seen.source, Losses()
        self._frames = [
            replace(seen, index=index, pts=Fraction(index, 30), depth=seen.depth if index == 1 else None)
            for index in range(3)
        ]

    def frames(self) -> Iterator[Frame]:
        return iter(self._frames)

    def close(self) -> None:
        pass


@pytest.mark.parametrize(("every", "sized"), [(1, [False, True, False]), (2, [False, False, False])])
def test_a_run_sizes_what_is_kept_where_there_is_depth(tmp_path: Path, every: int, sized: list[bool]) -> None:
    """Classes are filtered as ever, tracks keep their sizes; of a frame no network looked at nothing is measured."""
    network = box_network(tmp_path / "boxes.onnx")
    config = RunConfig.build(
        {"sources": ["glasses"], "engines": [{"file": network, "every": every}], "classes": ["car"], "track": "sort"}
    )
    source, outputs = Glasses(), [JsonlEvents(tmp_path / "events.jsonl")]
    outputs[0].open([source.info])
    sessions = open_sessions(config, live=False)
    painter = Painter(("boxes", "labels"), 0.45, "okabe-ito")
    run = Run(
        config,
        source,
        sessions,
        outputs,
        paint=lambda result: painter.paint(result, None),
        figures=Figures(outputs, ["boxes"]),
        tracking=Tracking("sort", 1.0),
    )
    results = list(run.results())
    run.close()
    events = [json.loads(line)["detections"] for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [[one["class"] for one in found] for found in events] == [["car"]] * 3
    assert ["box_width_mm" in found[0] for found in events] == sized
    if any(sized):
        found = results[1].prediction.detections()["boxes"]
        assert found.sizes is not None
        x1, _, x2, _ = found.boxes[0].tolist()
        assert events[1][0]["box_width_mm"] == pytest.approx((x2 - x1) / CAMERA.fx * 1500, rel=0.005)
        assert found.track_ids is not None
        plain = replace(results[1], _drawn=None, prediction=results[0].prediction).drawn().bgr()
        assert (results[1].drawn().bgr() != plain).any()
