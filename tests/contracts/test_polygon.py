"""Polygons as people write them: understood in pixels and per cent, refused with the faulty point's number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.config import RunConfig
from contracts.errors import UsageError
from contracts.polygon import Polygon

NUMBERS = st.decimals(-300, 300, places=2, allow_nan=False)


@given(st.lists(st.tuples(NUMBERS, st.sampled_from(["", "%"])).map(lambda each: f"{each[0]}{each[1]}"), min_size=8))
def test_what_is_printed_is_read_as_the_same(lengths: list[str]) -> None:
    points = [f"{x},{y}" for x, y in zip(lengths[::2], lengths[1::2], strict=False)] + ["1000,0", "0,1000", "1000,2000"]
    polygon = Polygon.parse("  ".join(points))
    assert Polygon.parse(str(polygon)) == polygon
    for point, text in zip(polygon.on(50, 200), points, strict=True):
        for value, length, side in zip(point, text.split(","), (50, 200), strict=True):
            wanted = float(length.rstrip("%")) * (side / 100 if length.endswith("%") else 1)
            assert value == pytest.approx(wanted, abs=1e-9)


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100)), min_size=3, unique=True))
def test_per_cent_and_pixels_mean_the_same_place(points: list[tuple[int, int]]) -> None:
    shares = Polygon.parse(" ".join(f"{x}%,{y}%" for x, y in points)).on(640, 360)
    pixels = Polygon.parse(" ".join(f"{x * 6.4:.1f},{y * 3.6:.1f}" for x, y in points)).on(640, 360)
    mixed = Polygon.parse(" ".join(f"{x * 6.4:.1f},{y}%" for x, y in points)).on(640, 360)
    np.testing.assert_allclose(shares, pixels, atol=1e-9)
    np.testing.assert_allclose(mixed, pixels, atol=1e-9)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"ignore": ["0,0 1,0 5"]}, ["ignore.0", "point 3", "'5'"]),
        ({"ignore": "0,0 1,x 5,5"}, ["y of point 2", "'x'"]),
        ({"ignore": "0,0 1, 5,5"}, ["y of point 2", "''"]),
        ({"ignore": "0,0 1,nan 5,5"}, ["y of point 2", "'nan'"]),
        ({"ignore": "0,0 1,inf 5,5"}, ["y of point 2", "'inf'"]),
        ({"ignore": "0,0 1,5%% 5,5"}, ["y of point 2", "'5%%'"]),
        ({"ignore": "0,0 1,5 999999,5"}, ["x of point 3", "beyond any picture"]),
        ({"ignore": "0,0 10,0"}, ["2 points", "encloses nothing", "in quotes"]),
        ({"ignore": "0,0 10,0 0,0 10,0"}, ["2 points", "encloses nothing"]),
        ({"ignore": ""}, ["0 points"]),
        ({"ignore": [["0,0 10,0 10,10"]]}, ["text, not list"]),
        ({"regions": ["0,0 10,0 10,10"]}, ["no name", "crossing="]),
        ({"regions": ["=0,0 10,0 10,10"]}, ["'' is no name"]),
        ({"regions": {"a\nb": "0,0 10,0 10,10"}}, ["no name"]),
        ({"regions": {"x" * 41: "0,0 10,0 10,10"}}, ["no name"]),
        ({"regions": {"gap": ["0,0 10,0 10,10", "0,0 10,0 y"]}}, ["regions.gap.1", "point 3"]),
        ({"regions": {"gap": []}}, ["regions.gap"]),
        ({"regions": 5}, ["regions"]),
    ],
)
def test_what_is_refused_and_why(options: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        RunConfig.build(options)
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_name_may_come_again_and_bear_any_letters() -> None:
    one, two = "0,0 1,0 1,1", "5,5 6,5 6,6"
    written = RunConfig.build({"regions": [f"Fußgänger=weg={one}", f"b={two}", f"Fußgänger=weg={two}"]})
    mapped = RunConfig.build({"regions": {"Fußgänger=weg": [one, two], "b": two}})
    assert written.regions == mapped.regions
    assert list(written.regions) == ["Fußgänger=weg", "b"]
    assert len(written.regions["Fußgänger=weg"]) == 2


def test_a_printed_configuration_can_be_read_again() -> None:
    asked = {"ignore": "0%,80% 100%,80% 50.5,99", "regions": ["x=0,0 1,0 1,1"], "output_size": "1280x720"}
    config = RunConfig.build(asked)
    assert RunConfig.model_validate_json(config.model_dump_json()) == config
    assert '"1280x720"' in config.model_dump_json()


@pytest.mark.parametrize(
    ("text", "size"), [("1280x720", (1280, 720)), ("2X2", (2, 2)), ("640×360", (640, 360)), ((64, 48), (64, 48))]
)
def test_sizes_as_people_write_them(text: Any, size: tuple[int, int]) -> None:
    assert RunConfig.build({"output_size": text}).output_size == size


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1281x719", ["odd", "1282x720"]),
        ("1280x", ["'1280x'", "1280x720"]),
        ("x720", ["1280x720"]),
        ("720p", ["1280x720"]),
        ("0x0", ["2x2"]),
        ("99999x2", ["16384"]),
        ("-2x2", ["no size"]),
        (1280, ["no size"]),
        ((1280.0, 720.0), ["no size"]),
        ((True, True), ["no size"]),
    ],
)
def test_sizes_that_are_refused(text: Any, words: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        RunConfig.build({"output_size": text})
    for word in words:
        assert word in str(caught.value)
