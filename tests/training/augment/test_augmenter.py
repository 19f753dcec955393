"""Augmented samples: the same by draw wherever they are made, and labels that stay true of the picture."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sources.datasets.sample import UNCOUNTED, Sample
from tests.training.augment.painted import OFF, Listed, extent, is_red, noisy, painted
from training.augment.augmenter import Augmenter
from training.augment.fitting import FitName, fitted
from training.augment.mosaic import tiles
from training.augment.options import AugmentOptions

SIZE = (96, 64)
PLACES = ((30, 20, 60, 50), (0, 0, 40, 40), (70, 30, 120, 90), (5, 60, 50, 79))
SET = Listed(tuple(painted(130, 90, box) for box in PLACES))
EVERYTHING = AugmentOptions(
    mosaic=0.5, upright=0.3, rain=0.5, night=0.5, shadow=0.5, blur=0.5, noise=0.5, compression=0.5
)
MOVES = OFF.model_copy(update={"upright": 0.2, "flip": 0.5, "scale": (0.7, 1.6), "shift": 0.2, "rotate_deg": 10.0})


def augmenter(options: AugmentOptions, fit: FitName = "letterbox", seed: int = 0) -> Augmenter:
    return Augmenter(SET, SIZE, options, fit=fit, seed=seed)


def same(one: Sample, other: Sample) -> bool:
    return bool(
        np.array_equal(one.picture, other.picture)
        and np.array_equal(one.boxes, other.boxes)
        and np.array_equal(one.counts, other.counts)
        and np.array_equal(one.class_ids, other.class_ids)
        and all(np.array_equal(one.masks[head], other.masks[head]) for head in one.masks)
        and one.label == other.label
    )


@pytest.mark.parametrize("fit", ["letterbox", "stretch"])
def test_without_any_change_the_sample_is_the_fitted_one(fit: FitName) -> None:
    for index in range(len(SET)):
        assert same(augmenter(OFF, fit)(index, index), fitted(SET[index], SIZE, fit))


def test_flipped_it_is_the_fitted_one_in_a_mirror() -> None:
    whole = Listed((replace(SET[0], picture=noisy(144, 96), masks={"road": SET[0].masks["road"]}),))
    made = Augmenter(whole, SIZE, OFF.model_copy(update={"flip": 1.0}), fit="stretch")(0, 0)
    plain = fitted(whole[0], SIZE, "stretch")
    assert np.abs(made.picture[:, ::-1].astype(int) - plain.picture)[1:-1, 1:-1].max() <= 3
    np.testing.assert_allclose(made.boxes[0, [2, 1, 0, 3]] * [-1, 1, -1, 1] + [96, 0, 96, 0], plain.boxes[0], atol=1e-3)


def test_a_sample_depends_on_seed_and_draw_alone() -> None:
    first = augmenter(EVERYTHING)
    forwards = [first(draw % 4, draw) for draw in range(24)]
    elsewhere = pickle.loads(pickle.dumps(augmenter(EVERYTHING)))
    backwards = [elsewhere(draw % 4, draw) for draw in reversed(range(24))]
    assert all(same(one, other) for one, other in zip(forwards, reversed(backwards), strict=True))
    others = [augmenter(EVERYTHING, seed=1)(draw % 4, draw) for draw in range(24)]
    assert not any(same(one, other) for one, other in zip(forwards, others, strict=True))
    assert not same(first(0, 0), first(0, 4))


def test_an_upright_part_is_a_part_of_the_picture() -> None:
    whole = Listed((replace(painted(160, 96, (60, 20, 100, 60)), picture=noisy(160, 96)),))
    make = Augmenter(whole, (54, 96), OFF.model_copy(update={"upright": 1.0}), fit="letterbox")
    places = set()
    for draw in range(12):
        made = make(0, draw)
        matches = [left for left in range(107) if np.array_equal(made.picture, whole[0].picture[:, left : left + 54])]
        (left,) = matches
        assert np.array_equal(made.masks["road"], whole[0].masks["road"][:, left : left + 54])
        expected = np.clip(whole[0].boxes - [left, 0, left, 0], 0, [54, 96, 54, 96])
        inside = expected[:, 2] > expected[:, 0]
        np.testing.assert_array_equal(made.boxes, expected[inside])
        places.add(left)
    assert len(places) > 6


def test_what_is_upright_already_stays_whole() -> None:
    whole = Listed((painted(54, 96, (10, 20, 40, 60)),))
    make = Augmenter(whole, SIZE, OFF.model_copy(update={"upright": 1.0}), fit="letterbox")
    assert same(make(0, 0), fitted(whole[0], SIZE, "letterbox"))


@given(st.integers(0, 2**40), st.sampled_from(["letterbox", "stretch"]))
@settings(deadline=None, max_examples=80)
def test_labels_move_with_the_picture(draw: int, fit: FitName) -> None:
    made = augmenter(MOVES, fit)(draw % 4, draw)
    assert made.picture.shape == (64, 96, 3)
    seen, red = extent(made.masks["road"] == 1), extent(is_red(made.picture))
    if seen is None or red is None or not len(made.boxes) or not made.counts[0]:
        return
    (box,) = made.boxes
    np.testing.assert_allclose(seen, red, atol=2)
    assert (box[:2] <= seen[:2] + 1.5).all()
    assert (box[2:] >= seen[2:] - 1.5).all()
    if not ((box <= 0.5).any() or (box >= np.array([*SIZE, *SIZE]) - 0.5).any()):
        np.testing.assert_allclose(box, seen, atol=2)


@given(st.integers(0, 2**40))
@settings(deadline=None, max_examples=50)
def test_in_a_mosaic_every_rectangle_that_is_seen_has_its_box(draw: int) -> None:
    options = MOVES.model_copy(update={"mosaic": 1.0, "rotate_deg": 0.0})
    made = augmenter(options)(draw % 4, draw)
    covered = np.zeros((64, 96), np.bool_)
    grown = made.boxes + np.array([-1, -1, 1, 1])
    for left, top, right, bottom in grown.round().clip(0).astype(int):
        covered[top:bottom, left:right] = True
    assert covered[made.masks["road"] == 1].all()
    for box, counts in zip(made.boxes, made.counts, strict=True):
        inner = np.concatenate([np.ceil(box[:2] + 1), np.floor(box[2:] - 1)]).clip(0).astype(int)
        if counts:
            assert (made.masks["road"][inner[1] : inner[3], inner[0] : inner[2]] == 1).all()
    assert (made.boxes[:, 2:] > made.boxes[:, :2]).all()
    assert (made.boxes >= 0).all()
    assert (made.boxes <= [96, 64, 96, 64]).all()


def test_partners_of_a_mosaic_come_from_the_whole_set_and_can_be_forbidden() -> None:
    flat = tuple(Sample(str(level), np.full((64, 96, 3), level, np.uint8)) for level in range(10, 250, 20))
    whole = Augmenter(Listed(flat), SIZE, OFF.model_copy(update={"mosaic": 1.0}), fit="stretch")
    seen = {int(level) for draw in range(40) for level in np.unique(whole(0, draw).picture)}
    assert seen >= set(range(10, 250, 20))
    assert np.unique(whole(3, 1, mosaic=False).picture).tolist() == [70]


@given(st.integers(0, 2**32), st.tuples(st.integers(8, 200), st.integers(8, 200)))
def test_tiles_cover_all_of_it_once(seed: int, size: tuple[int, int]) -> None:
    covered = np.zeros(size[::-1], np.uint8)
    for place in tiles(size, np.random.default_rng(seed)):
        assert place.width > 0
        assert place.height > 0
        covered[place.top : place.top + place.height, place.left : place.left + place.width] += 1
    assert (covered == 1).all()


def test_a_head_that_one_partner_lacks_does_not_count_there() -> None:
    some = Listed((SET[0], replace(SET[1], masks={})))
    options = OFF.model_copy(update={"mosaic": 1.0})
    made = [Augmenter(some, SIZE, options, fit="stretch")(1, draw) for draw in range(10)]
    for sample in made:
        if sample.masks:
            assert (sample.masks["road"][:16, :24] == UNCOUNTED).all()  # the least that the first may fill
            assert (sample.masks["road"] != UNCOUNTED).any()
    assert sum(bool(sample.masks) for sample in made) > 5


def test_the_label_stays_and_in_a_mosaic_where_all_have_it() -> None:
    options = AugmentOptions(mosaic=1.0)
    alike = augmenter(options)
    differing = Augmenter(Listed((SET[0], replace(SET[1], label=2))), SIZE, options, fit="letterbox")
    assert {alike(0, draw, mosaic=False).label for draw in range(10)} == {1}
    assert {alike(0, draw).label for draw in range(10)} == {1}
    assert {differing(0, draw).label for draw in range(40)} == {1, None}


def test_uncounted_regions_stay_uncounted() -> None:
    unlabelled = Listed(tuple(painted(130, 90, (0, 0, 130, 90), counts=False) for _ in range(3)))
    made = Augmenter(unlabelled, SIZE, EVERYTHING, fit="letterbox")
    assert not any(made(draw % 3, draw).counts.any() for draw in range(30))


def test_the_smallest_enlargement_comes_first() -> None:
    assert AugmentOptions(scale=(1.0, 1.0)).scale == (1.0, 1.0)
    with pytest.raises(ValueError, match="smallest"):
        AugmentOptions(scale=(1.5, 0.75))
