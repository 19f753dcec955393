"""Regions and ignored areas on the picture: near their edges and inside, visible on anything, nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.areas import Area
from contracts.picture import Picture
from contracts.polygon import Polygon
from contracts.prediction import Prediction
from outputs.draw import Painter
from outputs.draw.canvas import Canvases
from outputs.draw.labels import Plates
from outputs.draw.regions import RegionBrush
from tests.outputs.scenes import FIGURES, changed, detections, grey, noise, painter, result_of

AREA = "20%,30% 70%,25% 90%,75% 10%,80%"
Counts = Mapping[str, Mapping[str, int]]
NOBODY: Counts = MappingProxyType({})


def drawn(
    picture: Picture,
    *,
    regions: Mapping[str, str] = MappingProxyType({}),
    ignore: tuple[str, ...] = (),
    counts: Counts = NOBODY,
    output_size: tuple[int, int] | None = None,
) -> Picture:
    parsed = {name: (Polygon.parse(text),) for name, text in regions.items()}
    areas = tuple(Polygon.parse(text) for text in ignore)
    brush = Painter(("regions",), 0.45, "okabe-ito", regions=parsed, ignore=areas, output_size=output_size)
    return brush.paint(result_of(picture, Prediction({}, {}, counts)), None)


def distance_to(text: str, width: int, height: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Of each pixel's centre to the polygon's edges, one by one."""
    corners = Polygon.parse(text).on(width, height)
    ys, xs = np.mgrid[:height, :width] + 0.5
    nearest = np.full((height, width), np.inf)
    for (x1, y1), (x2, y2) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        length = (x2 - x1) ** 2 + (y2 - y1) ** 2
        along = np.clip(((xs - x1) * (x2 - x1) + (ys - y1) * (y2 - y1)) / max(length, 1e-9), 0, 1)
        nearest = np.minimum(nearest, np.hypot(xs - x1 - along * (x2 - x1), ys - y1 - along * (y2 - y1)))
    return np.asarray(nearest)


@pytest.mark.parametrize("size", [(640, 360), (1280, 720), (853, 479), (360, 640)])
def test_an_outline_is_drawn_along_the_edges_and_nowhere_else(size: tuple[int, int]) -> None:
    picture = grey(*size)
    plain, named = drawn(picture), drawn(picture, regions={"r": AREA})
    where, distance = changed(named, plain)[: size[1], : size[0]], distance_to(AREA, *size)
    x, y = (int(side) for side in Polygon.parse(AREA).on(*size)[1])  # the name stands above the upper corner
    where[max(y - 40, 0) : y, x - 2 : x + 120] = False
    distance[max(y - 40, 0) : y, x - 2 : x + 120] = 99
    assert where[distance < 0.5].all()
    assert not where[distance > 5].any()


@pytest.mark.parametrize("luma", [16, 60, 128, 235])
def test_outline_and_hatching_show_by_day_and_by_night(luma: int) -> None:
    planes = np.full((360, 640), luma, np.uint8), *(np.full((180, 320), 128, np.uint8),) * 2
    picture = Picture("yuv420p", planes, tagged=True)
    line = drawn(picture, regions={"r": AREA}).planes[0].astype(int)[distance_to(AREA, 640, 360) < 3]
    assert line.max() - line.min() > 60
    hatched = drawn(picture, ignore=(AREA,)).planes[0].astype(int)
    inside = Area.of([Polygon.parse(AREA)], 640, 360).mask(640, 360) == 1
    inside &= distance_to(AREA, 640, 360) > 5
    assert np.abs(hatched[inside] - luma).max() > 30, "it shows"
    assert 0.05 < np.mean(np.abs(hatched[inside] - luma) > 10) < 0.4, "and leaves what it lies on to be seen"
    assert not (hatched != luma)[~inside & (distance_to(AREA, 640, 360) > 5)].any()


def test_a_region_with_somebody_in_it_is_stronger_and_counts_them() -> None:
    picture = grey(640, 360)
    empty, one, many = (
        drawn(picture, regions={"r": AREA, "s": "1%,90% 9%,90% 9%,99%"}, counts={"r": counts, "s": {}})
        for counts in ({}, {"car": 1}, {"car": 9, "bus": 3})
    )
    edge = distance_to(AREA, 640, 360) < 0.7
    edge[:120] = False  # the name
    assert one.planes[0][edge].mean() > empty.planes[0][edge].mean() + 25
    assert changed(one, many)[:110].any(), "another count"
    assert not changed(one, many)[130:].any(), "and nothing else"


def test_colours_come_without_a_tint() -> None:
    picture = drawn(noise(64, 48), regions={"r": AREA}, ignore=("0,0 64,0 64,20",))
    before = drawn(noise(64, 48))
    for plane, old in zip(picture.planes[1:], before.planes[1:], strict=True):
        closer = np.abs(plane.astype(int) - 128) <= np.abs(old.astype(int) - 128) + 1
        assert closer.all()


def test_names_keep_off_what_is_taken() -> None:
    canvas = Canvases().of(grey(1280, 720))
    brush = RegionBrush({"corner": (Polygon.parse("10%,20% 30%,20% 30%,60% 10%,60%"),)}, ())
    ((x1, y1, x2, y2),) = brush.paint_names(canvas, Prediction(), Plates(), [])
    assert (x1, y2) == (128, 144), "on top of the region's left upper corner"
    panel = (100, 100, 400, 400)
    ((left, top, right, bottom),) = brush.paint_names(canvas, Prediction(), Plates(), [panel])
    assert (right - left, bottom - top) == (x2 - x1, y2 - y1)
    assert right <= 100 or left >= 400 or bottom <= 100 or top >= 400
    everything = (0, 0, 1280, 720)
    assert brush.paint_names(canvas, Prediction(), Plates(), [everything]) == []


def test_labels_of_boxes_keep_off_names() -> None:
    picture = grey(640, 360)
    scene = Prediction({"b": detections([[200, 150, 260, 200]])})
    region = {"r": (Polygon.parse("200,150 400,150 400,200 200,200"),)}
    with_region, without = (
        Painter(("labels", "regions"), 0.45, "okabe-ito", regions=areas).paint(result_of(picture, scene), None)
        for areas in (region, {})
    )
    name = Painter(("regions",), 0.45, "okabe-ito", regions=region).paint(result_of(picture), None)
    above = (slice(130, 148), slice(200, 216))
    assert (without.planes[0][above] != 100).any(), "where the label would be"
    np.testing.assert_array_equal(with_region.planes[0][above], name.planes[0][above])
    label = changed(with_region, name)
    assert label.any(), "the label is elsewhere"


@given(st.lists(st.tuples(st.integers(-50, 150), st.integers(-50, 150)), min_size=3, max_size=6, unique=True),
       st.integers(1, 70), st.integers(1, 70))  # fmt: skip
def test_any_polygon_on_tiny_frames(corners: list[tuple[int, int]], width: int, height: int) -> None:
    text = " ".join(f"{x}%,{y}%" for x, y in corners)
    picture = drawn(noise(width, height), regions={"a long name of a region": text}, ignore=(text,))
    assert (picture.width - width, picture.height - height) == (width % 2, height % 2)


def test_what_is_kept_is_of_the_canvas_it_is_for() -> None:
    one = painter("regions", areas=True)
    for width, height in [(480, 270), (320, 180), (480, 270)]:
        picture = noise(width, height)
        again = painter("regions", areas=True).paint(result_of(picture), None)
        np.testing.assert_array_equal(one.paint(result_of(picture), None).owner, again.owner)


def test_bars_stay_black_and_the_area_is_where_the_picture_is() -> None:
    shown = drawn(
        grey(90, 160), regions={"": "0%,0% 100%,0% 100%,100% 0%,100%"}, ignore=(AREA,), output_size=(640, 360)
    )
    assert shown.planes[0].shape == (360, 640)
    left = (640 - 202) // 2
    assert (shown.planes[0][30:, : left - 1] == 16).all()
    assert (shown.planes[0][30:, 640 - left + 1 :] == 16).all()
    assert (shown.planes[0][200, left + 1 : left + 3] != 100).any(), "the outline is at the picture's edge"


def test_without_areas_the_layer_draws_nothing() -> None:
    picture = noise(64, 48)
    plain = Painter((), 0.45, "okabe-ito").paint(result_of(picture), None)
    np.testing.assert_array_equal(painter("regions").paint(result_of(picture), FIGURES).owner, plain.owner)
