"""Mask heads: against slow references on made-up and on real outputs, and at every edge."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from contracts.card import HeadCard
from contracts.errors import EngineError
from contracts.fit import Fit, Letterbox, Stretch
from contracts.prediction import ClassMap, Mask
from contracts.protocols import Thresholds
from engines.heads.open import open_head

CLASSES = ("person", "car", "truck")
SAME = Stretch(640, 640, 640, 640)


def mask_of(tensor: NDArray[Any], **card: Any) -> Mask:
    head = open_head(HeadCard(**{"name": "area", "kind": "two_class_mask", **card}))
    part = head.decode({"da": tensor}, Stretch(1280, 720, 640, 384), (1280, 720), Thresholds(score=0.9))
    assert isinstance(part, Mask)
    return part


value = st.sampled_from([-2.0, -0.5, 0.0, 0.25, 0.5, 2.0, float("nan")])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(value, value), min_size=1, max_size=12))
def test_two_channels_are_compared_pixel_by_pixel(pixels: list[tuple[float, float]]) -> None:
    tensor = np.array(pixels, np.float32).T.reshape(1, 2, 1, -1)
    assert mask_of(tensor).data.tolist() == [[int(fore > back) for back, fore in pixels]]


@settings(max_examples=50, deadline=None)
@given(st.lists(value, min_size=1, max_size=12), st.sampled_from([None, 0.25, 0.5]))
def test_one_channel_is_compared_with_the_cards_score_or_zero(pixels: list[float], score: float | None) -> None:
    tensor = np.array(pixels, np.float32).reshape(1, 1, 1, -1)
    expected = [int(pixel > (0 if score is None else score)) for pixel in pixels]
    assert mask_of(tensor, score=score).data.tolist() == [expected]


def test_any_monotonic_score_gives_the_same_mask() -> None:
    logits = np.random.default_rng(3).normal(0, 3, (1, 2, 24, 40)).astype(np.float32)
    expected = mask_of(logits).data
    sigmoid = 1 / (1 + np.exp(-logits))
    softmax = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    difference = logits[:, 1:] - logits[:, :1]
    for tensor in (sigmoid, softmax, difference):
        assert np.array_equal(mask_of(tensor).data, expected)
    assert np.array_equal(mask_of(softmax[:, 1:], score=0.5).data, expected)
    assert 0 < expected.mean() < 1


def test_a_mask_carries_its_name_role_and_fit() -> None:
    mask = mask_of(np.zeros((1, 2, 24, 40), np.float32), role="lane", name="lines")
    assert (mask.name, mask.role, mask.fit) == ("lines", "lane", Stretch(1280, 720, 640, 384))
    assert (mask.data.dtype.name, mask.data.shape, mask.data.flags.c_contiguous) == ("uint8", (24, 40), True)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64, np.bool_])
@pytest.mark.parametrize("lead", [(1,), (1, 1)])
def test_ids_of_two_classes_are_a_mask(dtype: Any, lead: tuple[int, ...]) -> None:
    ids = np.array([[0, 1, 1], [1, 0, 0]])
    mask = mask_of(ids.astype(dtype).reshape(*lead, 2, 3), kind="mask_ids")
    assert mask.data.tolist() == ids.tolist()
    assert mask.data.dtype.name == "uint8"


def test_a_role_makes_one_area_of_many_classes() -> None:
    ids = np.array([[[0, 1, 2]]], np.uint8)
    card = {"classes": ("background", "direct", "alternative"), "role": "drivable", "kind": "mask_ids"}
    assert mask_of(ids, **card).data.tolist() == [[0, 1, 1]]


def class_map(ids: NDArray[Any], **card: Any) -> ClassMap:
    head = open_head(HeadCard(**{"name": "scene", "kind": "mask_ids", "classes": CLASSES, **card}))
    part = head.decode({"ids": ids}, SAME, (640, 640), Thresholds())
    assert isinstance(part, ClassMap)
    return part


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64])
def test_ids_of_many_classes_are_a_class_map(dtype: Any) -> None:
    part = class_map(np.array([[[0, 1], [2, 1]]], dtype), palette=("#ff0000", "#00ff00", "#102030"))
    assert (part.ids.tolist(), part.ids.dtype.name, part.names) == ([[0, 1], [2, 1]], "uint8", CLASSES)
    assert part.palette == ((0, 0, 255), (0, 255, 0), (0x30, 0x20, 0x10))


def test_a_class_map_without_colours_gets_some_that_differ_and_stay() -> None:
    classes = tuple(f"class {i}" for i in range(60))
    ids = np.zeros((1, 2, 2), np.uint8)
    palette = class_map(ids, classes=classes).palette
    assert len(set(palette)) == 60
    assert palette == class_map(ids, classes=classes).palette
    neighbours = np.abs(np.diff(np.array(palette, int), axis=0)).sum(axis=1)
    assert neighbours.min() > 90
    assert np.array(palette).min() >= 0
    assert np.array(palette).max() <= 255


@pytest.mark.parametrize("bad", [3, 255, 256, -1])
def test_an_id_the_card_does_not_know_is_an_error(bad: int) -> None:
    with pytest.raises(EngineError, match=rf"class {bad}, the card has 3 classes"):
        class_map(np.array([[[0, bad]]], np.int64))


def test_more_classes_than_a_byte_holds_are_refused_at_the_door() -> None:
    with pytest.raises(EngineError, match="257 classes"):
        open_head(HeadCard(name="m", kind="mask_ids", classes=tuple(map(str, range(257)))))


def first_frame(clip: Path) -> NDArray[np.uint8]:
    with av.open(str(clip)) as container:
        return np.asarray(next(container.decode(video=0)).to_ndarray(format="bgr24"), np.uint8)


def outputs_of(network: Path, frame: NDArray[np.uint8], fit: Fit) -> dict[str, NDArray[np.float32]]:
    """All outputs of a network for one frame in ONNX Runtime, by name."""
    import onnxruntime

    window = fit.content
    picture = np.full((fit.network_height, fit.network_width, 3), 114, np.uint8)
    rows, columns = slice(window.top, window.top + window.height), slice(window.left, window.left + window.width)
    picture[rows, columns] = cv2.resize(frame, (window.width, window.height))
    session = onnxruntime.InferenceSession(network, providers=["CPUExecutionProvider"])
    tensor = np.ascontiguousarray(picture[:, :, ::-1].transpose(2, 0, 1)[None], np.float32) / 255
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {session.get_inputs()[0].name: tensor}), strict=True))


@pytest.mark.shared
@pytest.mark.parametrize(
    ("network", "make_fit", "height"),
    [("twinlitenet.onnx", Stretch, 360), ("twinlitenetplus_small.onnx", Letterbox, 384)],
)
@pytest.mark.parametrize("clip", ["udacity_solidWhiteRight.mp4", "night_highway_truck.mp4"])
def test_real_mask_outputs_agree_with_the_slow_reference(
    shared: Path, network: str, make_fit: type[Fit], height: int, clip: str
) -> None:
    frame = first_frame(shared / "clips" / clip)
    fit = make_fit(frame.shape[1], frame.shape[0], 640, height)
    outputs = outputs_of(shared / "weights" / network, frame, fit)
    for name in ("da", "ll"):
        background, foreground = outputs[name][0].tolist()
        expected = [
            [int(fore > back) for back, fore in zip(*rows, strict=True)]
            for rows in zip(background, foreground, strict=True)
        ]
        head = open_head(HeadCard(name=name, kind="two_class_mask", outputs=(name,)))
        part = head.decode(outputs, fit, (fit.frame_width, fit.frame_height), Thresholds())
        assert isinstance(part, Mask)
        assert part.data.tolist() == expected
        assert 0 < part.share() < 0.9
