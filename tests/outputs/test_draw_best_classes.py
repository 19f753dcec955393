"""Classifications: names, bars and the best one's text, in their own corner."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.prediction import Classification, Prediction
from outputs.draw.best_classes import BestClasses, wrapped
from outputs.draw.canvas import Canvases
from outputs.draw.colours import PALETTES, class_colour, to_yuv
from outputs.draw.text import Letters, Typesetter
from tests.outputs.scenes import FIGURES, changed, detections, grey, painter, result_of

OKABE = PALETTES["okabe-ito"]
WORDS = "Empty it, press it flat and put it into the yellow bin; caps may stay on, straws go with it."


def found(*scores: float, names: tuple[str, ...] = ("bus", "person", "truck"), text: str = "") -> Classification:
    ids = np.arange(len(scores), dtype=np.int32)
    return Classification(ids, np.array(scores, np.float32), names, (text,))


@pytest.mark.parametrize("size", [(640, 360), (1280, 720), (3840, 2160), (720, 1280)])
def test_bars_are_as_long_as_scores(size: tuple[int, int]) -> None:
    canvas = Canvases().of(grey(*size))
    BestClasses(OKABE).draw(canvas, {"kind": found(0.8, 0.4, 0.0)})
    lengths = []
    for name in ("bus", "person", "truck"):
        shade = to_yuv(class_colour(name, OKABE), canvas.matrix)
        coloured = (canvas.y[::2, ::2] == shade.y) & (canvas.u == shade.u) & (canvas.v == shade.v)
        lengths.append(2 * int(coloured.sum(axis=1).max()))
    assert lengths[0] >= 0.09 * min(size)
    assert abs(lengths[1] - lengths[0] / 2) <= 2
    assert lengths[2] == 0


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 500),
    st.integers(1, 400),
    st.lists(st.floats(0, 1, width=32), max_size=5),
    st.text(max_size=200),
    st.integers(1, 3),
)
def test_on_any_canvas_it_stays_in_the_lower_half(
    width: int, height: int, scores: list[float], text: str, heads: int
) -> None:
    canvas = Canvases().of(grey(width, height))
    parts = {str(head): found(*scores, names=(text[:30], "b"), text=text) for head in range(heads)}
    place = BestClasses(OKABE).draw(canvas, parts)
    rows = (canvas.y != 100).nonzero()[0]
    assert rows.min(initial=canvas.height) >= canvas.height / 2
    if place is not None:
        x1, y1, x2, y2 = place
        assert 0 <= x1 < x2 <= canvas.width
        assert canvas.height / 2 <= y1 < y2 <= canvas.height
        canvas.y[y1:y2, x1:x2] = 100
        assert (canvas.y == 100).all()


def test_the_best_ones_text_makes_it_taller_and_nothing_else_does() -> None:
    canvas = Canvases().of(grey(1280, 720))
    panel = BestClasses(OKABE)
    _, bare, _, _ = panel.draw(canvas, {"kind": found(0.8, 0.2)}) or (0, 0, 0, 0)
    _, with_text, _, _ = panel.draw(canvas, {"kind": found(0.8, 0.2, text=WORDS)}) or (0, 0, 0, 0)
    of_second = Classification(
        np.array([1, 0], np.int32), np.array([0.8, 0.2], np.float32), ("bus", "person"), (WORDS,)
    )
    _, second, _, _ = panel.draw(canvas, {"kind": of_second}) or (0, 0, 0, 0)
    assert with_text < bare
    assert second == bare


@settings(deadline=None)
@given(st.text(max_size=150) | st.just(WORDS), st.integers(20, 300), st.integers(0, 5))
def test_wrapped_lines_fit_and_lose_no_letter(text: str, width: int, most: int) -> None:
    setter, letters = Typesetter(), Letters(14, 500)
    lines = wrapped(setter, text, letters, width, most)
    assert len(lines) <= most
    for line in lines:
        assert setter.width(line, letters) <= width or len(line) == 1
    everything = wrapped(setter, text, letters, width, 10_000)
    wanted = (letter if letter.isprintable() else "?" for letter in "".join(text.split()))
    assert "".join(everything).replace(" ", "") == "".join(wanted)
    if len(everything) > most > 0:
        assert lines[-1].endswith("…")
        assert lines[:-1] == everything[: most - 1]
    else:
        assert lines == everything[:most]


def test_text_breaks_between_words() -> None:
    lines = wrapped(Typesetter(), WORDS, Letters(14, 500), 200, 9)
    assert " ".join(lines) == WORDS
    assert len(lines) >= 3


def test_it_belongs_to_the_labels_and_does_not_meet_the_panel() -> None:
    picture = grey(640, 360)
    result = result_of(picture, Prediction({"kind": found(0.7, 0.2, 0.1, text=WORDS)}))
    assert not changed(painter("boxes", "drivable", "lanes").paint(result, None), picture).any()
    alone = changed(painter("labels").paint(result, None), picture)
    assert alone[200:, :300].any()
    panel = changed(painter("panel").paint(result, FIGURES), picture)
    assert not (alone & panel).any()


def test_labels_of_boxes_keep_out_of_it() -> None:
    picture = grey(640, 360)
    best = found(0.7, 0.2, 0.1, text=WORDS)
    x1, y1, x2, y2 = BestClasses(OKABE).draw(Canvases().of(picture), {"kind": best}) or (0, 0, 0, 0)
    boxes = detections([[x, y, x + 60, y + 40] for x in range(0, 300, 50) for y in range(150, 330, 25)])
    alone = painter("labels").paint(result_of(picture, Prediction({"kind": best})), None)
    both = painter("labels").paint(result_of(picture, Prediction({"kind": best, "boxes": boxes})), None)
    where = changed(both, alone)
    assert where.any()
    assert not where[y1:y2, x1:x2].any()


def test_what_is_kept_is_drawn_anew_for_other_scores_and_canvases() -> None:
    panel = BestClasses(OKABE)
    for size, score in (((640, 360), 0.5), ((640, 360), 0.5), ((640, 360), 0.6), ((800, 600), 0.6)):
        one, other = Canvases().of(grey(*size)), Canvases().of(grey(*size))
        parts = {"kind": found(score, 0.1)}
        assert panel.draw(one, parts) == BestClasses(OKABE).draw(other, parts)
        np.testing.assert_array_equal(one.buffer, other.buffer)


def test_what_is_carried_on_is_marked_and_keeps_its_colours_and_bars() -> None:
    parts = {"kind": found(0.8, 0.4, 0.1)}
    fresh, old = Canvases().of(grey(1280, 720)), Canvases().of(grey(1280, 720))
    drawer = BestClasses(OKABE)
    left, top, right, bottom = drawer.draw(fresh, parts) or (0, 0, 0, 0)
    assert drawer.draw(old, parts, {"kind": 2}) is not None
    assert (fresh.y[top:bottom, left:right] != old.y[top:bottom, left:right]).any()
    for canvas in (fresh, old):
        shade = to_yuv(class_colour("bus", OKABE), canvas.matrix)
        assert ((canvas.u == shade.u) & (canvas.v == shade.v)).any()
    again = Canvases().of(grey(1280, 720))
    drawer.draw(again, parts)
    np.testing.assert_array_equal(again.buffer, fresh.buffer)
