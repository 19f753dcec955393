"""The panel: readable, small, and drawn anew only for new figures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.picture import Picture
from outputs.draw import PanelFigures
from outputs.draw.panel import milliseconds, rate_text
from tests.outputs.scenes import (
    FIGURES,
    changed,
    grey,
    noise,
    painter,
    result_of,
)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 900), st.integers(1, 600), st.integers(0, 12), st.integers(0, 6))
def test_the_panel_leaves_most_of_any_frame_alone(width: int, height: int, stages: int, engines: int) -> None:
    picture = grey(width, height)
    figures = PanelFigures(
        12.3, (("postprocess", 123.4),) * stages, 1e9, 5.0, ("some-network-with-a-long-name",) * engines
    )
    where = painter("panel").paint(result_of(picture), figures).planes[0] != 100
    rows, columns = where.any(axis=1).nonzero()[0], where.any(axis=0).nonzero()[0]
    assert rows.max(initial=0) <= 0.5 * (height + 1)
    assert columns.max(initial=0) <= 0.5 * (width + 1)


@pytest.mark.parametrize("luma", [16, 128, 235])
def test_the_panel_is_readable_on_any_picture(luma: int) -> None:
    picture = Picture("yuv420p", (np.full((720, 1280), luma, np.uint8), *noise(1280, 720).planes[1:]))
    shown = painter("panel").paint(result_of(picture), FIGURES).planes[0][10:200, 10:170]
    plate, ink = int(np.median(shown)), int(shown.max())
    assert plate <= 100
    assert ink >= 225


@pytest.mark.parametrize("size", [(1280, 720), (640, 360), (320, 240), (3840, 2160)])
def test_the_panel_changes_with_its_figures_only(size: tuple[int, int]) -> None:
    picture, one = grey(*size), painter("panel")
    first = one.paint(result_of(picture), FIGURES)
    np.testing.assert_array_equal(one.paint(result_of(picture), FIGURES).owner, first.owner)
    newer = one.paint(result_of(picture), replace(FIGURES, fps=11.1))
    assert changed(newer, first).any()
    np.testing.assert_array_equal(
        newer.owner, painter("panel").paint(result_of(picture), replace(FIGURES, fps=11.1)).owner
    )


@pytest.mark.parametrize(
    ("value", "wanted"),
    [(0.0, "0.0 ms"), (4.24, "4.2 ms"), (99.96, "100 ms"), (118.4, "118 ms"), (12345.0, "12.3 s"), (float("nan"), "–")],
)
def test_durations_for_people(value: float, wanted: str) -> None:
    assert milliseconds(value) == wanted


@pytest.mark.parametrize(
    ("value", "wanted"),
    [(0.0, "–"), (float("inf"), "–"), (9.96, "10.0"), (29.97, "30.0"), (99.97, "100"), (240.4, "240")],
)
def test_rates_for_people(value: float, wanted: str) -> None:
    assert rate_text(value) == wanted
