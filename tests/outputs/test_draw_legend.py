"""The legend: exactly the classes that are there, in their colours, in its own corner."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.class_sets import CITYSCAPES, ETRI
from contracts.fit import Letterbox, Stretch
from contracts.palette import palette_of
from contracts.prediction import ClassMap, Prediction
from outputs.draw.canvas import Canvas, Canvases
from outputs.draw.colours import Rgb, to_yuv
from outputs.draw.legend import MOST, SMALLEST, Entry, Legend, entries_of
from tests.outputs.scenes import changed, crowded, grey, noise, painter, result_of

NAMES = tuple(CITYSCAPES)
PALETTE = palette_of((), NAMES)


def rgb(class_id: int) -> Rgb:
    blue, green, red = PALETTE[class_id]
    return red, green, blue


def map_of(*counts: int) -> ClassMap:
    """A map of 40 × 50 pixels, ``counts[i]`` of them class i, the rest without a name; its padding is all sky."""
    content = np.full(2000, 250, np.uint8)
    content[: sum(counts)] = np.repeat(np.arange(len(counts), dtype=np.uint8), counts)
    ids = np.full((90, 40), NAMES.index("sky"), np.uint8)
    ids[20:70] = content.reshape(50, 40)
    return ClassMap(ids, Letterbox(80, 100, 40, 90), NAMES, PALETTE)


@settings(deadline=None)
@given(st.lists(st.integers(0, 100), min_size=1, max_size=19))
def test_it_lists_exactly_the_present_classes_largest_first(counts: list[int]) -> None:
    listed = entries_of([map_of(*counts)])
    present = {index for index, count in enumerate(counts) if count / 2000 >= SMALLEST}
    ids = [NAMES.index(name) for name, _ in listed]
    assert len(ids) == len(set(ids)) == min(len(present), MOST)
    assert set(ids) <= present
    sizes = [counts[index] for index in ids]
    assert sizes == sorted((counts[index] for index in present), reverse=True)[:MOST]
    assert [colour for _, colour in listed] == [rgb(index) for index in ids]


def test_background_is_not_listed_and_maps_of_several_heads_share_a_legend() -> None:
    fit = Stretch(10, 10, 2, 2)
    one = ClassMap(np.array([[0, 1], [1, 1]], np.uint8), fit, ("background", "road"), ((0, 0, 0), (1, 2, 3)))
    other = ClassMap(np.array([[0, 0], [1, 1]], np.uint8), fit, ("car", "road"), ((7, 8, 9), (1, 2, 3)))
    assert entries_of([one, other]) == (("road", (3, 2, 1)), ("car", (9, 8, 7)))


def swatches(canvas: Canvas, entries: tuple[Entry, ...]) -> list[str]:
    """The names of those entries of whose colour there is a patch of 6 × 6 pixels (letters have no such)."""
    found = []
    for name, colour in entries:
        shade = to_yuv(colour, canvas.matrix)
        same = (canvas.y[::2, ::2] == shade.y) & (canvas.u == shade.u) & (canvas.v == shade.v)
        if cv2.erode(same.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=0).any():
            found.append(name)
    return found


@pytest.mark.parametrize("size", [(640, 360), (1280, 720), (3840, 2160), (720, 1280)])
@pytest.mark.parametrize("known", [CITYSCAPES, ETRI])
def test_its_pixels_show_the_colours_of_its_entries_and_of_no_other(
    size: tuple[int, int], known: dict[str, str]
) -> None:
    palette = palette_of((), tuple(known))
    everything = tuple((name, (red, green, blue)) for name, (blue, green, red) in zip(known, palette, strict=True))
    canvas = Canvases().of(grey(*size))
    listed = everything[3:13]
    place = Legend().draw(canvas, listed)
    assert place is not None
    assert swatches(canvas, everything) == [name for name, _ in listed]
    x1, y1, x2, y2 = place
    assert x1 >= size[0] / 2
    assert y2 <= size[1] / 2
    canvas.y[y1:y2, x1:x2] = 100
    assert (canvas.y == 100).all()


def test_its_letters_are_white_on_dark_on_any_picture() -> None:
    for luma in (16, 128, 235):
        canvas = Canvases().of(noise(640, 360))
        canvas.y[:] = luma
        x1, y1, x2, y2 = Legend().draw(canvas, (("traffic light", (250, 170, 30)),)) or (0, 0, 0, 0)
        shown = canvas.y[y1:y2, x1:x2]
        assert np.median(shown) <= 100
        assert shown.max() >= 225


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 400), st.integers(1, 400), st.integers(0, 10), st.text(max_size=40))
def test_on_any_canvas_it_stays_in_its_corner(width: int, height: int, count: int, text: str) -> None:
    canvas = Canvases().of(grey(width, height))
    legend = Legend()
    entries = tuple((f"{text}{index}", (index, 2, 3)) for index in range(count))
    legend.draw(canvas, entries)
    rows, columns = (canvas.y != 100).nonzero()
    assert columns.min(initial=canvas.width) >= canvas.width / 2
    assert rows.max(initial=0) <= canvas.height / 2


def test_what_is_kept_is_drawn_anew_for_other_entries_and_canvases() -> None:
    legend = Legend()
    for size, count in (((640, 360), 3), ((640, 360), 3), ((640, 360), 2), ((800, 600), 2), ((640, 360), 0)):
        entries = tuple((name, rgb(index)) for index, name in enumerate(NAMES[:count]))
        one, other = Canvases().of(grey(*size)), Canvases().of(grey(*size))
        assert legend.draw(one, entries) == Legend().draw(other, entries)
        np.testing.assert_array_equal(one.buffer, other.buffer)


def test_it_belongs_to_the_labels_and_needs_its_areas() -> None:
    picture = grey(640, 360)
    result = result_of(picture, Prediction({"m": crowded(picture)["map"]}))
    corner = (slice(0, 60), slice(500, 640))
    assert changed(painter("drivable", "labels").paint(result, None), picture)[corner].any()
    assert not changed(painter("drivable").paint(result, None), picture)[corner].any()
    assert not changed(painter("labels").paint(result, None), picture).any()
