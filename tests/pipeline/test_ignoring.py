"""Ignored areas: what lies in them is gone from boxes and masks, before it is tracked, carried on or counted."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.areas import Area
from contracts.fit import Fit, Letterbox, Stretch
from contracts.frame import Frame, SourceInfo
from contracts.picture import Picture
from contracts.polygon import Polygon
from contracts.prediction import Classification, ClassMap, Detections, InstanceMasks, Mask, Part
from pipeline.ignoring import Ignoring
from roadstream import stream
from run_stream import main
from tests.support.clips import write_clip
from tests.support.events import events_of
from tests.support.networks import box_network, mask_network

CORNERS = st.lists(st.tuples(st.integers(-8, 72), st.integers(-8, 56)), min_size=3, max_size=7, unique=True)
POLYGONS = st.lists(
    CORNERS.map(lambda corners: Polygon.parse(" ".join(f"{x},{y}" for x, y in corners))), min_size=1, max_size=2
)
SIZE = (64, 48)


def frame_of(width: int, height: int) -> Frame:
    info = SourceInfo("clip", "clip.mp4", width, height, Fraction(25), Fraction(1, 25))
    planes = np.zeros((height, width), np.uint8), *(np.zeros((-(-height // 2), -(-width // 2)), np.uint8),) * 2
    return Frame(Picture("yuv420p", planes), 0, Fraction(0), 0, info)


def detections(boxes: list[tuple[int, int, int, int]]) -> Detections:
    count = len(boxes)
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.linspace(0.9, 0.3, count, dtype=np.float32),
        np.arange(count, dtype=np.int32) % 2,
        ("car", "bus"),
        attributes=tuple({"number": (str(index),)} for index in range(count)),
    )


@st.composite
def boxes(draw: st.DrawFn) -> tuple[int, int, int, int]:
    left, top = draw(st.integers(0, SIZE[0] - 1)), draw(st.integers(0, SIZE[1] - 1))
    return left, top, draw(st.integers(left + 1, SIZE[0])), draw(st.integers(top + 1, SIZE[1]))


def left_of(part: Part, polygons: list[Polygon], size: tuple[int, int] = SIZE) -> Part:
    return Ignoring(polygons).without_ignored({"head": part}, frame_of(*size))["head"]


@given(POLYGONS, st.lists(boxes(), max_size=12))
def test_boxes_go_that_have_more_than_half_their_pixels_in_ignored_areas(
    polygons: list[Polygon], found: list[tuple[int, int, int, int]]
) -> None:
    ignored = Area.of(polygons, *SIZE).mask(*SIZE)
    stay = [
        str(index)
        for index, (x1, y1, x2, y2) in enumerate(found)
        if 2 * sum(int(ignored[row, column]) for row in range(y1, y2) for column in range(x1, x2))
        <= (y2 - y1) * (x2 - x1)
    ]
    part = detections(found)
    left = left_of(part, polygons)
    assert isinstance(left, Detections)
    assert left.attributes is not None
    assert [one["number"][0] for one in left.attributes] == stay
    kept = [int(index) for index in stay]
    np.testing.assert_array_equal(left.boxes, part.boxes[kept])
    np.testing.assert_array_equal(left.scores, part.scores[kept])


@pytest.mark.parametrize(("width", "height"), [(3840, 2160), (16_384, 1080), (5, 5000), (1000, 1)])
def test_frames_of_any_size(width: int, height: int) -> None:
    right = Polygon.parse(
        "75%,0% 999%,0% 999%,100% 75%,100%" if width > height else "0%,75% 100%,75% 100%,999% 0%,999%"
    )
    starts = (0, 0.45, 0.55)  # of the longer side, so that 0.25, 0.45 and 0.56 of the box are ignored
    found = [
        (int(width * start), 0, width, height) if width > height else (0, int(height * start), width, height)
        for start in starts
    ]
    left = left_of(detections(found), [right], (width, height))
    assert isinstance(left, Detections)
    assert left.boxes.tolist() == [list(box) for box in found[:2]]


@pytest.mark.parametrize("box", [(np.nan,) * 4, (-5, -5, -1, -1), (90, 90, 99, 99), (5, 5, 5, 5), (0, 0, np.inf, 5)])
def test_boxes_that_are_none_end_nothing(box: tuple[float, ...]) -> None:
    part = Detections(np.array([box], np.float32), np.ones(1, np.float32), np.zeros(1, np.int32), ("car",))
    upper = Polygon.parse("0,10 64,10 64,20")
    assert left_of(part, [upper]) is part


_AROUND = 1e-6 * np.array([[x, y] for x in (-1, 0, 1) for y in (-1, 0, 1)])


@st.composite
def fits(draw: st.DrawFn) -> Fit:
    kind = draw(st.sampled_from([Stretch, Letterbox]))
    return kind(*SIZE, draw(st.integers(4, 48)), draw(st.integers(4, 48)))


@given(POLYGONS, fits())
def test_pixels_of_masks_are_cleared_where_the_fit_has_the_ignored_area(polygons: list[Polygon], fit: Fit) -> None:
    """Pixel by pixel through the fit; padding shows nothing and stays."""
    ones = np.ones((fit.network_height, fit.network_width), np.uint8)
    area, content = Area.of(polygons, *SIZE), fit.content
    mask = left_of(Mask(ones, fit, "road", "drivable"), polygons)
    part = left_of(ClassMap(ones * 7, fit, ("a",) * 8, ((1, 2, 3),) * 8), polygons)
    assert isinstance(mask, Mask)
    assert isinstance(part, ClassMap)
    assert (ones == 1).all(), "what was given is left alone"
    assert (mask.role, mask.fit) == ("drivable", fit)
    for row in range(fit.network_height):
        for column in range(fit.network_width):
            centre = np.array([[column + 0.5, row + 0.5]])
            sides = area.contains(fit.to_frame(centre + _AROUND))
            is_content = 0 <= row - content.top < content.height and 0 <= column - content.left < content.width
            if len(set(sides)) == 1:  # else it is on an edge
                ignored = bool(sides[0]) and is_content
                assert mask.data[row, column] == (0 if ignored else 1)
                assert part.ids[row, column] == (255 if ignored else 7)


def test_masks_of_a_lower_resolution_than_the_networks_input() -> None:
    fit = Letterbox(64, 48, 64, 64)  # 8 rows of padding above and below
    mask = left_of(Mask(np.ones((16, 16), np.uint8), fit, "m"), [Polygon.parse("0,0 64,0 64,24 0,24")])
    assert isinstance(mask, Mask)
    assert mask.data[:2].all(), "padding"
    assert not mask.data[2:8].any()
    assert mask.data[8:].all()
    assert mask.share() == 0.5


@given(POLYGONS, st.lists(boxes(), min_size=1, max_size=5))
def test_masks_of_instances_lose_their_ignored_pixels(
    polygons: list[Polygon], found: list[tuple[int, int, int, int]]
) -> None:
    part = InstanceMasks(detections(found), tuple(np.ones((y2 - y1, x2 - x1), np.uint8) for x1, y1, x2, y2 in found))
    left = left_of(part, polygons)
    assert isinstance(left, InstanceMasks)
    alone = left_of(part.detections, polygons)
    assert isinstance(alone, Detections)
    np.testing.assert_array_equal(left.detections.boxes, alone.boxes)
    ignored = Area.of(polygons, *SIZE).mask(*SIZE)
    for (x1, y1, x2, y2), mask in zip(left.detections.boxes.astype(int).tolist(), left.masks, strict=True):
        np.testing.assert_array_equal(mask, 1 - ignored[y1:y2, x1:x2])
    assert all(mask.all() for mask in part.masks), "what was given is left alone"


def test_a_classification_is_of_the_whole_picture_and_stays() -> None:
    part = Classification(np.zeros(1, np.int32), np.ones(1, np.float32), ("street",))
    assert left_of(part, [Polygon.parse("0%,0% 100%,0% 100%,100% 0%,100%")]) is part


def test_a_source_may_change_its_size() -> None:
    ignoring = Ignoring([Polygon.parse("0%,50% 100%,50% 100%,100% 0%,100%")])
    for width, height in [(64, 48), (640, 480), (64, 48)]:
        part = detections([(0, 0, width, height // 4), (0, height // 2, width, height)])
        left = ignoring.without_ignored({"boxes": part}, frame_of(width, height))["boxes"]
        assert isinstance(left, Detections)
        assert left.boxes.tolist() == [[0, 0, width, height // 4]]


LEFT_CAR = "0%,0% 45%,0% 45%,100% 0%,100%"
"""Where the first box of ``box_network`` is."""


def test_what_is_ignored_gets_no_number_and_is_not_carried_on(tmp_path: Path) -> None:
    """A number spent on the car would make the bus the second thing seen."""
    clip, network = write_clip(tmp_path / "clip.mp4", 8), box_network(tmp_path / "boxes.onnx")
    results = list(stream(clip, engines=[f"{network}?every=3"], track="bytetrack", ignore=LEFT_CAR))
    assert [result.prediction.carried.get("boxes", 0) for result in results] == [0, 1, 2, 0, 1, 2, 0, 1]
    for result in results:
        found = result.prediction.detections()["boxes"]
        assert [found.name(index) for index in range(len(found))] == ["bus"]
    last = results[-1].prediction.detections()["boxes"].track_ids
    assert last is not None
    assert last.tolist() == [1]


def test_events_and_labels_have_what_is_left(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 3)
    engines = [mask_network(tmp_path / "mask.onnx"), box_network(tmp_path / "boxes.onnx")]
    argv = [str(clip), "--quiet", "--ignore", LEFT_CAR, *(f"--engine={engine}" for engine in engines)]
    argv += ["--events", str(tmp_path / "out.jsonl"), "--labels", str(tmp_path / "labels"), "--masks"]
    assert main([*argv, str(tmp_path / "masks")]) == 0
    records = events_of(tmp_path / "out.jsonl")
    assert [[one["class"] for one in record["detections"]] for record in records] == [["bus"]] * 3
    assert "regions" not in records[0]
    labels = sorted((tmp_path / "labels" / "labels").glob("*.txt"))
    assert [len(path.read_text(encoding="utf-8").splitlines()) for path in labels] == [1, 1, 1]
    for path in (tmp_path / "masks").rglob("*.png"):
        pixels = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        assert pixels is not None
        assert not pixels[:, : int(pixels.shape[1] * 0.43)].any()
