"""Masks of instances on the picture: every pixel of theirs, no other, the best score on top."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from contracts.picture import Pixels
from contracts.prediction import Detections, InstanceMasks, Prediction
from outputs.draw.canvas import Canvases
from outputs.draw.colours import PALETTES, Yuv, class_colour
from outputs.draw.masks import MaskBrush
from tests.outputs.scenes import NAMES, grey, noise, painter, result_of

COLOUR = Yuv(200, 90, 160)


def instances(*found: tuple[tuple[int, int], Pixels, int, float]) -> InstanceMasks:
    """Corner, mask, class and score of each."""
    boxes = [[left, top, left + mask.shape[1], top + mask.shape[0]] for (left, top), mask, _, _ in found]
    detections = Detections(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array([score for *_, score in found], np.float32),
        np.array([class_id for *_, class_id, _ in found], np.int32),
        NAMES,
    )
    return InstanceMasks(detections, tuple(mask for _, mask, *_ in found))


def blended(plane: Pixels, value: int, alpha: float) -> NDArray[np.float64]:
    return (1 - alpha) * plane.astype(np.float64) + alpha * value


@settings(deadline=None, max_examples=150)
@given(st.tuples(st.integers(1, 40), st.integers(1, 40)), st.integers(0, 2**31), st.data())
def test_every_pixel_of_the_mask_and_no_other_is_blended(size: tuple[int, int], seed: int, data: st.DataObject) -> None:
    """At even and odd places, of any size, over the frame's edge too; chroma where two of four luma pixels are."""
    width, height = size
    left, top = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    across = data.draw(st.integers(1, width - left + 2))
    down = data.draw(st.integers(1, height - top + 2))
    mask = (np.random.default_rng(seed).random((down, across)) < 0.6).astype(np.uint8)
    before, canvas = Canvases().of(noise(width, height)), Canvases().of(noise(width, height))
    MaskBrush().paint_instance(canvas, mask, (left, top), COLOUR, 0.45)
    wanted = np.zeros((canvas.height + 2, canvas.width + 2), int)
    inside = mask[: height - top, : width - left]
    wanted[top : top + inside.shape[0], left : left + inside.shape[1]] = inside
    wanted = wanted[: canvas.height, : canvas.width]
    fours = wanted.reshape(canvas.height // 2, 2, canvas.width // 2, 2).sum(axis=(1, 3)) >= 2
    for new, old, value, where in (
        (canvas.y, before.y, COLOUR.y, wanted == 1),
        (canvas.u, before.u, COLOUR.u, fours),
        (canvas.v, before.v, COLOUR.v, fours),
    ):
        np.testing.assert_allclose(new[where], blended(old[where], value, 0.45), atol=1)
        np.testing.assert_array_equal(new[~where], old[~where])


def test_a_brush_keeps_nothing_of_the_last_mask() -> None:
    brush, canvas, before = MaskBrush(), Canvases().of(noise(40, 40)), Canvases().of(noise(40, 40))
    brush.paint_instance(Canvases().of(noise(40, 40)), np.ones((30, 30), np.uint8), (1, 1), COLOUR, 1.0)
    brush.paint_instance(canvas, np.ones((1, 1), np.uint8), (5, 5), COLOUR, 1.0)
    assert np.argwhere(canvas.y != before.y).tolist() == [[5, 5]]
    np.testing.assert_array_equal(canvas.u, before.u)


def test_the_best_score_lies_on_top_whatever_the_order_of_heads() -> None:
    full = np.ones((20, 20), np.uint8)
    weak, strong = instances(((10, 10), full, 0, 0.4)), instances(((20, 10), full, 1, 0.8))
    pictures = [
        painter("boxes", alpha=1.0).paint(result_of(grey(64, 48), Prediction(parts)), None).bgr()
        for parts in ({"a": weak, "b": strong}, {"b": strong, "a": weak})
    ]
    np.testing.assert_array_equal(pictures[0], pictures[1])
    palette = PALETTES["okabe-ito"]
    np.testing.assert_allclose(pictures[0][20, 26, ::-1], class_colour("car", palette), atol=3)
    np.testing.assert_allclose(pictures[0][20, 15, ::-1], class_colour("person", palette), atol=3)


def test_masks_belong_to_the_boxes_and_lie_below_them() -> None:
    picture = grey(64, 48)
    found = Prediction({"i": instances(((10, 10), np.ones((20, 20), np.uint8), 1, 0.8))})
    boxes_only = Prediction({"i": found.detections()["i"]})
    line = painter("boxes", alpha=0.5).paint(result_of(picture, found), None).planes[0]
    plain = painter("boxes", alpha=0.5).paint(result_of(picture, boxes_only), None).planes[0]
    differ = np.argwhere(line != plain)
    assert differ.min(axis=0).tolist() == [12, 12]
    assert differ.max(axis=0).tolist() == [27, 27]
    without = painter("labels", "drivable", "lanes").paint(result_of(picture, found), None).planes[0]
    np.testing.assert_array_equal(without[16:28, 12:28], picture.planes[0][16:28, 12:28])


def test_instances_without_a_pixel_leave_the_picture_alone() -> None:
    picture = noise(64, 48)
    found = Prediction({"i": instances(((10, 10), np.zeros((20, 20), np.uint8), 1, 0.8)), "e": instances()})
    boxes_only = Prediction({"i": found.detections()["i"]})
    one, other = (painter("boxes").paint(result_of(picture, scene), None) for scene in (found, boxes_only))
    np.testing.assert_array_equal(one.owner, other.owner)
