"""Road agents: the goldens, the deployed form, both runtimes, files of the fork, and what is none."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from contracts.errors import EngineError, UsageError
from tests.training.goldens import Golden, parameters
from training.blueprint import Blueprint, Checkpoint, Option
from training.foreign.content import Content
from training.foreign.road_agents import recognise
from training.networks.families import build
from training.networks.network import Network
from training.networks.road_agents import QUESTIONS
from training.runtimes import RUNTIMES
from training.tracing import traced

CLASSES = {
    "agents": ("Car", "Bus"),
    "locations": ("VehLane", "OutgoLane", "IncomLane", "Jun", "Parking"),
    "actions": ("Brake", "IncatLft", "IncatRht", "HazLit"),
}
TINY: dict[str, Option] = {"width": 0.125, "depth": 1 / 3}
TOLERANCE = 2e-5
DFL = 16
HEAD_CLASS = {"model.22": "ultralytics.nn.modules.head.Multi_v10Segment"}


def content(state: dict[str, Tensor], modules: dict[str, str] | None = None, **model: object) -> Content:
    return Content(state=state, model=model, facts={}, modules=modules or {})


def loaded(checkpoint: Checkpoint | None) -> Network:
    assert checkpoint is not None
    network = build(checkpoint.blueprint)
    network.load_state_dict(checkpoint.state)
    return network.eval()


def random_network(classes: dict[str, tuple[str, ...]] = CLASSES, options: dict[str, Option] = TINY) -> Network:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = build(Blueprint("road_agents", "custom", classes, options))
        for key, value in network.named_buffers():
            if key.endswith("running_var"):
                nn.init.uniform_(value, 0.5, 1.5)
    return network.eval()


def images(height: int, width: int, batch: int = 1) -> Tensor:
    return torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(batch))


@cache
def golden_network(shared: Path) -> tuple[Golden, Network]:
    golden = Golden(shared, "agents-yolov10s-seg")
    return golden, loaded(recognise(content(golden.state())))


@pytest.mark.shared
@pytest.mark.parametrize("index", [0, 2])
def test_outputs_are_those_of_the_original(shared: Path, index: int) -> None:
    golden, network = golden_network(shared)
    assert network.blueprint == Blueprint("road_agents", "s", CLASSES)
    assert parameters(network.state_dict()) + DFL == 11_794_353 == golden.facts["params_all"]
    case = golden.cases()[index]
    with torch.inference_mode():
        raw = network(case.images)
        answers = [network.plain(("agents",))(case.images), network.deployed(("agents",))(case.images)]
    for level, found in enumerate(raw.boxes):
        assert golden.difference(case, f"raw{level}", found) < TOLERANCE, level
    for agents, prototypes in answers:
        assert golden.difference(case, "pred", agents) < TOLERANCE
        assert golden.difference(case, "proto", prototypes) < TOLERANCE
        assert torch.allclose(agents[:, -32:], raw.coefficients, atol=1e-4)


@pytest.mark.shared
def test_a_file_of_the_fork_is_read_to_its_end(shared: Path) -> None:
    """A real pickled checkpoint with half weights, and the outputs that the fork's own code computes from it."""
    checkpoints = pytest.importorskip("training.checkpoints")
    checkpoint = checkpoints.read_checkpoint(shared / "goldens/checkpoints/agents-tiny.pt")
    assert checkpoint.blueprint == Blueprint("road_agents", "custom", CLASSES, TINY)
    assert checkpoint.input.size == (1280, 480)
    golden, _ = golden_network(shared)
    case = golden.cases()[0]
    assert case.name == "96x160b1s0"
    wanted = np.load(shared / "goldens/checkpoints/agents-tiny.npz")
    with torch.inference_mode():
        agents, prototypes = loaded(checkpoint).deployed(("agents",))(case.images)
    assert np.abs(agents.numpy() - wanted["pred"]).max() < TOLERANCE * np.abs(wanted["pred"]).max()
    thinned = prototypes[:, :, ::3, ::3].numpy()
    assert np.abs(thinned - wanted["proto"]).max() < TOLERANCE * np.abs(wanted["proto"]).max()


def test_an_exported_file_with_an_open_batch_answers_as_the_network(tmp_path: Path) -> None:
    network = random_network()
    deployed = network.deployed(("agents",))
    assert network.heads[0].outputs == deployed.names == ("agents", "prototypes")
    file = tmp_path / "agents.onnx"
    file.write_bytes(traced(deployed, (96, 64), "dynamic").SerializeToString())
    for opened in RUNTIMES.values():
        for batch in (1, 3):
            pictures = images(64, 96, batch)
            with torch.inference_mode():
                wanted = network.plain(("agents",))(pictures)
            found = opened(file)(pictures.numpy())
            assert found["agents"].shape == (batch, 4 + 2 + 5 + 4 + 32, 8 * 12 + 4 * 6 + 2 * 3)
            assert found["prototypes"].shape == (batch, 32, 16, 24)
            for name, tensor in zip(deployed.names, wanted, strict=True):
                assert np.abs(found[name] - tensor.numpy()).max() < 5e-3, name


def test_the_raw_form_holds_what_the_decoded_one_is_made_of() -> None:
    network = random_network()
    pictures = images(64, 96)
    with torch.inference_mode():
        raw = network(pictures)
        agents, prototypes = network.plain(("agents",))(pictures)
    assert [tuple(level.shape) for level in raw.boxes] == [(1, 75, 8, 12), (1, 75, 4, 6), (1, 75, 2, 3)]
    scores = torch.cat([level.flatten(2)[:, 64:] for level in raw.boxes], dim=2).sigmoid()
    assert torch.equal(agents[:, 4:15], scores)
    assert torch.equal(agents[:, 15:], raw.coefficients)
    assert torch.equal(prototypes, raw.prototypes)


@pytest.mark.parametrize("options", [{}, {"width": 0.5}, {"width": "wide", "depth": 0.33}, {"width": 0, "depth": 1}])
def test_a_custom_scale_needs_its_numbers(options: dict[str, Option]) -> None:
    with pytest.raises(UsageError, match="a custom road agents network needs its scale"):
        build(Blueprint("road_agents", "custom", CLASSES, options))


# Files of the fork, made here: our state under their keys.


def theirs(network: Network) -> dict[str, Tensor]:
    from training.foreign.road_agents import _PLACES
    from training.foreign.yolo8_keys import foreign_key

    state = {foreign_key(key, _PLACES): value for key, value in network.state_dict().items()}
    return state | {"model.22.dfl.conv.weight": torch.arange(16.0).reshape(1, 16, 1, 1)}


def test_classes_come_from_the_file_where_it_names_them() -> None:
    classes = {"agents": ("Tram",), "locations": ("left", "right"), "actions": ("action 0", "action 1", "action 2")}
    model = {
        "num_agent": 1,
        "names": {0: "Tram"},
        "num_loc": 2,
        "locs": {1: "right", 0: "left"},
        "num_action": 3,
        "actions": {0: "0", 1: "1", 2: "2"},
    }
    checkpoint = recognise(content(theirs(random_network(classes)), HEAD_CLASS, **model))
    assert checkpoint is not None
    assert checkpoint.blueprint.classes == classes
    assert tuple(checkpoint.blueprint.classes) == QUESTIONS
    assert any("does not name its 3 actions" in note for note in checkpoint.notes)
    loaded(checkpoint)


def test_counts_that_contradict_the_tensors_are_refused() -> None:
    for told in (3, 0, 1_000_000_000, "2"):
        model = {"num_agent": told, "num_loc": 5, "num_action": 4}
        with pytest.raises(EngineError, match="its tensors have 11 scores, which is not what its three questions"):
            recognise(content(theirs(random_network()), HEAD_CLASS, **model))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("model.22.proto.cv2.bn.bias", None, "1 tensor is missing, first: model.22.proto.cv2.bn.bias"),
        ("model.23.conv.weight", torch.zeros(1), "1 tensor is unknown, first: model.23.conv.weight"),
        ("model.0.conv.weight", torch.zeros(20, 3, 3, 3), "of no scale there can be: its first convolution has 20"),
        ("model.0.conv.weight", None, "has 0 channels and model.4 has 2 bottlenecks"),
        ("model.22.dfl.conv.weight", torch.ones(16), "model.22.dfl.conv.weight is not 0 … 15"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(key: str, value: Tensor | None, message: str) -> None:
    state = theirs(random_network())
    if value is None:
        del state[key]
    else:
        state[key] = value
    with pytest.raises(EngineError, match=message):
        recognise(content(state, HEAD_CLASS))


def test_a_segmenter_of_another_kind_is_left_alone() -> None:
    """ultralytics' YOLOv8 segmenters have the very same keys; their head's class tells them apart."""
    state = theirs(random_network())
    assert recognise(content(state, {"model.22": "ultralytics.nn.modules.head.Segment"})) is None
    state["model.22.cv3.0.2.weight"] = torch.zeros(80, 32, 1, 1)
    assert recognise(content(state)) is None
    assert recognise(content({})) is None
