"""Signs of road users: the right ones, told from one another at any size, and where labels are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from contracts.config import Layer
from contracts.picture import Pixels
from contracts.prediction import Attributes, Prediction
from outputs.draw.icons import GROUND, Icon, layers_of
from outputs.draw.labels import Plates
from outputs.draw.signs import Sign, signs_of
from tests.outputs.scenes import changed, detections, grey, painter, result_of

SIDES = (18, 24, 76)
"""At 640 × 360, 1280 × 720 and 3840 × 2160 pixels."""


@pytest.mark.parametrize(
    ("name", "location", "actions", "wanted"),
    [
        ("Car", "VehLane", (), (Icon.CAR, Icon.OWN_LANE)),
        ("Bus", "OutgoLane", ("Brake",), (Icon.BUS_BRAKING, Icon.OUTGOING_LANE)),
        ("Car", "IncomLane", ("IncatLft",), (Icon.LEFT, Icon.CAR, Icon.INCOMING_LANE)),
        ("Car", "Jun", ("IncatRht", "Brake"), (Icon.CAR_BRAKING, Icon.RIGHT, Icon.JUNCTION)),
        ("Car", "Parking", ("HazLit",), (Icon.CAR, Icon.HAZARD, Icon.PARKING)),
        (
            "Car",
            "Jun",
            ("HazLit", "IncatRht", "IncatLft"),
            (Icon.LEFT, Icon.CAR, Icon.RIGHT, Icon.HAZARD, Icon.JUNCTION),
        ),
        ("truck", "own lane", ("turn left", "brake lights"), (Icon.LEFT, Icon.TRUCK_BRAKING, Icon.OWN_LANE)),
        ("Tram", "on rails", ("bell", "Brake"), (Icon.CAR_BRAKING, "on rails", "bell")),
        ("Tram", "Jun", (), (Icon.JUNCTION,)),
        ("Car", "left", ("Jun",), (Icon.CAR, "left", "Jun")),  # a place is no light, a light no place
        ("Car", "a\nvery long place", (), (Icon.CAR, "a?very long…")),
    ],
)
def test_what_answers_look_like(name: str, location: str, actions: tuple[str, ...], wanted: tuple[Sign, ...]) -> None:
    assert signs_of(name, {"location": (location,), "actions": actions}) == wanted


def test_other_questions_are_answered_in_words() -> None:
    assert signs_of("Car", {}) == (Icon.CAR,)
    assert signs_of("person", {"looks": ("at us", "away"), "age": ()}) == ("at us", "away")


def picture_of(icon: Icon, side: int) -> NDArray[np.float64]:
    """RGB (side, side, 3), every layer put on by hand."""
    picture = np.full((side, side, 3), GROUND, np.float64)
    for colour, coverage in layers_of(icon, side):
        share = coverage[..., None] / 255
        picture = picture * (1 - share) + np.array(colour) * share
    return picture


@pytest.mark.parametrize("side", SIDES)
def test_no_icon_looks_like_another(side: int) -> None:
    pictures = {icon: picture_of(icon, side) for icon in Icon}
    for one, other in combinations(Icon, 2):
        unlike = np.abs(pictures[one] - pictures[other]).max(axis=2) > 60
        assert unlike.mean() > 0.08, f"{one} and {other}"


@pytest.mark.parametrize("side", SIDES)
def test_icons_fill_their_square_and_say_left_and_right(side: int) -> None:
    for icon in Icon:
        ink = np.abs(picture_of(icon, side) - GROUND).max(axis=2) > 40
        rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
        assert max(np.ptp(rows), np.ptp(columns)) + 1 >= 0.8 * side, icon
        assert 0.15 < ink.mean() < 0.95, icon
    left, right = picture_of(Icon.LEFT, side), picture_of(Icon.RIGHT, side)
    assert np.abs(left - right[:, ::-1]).max() <= 40  # polygons are rounded to an eighth of a pixel
    tall = (left > 100).any(axis=2).sum(axis=0)
    assert tall[: side // 2].argmax() < side // 2 - 1
    assert tall[: side // 2].max() > tall[-2], "the tip is on the left"


@pytest.mark.parametrize("side", SIDES)
def test_what_brakes_has_red_lamps_on_both_sides_and_nothing_else_is_red(side: int) -> None:
    for icon in Icon:
        red, green, blue = np.moveaxis(picture_of(icon, side), -1, 0)
        lit = (red > 150) & (green < 90) & (blue < 90)
        lower = lit[side // 2 :]
        assert lower[:, : side // 2].any() == lower[:, -(side // 2) :].any() == ("braking" in icon.value), icon


def test_edges_are_smooth() -> None:
    """A slanted edge has pixels between paper and ink, and they are where the edge is: their mean is its area."""
    ((_, coverage),) = layers_of(Icon.LEFT, 24)
    assert np.count_nonzero((coverage > 30) & (coverage < 225)) > 12
    area = 9 * 11 + 19 * 10 / 2  # shaft and tip, in squares of the grid
    assert coverage.sum() / 255 == pytest.approx(area, rel=0.05)


def agents(boxes: Sequence[Sequence[float]], *answers: Attributes) -> Prediction:
    return Prediction({"agents": replace(detections(boxes, [1] * len(boxes)), attributes=answers)})


BOX = [[300.0, 200.0, 420.0, 280.0]]
LIT: Attributes = {"location": ("Jun",), "actions": ("Brake", "IncatLft")}


def drawn(prediction: Prediction, *layers: Layer, size: tuple[int, int] = (640, 360)) -> tuple[Pixels, ...]:
    return painter(*layers).paint(result_of(grey(*size), prediction), None).planes


def test_signs_are_part_of_the_label_and_of_its_layer() -> None:
    picture = grey(640, 360)
    bare = replace(agents(BOX, LIT).detections()["agents"], attributes=None)
    plain = painter("labels").paint(result_of(picture, Prediction({"agents": bare})), None)
    signed = painter("labels").paint(result_of(picture, agents(BOX, LIT)), None)
    label, both = (np.argwhere(changed(each, picture)) for each in (plain, signed))
    assert both.min(axis=0)[1] == label.min(axis=0)[1] == 300
    assert both.max(axis=0)[1] >= label.max(axis=0)[1] + 3 * 18
    assert both.max(axis=0)[0] == label.max(axis=0)[0] == 199  # both stand on the box
    for given, other in zip(drawn(agents(BOX, LIT), "boxes"), drawn(Prediction({"b": bare}), "boxes"), strict=True):
        np.testing.assert_array_equal(given, other)


@pytest.mark.parametrize("size", [(640, 360), (3840, 2160)])
def test_amber_and_red_reach_the_picture_where_something_is_lit(size: tuple[int, int]) -> None:
    def chroma(*actions: str) -> tuple[int, int]:
        _, u, v = drawn(agents(BOX, {"location": ("Jun",), "actions": actions}), "labels", size=size)
        return int(np.count_nonzero((u < 70) & (v < 190))), int(np.count_nonzero((v > 190) & (u > 70)))

    dark, amber, red = chroma(), chroma("IncatLft"), chroma("Brake")
    assert amber[0] > dark[0] + 20
    assert red[1] > dark[1] + 5
    assert (amber[1], red[0]) == (dark[1], dark[0])


def test_labels_with_signs_stay_off_one_another_and_give_them_up_before_the_name() -> None:
    """Seen by what each leaves on the canvas when it is drawn alone."""
    crowd = [[20.0 * index, 100.0, 20.0 * index + 30, 130.0] for index in range(20)]
    together = painter("labels").paint(result_of(grey(640, 360), agents(crowd, *[LIT] * 20)), None)
    area = np.count_nonzero(changed(together, grey(640, 360)))
    plates = Plates()
    badge = plates.badge(signs_of("car", LIT), 11, "bt709")
    label = plates.get(("car 0.95", (86, 180, 233), 11, "bt709"), badge.height)
    whole = (label.width + badge.width) * label.height
    assert label.height == badge.height
    assert area > 4 * whole, "several have a place"
    narrow = grey(label.width + badge.width - 2, 360)
    alone = np.argwhere(
        changed(painter("labels").paint(result_of(narrow, agents([[0, 90, 30, 130]], LIT)), None), narrow)
    )
    assert np.ptp(alone[:, 1]) + 1 == label.width


def test_badges_are_even_remembered_and_counted() -> None:
    plates = Plates()
    for size in (11, 16, 47):
        for signs in ((Icon.CAR,), (Icon.LEFT, "word"), tuple(Icon)):
            badge = plates.badge(signs, size, "bt709")
            assert badge.width % 2 == badge.height % 2 == 0
            assert badge.u.shape == badge.v.shape == (badge.height // 2, badge.width // 2)
            assert plates.badge(signs, size, "bt709") is badge
            edge = np.concatenate([badge.y[:, 0], badge.y[:, -1]])
            assert len(np.unique(edge)) == 1, "icons touch the plate's sides"
    assert plates.nbytes > 0
