"""What holds for every head: where outputs come from, what is kept, what is refused."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
from numpy.typing import NDArray

from contracts.card import HeadCard, HeadKind
from contracts.errors import EngineError
from contracts.fit import Stretch
from contracts.prediction import Mask
from contracts.protocols import Thresholds
from engines.cards import _OUTPUT_COUNT
from engines.heads.open import HEADS, open_head

CLASSES = ("person", "car", "truck")
SAME = Stretch(640, 640, 640, 640)
BOX = np.array([[[10, 10, 5, 5, 0.9, 0.1, 0.1]]], np.float32).transpose(0, 2, 1)


def test_decoding_copies_what_it_keeps_and_leaves_the_outputs_alone() -> None:
    """Outputs are views into the engine's memory, which the next inference overwrites."""
    cases: list[tuple[HeadCard, NDArray[Any]]] = [
        (HeadCard(name="b", kind="yolo_boxes", classes=CLASSES), BOX),
        (HeadCard(name="e", kind="yolo_boxes_end2end"), np.array([[[1, 1, 9, 9, 0.9, 2]]], np.float32)),
        (HeadCard(name="m", kind="two_class_mask"), np.random.default_rng(0).normal(size=(1, 2, 8, 8)).astype("f4")),
        (HeadCard(name="i", kind="mask_ids"), np.random.default_rng(0).integers(0, 2, (1, 8, 8), np.uint8)),
        (HeadCard(name="c", kind="mask_ids", classes=CLASSES), np.ones((1, 8, 8), np.uint8)),
    ]
    for card, tensor in cases:
        tensor.flags.writeable = False
        part = open_head(card).decode({"o": tensor}, SAME, (640, 640), Thresholds())
        arrays = [
            getattr(part, field) for field in ("boxes", "scores", "class_ids", "data", "ids") if hasattr(part, field)
        ]
        assert arrays
        assert not any(np.shares_memory(array, tensor) for array in arrays), card.kind


FLOATS = np.zeros((1, 7, 10), np.float32)


@pytest.mark.parametrize(
    ("kind", "tensor"),
    [
        ("yolo_boxes", FLOATS.transpose(0, 2, 1)),
        ("yolo_boxes", np.zeros((1, 8, 10), np.float32)),
        ("yolo_boxes", np.zeros((2, 7, 10), np.float32)),
        ("yolo_boxes", FLOATS[0]),
        ("yolo_boxes", FLOATS.astype(np.int64)),
        ("yolo_boxes_end2end", FLOATS),
        ("yolo_boxes_end2end", np.zeros((1, 10, 6), np.int32)),
        ("two_class_mask", np.zeros((1, 3, 4, 4), np.float32)),
        ("two_class_mask", np.zeros((2, 2, 4, 4), np.float32)),
        ("two_class_mask", np.zeros((1, 4, 4), np.uint8)),
        ("mask_ids", np.zeros((1, 2, 4, 4), np.uint8)),
        ("mask_ids", np.zeros((4, 4), np.uint8)),
        ("mask_ids", np.zeros((1, 4, 4), np.float32)),
    ],
)
def test_an_output_of_another_shape_or_type_is_an_error_that_says_both(kind: HeadKind, tensor: NDArray[Any]) -> None:
    head = open_head(HeadCard(name="h", kind=kind, classes=CLASSES))
    with pytest.raises(EngineError) as caught:
        head.decode({"o": tensor}, SAME, (640, 640), Thresholds())
    assert kind in caught.value.message
    assert str(list(tensor.shape)) in caught.value.message
    assert "card" in caught.value.cure


def test_the_card_chooses_among_outputs() -> None:
    ones, zeros = (np.full((1, 1, 2, 2), value, np.float32) for value in (1, 0))
    outputs = {"da": ones, "ll": zeros}
    for name, share in (("da", 1.0), ("ll", 0.0)):
        head = open_head(HeadCard(name="m", kind="two_class_mask", outputs=(name,)))
        part = head.decode(outputs, SAME, (640, 640), Thresholds())
        assert isinstance(part, Mask)
        assert part.share() == share


@pytest.mark.parametrize(
    ("names", "message", "cure"),
    [((), "reads one output tensor, not 2", "name one"), (("dd",), "no output 'dd'", "did you mean 'da'")],
)
def test_a_missing_or_unclear_output_is_an_error(names: tuple[str, ...], message: str, cure: str) -> None:
    head = open_head(HeadCard(name="m", kind="two_class_mask", outputs=names))
    tensor = np.zeros((1, 1, 2, 2), np.float32)
    with pytest.raises(EngineError, match=message) as caught:
        head.decode({"da": tensor, "ll": tensor}, SAME, (640, 640), Thresholds())
    assert cure in caught.value.cure


def test_every_kind_that_a_card_may_name_is_decoded_and_held_against_its_file() -> None:
    assert set(HEADS) == set(get_args(HeadKind)) == set(_OUTPUT_COUNT)
