"""Labels: on the canvas, off one another, readable, and remembered within bounds."""

from __future__ import annotations

from itertools import combinations
from math import nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.picture import Picture
from contracts.prediction import Detections
from contracts.sizes import Sizes
from outputs.draw.canvas import Canvases
from outputs.draw.labels import Plates, label_text
from outputs.draw.placing import Places, Rectangle

WHITE, SKY, BLUE = (255, 255, 255), (86, 180, 233), (0, 114, 178)


def overlap(one: Rectangle, other: Rectangle) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


@st.composite
def scenes(draw: st.DrawFn) -> tuple[int, int, list[tuple[Rectangle, int, int]]]:
    """A canvas and boxes on it, each with the size of its label; all numbers even."""
    width, height = (2 * draw(st.integers(1, 200)) for _ in "wh")
    boxes = []
    for _ in range(draw(st.integers(0, 30))):
        x1, y1 = 2 * draw(st.integers(0, width // 2 - 1)), 2 * draw(st.integers(0, height // 2 - 1))
        x2, y2 = 2 * draw(st.integers(x1 // 2 + 1, width // 2)), 2 * draw(st.integers(y1 // 2 + 1, height // 2))
        boxes.append(((x1, y1, x2, y2), 2 * draw(st.integers(1, 80)), 2 * draw(st.integers(1, 20))))
    return width, height, boxes


@settings(deadline=None)
@given(scenes(), st.integers(1, 60))
def test_labels_stay_on_the_canvas_and_off_one_another(
    scene: tuple[int, int, list[tuple[Rectangle, int, int]]], band: int
) -> None:
    width, height, boxes = scene
    places = Places(width, height, band)
    panel = (0, 0, width // 4 + 1, height // 4 + 1)
    places.take(panel)
    placed = [panel]
    for box, wide, tall in boxes:
        spot = places.find(box, wide, tall)
        if spot is not None:
            assert spot[0] % 2 == spot[1] % 2 == 0
            placed.append((*spot, spot[0] + wide, spot[1] + tall))
    for x1, y1, x2, y2 in placed:
        assert 0 <= x1 < x2 <= width
        assert 0 <= y1 < y2 <= height
    assert not any(overlap(one, other) for one, other in combinations(placed, 2))


@pytest.mark.parametrize(
    ("box", "wanted"),
    [
        ((40, 40, 100, 100), (40, 30)),  # on top
        ((40, 4, 100, 100), (40, 4)),  # no room above a large box: in it
        ((40, 4, 50, 20), (40, 20)),  # no room above a small one: below, where it hides nothing of it
        ((170, 40, 198, 100), (160, 30)),  # pushed back from the right edge
        ((0, 0, 200, 200), (0, 0)),  # the whole frame
        ((0, 0, 20, 200), (0, 0)),  # narrower than its label: in it all the same, as there is no room elsewhere
    ],
)
def test_where_a_lonely_label_goes(box: Rectangle, wanted: tuple[int, int]) -> None:
    assert Places(200, 200, 10).find(box, 40, 10) == wanted


def test_a_label_moves_when_its_place_is_taken_and_gives_up_when_all_are() -> None:
    places = Places(200, 200, 10)
    spots = [places.find((40, 60, 60, 70), 40, 10) for _ in range(12)]
    found = [spot for spot in spots if spot is not None]
    assert found[0] == (40, 50)
    assert 4 <= len(set(found)) == len(found) < 12
    assert spots[-1] is None
    assert Places(30, 30, 10).find((0, 0, 30, 30), 40, 10) is None  # wider than the canvas


@pytest.mark.parametrize(
    ("name", "score", "track", "wanted"),
    [
        ("car", 0.874, None, "car 0.87"),
        ("car", 0.874, 12, "car 0.87 #12"),
        ("car", 1.0, -1, "car 1.00"),  # a tracker that has no id for it yet
        ("voiture\n\x00", 0.5, None, "voiture?? 0.50"),
        ("a very long class name that nobody can read", 0.5, None, "a very long class name … 0.50"),
    ],
)
def test_words(name: str, score: float, track: int | None, wanted: str) -> None:
    tracks = None if track is None else np.array([track], np.int64)
    found = Detections(
        np.zeros((1, 4), np.float32), np.array([score], np.float32), np.zeros(1, np.int32), (name,), tracks
    )
    assert label_text(found, 0) == wanted


@pytest.mark.parametrize(
    ("width", "box", "wanted"),
    [
        (3.214, (412.0, 88.0), "crack 0.87 · 3.2 mm"),
        (0.04, (nan, nan), "crack 0.87 · 0.0 mm"),
        (9.94, (412.0, 88.0), "crack 0.87 · 9.9 mm"),
        (9.96, (412.0, 88.0), "crack 0.87 · 10 mm"),
        (123.6, (412.0, 88.0), "crack 0.87 · 124 mm"),
        (nan, (1843.2, 1451.0), "crack 0.87 · 1840 × 1450 mm"),
        (nan, (84.4, 9.4), "crack 0.87 · 84 × 9.4 mm"),
        (nan, (12345.0, 999.6), "crack 0.87 · 12300 × 1000 mm"),
        (nan, (1843.2, nan), "crack 0.87"),
        (nan, (nan, nan), "crack 0.87"),
    ],
)
def test_sizes_are_told_as_exactly_as_they_are_known(width: float, box: tuple[float, float], wanted: str) -> None:
    sizes = Sizes.unknown(1)
    sizes.widths[0], (sizes.box_widths[0], sizes.box_heights[0]) = width, box
    found = Detections(
        np.zeros((1, 4), np.float32), np.array([0.87], np.float32), np.zeros(1, np.int32), ("crack",), sizes=sizes
    )
    assert label_text(found, 0) == wanted


def test_a_class_without_a_name_is_its_number() -> None:
    found = Detections(np.zeros((1, 4), np.float32), np.array([0.5], np.float32), np.array([7], np.int32), ("car",))
    assert label_text(found, 0) == "7 0.50"


@pytest.mark.parametrize("text", ["車 0.9", "автобус 0.90", "سيارة 0.90", "🚗 0.90", "हाथी 0.9", "x", "?" * 40, ""])
@pytest.mark.parametrize("size", [11, 16, 47])
def test_any_text_makes_an_even_plate_with_ink_that_contrasts(text: str, size: int) -> None:
    for background in (SKY, BLUE, WHITE):
        plate = Plates().get((text, background, size, "bt709"))
        assert plate.width % 2 == plate.height % 2 == 0
        assert plate.u.shape == plate.v.shape == (plate.height // 2, plate.width // 2)
        border = np.concatenate([plate.y[0], plate.y[-1], plate.y[:, 0], plate.y[:, -1]])
        assert len(np.unique(border)) == 1, "text touches the plate's edge"
        if text:
            assert np.abs(plate.y.astype(int) - int(border[0])).max() > 80


def test_plates_are_remembered_and_the_oldest_forgotten() -> None:
    plates = Plates(limit=40_000)
    first = plates.get(("car 0.87", SKY, 16, "bt709"))
    assert plates.get(("car 0.87", SKY, 16, "bt709")) is first
    assert plates.get(("car 0.87", SKY, 16, "bt601")) is not first
    for hundredth in range(100):
        plates.get(("car 0.87", SKY, 16, "bt709"))  # in use, so not the oldest
        plates.get((f"bus 0.{hundredth:02}", SKY, 16, "bt709"))
    assert plates.get(("car 0.87", SKY, 16, "bt709")) is first
    assert plates.nbytes <= 40_000


def test_a_plate_is_put_on_all_three_planes_and_nowhere_else() -> None:
    planes = (np.full((40, 120), 77, np.uint8), np.full((20, 60), 78, np.uint8), np.full((20, 60), 79, np.uint8))
    canvas = Canvases().of(Picture("yuv420p", planes))
    plate = Plates().get(("bus 1.00", SKY, 11, "bt601"))
    plate.put(canvas, 10, 6)
    for plane, drawn, part, (x, y) in zip(
        (canvas.y, canvas.u, canvas.v), planes, (plate.y, plate.u, plate.v), ((10, 6), (5, 3), (5, 3)), strict=True
    ):
        wanted = drawn.copy()
        wanted[y : y + part.shape[0], x : x + part.shape[1]] = part
        np.testing.assert_array_equal(plane, wanted)
