"""Which frames a report shows: the eventful ones, spread over the run, few of them drawn."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.picture import Picture
from contracts.prediction import Detections, Part, Prediction
from outputs.report.moments import SHOWN, Moment, Moments
from outputs.report.sight import Looker
from outputs.report.thumbnails import MOST_BYTES, data_uris, thumbnail
from tests.outputs.scenes import area, grey, noise

NAMES = ("car", "bus", "person")
SMALL = grey(32, 18)


def boxes(*class_ids: int, tracks: tuple[int, ...] | None = None) -> Detections:
    ids = np.array(class_ids, np.int32)
    tracked = None if tracks is None else np.array(tracks, np.int64)
    return Detections(np.zeros((len(ids), 4), np.float32), np.ones(len(ids), np.float32), ids, NAMES, tracked)


class Show:
    """Plays predictions to Moments as a run does, and counts what was drawn."""

    def __init__(self, rate: int = 25) -> None:
        self.moments, self.looker = Moments(), Looker()
        self.drawn = self.frames = 0
        self._rate = rate

    def see(self, parts: Mapping[str, Part], regions: Mapping[str, Mapping[str, int]] | None = None) -> None:
        def draw() -> Picture:
            self.drawn += 1
            return SMALL

        sight = self.looker.look(Prediction(parts, regions=regions or {}))
        self.moments.consider(self.frames, self.frames / self._rate, sight, draw)
        self.frames += 1

    def at(self, index: int) -> Moment:
        (found,) = [moment for moment in self.moments.chosen() if moment.index == index]
        return found


def dull(show: Show, count: int) -> None:
    for _ in range(count):
        show.see({"boxes": boxes(0, 0)})


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=400), st.integers(1, 30))
def test_they_are_few_in_order_and_apart(counts: list[int], rate: int) -> None:
    show = Show(rate)
    for count in counts:
        show.see({"boxes": boxes(*[0] * count)})
    chosen = show.moments.chosen()
    assert 1 <= len(chosen) <= SHOWN
    seconds = [moment.seconds for moment in chosen]
    assert seconds == sorted(seconds)
    longest = (len(counts) - 1) / rate
    assert all(after - before >= longest / 40 for before, after in pairwise(seconds))


@pytest.mark.parametrize("place", [7, 333, 1500, 2990])
def test_what_happens_once_in_a_long_run_is_there_with_the_reason(place: int) -> None:
    show = Show()
    dull(show, place)
    show.see({"boxes": boxes(0, 0, 1)})
    dull(show, 3000 - place)
    assert show.at(place).why[0] == "first bus"
    assert show.at(place).seen == "2 car, 1 bus"


def test_a_dull_run_is_shown_all_over_and_hardly_drawn() -> None:
    show = Show()
    dull(show, 10_000)
    seconds = [moment.seconds for moment in show.moments.chosen()]
    assert len(seconds) == SHOWN
    assert np.diff(seconds).max() < 10_000 / 25 / 3
    assert show.drawn < 150


def test_frames_that_get_fuller_and_fuller_are_not_all_drawn() -> None:
    show = Show()
    for count in range(2000):
        show.see({"boxes": boxes(*[0] * (count // 10))})
    assert show.drawn < 400


def test_new_tracks_crowds_regions_and_masks_are_reasons() -> None:
    show = Show()
    for _ in range(200):
        show.see({"boxes": boxes(0, tracks=(1,)), "drivable": area(SMALL, slice(20, 40))})
    show.see({"boxes": boxes(0, 0, 0, tracks=(1, 2, 3)), "drivable": area(SMALL, slice(20, 40))})
    for _ in range(100):
        show.see({"boxes": boxes(0, tracks=(1,)), "drivable": area(SMALL, slice(20, 40))})
    parts: dict[str, Part] = {"boxes": boxes(0, tracks=(-1,)), "drivable": area(SMALL, slice(38, 40))}
    show.see(parts, {"crossing": {"person": 1}})
    assert show.at(200).why == ("2 new tracks: car",)
    assert tuple(reason.replace("\N{NO-BREAK SPACE}", " ") for reason in show.at(301).why) == (
        "drivable 5 % of the picture, 50 % just before",
        "person enters crossing",
    )
    for _ in range(50):
        show.see({"boxes": boxes(0)})
    show.see({"boxes": boxes(*[0] * 9)})
    assert show.at(352).why == ("9 detections, 1 just before",)


def test_pictures_are_small_and_fit_together_whatever_they_show() -> None:
    uris = data_uris([thumbnail(noise(1280, 720, seed)) for seed in range(12)])
    assert sum(map(len, uris)) <= MOST_BYTES * 4 / 3 + 12 * 40
    assert all(uri.startswith("data:image/jpeg;base64,") for uri in uris)


@pytest.mark.parametrize("size", [(2, 2), (3840, 2160), (360, 1280), (1, 1), (854, 480), (853, 479), (1922, 1082)])
def test_a_small_picture_keeps_its_shape_and_is_never_enlarged(size: tuple[int, int]) -> None:
    made = thumbnail(noise(*size))
    assert max(made.size) <= 720
    assert made.size[0] / made.size[1] == pytest.approx(size[0] / size[1], rel=0.02)
    assert made.picture.bgr().shape == (made.size[1], made.size[0], 3)


def test_a_small_picture_has_the_colours_of_the_large_one() -> None:
    pixels = np.zeros((720, 1280, 3), np.uint8)
    pixels[:, :640] = (200, 40, 40)
    made = thumbnail(Picture.from_bgr(pixels)).picture.bgr()
    assert np.abs(made[10:-10, 10:200].astype(int) - (200, 40, 40)).max() <= 2
    large = noise(1280, 720)
    assert thumbnail(large).picture.bgr().mean() == pytest.approx(large.bgr().mean(), abs=3)


def test_ids_of_a_thing_seen_long_ago_do_not_fill_memory() -> None:
    looker = Looker()
    for frame in range(6000):
        looker.look(Prediction({"boxes": boxes(0, tracks=(frame + 1,))}))
    assert len(looker._known["boxes"]) <= 4096
    assert not looker.look(Prediction({"boxes": boxes(0, tracks=(6000,))})).started
