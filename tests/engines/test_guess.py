"""What is read from the shapes of a network's tensors alone, and what is left to a person."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.card import Card
from contracts.tensor import TensorSpec
from engines.cards import check_card
from engines.guess import Guess, guess_card
from tests.engines.tiny import spec

IMAGES = spec("images", 1, 3, 640, 640)
YOLO = spec("output0", 1, 84, 8400)
SMALL = spec("images", 1, 3, 320, 320)
OPEN = spec("images", -1, 3, -1, -1)


def heads(guess: Guess) -> list[tuple[str, str, tuple[str, ...], int]]:
    assert guess.card is not None, guess.doubts
    return [(head.name, head.kind, head.outputs, len(head.classes)) for head in guess.card.heads]


@pytest.mark.parametrize(
    ("image", "outputs", "expected"),
    [
        (IMAGES, [spec("output0", 1, 84, 8400)], [("boxes", "yolo_boxes", ("output0",), 80)]),
        (IMAGES, [spec("output0", 1, 5, 8400)], [("boxes", "yolo_boxes", ("output0",), 1)]),
        (SMALL, [spec("output0", 1, 6, 2100)], [("boxes", "yolo_boxes", ("output0",), 2)]),
        (OPEN, [spec("output0", -1, 84, -1)], [("boxes", "yolo_boxes", ("output0",), 80)]),
        (spec("x", 1, 3, 1280, 1280), [spec("o", 1, 84, 34000)], [("boxes", "yolo_boxes", ("o",), 80)]),
        (spec("x", 1, 3, 384, 672), [spec("o", 1, 5, 5292)], [("boxes", "yolo_boxes", ("o",), 1)]),
        (IMAGES, [spec("output0", 1, 300, 6)], [("boxes", "yolo_boxes_end2end", ("output0",), 0)]),
        (OPEN, [spec("output0", 1, 300, 6)], [("boxes", "yolo_boxes_end2end", ("output0",), 0)]),
        (IMAGES, [spec("output0", 1, 25200, 85)], [("boxes", "anchor_boxes", ("output0",), 80)]),
        (spec("x", 1, 3, 64, 64), [spec("o", 1, 252, 85)], [("boxes", "anchor_boxes", ("o",), 80)]),
        (IMAGES, [spec("det", 1, 25200, 6)], [("boxes", "anchor_boxes", ("det",), 1)]),
        (OPEN, [spec("output0", -1, -1, 85)], [("boxes", "anchor_boxes", ("output0",), 80)]),
        (
            SMALL,
            [spec("output0", 1, 116, 2100), spec("output1", 1, 32, 80, 80)],
            [("boxes", "yolo_instances", ("output0", "output1"), 80)],
        ),
        (
            spec("x", 1, 3, 480, 1280),
            [spec("output0", 1, 47, 12600), spec("output1", 1, 32, 120, 320)],
            [("agents", "road_agents", ("output0", "output1"), 2)],
        ),
        (
            OPEN,
            [spec("protos", -1, 32, -1, -1), spec("boxes", -1, 47, -1)],
            [("agents", "road_agents", ("boxes", "protos"), 2)],
        ),
        (
            SMALL,
            [spec("prototypes", 1, 32, 80, 80), spec("rows", 1, 300, 38)],
            [("boxes", "yolo_instances", ("rows", "prototypes"), 0)],
        ),
        (
            spec("x", 1, 3, 384, 640),
            [spec("drivable", 1, 2, 384, 640), spec("lane_out", 1, 1, 384, 640)],
            [("drivable", "two_class_mask", ("drivable",), 2), ("lane", "two_class_mask", ("lane_out",), 2)],
        ),
        (IMAGES, [spec("ids", 1, 640, 640, dtype="uint8")], [("ids", "mask_ids", ("ids",), 0)]),
        (IMAGES, [spec("lane", 1, 1, 640, 640, dtype="int64")], [("lane", "mask_ids", ("lane",), 2)]),
        (IMAGES, [spec("out", 1, 19, 80, 80)], [("classes", "class_map", ("out",), 19)]),
        (IMAGES, [spec("prob", 1, 1000)], [("classification", "classification", ("prob",), 1000)]),
        (
            IMAGES,
            [spec("a", 1, 84, 8400), spec("b", 1, 300, 6)],
            [("boxes", "yolo_boxes", ("a",), 80), ("b", "yolo_boxes_end2end", ("b",), 0)],
        ),
    ],
    ids=str,
)
def test_shapes_that_everybody_knows(
    image: TensorSpec, outputs: list[TensorSpec], expected: list[tuple[str, str, tuple[str, ...], int]]
) -> None:
    assert heads(guess_card("net", [image], outputs)) == expected


@pytest.mark.parametrize(
    "outputs",
    [
        [],
        [spec("levels", 1, 3, 80, 80, 85)],
        [spec("p3", 1, 255, 80, 80), spec("p4", 1, 255, 40, 40), spec("p5", 1, 255, 20, 20)],
        [spec("detr", 1, 300, 84)],
        [spec("flags", 1, 640, 640, dtype="bool")],
        [spec("number", 1)],
    ],
    ids=str,
)
def test_what_no_head_reads_gives_no_card(outputs: list[TensorSpec]) -> None:
    guess = guess_card("net", [IMAGES], outputs)
    assert guess.card is None
    assert "no output looks like" in guess.doubts[-1]


@pytest.mark.parametrize(
    "inputs", [[], [spec("a", 1, 3, 8, 8), spec("b", 1, 3, 8, 8)], [spec("sound", 1, 16000)], [spec("x", 8, 3, 64, 64)]]
)
def test_an_input_that_no_picture_can_be_gives_no_card(inputs: list[TensorSpec]) -> None:
    guess = guess_card("net", inputs, [spec("output0", 1, 5, -1)])
    assert guess.card is None
    assert "picture" in guess.doubts[-1]


def test_the_way_pictures_are_fed_is_guessed_from_what_comes_out_and_said_to_be_a_guess() -> None:
    boxes = guess_card("net", [IMAGES], [spec("o", 1, 84, 8400)])
    areas = guess_card("net", [IMAGES], [spec("o", 1, 19, 80, 80)])
    raw = guess_card("net", [spec("o", 1, 640, 640, 3, dtype="uint8")], [spec("o", 1, 84, 8400)])
    assert boxes.card is not None
    assert areas.card is not None
    assert raw.card is not None
    assert boxes.card.input.mean == (0.0, 0.0, 0.0)
    assert areas.card.input.mean == (0.485, 0.456, 0.406)
    assert raw.card.input.scale == 1
    assert all(any("a guess" in doubt for doubt in guess.doubts) for guess in (boxes, areas, raw))
    assert any("COCO" in doubt for doubt in boxes.doubts)


@pytest.mark.parametrize(
    ("outputs", "unnamed"),
    [
        ([YOLO], ()),
        ([spec("o", 1, 19, 80, 80)], ()),
        ([spec("o", 1, 6, 8400)], ("boxes",)),
        ([spec("o", 1, 300, 6)], ("boxes",)),
        ([spec("o", 1, 47, 8400), spec("p", 1, 32, 160, 160)], ("agents",)),
        ([spec("o", 1, 39, 8400), spec("p", 1, 32, 160, 160)], ("boxes",)),
        ([spec("o", 1, 116, 8400), spec("p", 1, 32, 160, 160)], ()),
        ([spec("lane", 1, 2, 640, 640), spec("mask", 1, 2, 640, 640)], ()),
        (
            [
                spec("det_out", 1, 25200, 6),
                spec("drive_area_seg", 1, 2, 640, 640),
                spec("lane_line_seg", 1, 2, 640, 640),
            ],
            (),
        ),
    ],
    ids=str,
)
def test_names_that_were_made_up_are_told_from_known_ones(outputs: list[TensorSpec], unnamed: tuple[str, ...]) -> None:
    assert guess_card("net", [IMAGES], outputs).unnamed == unnamed


@pytest.mark.parametrize(
    ("scores", "told"),
    [(11, "if they are 11 classes, it is `kind: yolo_instances`"), (7, "if its 7 scores answer what, where"), (80, "")],
)
def test_scores_of_one_question_and_of_three_cannot_be_told_apart_which_is_said(scores: int, told: str) -> None:
    doubts = guess_card("n", [IMAGES], [spec("o", 1, 36 + scores, 8400), spec("p", 1, 32, 160, 160)]).doubts
    assert any(told in doubt for doubt in doubts)
    assert any("road" in doubt for doubt in doubts) == bool(told)


def test_an_open_size_is_filled_in_and_said() -> None:
    guess = guess_card("net", [spec("x", 1, 3, 384, -1)], [spec("o", 1, 5, -1)])
    assert guess.card is not None
    assert guess.card.input.size == (640, 384)
    assert any("size open" in doubt for doubt in guess.doubts)


def test_several_outputs_named_as_in_a_registered_card_are_read_as_there() -> None:
    """TwinLiteNet and TwinLiteNet+ call them the same, but want their pictures stretched and letterboxed."""

    def guess(height: int) -> Guess:
        masks = [spec(name, 1, 2, height, 640) for name in ("da", "ll")]
        return guess_card("mine", [spec("images", 1, 3, height, 640)], masks)

    for height, fit in ((360, "stretch"), (384, "letterbox")):
        found = guess(height).card
        assert found is not None
        assert (found.name, found.input.fit, found.sha256, found.licence) == ("mine", fit, (), "")
    other = guess(512)
    assert [head[0] for head in heads(other)] == ["drivable", "lane"]
    assert any("a guess" in doubt for doubt in other.doubts)


DIMS = st.lists(st.sampled_from([-1, 1, 2, 3, 5, 6, 20, 32, 40, 80, 84, 116, 300, 640, 8400, 25200]), max_size=5)
SPECS = st.lists(
    st.builds(
        TensorSpec,
        st.sampled_from(["a", "b", "lane", "output0"]),
        DIMS.map(tuple),
        st.sampled_from(["float32", "float16", "uint8", "int64", "bool"]),
    ),
    max_size=4,
    unique_by=lambda item: item.name,
)


@given(inputs=SPECS, outputs=SPECS)
def test_whatever_is_guessed_passes_the_check_and_can_be_written_down(
    inputs: list[TensorSpec], outputs: list[TensorSpec]
) -> None:
    guess = guess_card("net", inputs, outputs)
    if guess.card is None:
        assert guess.doubts
        return
    check_card(guess.card, inputs, outputs)
    assert Card.from_yaml(guess.card.model_dump_json(), "guess") == guess.card  # JSON is YAML
