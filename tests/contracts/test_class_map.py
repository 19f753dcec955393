"""ClassMap: shares against a count of every pixel."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from contracts.fit import Letterbox, Stretch
from contracts.prediction import Classification, ClassMap


def map_of(ids: NDArray[np.uint8], frame: tuple[int, int], kind: type[Stretch | Letterbox]) -> ClassMap:
    return ClassMap(ids, kind(*frame, ids.shape[1], ids.shape[0]), ("road", "car"), ((0, 0, 0), (1, 1, 1)))


@settings(deadline=None)
@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.tuples(st.integers(1, 90), st.integers(1, 90)),
    st.sampled_from([Stretch, Letterbox]),
    st.integers(0, 10**6),
)
def test_shares_are_those_of_the_frames_pixels(
    width: int, height: int, frame: tuple[int, int], kind: type[Stretch | Letterbox], seed: int
) -> None:
    random = np.random.default_rng(seed)
    few = random.integers(0, 256, 5, np.uint8)
    part = map_of(random.choice(few, (height, width)), frame, kind)
    window = part.fit.content
    inside = [
        int(part.ids[row, column])
        for row in range(window.top, window.top + window.height)
        for column in range(window.left, window.left + window.width)
    ]
    shares = part.shares()
    assert list(shares) == sorted(set(inside))
    for found, share in shares.items():
        assert abs(share - inside.count(found) / len(inside)) < 1e-12
    assert abs(sum(shares.values()) - 1) < 1e-9


def test_a_class_without_a_name_is_its_number() -> None:
    part = map_of(np.zeros((2, 2), np.uint8), (2, 2), Stretch)
    assert (part.name(1), part.name(254)) == ("car", "254")


def test_pixels_that_a_run_ignores_have_a_name() -> None:
    part = map_of(np.full((2, 2), 255, np.uint8), (2, 2), Stretch)
    assert (part.name(255), part.shares()) == ("ignored", {255: 1.0})
    best = Classification(np.array([1, 9], np.int32), np.array([0.8, 0.1], np.float32), ("a", "b"), ("", "do that"))
    assert [(best.name(i), best.text(i)) for i in range(len(best))] == [("b", "do that"), ("9", "")]
