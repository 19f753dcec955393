"""Calibration tensors: the very floats that a run feeds, kept as bytes; frames that judge are others."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.card import Card, HeadCard, InputCard
from contracts.picture import Picture
from contracts.tensor import TensorSpec
from training.calibration import PackedTensors, sample
from training.pictures import tensors


def card(**options: object) -> Card:
    head = HeadCard(name="drivable", kind="two_class_mask")
    return Card(name="net", input=InputCard.model_validate(options), heads=(head,))


INPUTS = st.fixed_dictionaries(
    {
        "scale": st.sampled_from([1.0, 255.0, 127.5, 58.395]),
        "mean": st.sampled_from([(0.0, 0.0, 0.0), (0.485, 0.456, 0.406), (123.675, 116.28, 103.53)]),
        "std": st.sampled_from([(1.0, 1.0, 1.0), (0.229, 0.224, 0.225), (58.395, 57.12, 57.375)]),
        "fit": st.sampled_from(["letterbox", "stretch"]),
        "colour": st.sampled_from(["rgb", "bgr"]),
        "pad": st.integers(0, 255),
    }
)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    options=INPUTS,
    shape=st.sampled_from([(1, 3, 24, 32), (1, 24, 32, 3), (-1, 3, 24, 32)]),
)
def test_packed_tensors_are_the_runs_own_to_the_bit(
    seed: int, options: dict[str, object], shape: tuple[int, ...]
) -> None:
    described = card(**options)
    pixels = np.random.default_rng(seed).integers(0, 256, (3, 18, 32, 3), np.uint8)
    pictures = [Picture.from_bgr(one) for one in pixels]
    inputs = [TensorSpec("images", shape, "float32")]
    expected = list(tensors(described, inputs, iter(pictures)))
    packed = PackedTensors(described, inputs, iter(pictures))
    assert len(packed) == 3
    for found, wanted in zip(packed, expected, strict=True):
        np.testing.assert_array_equal(found, wanted)
    np.testing.assert_array_equal(packed[::2], expected[::2])


@pytest.mark.parametrize(("seconds", "calibrating", "judging"), [(0.4, 8, 2), (1, 20, 5)])
def test_every_fifth_frame_is_held_out(seconds: float, calibrating: int, judging: int) -> None:
    inputs = [TensorSpec("images", (1, 3, 24, 32), "float32")]
    taken = sample([f"synthetic:?size=64x64&seconds={seconds}&fps=25"], card(), inputs)
    assert (len(taken.calibration), len(taken.held_out)) == (calibrating, judging)
    judged = list(tensors(card(), inputs, iter(taken.held_out)))
    for one in judged:
        assert not any(np.array_equal(one, other) for other in taken.calibration)
