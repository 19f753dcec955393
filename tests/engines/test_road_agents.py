"""road_agents: against a slow reference, the original's own rows, and at every edge."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from contracts.card import Card, HeadCard
from contracts.card_text import card_text
from contracts.errors import EngineError
from contracts.fit import Fit, Letterbox, Stretch
from contracts.prediction import InstanceMasks
from contracts.protocols import Thresholds
from contracts.tensor import TensorSpec
from engines.cards import check_card
from engines.heads.open import open_head
from tests.support.agents import slow_agents
from tests.support.instances import on_frame

AGENTS = ("Car", "Bus")
LOCATIONS = ("VehLane", "OutgoLane", "IncomLane", "Jun", "Parking")
ACTIONS = ("Brake", "IncatLft", "IncatRht", "HazLit")
HEAD = HeadCard(name="agents", kind="road_agents", classes=AGENTS, locations=LOCATIONS, actions=ACTIONS)
BASIS = 4
SAME = Stretch(64, 64, 64, 64)
"""Network pixels are frame pixels; prototypes have a quarter of them."""


def decode(
    boxes: NDArray[Any], prototypes: NDArray[Any], fit: Fit = SAME, head: HeadCard = HEAD, **options: Any
) -> InstanceMasks:
    outputs = {"o": boxes, "p": prototypes}
    part = open_head(head).decode(outputs, fit, (fit.frame_width, fit.frame_height), Thresholds(**options))
    assert isinstance(part, InstanceMasks)
    assert part.detections.attributes is not None
    assert len(part.masks) == len(part.detections.attributes) == len(part.detections)
    return part


def row(box: tuple[float, ...], agents: tuple[float, ...] = (0.9, 0), /, **scores: float) -> list[float]:
    """One box of the tensor; scores of locations and actions by name, else 0; its mask is all of it."""
    return [*box, *agents, *(scores.get(name, 0.0) for name in (*LOCATIONS, *ACTIONS)), 1, 0, 0, 0]


def raw(*rows: list[float]) -> NDArray[np.float32]:
    return np.ascontiguousarray(np.array(rows, np.float32).T[None])


def ones() -> NDArray[np.float32]:
    return np.ones((1, BASIS, 16, 16), np.float32)


fits = st.builds(
    lambda kind, width, height, across, down: kind(width, height, 32 * across, 32 * down),
    st.sampled_from([Letterbox, Stretch]),
    st.integers(1, 160),
    st.integers(1, 160),
    st.integers(1, 4),
    st.integers(1, 4),
)


@settings(max_examples=80, deadline=None)
@given(fits, st.integers(0, 2**32 - 1), st.booleans(), st.sampled_from([0.0, 0.3, 0.7]))
def test_agrees_with_the_slow_reference(fit: Fit, seed: int, agnostic: bool, iou: float) -> None:
    random, count = np.random.default_rng(seed), 14
    prototypes = random.normal(0, 1, (1, BASIS, fit.network_height // 4, fit.network_width // 4)).astype(np.float32)
    centres = random.uniform(-0.1, 1.1, (count, 2)) * [fit.network_width, fit.network_height]
    sizes = random.uniform(0, 0.8, (count, 2)) * [fit.network_width, fit.network_height]
    others = np.hstack([random.uniform(0, 1, (count, 11)), random.normal(0, 1, (count, BASIS))])
    tensor = np.hstack([centres, sizes, others]).astype(np.float32).T[None]
    thresholds = Thresholds(score=0.3, iou=iou, class_agnostic=agnostic)
    wanted = slow_agents(HEAD, tensor[0], prototypes[0], fit, thresholds)
    part = decode(tensor, prototypes, fit, score=0.3, iou=iou, class_agnostic=agnostic)
    found = part.detections
    assert [found.name(index) for index in range(len(found))] == [one.agent for one in wanted]
    assert list(found.attributes or ()) == [{"location": (one.location,), "actions": one.actions} for one in wanted]
    for index, one in enumerate(wanted):
        assert found.scores[index] == one.score
        np.testing.assert_allclose(found.boxes[index], one.box, atol=2e-3)
        np.testing.assert_array_equal(on_frame(part, index, fit)[one.sure], one.mask[one.sure])


@pytest.mark.shared
def test_whom_the_original_keeps_it_describes_as_we_do(shared: Path) -> None:
    """The original suppresses others than we do (it sorts by location), so here nobody is suppressed."""
    arrays = np.load(shared / "goldens" / "agents-yolov10s-seg.npz")
    theirs = arrays["96x160b1s0/nms_conf0.25_iou0.7_item0"]
    pred, far = arrays["96x160b1s0/pred"].copy(), 1024  # from the edges: the original does not clip
    pred[0, :2] += far
    prototypes, frame = np.zeros((1, 32, 16, 16), np.float32), Stretch(2048, 2048, 2048, 2048)
    found = decode(pred, prototypes, frame, score=0.25, iou=1.0, max_detections=pred.shape[2]).detections
    assert found.attributes is not None
    assert len(theirs) > 50
    for original in theirs:
        away = np.abs(found.boxes - far - original[:4]).max(axis=1)
        same = int(away.argmin())
        assert away[same] < 1e-2
        assert found.class_ids[same] == original[5]
        lit = tuple(name for name, bit in zip(ACTIONS, original[7:11], strict=True) if bit)
        assert found.attributes[same] == {"location": (LOCATIONS[int(original[6])],), "actions": lit}


def test_a_sure_place_makes_no_sure_car() -> None:
    """What the original gets wrong: there the second box has a score of 0.99, and suppresses the first."""
    box = (32, 32, 20, 20)
    first = row(box, (0.9, 0.1), Jun=0.3, Brake=0.51)
    second = row((33, 32, 20, 20), (0.3, 0.1), Parking=0.99)
    part = decode(raw(second, first), ones())
    assert part.detections.scores.tolist() == pytest.approx([0.9])
    assert part.detections.attributes == ({"location": ("Jun",), "actions": ("Brake",)},)
    assert len(decode(raw(row(box, (0.2, 0.1), Jun=0.99)), ones(), score=0.25).masks) == 0


@pytest.mark.parametrize(
    ("scores", "location", "actions"),
    [
        ({"IncomLane": 0.6, "OutgoLane": 0.59}, "IncomLane", ()),
        ({"IncomLane": 0.01}, "IncomLane", ()),  # everything is somewhere
        ({}, "VehLane", ()),
        ({"Parking": 1, "HazLit": 0.7, "Brake": 0.6, "IncatLft": 0.4}, "Parking", ("Brake", "HazLit")),
        ({"Brake": 0.5}, "VehLane", ()),  # above ½, not from it on
        ({"Brake": 1, "IncatLft": 1, "IncatRht": 1, "HazLit": 1}, "VehLane", ACTIONS),
    ],
)
def test_one_place_and_any_number_of_lights(scores: dict[str, float], location: str, actions: tuple[str, ...]) -> None:
    part = decode(raw(row((32, 32, 20, 20), (0.9, 0), **scores)), ones())
    assert part.detections.attributes == ({"location": (location,), "actions": actions},)


def test_answers_follow_their_boxes() -> None:
    """Chosen, sorted and suppressed: each box keeps its own answers and mask."""
    part = decode(
        raw(
            row((10, 10, 8, 8), (0.5, 0), Jun=1, Brake=1),
            row((50, 50, 4, 4), (0, 0.8), Parking=1),
            row((11, 10, 8, 8), (0.4, 0), IncomLane=1),
        ),
        ones(),
    )
    assert [part.detections.name(index) for index in range(2)] == ["Bus", "Car"]
    assert part.detections.attributes == (
        {"location": ("Parking",), "actions": ()},
        {"location": ("Jun",), "actions": ("Brake",)},
    )
    assert [part.area(index) for index in range(2)] == [16, 64]
    only = decode(raw(row((10, 10, 8, 8), (0.5, 0), Jun=1), row((50, 50, 4, 4), (0, 0.8))), ones(), classes={"Car"})
    assert only.detections.attributes == ({"location": ("Jun",), "actions": ()},)


@pytest.mark.parametrize("left_out", ["locations", "actions"])
def test_a_question_without_names_is_not_asked(left_out: str) -> None:
    head = HEAD.model_copy(update={left_out: ()})
    gone = slice(6, 11) if left_out == "locations" else slice(11, 15)
    tensor = np.delete(raw(row((32, 32, 20, 20), Jun=1, Brake=1)), range(*gone.indices(99)), axis=1)
    (answers,) = decode(tensor, ones(), head=head).detections.attributes or ()
    assert answers == ({"actions": ("Brake",)} if left_out == "locations" else {"location": ("Jun",)})


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("column", [0, 4, 5, 6, 10, 11, 14, 15, 18])
def test_rows_that_are_not_finite_are_no_boxes(value: float, column: int) -> None:
    tensor = raw(row((20, 20, 8, 8), Jun=1), row((40, 40, 8, 8), Parking=1))
    tensor[0, column, 0] = value
    part = decode(tensor, ones())
    assert part.detections.attributes == ({"location": ("Parking",), "actions": ()},)


@pytest.mark.parametrize("count", [0, 1])
def test_nothing_found_is_an_empty_part(count: int) -> None:
    part = decode(np.zeros((1, 19, count), np.float32), ones())
    assert (len(part.detections), part.detections.attributes, part.detections.names) == (0, (), AGENTS)


def test_half_precision_is_read_and_nothing_of_the_output_is_kept() -> None:
    boxes, prototypes = raw(row((20, 20, 12, 8), Jun=1, HazLit=0.75)), ones()
    part = decode(boxes.astype(np.float16), prototypes.astype(np.float16))
    assert part.detections.attributes == ({"location": ("Jun",), "actions": ("HazLit",)},)
    whole = decode(boxes, prototypes)
    assert not any(np.shares_memory(array, boxes) for array in (whole.detections.boxes, *whole.masks))


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ({"o": np.zeros((1, 19, 3), np.float32)}, "road_agents reads two outputs"),
        ({"o": np.zeros((1, 18, 3), np.float32), "p": ones()}, r"4 \+ 2 \+ 5 \+ 4 \+ M.*\[1, 18, 3\]"),
        ({"o": np.zeros((2, 19, 3), np.float32), "p": ones()}, r"\[2, 19, 3\]"),
        ({"o": np.zeros((1, 19, 3), np.int32), "p": ones()}, r"int32 \[1, 19, 3\]"),
        ({"o": ones(), "p": ones()}, r"\[1, 4, 16, 16\]"),
    ],
)
def test_outputs_that_do_not_fit_are_refused(outputs: dict[str, NDArray[Any]], message: str) -> None:
    with pytest.raises(EngineError, match=message) as caught:
        open_head(HEAD).decode(outputs, SAME, (64, 64), Thresholds())
    assert "card" in caught.value.cure


# The card.


def spec(name: str, *shape: int) -> TensorSpec:
    return TensorSpec(name, shape, "float32")


def test_a_card_reads_back_as_it_was_written() -> None:
    card = Card(name="net", heads=(HEAD,))
    assert Card.from_yaml(card_text(card), "test") == card


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": ()}, "needs the names of its classes"),
        ({"locations": (), "actions": ()}, "needs the names of its classes"),
        ({"kind": "yolo_instances"}, "not of yolo_instances"),
    ],
)
def test_names_that_a_card_must_and_must_not_have(changes: dict[str, Any], message: str) -> None:
    text = json.dumps({"name": "net", "heads": [HEAD.model_dump() | changes]})  # JSON is YAML
    with pytest.raises(EngineError, match=message):
        Card.from_yaml(text, "test")


@pytest.mark.parametrize(
    ("boxes", "prototypes", "message"),
    [
        ((1, 47, 12600), (1, 32, 120, 320), ""),
        ((1, 47, -1), (1, 32, -1, -1), ""),
        ((1, -1, -1), (-1, -1, -1, -1), ""),
        ((1, 116, 8400), (1, 32, 160, 160), r"4\+11\+M.*2 classes, 5 locations and 4 actions.*\[1,116,8400\]"),
        ((1, 47, 12600), (4, 32, 120, 320), r"prototypes \[1,M,H,W\]"),
        ((47, 12600), (1, 32, 120, 320), r"\[47,12600\]"),
    ],
)
def test_a_card_is_held_against_its_network(boxes: tuple[int, ...], prototypes: tuple[int, ...], message: str) -> None:
    card, images = Card(name="net", heads=(HEAD,)), [spec("images", 1, 3, 480, 1280)]
    outputs = [spec("prototypes", *prototypes), spec("agents", *boxes)]
    if not message:
        check_card(card, images, outputs)
        return
    with pytest.raises(EngineError, match=message):
        check_card(card, images, outputs)
