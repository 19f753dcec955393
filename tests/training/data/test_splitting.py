"""A split never separates neighbours, and comes as near to the shares as that allows."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import UsageError
from training.data.fingerprints import near_pairs
from training.data.splitting import (
    by_block,
    by_group,
    by_run,
    divided,
    divided_by_kind,
    place_in_run,
    places_in,
    too_near,
    united,
)

frames = st.lists(
    st.tuples(st.sampled_from(["cam0", "cam1"]), st.sampled_from(["a_", "b_"]), st.integers(0, 400)),
    min_size=3,
    max_size=80,
    unique=True,
)


@settings(max_examples=100, deadline=None)
@given(found=frames, gap=st.integers(0, 30), seed=st.integers(0, 5))
def test_frames_closer_than_the_gap_stay_together(found: list[tuple[str, str, int]], gap: int, seed: int) -> None:
    names = [f"{folder}/{start}{number:05}" for folder, start, number in found]
    units = by_run(names, [folder for folder, _, _ in found], gap)
    if len(set(units.tolist())) < 3:
        with pytest.raises(UsageError):
            divided(units, {"train": 7, "val": 2, "test": 1}, seed)
        return
    splits = divided(units, {"train": 7, "val": 2, "test": 1}, seed)
    assert set(splits) == {"train", "val", "test"}
    for one, two in itertools.combinations(range(len(found)), 2):
        if found[one][:2] == found[two][:2] and abs(found[one][2] - found[two][2]) <= gap:
            assert splits[one] == splits[two]


@settings(max_examples=60, deadline=None)
@given(
    groups=st.lists(st.integers(0, 12), min_size=6, max_size=60),
    pairs=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=6),
)
def test_what_looks_the_same_stays_together_with_its_folder(groups: list[int], pairs: list[tuple[int, int]]) -> None:
    units = united(by_group([str(group) for group in groups]), pairs)
    for one, two in itertools.combinations(range(len(groups)), 2):
        if groups[one] == groups[two]:
            assert units[one] == units[two]
    assert all(units[one] == units[two] for one, two in pairs)
    if len(set(units.tolist())) >= 2:
        splits = divided(units, {"train": 8, "val": 2})
        assert all(splits[one] == splits[two] for one, two in pairs)


@settings(max_examples=60, deadline=None)
@given(sizes=st.lists(st.integers(1, 40), min_size=3, max_size=50))
def test_shares_are_missed_by_no_more_than_the_largest_unit(sizes: list[int]) -> None:
    units = np.repeat(np.arange(len(sizes)), sizes)
    counts = Counter(divided(units, {"train": 7, "val": 2, "test": 1}))
    for split, share in (("train", 0.7), ("val", 0.2), ("test", 0.1)):
        assert counts[split] - share * len(units) <= max(sizes)


@settings(max_examples=60, deadline=None)
@given(
    numbers=st.lists(st.integers(0, 300), min_size=12, max_size=90, unique=True),
    length=st.integers(1, 9),
    margin=st.integers(0, 12),
)
def test_blocks_of_one_video_keep_their_distance(numbers: list[int], length: int, margin: int) -> None:
    names = [f"v_{number}" for number in numbers]
    runs = by_run(names, ["video"] * len(names), gap=1000)
    assert len(set(runs.tolist())) == 1
    places = places_in(runs, names)
    assert places.tolist() == [sorted(numbers).index(number) for number in numbers]
    units = by_block(runs, places, length)
    assert max(Counter(units.tolist()).values()) <= length
    shares = {"train": 6.0, "val": 2.0}
    splits = divided(units, shares)
    gone = too_near(runs, places, splits, shares, margin)
    assert not any(left_out and split == "val" for split, left_out in zip(splits, gone, strict=True))
    kept = [index for index in range(len(names)) if not gone[index]]
    for one, two in itertools.combinations(kept, 2):
        assert splits[one] == splits[two] or abs(places[one] - places[two]) > margin


def test_the_same_seed_gives_the_same_split() -> None:
    units = np.arange(100)
    assert divided(units, {"train": 1, "val": 1}, 3) == divided(units, {"train": 1, "val": 1}, 3)
    assert divided(units, {"train": 1, "val": 1}, 3) != divided(units, {"train": 1, "val": 1}, 4)


@pytest.mark.parametrize(
    ("one", "two", "apart"),
    [
        ("cam/frame9", "cam/frame10", 1),
        ("x_0007_left", "x_0012_left", 5),
        ("20240229_235959", "20240301_000001", 2),
        ("drive-2024-05-01 12.00.00", "drive-2024-05-01 12.01.30", 90),
        ("2024-05-01T12:00:00.250", "2024-05-01T12:00:00.750", 0.5),
    ],
)
def test_numbers_and_times_in_names(one: str, two: str, apart: float) -> None:
    (start, first), (same, second) = place_in_run(one), place_in_run(two)
    assert start == same
    assert second - first == apart


def test_the_usual_step_tells_what_a_leap_is() -> None:
    names = [f"f{number}" for number in (*range(0, 300, 30), *range(5000, 5300, 30))]
    units = by_run(names, ["video"] * 20)
    assert units.tolist() == [0] * 10 + [1] * 10


@settings(max_examples=40, deadline=None)
@given(
    looks=st.lists(st.tuples(*[st.sampled_from([0, 1, 3, 0xFF, 2**64 - 1])] * 4), max_size=30),
    most=st.integers(0, 80),
)
def test_near_pairs_are_all_that_differ_in_few_bits(looks: list[tuple[int, int, int, int]], most: int) -> None:
    def differing(one: int, two: int) -> int:
        return sum((first ^ second).bit_count() for first, second in zip(looks[one], looks[two], strict=True))

    expected = {pair for pair in itertools.combinations(range(len(looks)), 2) if differing(*pair) <= most}
    assert set(near_pairs(looks, most)) == expected


def test_what_an_export_puts_behind_a_name_numbers_no_frame() -> None:
    names = [f"ride_mp4-{number:04}_jpg.rf.{number * 7919:032x}" for number in range(8)]
    assert set(by_run(names, ["images"] * 8).tolist()) == {0}
    assert by_run([f"aachen_{number:06}_leftImg8bit" for number in range(8)], ["images"] * 8).tolist() == [0] * 8


def test_every_split_has_of_every_kind() -> None:
    kinds = [kind for kind in range(3) for _ in range(20)]
    units = np.arange(60) // 2
    splits = divided_by_kind(units, kinds, {"train": 7, "val": 2, "test": 1})
    assert Counter(zip(kinds, splits, strict=True)) == {
        (kind, split): number for kind in range(3) for split, number in (("train", 14), ("val", 4), ("test", 2))
    }
    assert all(splits[place] == splits[place + 1] for place in range(0, 60, 2))
