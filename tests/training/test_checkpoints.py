"""Checkpoints: the network is found in whatever lies around it, and our own form comes back as it was."""

from __future__ import annotations

import collections
import dataclasses
import gzip
import json
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from contracts.card import InputCard
from contracts.errors import EngineError, OutputError, UsageError
from tests.training.handmade import archive, entry, name, pickled, storage, tensor, text
from training.blueprint import Blueprint, Checkpoint
from training.checkpoints import open_subject, read_checkpoint, read_content, save_checkpoint
from training.networks.families import build
from training.networks.network import Network

State = dict[str, Tensor]
WEIGHTS = {"conv.weight": torch.arange(4.0).reshape(2, 2), "conv.steps": torch.tensor(3)}
OTHERS = {key: value + 1 for key, value in WEIGHTS.items()}
WRAPPED = {f"module.{key}": value for key, value in WEIGHTS.items()}


@pytest.mark.parametrize(
    ("value", "facts"),
    [
        (WEIGHTS, {}),
        (collections.OrderedDict(WEIGHTS), {}),
        (WRAPPED, {}),
        ({"state_dict": WEIGHTS, "epoch": 3}, {"epoch": 3}),
        ({"model_state_dict": WRAPPED, "loss": 0.5, "scheduler_state_dict": {"last": [1]}}, {"loss": 0.5}),
        ({"epoch": 240, "model": "yolop", "state_dict": WEIGHTS, "optimizer": {"state": {}}}, {"model": "yolop"}),
        ({"model": WEIGHTS, "best": 1.0}, {"best": 1.0}),
        ({"net": WEIGHTS}, {}),
        ({"only_one": WEIGHTS, "note": "x"}, {"note": "x"}),
        ({"ema": WEIGHTS, "model": OTHERS}, {}),
        ({"model": {**WEIGHTS, "half": torch.ones(1).half()}}, {}),
    ],
)
def test_the_network_is_found(tmp_path: Path, value: Any, facts: dict[str, Any]) -> None:
    path = tmp_path / "any.pt"
    torch.save(value, path)
    content = read_content(path)
    assert [key for key in content.state if key != "half"] == list(WEIGHTS)
    assert all(torch.equal(content.state[key], wanted) for key, wanted in WEIGHTS.items())
    assert content.state["conv.weight"].dtype == torch.float32
    assert content.state["conv.steps"].dtype == torch.int64
    assert all(tensor.dtype != torch.float16 for tensor in content.state.values())
    assert facts.items() <= content.facts.items()
    assert bool(content.notes) == ("ema" in value)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({}, "an empty dict"),
        ([1, 2], "a list"),
        ({"epoch": 1, "note": "x"}, "a dict of 2 entries ('epoch', 'note'"),
        ({"one": WEIGHTS, "two": OTHERS}, "a dict of 2 entries ('one', 'two'"),
        ({"a\x1b[2J": torch.ones(1)}, "a tensor is called"),
    ],
)
def test_what_holds_no_network_is_said(tmp_path: Path, value: Any, words: str) -> None:
    path = tmp_path / "any.pt"
    torch.save(value, path)
    with pytest.raises(EngineError) as caught:
        read_content(path)
    assert words in caught.value.message
    assert str(caught.value).isprintable()


def module(path: str, **parts: bytes) -> bytes:
    """A pickled module: its class, and parameters or children as pickled dicts."""
    place, _, kind = path.rpartition(".")
    groups = {"_parameters": b"}", "_buffers": b"}", "_modules": b"}", **parts}
    return name(place, kind) + b")\x81}" + b"".join(text(key) + group + b"s" for key, group in groups.items()) + b"b"


def four(key: str) -> bytes:
    """A tensor of four numbers."""
    return tensor(storage(key, 4), 0, (4,), (1,))


def test_averaged_modules_come_before_others_and_wrappers_go(tmp_path: Path) -> None:
    """A DataParallel around the module, and a last.pt that holds both; state dicts beside them are not looked at."""

    def network(key: str) -> bytes:
        leaf = module(
            "models.common.Conv", _parameters=b"}" + text("weight") + tensor(storage(key, 4), 0, (4,), (1,)) + b"s"
        )
        inside = module("models.yolo.Model", _modules=b"}" + text("body") + leaf + b"s")
        return module("torch.nn.parallel.data_parallel.DataParallel", _modules=b"}" + text("module") + inside + b"s")

    data = b"\x80\x02}" + text("model") + network("0") + b"s" + text("ema") + network("1") + b"s."
    memory = [torch.full((4,), float(value)).numpy().tobytes() for value in (5, 7)]
    content = read_content(archive(tmp_path / "last.pt", data, {"0": memory[0], "1": memory[1]}))
    assert {key: value.tolist() for key, value in content.state.items()} == {"body.weight": [7.0] * 4}
    assert content.modules == {"": "models.yolo.Model", "body": "models.common.Conv"}
    assert content.notes == ("the averaged weights (ema) were taken",)


def nano(**classes: tuple[str, ...]) -> Checkpoint:
    """A small network of ours, freshly drawn."""
    torch.manual_seed(3)
    names = {"drivable": ("other", "drivable area"), "lane": ("other", "lane line"), **classes}
    blueprint = Blueprint("twinlitenetplus", "nano", names)
    state = build(blueprint).state_dict()
    picture = InputCard(fit="stretch", size=(64, 32), mean=(0.1, 0.2, 0.3))
    return Checkpoint(blueprint, state, picture, "a test", "MIT", epoch=7, notes=("drawn", "not trained"))


def same(one: Checkpoint, other: Checkpoint) -> bool:
    facts = [dataclasses.replace(each, state={}) for each in (one, other)]
    return (
        all(getattr(facts[0], field.name) == getattr(facts[1], field.name) for field in dataclasses.fields(one))
        and list(one.state) == list(other.state)
        and all(torch.equal(one.state[key], other.state[key]) for key in one.state)
    )


def test_our_own_form_comes_back_as_it_was(tmp_path: Path) -> None:
    checkpoint = nano()
    save_checkpoint(checkpoint, tmp_path / "own.pt")
    assert same(read_checkpoint(tmp_path / "own.pt"), checkpoint)
    assert [path.name for path in tmp_path.iterdir()] == ["own.pt"]


def test_our_own_form_is_plain_for_torch_too(tmp_path: Path) -> None:
    save_checkpoint(nano(), tmp_path / "own.pt")
    value = torch.load(tmp_path / "own.pt", weights_only=True)
    assert (value["roadstream"], value["family"], value["variant"]) == (1, "twinlitenetplus", "nano")


def test_a_view_does_not_bring_its_whole_storage(tmp_path: Path) -> None:
    checkpoint = nano()
    large = {key: torch.zeros(100_000, dtype=value.dtype) for key, value in checkpoint.state.items()}
    views = {
        key: large[key][: value.numel()].reshape(value.shape).copy_(value) for key, value in checkpoint.state.items()
    }
    save_checkpoint(dataclasses.replace(checkpoint, state=views), tmp_path / "own.pt")
    assert (tmp_path / "own.pt").stat().st_size < 1_000_000


def test_a_checkpoint_is_never_overwritten_unasked(tmp_path: Path) -> None:
    path = tmp_path / "own.pt"
    path.write_text("mine")
    with pytest.raises(UsageError, match="exists"):
        save_checkpoint(nano(), path)
    assert path.read_text() == "mine"
    save_checkpoint(nano(), path, overwrite=True)
    assert same(read_checkpoint(path), nano())


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "own.pt"
    path.write_text("mine")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(OutputError, match="cannot write"):
            save_checkpoint(nano(), path, overwrite=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_text() == "mine"
    assert [left.name for left in tmp_path.iterdir()] == ["own.pt"]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot write"):
        save_checkpoint(nano(), tmp_path / "absent" / "own.pt")


def first(state: State) -> str:
    return next(key for key, value in state.items() if value.is_floating_point())


def without(state: State) -> State:
    return {key: value for key, value in state.items() if key != first(state)}


def reshaped(state: State) -> State:
    return {**state, first(state): torch.zeros(1, 2, 3)}


def broken(state: State) -> State:
    return {**state, first(state): state[first(state)] * torch.nan}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda value: {**value, "state": without(value["state"])}, "tensors missing: 1, first: "),
        (
            lambda value: {**value, "state": {**value["state"], "odd": torch.ones(1)}},
            "tensors unknown: 1, first: odd",
        ),
        (lambda value: {**value, "state": reshaped(value["state"])}, "tensors of another shape: 1, first: "),
        (lambda value: {**value, "state": broken(value["state"])}, "not finite (first: "),
        (lambda value: {**value, "state": {**value["state"], "odd": 3}}, "state"),
        (lambda value: {**value, "variant": "huge"}, "no variant 'huge'"),
        (lambda value: {**value, "family": "os"}, "no network family is called 'os'"),
        (lambda value: {**value, "variant": "small"}, "does not fit its network, tensors missing: "),
        (lambda value: {**value, "roadstream": 2}, "another version"),
        (lambda value: {**value, "input": {"fit": "squash"}}, "fit"),
        (lambda value: {**value, "epoch": "seven"}, "epoch"),
        (lambda value: {key: each for key, each in value.items() if key != "origin"}, "origin"),
    ],
)
def test_our_own_form_is_not_trusted(
    tmp_path: Path, change: Callable[[dict[str, Any]], dict[str, Any]], words: str
) -> None:
    path = tmp_path / "own.pt"
    save_checkpoint(nano(), path)
    torch.save(change(torch.load(path, weights_only=True)), path)
    for read in (read_checkpoint, open_subject):
        with pytest.raises(EngineError) as caught:
            read(path)
        assert words in caught.value.message
        assert str(caught.value).isprintable()


def ours(family: str, variant: str, **facts: Any) -> dict[str, Any]:
    """Our own form, made up by a stranger."""
    plain: dict[str, Any] = {
        "classes": {},
        "options": {},
        "input": {},
        "origin": "",
        "licence": "",
        "epoch": None,
        "notes": [],
    }
    return {"roadstream": 1, "family": family, "variant": variant, **plain, "state": WEIGHTS, **facts}


def nest(deep: int) -> Any:
    """Lists of one list twice: short in a file, 2 ** deep values for those who unfold it."""
    value: Any = "x"
    for _ in range(deep):
        value = [value, value]
    return value


def anchors(weight: Tensor) -> dict[str, Tensor]:
    signs = ("9.cv2.conv.weight", "13.cv3.conv.weight", "23.cv3.conv.weight")
    return {**dict.fromkeys(signs, torch.zeros(1)), "24.m.0.weight": weight}


TWO = {"classes": ["a", "b"]}
STRANGERS: dict[str, tuple[Any, str]] = {
    "a tensor as version": ({"roadstream": torch.ones(2)}, "another version"),
    "a state that is none": (ours("ddrnet", "23-slim", state=[torch.ones(1)]), "its state is not a mapping"),
    "a key without end": (ours("ddrnet", "23-slim", state={"k" * 5000: torch.ones(1)}), "its state is not a mapping"),
    **{
        f"{family} without classes": (ours(family, variant), "network with 0 classes for")
        for family, variant in (("yolov5", "n"), ("ayolom", "n"), ("yolop", "standard"), ("road_agents", "n"))
    },
    "classes without end": (ours("yolov5", "n", classes={"boxes": ["c"] * 20_000}), "with 20000 classes"),
    "a wide head": (ours("ddrnet", "23-slim", classes=TWO, options={"head_channels": 10**11}), "does not fit"),
    "a wider head": (ours("ddrnet", "23-slim", classes=TWO, options={"head_channels": 2**62}), "checkpoint"),
    "no 64 bits": (ours("ddrnet", "23-slim", classes=TWO, options={"head_channels": 10**5000}), "longer or larger"),
    "a depth without end": (
        ours(
            "road_agents",
            "custom",
            classes={"agents": ["a"], "locations": ["b"], "actions": ["c"]},
            options={"width": 1, "depth": 10**9},
        ),
        "needs its scale",
    ),
    "nested notes": (ours("ddrnet", "23-slim", notes=nest(40)), "longer or larger"),
    "one long text often": (ours("ddrnet", "23-slim", notes=["x" * 10**6] * 1000), "longer or larger"),
    "an input without end": (ours("ddrnet", "23-slim", input={"size": (10**9, 10**9)}), "1000000000×1000000000"),
    "a key of digits": ({"1" * 5000 + ".x": torch.ones(1), "24.anchors": torch.ones(1)}, "a tensor is called"),
    "a layer without axes": (
        {**anchors(torch.zeros(18, 1)), "1.conv.weight": torch.tensor(1.0)},
        "layer 1 has 0 channels",
    ),
    "a head of nothing": (
        {
            **anchors(torch.zeros(3 * 10**11, 0)),
            "1.conv.weight": torch.zeros(32, 0),
            "2.m.0.cv1.conv.weight": torch.ones(1),
        },
        "300000000000 values per cell",
    ),
    "halves over and over": (
        dict.fromkeys((f"k{number}" for number in range(50)), torch.ones(1 << 20).half()),
        "the same tensors over and over",
    ),
}


@pytest.mark.parametrize("stranger", STRANGERS)
def test_no_value_of_a_stranger_s_gets_further_than_its_message(tmp_path: Path, stranger: str) -> None:
    """Each would be a traceback, a program that hangs or more memory than there is."""
    value, words = STRANGERS[stranger]
    path = tmp_path / "strange.pt"
    torch.save(value, path)
    for read in (read_checkpoint, open_subject):
        with pytest.raises(EngineError) as caught:
            read(path)
        assert words in caught.value.message
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("names", [nest(40), [10**5000], [["x"]]])
def test_the_names_of_old_storages_are_text(tmp_path: Path, names: Any) -> None:
    path = tmp_path / "old.pt"
    parts = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}, {}, names]
    path.write_bytes(b"".join(map(pickled, parts)))
    with pytest.raises(EngineError, match="its storages are not those it names"):
        read_content(path)


def test_copies_of_one_thing_are_counted(tmp_path: Path) -> None:
    """A dict of 4,000 entries, taken over by 4,000 calls: a file of 200 kB that asks for a gigabyte."""
    one = pickled({f"k{number}": number for number in range(4_000)})[2:-1]
    call = name("collections", "Counter") + b"h\x00\x85R"
    data = b"\x80\x02(" + one + call * 4_000 + b"t."
    with pytest.raises(EngineError, match="over and over"):
        read_content(archive(tmp_path / "copies.pt", data))


def test_a_module_is_taken_before_averaged_tensors_and_said(tmp_path: Path) -> None:
    leaf = module("models.common.Conv", _parameters=b"}" + text("weight") + four("0") + b"s")
    data = b"\x80\x02}" + text("ema") + b"}" + text("weight") + four("1") + b"ss" + text("model") + leaf + b"s."
    content = read_content(archive(tmp_path / "last.pt", data, {"0": bytes(16), "1": bytes(16)}))
    assert content.modules == {"": "models.common.Conv"}
    assert content.notes == (
        "the weights of 'model' were taken: the averaged ones (ema) are tensors without their modules",
    )


def test_what_a_newer_version_adds_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "own.pt"
    save_checkpoint(nano(), path)
    torch.save({**torch.load(path, weights_only=True), "optimizer": {"step": 3}}, path)
    assert same(read_checkpoint(path), nano())


def test_a_checkpoint_becomes_a_subject(tmp_path: Path) -> None:
    path = tmp_path / "own.pt"
    save_checkpoint(nano(), path)
    subject = open_subject(path)
    assert subject.card.name == "own"
    assert subject.card.input == nano().input
    assert [head.name for head in subject.card.heads] == ["drivable", "lane"]
    assert subject.checkpoint is not None
    assert same(subject.checkpoint, nano())
    assert subject.report[0] == "TwinLiteNet+ nano, 0.03 M parameters"
    assert "input: 64×32, stretch, RGB" in subject.report
    assert subject.report[-5:] == ("epoch: 7", "from: a test", "licence: MIT", "drawn", "not trained")


def test_the_subject_has_the_weights_of_the_file(tmp_path: Path) -> None:
    path, network = tmp_path / "own.pt", build(nano().blueprint)
    network.load_state_dict(dict(nano().state))
    save_checkpoint(nano(), path)
    assert isinstance(network, Network)
    images = torch.rand(1, 3, 32, 64)
    with torch.inference_mode():
        pairs = zip(open_subject(path).plain(["lane"])(images), network.eval().plain(["lane"])(images), strict=True)
        assert all(torch.equal(one, other) for one, other in pairs)


def test_classes_from_a_stranger_do_not_steer_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "own.pt"
    save_checkpoint(nano(lane=("other", "\x1b[2Jlane")), path)
    assert all(line.isprintable() for line in open_subject(path).report)


def test_unknown_networks_are_described(tmp_path: Path) -> None:
    torch.save(WEIGHTS, tmp_path / "state.pt")
    with pytest.raises(
        EngineError, match=r"2 tensors, first: conv.weight, conv.steps → known: A-YOLOM, YOLOP"
    ) as caught:
        open_subject(tmp_path / "state.pt")
    leaf = module(
        "models.crack.Unet", _parameters=b"}" + text("weight") + tensor(storage("0", 4), 0, (4,), (1,)) + b"s"
    )
    archive(tmp_path / "module.pt", entry("model", leaf), {"0": bytes(16)})
    with pytest.raises(EngineError, match="modules Unet") as caught:
        read_checkpoint(tmp_path / "module.pt")
    assert "ultralytics' own" in caught.value.cure


def test_a_refusal_names_the_file(tmp_path: Path) -> None:
    path = archive(tmp_path / "evil.pt", pickled({"model": print}))
    for read in (read_content, read_checkpoint, open_subject):
        with pytest.raises(EngineError, match=r"evil\.pt refused: the file wants __builtin__\.print"):
            read(path)


REAL = {
    "goldens/checkpoints/ayolom-n.pt": ("A-YOLOM n, 3.64 M", 613),
    "goldens/checkpoints/agents-tiny.pt": ("road agents", 417),
    "goldens/checkpoints/ddrnet23slim-kcw-layout-zeros.pth.gz": ("DDRNet 23-slim, 5.74 M", 388),
    "goldens/checkpoints/ddrnet23slim-chenjun-fullmodel-layout-zeros.pth.gz": ("DDRNet 23-slim, 5.73 M", 347),
    "goldens/checkpoints/yolop-end-to-end-layout-zeros.pth.gz": ("YOLOP", 542),
    "weights/yolov5n.pt": ("YOLOv5 n, 1.87 M", 349),
    "weights/twinlitenet.pth": ("TwinLiteNet", 183),
    "weights/twinlitenetplus_small.pth": ("TwinLiteNet+ small, 0.12 M", 282),
}


@pytest.mark.shared
@pytest.mark.parametrize("file", REAL)
def test_real_checkpoints_are_read_and_kept(shared: Path, tmp_path: Path, file: str) -> None:
    title, count = REAL[file]
    path = shared / file
    if path.suffix == ".gz":
        with pytest.raises(EngineError, match="gzip"):
            read_content(path)
        path = tmp_path / path.stem
        path.write_bytes(gzip.decompress((shared / file).read_bytes()))
    assert len(read_content(path).state) == count
    subject = open_subject(path)
    assert subject.report[0].startswith(title)
    assert subject.checkpoint is not None
    save_checkpoint(subject.checkpoint, tmp_path / "own.pt")
    assert same(read_checkpoint(tmp_path / "own.pt"), subject.checkpoint)


@pytest.mark.shared
def test_a_family_s_complaint_names_the_file(shared: Path, tmp_path: Path) -> None:
    state = read_content(shared / "weights" / "twinlitenetplus_small.pth").state
    torch.save({key: value for key, value in state.items() if key != "caam.relu.weight"}, tmp_path / "cut.pt")
    with pytest.raises(EngineError, match=r"cut\.pt is of TwinLiteNet\+ small, but 1 tensor is missing"):
        open_subject(tmp_path / "cut.pt")


@pytest.mark.shared
@pytest.mark.parametrize("file", ["ayolom-n.pt", "agents-tiny.pt"])
def test_the_modules_of_a_fork_are_all_seen(shared: Path, file: str) -> None:
    """The classes of the modules are those that the file names, as its makers listed them."""
    folder = shared / "goldens" / "checkpoints"
    listed = json.loads((folder / f"{file}.json").read_text())["pickled_globals"]
    content = read_content(folder / file)
    classes = {path for path in listed if path.startswith(("torch.nn.modules.", "ultralytics.nn."))}
    assert set(content.modules.values()) == classes
    attributes = set(json.loads((folder / f"{file}.json").read_text())["model_attributes"])
    assert set(content.model) == attributes


def test_weights_rounded_to_whole_numbers_are_refused(tmp_path: Path) -> None:
    blueprint = Blueprint("twinlitenetplus", "nano", {"drivable": ("other", "road"), "lane": ("other", "line")})
    state = {key: value.to(torch.int64) for key, value in build(blueprint).state_dict().items()}
    save_checkpoint(Checkpoint(blueprint, state, InputCard(), "", ""), tmp_path / "whole.pt")
    with pytest.raises(EngineError, match="of whole numbers"):
        read_checkpoint(tmp_path / "whole.pt")
