"""class_map: against NumPy's arg-max, and at every edge; the colours that come with class sets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from contracts.card import HeadCard
from contracts.class_sets import CITYSCAPES, ETRI
from contracts.errors import EngineError
from contracts.fit import Letterbox
from contracts.prediction import ClassMap, Mask, Part
from contracts.protocols import Thresholds
from engines.heads.open import open_head

FIT = Letterbox(1280, 720, 64, 64)


def decoded(tensor: NDArray[Any], **card: Any) -> Part:
    head = open_head(HeadCard(**{"name": "scene", "kind": "class_map", **card}))
    return head.decode({"scores": tensor}, FIT, (1280, 720), Thresholds(score=0.9))


def map_of(tensor: NDArray[Any], **card: Any) -> ClassMap:
    part = decoded(tensor, **card)
    assert isinstance(part, ClassMap)
    return part


@settings(deadline=None)
@given(
    st.tuples(st.integers(1, 256), st.integers(1, 70), st.integers(1, 9)),
    st.sampled_from([np.float32, np.float16]),
    st.booleans(),
    st.integers(0, 10**6),
)
def test_it_is_numpys_arg_max(shape: tuple[int, int, int], dtype: Any, ties: bool, seed: int) -> None:
    scores = np.random.default_rng(seed).normal(0, 3, (1, *shape))
    tensor = (np.round(scores) if ties else scores).astype(dtype)
    tensor.flags.writeable = False
    part = map_of(tensor)
    np.testing.assert_array_equal(part.ids, tensor[0].argmax(axis=0))
    assert (part.ids.dtype.name, part.ids.flags.c_contiguous, part.fit) == ("uint8", True, FIT)


def test_the_map_has_the_networks_resolution_whatever_the_bands() -> None:
    tensor = np.random.default_rng(1).normal(size=(1, 19, 123, 200)).astype(np.float32)
    np.testing.assert_array_equal(map_of(tensor).ids, tensor[0].argmax(axis=0))


def test_nan_is_never_the_best_and_infinite_scores_count() -> None:
    nan, inf = float("nan"), float("inf")
    pixels = [[nan, 1, 2], [3, nan, 2], [nan, nan, nan], [-inf, -inf, -inf], [1, inf, nan], [-inf, nan, -5]]
    assert map_of(np.array(pixels, np.float32).T.reshape(1, 3, 1, -1)).ids.tolist() == [[2, 0, 0, 0, 1, 2]]


def test_a_role_makes_one_area_of_all_classes_but_the_first() -> None:
    tensor = np.array([[9, 0, 0], [0, 9, 0], [0, 0, 9]], np.float32).reshape(1, 3, 1, 3)
    part = decoded(tensor, role="drivable")
    assert isinstance(part, Mask)
    assert (part.data.tolist(), part.role) == ([[0, 1, 1]], "drivable")


@pytest.mark.parametrize("shape", [(1, 3, 4), (2, 3, 4, 4), (1, 4, 4, 4), (1, 3, 0, 4), (3, 4, 4, 1)])
def test_another_shape_than_the_cards_is_an_error(shape: tuple[int, ...]) -> None:
    with pytest.raises(EngineError, match=r"class_map wants float32 \[1, 3, height, width\]"):
        decoded(np.zeros(shape, np.float32), classes=("a", "b", "c"))


def test_whole_numbers_and_too_many_classes_are_errors() -> None:
    with pytest.raises(EngineError, match="gives uint8"):
        decoded(np.zeros((1, 3, 4, 4), np.uint8))
    with pytest.raises(EngineError, match="class_map wants"):
        decoded(np.zeros((1, 257, 4, 4), np.float32))
    with pytest.raises(EngineError, match="257 classes"):
        open_head(HeadCard(name="m", kind="class_map", classes=tuple(map(str, range(257)))))


def test_without_names_every_class_has_a_colour() -> None:
    part = map_of(np.zeros((1, 150, 2, 2), np.float32))
    assert len(part.palette) >= 150
    assert part.names == ()


def bgr(colour: str) -> tuple[int, int, int]:
    return int(colour[5:7], 16), int(colour[3:5], 16), int(colour[1:3], 16)


@pytest.mark.parametrize("known", [CITYSCAPES, ETRI])
def test_class_sets_are_known_by_their_names_in_any_order(known: dict[str, str]) -> None:
    assert len(known) == len(set(known.values())) == 19
    names = [*reversed(known), "bridge"]
    part = map_of(np.zeros((1, 20, 2, 2), np.float32), classes=[name.title().replace(" ", "_") for name in names])
    assert part.palette[:19] == tuple(bgr(known[name]) for name in names[:19])
    assert part.palette[19] not in part.palette[:19]


def test_the_cards_palette_goes_before_and_part_of_a_set_is_none() -> None:
    own = ["#000001"] * 19
    part = map_of(np.zeros((1, 19, 2, 2), np.float32), classes=list(CITYSCAPES), palette=own)
    assert set(part.palette) == {(1, 0, 0)}
    part = map_of(np.zeros((1, 3, 2, 2), np.float32), classes=["road", "car", "sky"])
    assert bgr(CITYSCAPES["road"]) not in part.palette
