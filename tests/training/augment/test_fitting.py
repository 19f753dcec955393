"""The fitted sample is what a run shows the network, and its labels lie where the picture shows them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.card import Card, HeadCard, InputCard
from contracts.fit import Letterbox
from contracts.picture import Picture
from contracts.tensor import TensorSpec
from sources.datasets.sample import UNCOUNTED, Sample
from tests.training.augment.painted import extent, is_red, noisy, painted
from training.augment.fitting import FitName, fitted
from training.pictures import tensors

SIZES = ((640, 360), (200, 300), (96, 64), (41, 57), (1300, 700))
NETWORKS = ((96, 64), (64, 96))


@pytest.mark.parametrize("fit", ["letterbox", "stretch"])
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("size", SIZES)
def test_the_picture_is_to_the_bit_what_a_run_shows_the_network(
    size: tuple[int, int], network: tuple[int, int], fit: FitName
) -> None:
    pixels = noisy(*size)
    card = Card(
        name="x", input=InputCard(fit=fit, pad=7, colour="bgr"), heads=(HeadCard(name="lane", kind="mask_ids"),)
    )
    spec = TensorSpec("in", (1, network[1], network[0], 3), "uint8", "NHWC")
    (tensor,) = tensors(card, [spec], iter([Picture("bgr24", (pixels,))]))
    np.testing.assert_array_equal(fitted(Sample("x", pixels), network, fit, 7).picture, tensor[0])


@given(
    st.tuples(st.integers(30, 200), st.integers(30, 200)), st.tuples(st.integers(40, 120), st.integers(40, 120)),
    st.tuples(*[st.integers(0, 30)] * 4), st.sampled_from(["letterbox", "stretch"]),
)  # fmt: skip
@settings(deadline=None, max_examples=60)
def test_boxes_and_masks_lie_where_the_picture_shows_them(
    size: tuple[int, int], network: tuple[int, int], place: tuple[int, ...], fit: FitName
) -> None:
    left, top = place[0] * size[0] // 62, place[1] * size[1] // 62
    box = (left, top, left + max(size[0] // 2 * place[2] // 30, 6), top + max(size[1] // 2 * place[3] // 30, 6))
    box = (*box[:2], min(box[2], size[0]), min(box[3], size[1]))
    made = fitted(painted(*size, box), network, fit)
    assert made.picture.shape == (network[1], network[0], 3)
    for seen in (extent(made.masks["road"] == 1), extent(is_red(made.picture))):
        if seen is not None:  # a rectangle thinner than a pixel may fall between the pixels
            np.testing.assert_allclose(made.boxes[0], seen, atol=1.01)


def test_bars_do_not_count_and_all_else_stays() -> None:
    sample = painted(100, 50, (10, 10, 30, 30), counts=False, label=4)
    made = fitted(sample, (80, 80), "letterbox", 9)
    window = Letterbox(100, 50, 80, 80).content
    bars = np.ones((80, 80), np.bool_)
    bars[window.top : window.top + window.height] = False
    assert (made.masks["road"][bars] == UNCOUNTED).all()
    assert (made.picture[bars] == 9).all()
    assert set(np.unique(made.masks["road"][~bars])) == {0, 1}
    assert (made.label, made.name, made.counts.tolist(), made.class_ids.tolist()) == (4, sample.name, [False], [3])


def test_a_sample_without_labels_stays_without() -> None:
    made = fitted(replace(painted(50, 50, (1, 1, 9, 9)), masks={}, label=None), (32, 32), "stretch")
    assert made.masks == {}
    assert made.label is None
