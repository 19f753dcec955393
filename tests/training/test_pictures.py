"""Frames for parity and calibration: how many, from where, and the same ones by either way."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from contracts.card import Card, HeadCard, InputCard
from contracts.errors import SourceError
from contracts.tensor import TensorSpec
from sources.open import open_source
from tests.support.clips import write_clip
from training.pictures import frames_of, tensors

CARD = Card(name="x", input=InputCard(fit="stretch"), heads=(HeadCard(name="lane", kind="mask_ids"),))


def test_frames_are_shared_out_among_the_sources_and_spread_over_each(tmp_path: Path) -> None:
    small = write_clip(tmp_path / "small.mp4", 30)
    large = write_clip(tmp_path / "large.mp4", 30, size=(160, 96))
    found = list(frames_of([str(small), str(large)], 7))
    assert Counter(picture.width for picture in found) == {128: 4, 160: 3}
    wanted = islice(open_source(str(small)).frames(), 0, None, 30 // 4)
    for picture, frame in zip(found[:4], wanted, strict=False):
        np.testing.assert_array_equal(picture.bgr(), frame.picture.bgr())


def test_seeking_in_a_long_clip_finds_the_frames_that_decoding_it_would(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "long.mp4", 260)
    found = list(frames_of([str(clip)], 4))  # 65 frames apart
    wanted = list(islice(open_source(str(clip)).frames(), 0, None, 65))
    assert len(found) == len(wanted) == 4
    for picture, frame in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(picture.bgr(), frame.picture.bgr())


def test_fewer_sources_than_frames_are_all_that_is_opened(tmp_path: Path) -> None:
    clip = str(write_clip(tmp_path / "clip.mp4", 5))
    assert len(list(frames_of([clip, str(tmp_path / "never-opened.mp4")], 1))) == 1
    with pytest.raises(SourceError):
        list(frames_of([clip, str(tmp_path / "missing.mp4")], 2))


def test_tensors_are_batches_of_one_that_belong_to_the_caller(tmp_path: Path) -> None:
    clip = str(write_clip(tmp_path / "clip.mp4", 5, size=(64, 32)))
    spec = TensorSpec("images", (-1, 3, 32, 64), "float32")
    first, second = tensors(CARD, [spec], frames_of([clip], 2))
    assert first.shape == (1, 3, 32, 64)
    assert not np.shares_memory(first, second)
    pixels = next(iter(frames_of([clip], 1))).bgr()[..., ::-1].transpose(2, 0, 1)
    assert np.abs(first[0] - pixels / 255).mean() < 0.02  # colours are scaled in another order: edges differ
