"""A-YOLOM: the goldens, the deployed form, both runtimes, files of the fork and damaged ones."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor, nn

from contracts.errors import EngineError
from contracts.fit import Letterbox
from contracts.prediction import Detections
from contracts.protocols import Thresholds
from engines.heads.candidates import MAX_CANDIDATES
from engines.heads.open import open_head
from tests.training.goldens import Case, Golden, parameters
from training.blueprint import Blueprint, Checkpoint
from training.foreign.ayolom import recognise
from training.foreign.content import Content
from training.networks.ayolom import AYolom
from training.networks.families import build, family
from training.networks.network import Network
from training.runtimes import RUNTIMES
from training.tracing import traced

HEADS = ("boxes", "drivable", "lane")
GOLDENS = [("ayolom-n", "n", 3_640_051), ("ayolom-s", "s", 13_605_891), ("ayolom-n-gates", "n", 3_640_051)]
TOLERANCE = 2e-5
DFL = 16
"""Parameters of each of the fork's three DFL layers; a constant here."""


def content(state: dict[str, Tensor], **model: object) -> Content:
    return Content(state=state, model=model, facts={}, modules={})


def loaded(checkpoint: Checkpoint) -> Network:
    network = build(checkpoint.blueprint)
    network.load_state_dict(checkpoint.state)
    return network.eval()


@cache
def original(shared: Path, name: str) -> tuple[Golden, Network]:
    golden = Golden(shared, name)
    checkpoint = recognise(content(golden.state()))
    assert checkpoint is not None
    return golden, loaded(checkpoint)


def random_network(
    variant: str = "p", *, gates: tuple[float, ...] = (5.0,) * 8, seed: int = 0, classes: int = 1
) -> Network:
    """Weights with statistics like a trained network's: features neither vanish nor explode, masks have both ids."""
    names = tuple(f"c{number}" for number in range(classes))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = build(Blueprint("ayolom", variant, {"boxes": names}))
        for key, value in network.named_buffers():
            if key.endswith("running_mean"):
                nn.init.normal_(value, 0, 0.1)
            elif key.endswith("running_var"):
                nn.init.uniform_(value, 0.5, 1.5)
        for value in network.parameters():
            if value.ndim == 4:
                nn.init.kaiming_normal_(value, nonlinearity="relu")
        switches = [value for key, value in network.named_parameters() if key.endswith("gate")]
        for value, gate in zip(switches, gates, strict=True):
            nn.init.constant_(value, gate)
    return network.eval()


def images(height: int, width: int, seed: int = 0, batch: int = 1) -> Tensor:
    return torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(seed))


def flips(scores: Tensor, ids: Tensor | NDArray[np.uint8]) -> float:
    """Share of mask pixels that differ from the arg-max of (B, 2, H, W)."""
    return float((np.asarray(ids) != (scores[:, 1] > scores[:, 0]).numpy()).mean())


@pytest.mark.shared
@pytest.mark.parametrize(("name", "variant", "count"), GOLDENS)
def test_outputs_are_those_of_the_original(shared: Path, name: str, variant: str, count: int) -> None:
    golden, network = original(shared, name)
    assert network.blueprint == Blueprint("ayolom", variant, {"boxes": ("vehicle",)})
    assert parameters(network.state_dict()) + 3 * DFL == count == golden.facts["params_all"]
    cases = golden.cases() if variant == "n" else [case for case in golden.cases() if case.images.shape[3] < 672]
    for case in cases:
        with torch.inference_mode():
            raw = network(case.images)
            boxes, *_ = network.plain(HEADS)(case.images)
            deployed, *masks = network.deployed(HEADS)(case.images)
        for index, level in enumerate(raw.boxes):
            assert golden.difference(case, f"det_raw{index}", level) < TOLERANCE, (case.name, index)
        assert golden.difference(case, "det", boxes) < TOLERANCE, case.name
        assert golden.difference(case, "det", deployed) < TOLERANCE, case.name
        for output, scores, ids in zip(("da", "ll"), raw[1:], masks, strict=True):
            assert golden.difference(case, output, scores) < TOLERANCE, (case.name, output)
            assert _golden_flips(golden, case, output, scores, ids) <= 1e-4, (case.name, output)


def _golden_flips(golden: Golden, case: Case, output: str, scores: Tensor, ids: Tensor) -> float:
    """Against the golden's own arg-max where it is stored; else against that of scores that equal the golden's."""
    if golden.name == "ayolom-n-gates":
        return flips(scores, ids)
    return float((golden.foreground(case, output) != ids.numpy()).mean())


@pytest.mark.shared
@pytest.mark.parametrize("name", ["ayolom-n", "ayolom-s", "ayolom-n-gates"])
def test_suppressed_boxes_are_those_of_the_original(shared: Path, name: str) -> None:
    golden, network = original(shared, name)
    head = open_head(network.heads[0])
    deployed = network.deployed(("boxes",))
    for case in golden.cases():
        height, width = case.images.shape[2:]
        with torch.inference_mode():
            (tensor,) = deployed(case.images)
        # Frame and network input are the same; what the head cuts off at the frame's edge the golden has whole.
        fit = Letterbox(width, height, width, height)
        thresholds = Thresholds(score=0.25, iou=0.45, max_detections=300)
        found = head.decode({"boxes": tensor[:1].numpy()}, fit, (width, height), thresholds)
        wanted = golden.array(case, "nms_conf0.25_iou0.45_item0")
        corners = np.clip(wanted[:, :4], 0, [width, height, width, height])
        seen = (corners[:, 2:] > corners[:, :2]).all(axis=1)
        # Of more candidates than it looks at, the head takes the best; the golden took them all.
        scores = np.sort(tensor[0, 4].numpy())[::-1]
        looked_at = wanted[:, 4] > scores[min(MAX_CANDIDATES, len(scores)) - 1]
        wanted = np.hstack([corners, wanted[:, 4:5]])[seen & looked_at]
        assert isinstance(found, Detections)
        _require_same_set(np.hstack([found.boxes, found.scores[:, None]]), wanted, case.name)


def _require_same_set(found: NDArray[np.float32], wanted: NDArray[np.float32], where: str) -> None:
    """Rows x1 y1 x2 y2 score: as many, each with its twin at IoU > 0.999 and an equal score."""
    assert len(found) == len(wanted), where
    low = np.maximum(found[:, None, :2], wanted[None, :, :2])
    high = np.minimum(found[:, None, 2:4], wanted[None, :, 2:4])
    shared_area = np.prod(np.clip(high - low, 0, None), axis=2)
    areas = [np.prod(rows[:, 2:4] - rows[:, :2], axis=1) for rows in (found, wanted)]
    iou = shared_area / (areas[0][:, None] + areas[1][None] - shared_area)
    twins = (iou > 0.999) & (np.abs(found[:, None, 4] - wanted[None, :, 4]) < 1e-5)
    assert twins.any(axis=0).all(), where
    assert twins.any(axis=1).all(), where


@pytest.mark.shared
def test_a_file_of_the_fork_is_read_to_its_end(shared: Path) -> None:
    checkpoints = pytest.importorskip("training.checkpoints")
    checkpoint = checkpoints.read_checkpoint(shared / "goldens/checkpoints/ayolom-n.pt")
    assert checkpoint.blueprint == Blueprint("ayolom", "n", {"boxes": ("vehicle",)})
    assert checkpoint.input.size == (672, 384)
    assert checkpoint.epoch is None
    assert any("12 classes" in note for note in checkpoint.notes)
    rounded = {key: value.half().float() for key, value in Golden(shared, "ayolom-n").state().items()}
    expected = recognise(content(rounded))
    assert expected is not None
    for key, value in expected.state.items():
        assert torch.equal(checkpoint.state[key].float(), value.float()), key


@pytest.mark.parametrize(
    ("variant", "count"), [("p", 1_078_203), ("n", 3_640_003), ("s", 13_605_843), ("m", 32_536_099)]
)
def test_every_variant_has_its_size(variant: str, count: int) -> None:
    with torch.device("meta"):
        network = build(Blueprint("ayolom", variant, {"boxes": ("vehicle",)}))
    assert sum(value.numel() for value in network.parameters()) == count
    assert variant in (family("ayolom").variants or ())


@given(
    seed=st.integers(0, 2**31),
    gates=st.tuples(*[st.sampled_from([-1.0, 0.0, 0.5])] * 8),
    cells=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    batch=st.integers(1, 2),
    classes=st.integers(1, 3),
)
@settings(deadline=None, max_examples=6)
def test_the_deployed_form_answers_as_the_plain_one(
    seed: int, gates: tuple[float, ...], cells: tuple[int, int], batch: int, classes: int
) -> None:
    network = random_network(gates=gates, seed=seed, classes=classes)
    pictures = images(32 * cells[0], 32 * cells[1], seed, batch)
    with torch.inference_mode():
        boxes, *scores = network.plain(HEADS)(pictures)
        deployed, *masks = network.deployed(HEADS)(pictures)
    assert (boxes - deployed).abs().max() < 1e-3 * 32 * max(cells)
    for one, ids in zip(scores, masks, strict=True):
        close = (one[:, 1] - one[:, 0]).abs() <= 1e-5 * one.abs().max()
        assert not ((ids != (one[:, 1] > one[:, 0])) & ~close).any()


@pytest.mark.parametrize("heads", [("lane",), ("boxes",), ("drivable", "boxes")])
def test_only_what_the_wanted_heads_need_is_kept(heads: tuple[str, ...]) -> None:
    network = random_network()
    pictures = images(64, 96)
    whole = network.deployed(HEADS)
    some = network.deployed(heads)
    assert some.names == tuple(name for name in HEADS if name in heads)
    assert sum(map(Tensor.numel, some.state_dict().values())) < sum(map(Tensor.numel, whole.state_dict().values()))
    with torch.inference_mode():
        wanted = dict(zip(whole.names, whole(pictures), strict=True))
        for name, found in zip(some.names, some(pictures), strict=True):
            assert torch.equal(found, wanted[name])


def test_deploying_leaves_the_network_as_it_is() -> None:
    network = random_network().train()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    network.deployed(HEADS)
    network.plain(HEADS)
    assert network.training
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())


def test_a_file_with_an_open_batch_takes_any(tmp_path: Path) -> None:
    network = random_network(gates=(5.0, -1.0) * 4).deployed(HEADS)
    file = tmp_path / "open.onnx"
    file.write_bytes(traced(network, (96, 64), "dynamic").SerializeToString())
    for batch, opened in product((1, 3), RUNTIMES.values()):
        pictures = images(64, 96, batch, batch)
        with torch.inference_mode():
            boxes, *masks = network(pictures)
        found = opened(file)(pictures.numpy())
        assert np.abs(found["boxes"] - boxes.numpy()).max() < 5e-3
        for name, ids in zip(HEADS[1:], masks, strict=True):
            assert (found[name] != ids.numpy()).mean() <= 1e-3, "a small mask: a pixel is more than 1e-4 of it"


def test_no_gradient_reaches_a_switch_and_all_reach_the_rest() -> None:
    network = random_network().train()
    raw = network(images(64, 64, batch=2))
    sum(value.square().mean() for value in (*raw.boxes, raw.drivable, raw.lane)).backward()
    without = [key for key, value in network.named_parameters() if value.grad is None]
    assert without == [key for key, _ in network.named_parameters() if key.endswith(".gate")]


# Files of the fork, made here: our state under their keys.


def theirs(network: Network) -> dict[str, Tensor]:
    from training.foreign.ayolom import _PLACES
    from training.foreign.yolo8_keys import foreign_key

    state = {foreign_key(key, _PLACES): value for key, value in network.state_dict().items()}
    bins = torch.arange(16.0).reshape(1, 16, 1, 1)
    return state | {f"model.{head}.dfl.conv.weight": bins.clone() for head in (46, 47, 48)}


@pytest.mark.parametrize(
    ("names", "classes", "expected"),
    [
        (None, 1, ("vehicle",)),
        ({0: "car"}, 1, ("car",)),
        ({0: "person", 1: "car"}, 1, ("vehicle",)),
        (["car", "bus"], 2, ("car", "bus")),
        ({0: "car"}, 2, ("class 0", "class 1")),
        ("nonsense", 1, ("vehicle",)),
    ],
)
def test_classes_are_as_many_as_the_tensors_have(names: object, classes: int, expected: tuple[str, ...]) -> None:
    state = theirs(random_network(classes=classes))
    checkpoint = recognise(content(state, **({} if names is None else {"names": names})))
    assert checkpoint is not None
    assert checkpoint.blueprint.classes["boxes"] == expected
    assert isinstance(loaded(checkpoint), AYolom)


def _without(key: str) -> Callable[[dict[str, Tensor]], None]:
    return lambda state: state.__delitem__(key)


def _with(key: str, value: Tensor) -> Callable[[dict[str, Tensor]], None]:
    return lambda state: state.__setitem__(key, value)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_without("model.47.upsample.bias"), "1 tensor is missing, first: model.47.upsample.bias"),
        (_without("model.0.conv.weight"), "of no scale known: its first convolution has 0 channels"),
        (_without("model.23.weight"), "1 tensor is missing, first: model.23.weight"),
        (_with("model.0.conv.weight", torch.zeros(24, 3, 3, 3)), "has 24 channels and model.4 has 2 bottlenecks"),
        (_with("model.4.m.2.cv1.conv.weight", torch.zeros(1)), "has 8 channels and model.4 has 3 bottlenecks"),
        (
            _with("model.12.cv1.conv.weight", torch.zeros(1, 2)),
            r"another shape, first: .* \[1, 2\] instead of \[64, 192, 1, 1\]",
        ),
        (_with("model.49.conv.weight", torch.zeros(1)), "1 tensor is unknown, first: model.49.conv.weight"),
        (_with("model.46.dfl.conv.weight", torch.zeros(1, 16, 1, 1)), "model.46.dfl.conv.weight is not 0 … 15"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(damage: Callable[[dict[str, Tensor]], None], message: str) -> None:
    state = theirs(random_network())
    damage(state)
    with pytest.raises(EngineError, match=message):
        recognise(content(state))


@pytest.mark.parametrize(
    "state", [{}, {"model.0.conv.weight": torch.zeros(16, 3, 3, 3)}, {"model.23.weight": torch.ones(1)}]
)
def test_other_families_are_left_alone(state: dict[str, Tensor]) -> None:
    assert recognise(content(state)) is None
