"""Checkpoints of the three code bases of DDRNet: recognised from keys and shapes, or refused with the reason."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from contracts.errors import EngineError
from tests.training.ddrnets import (
    AUXILIARY,
    BIASED,
    GOLDENS,
    Options,
    Theirs,
    content,
    loaded,
    random_network,
    recognised,
)
from tests.training.goldens import Golden
from training.checkpoints import read_checkpoint
from training.foreign.content import Content
from training.foreign.ddrnet import recognise
from training.networks.ddrnet_classes import CITYSCAPES, ETRI
from training.networks.families import build


@pytest.fixture
def layout(shared: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Unpacks one of the checkpoints that have the keys and shapes of real ones."""

    def unpacked(name: str) -> Path:
        file = tmp_path / f"{name}.pth"
        file.write_bytes(gzip.decompress((shared / "goldens" / "checkpoints" / f"{name}.pth.gz").read_bytes()))
        return file

    return unpacked


@pytest.mark.shared
def test_the_checkpoint_of_chenjun_is_read(layout: Callable[[str], Path]) -> None:
    checkpoint = read_checkpoint(layout("ddrnet23slim-chenjun-fullmodel-layout-zeros"))
    assert (checkpoint.blueprint.variant, checkpoint.blueprint.options) == ("23-slim", AUXILIARY)
    assert checkpoint.blueprint.classes == {"classes": tuple(CITYSCAPES)}
    assert (checkpoint.epoch, checkpoint.licence) == (484, "MIT")


@pytest.mark.shared
def test_the_checkpoint_of_kcw_is_read(layout: Callable[[str], Path]) -> None:
    checkpoint = read_checkpoint(layout("ddrnet23slim-kcw-layout-zeros"))
    assert (checkpoint.blueprint.variant, checkpoint.blueprint.options) == ("23-slim", BIASED | AUXILIARY)
    assert checkpoint.blueprint.classes == {"classes": ETRI}
    assert (checkpoint.epoch, checkpoint.licence) == (149, "none stated")
    assert any("class names assumed" in note for note in checkpoint.notes)


@pytest.mark.shared
@pytest.mark.parametrize(("name", "variant", "options", "count"), GOLDENS)
def test_the_oracle_has_the_keys_of_the_original_programs(
    shared: Path, name: str, variant: str, options: Options, count: int
) -> None:
    written = Theirs(variant, bias="convolution_bias" in options, auxiliary="auxiliary" in options).state
    golden = Golden(shared, name).facts["keys"]
    assert {key: list(value.shape) for key, value in written.items()} == {key: shape for key, shape, _ in golden}


@pytest.mark.parametrize("variant", ["23-slim", "23", "39"])
@pytest.mark.parametrize("auxiliary", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_every_dialect_of_every_variant_loads_strictly(variant: str, bias: bool, auxiliary: bool) -> None:
    checkpoint = recognised(Theirs(variant, bias=bias, auxiliary=auxiliary).state)
    assert checkpoint.blueprint.variant == variant
    assert checkpoint.blueprint.options == (BIASED if bias else {}) | (AUXILIARY if auxiliary else {})
    with torch.device("meta"):
        network = build(checkpoint.blueprint)
    network.load_state_dict(dict(checkpoint.state), assign=True)


@pytest.mark.parametrize("prefix", ["", "model.", "model.module."])
def test_wrappers_and_their_loss_are_taken_off(prefix: str) -> None:
    state = {f"{prefix}{key}": value for key, value in Theirs("23-slim").state.items()}
    state["loss.criterion.weight"] = torch.ones(19)
    assert recognised(state).state.keys() == random_network().state_dict().keys()


def test_classes_are_named_where_their_number_is_known() -> None:
    def found(**how: int | bool) -> tuple[tuple[str, ...], str]:
        checkpoint = recognised(Theirs("23-slim", bias=bool(how.get("bias")), classes=how["classes"]).state)
        return checkpoint.blueprint.classes["classes"], checkpoint.notes[-1]

    assert found(classes=19) == (
        tuple(CITYSCAPES),
        "class names assumed, check them: Cityscapes' 19 (the file has none)",
    )
    assert found(classes=19, bias=True)[0] == ETRI
    names, note = found(classes=3)
    assert names == ("class 0", "class 1", "class 2")
    assert "no class names" in note


def test_changed_widths_of_heads_and_pyramid_are_read_from_shapes() -> None:
    network = random_network(19, {"auxiliary": True, "head_channels": 48, "pyramid_channels": 96})
    theirs = Theirs("23-slim", auxiliary=True)
    theirs._head("final_layer", 128, 48, 19)
    theirs._head("seghead_extra", 64, 48, 19)
    theirs._pyramid(512, 96, 128)
    checkpoint = recognised(theirs.state)
    assert checkpoint.blueprint.options == network.blueprint.options
    assert loaded(checkpoint)


def test_epoch_and_notes_come_along() -> None:
    found = recognise(Content(Theirs("23-slim").state, {}, {"epoch": 7}, {}, ("read from its second half",)))
    assert found is not None
    assert found.epoch == 7
    assert found.notes[0] == "read from its second half"
    assert recognised(Theirs("23-slim").state, epoch="seven").epoch is None


@pytest.mark.parametrize(
    "keys",
    [
        (),
        ("module.encoder.level1.conv.weight",),
        ("conv1.0.weight", "layer3_.0.conv1.weight", "layer5_.0.conv1.weight", "pag3.f_x.0.weight"),  # PIDNet
        ("conv1.weight", "layer1.0.conv1.weight", "layer4.0.downsample.0.weight", "fc.weight"),  # ResNet
    ],
)
def test_other_networks_are_not_recognised(keys: tuple[str, ...]) -> None:
    assert recognise(content({key: torch.zeros(32, 3, 3, 3) for key in keys})) is None


def _without(*prefixes: str) -> Callable[[dict[str, Tensor]], dict[str, Tensor]]:
    return lambda state: {key: value for key, value in state.items() if not key.startswith(prefixes)}


def _with(**tensors: Tensor) -> Callable[[dict[str, Tensor]], dict[str, Tensor]]:
    return lambda state: state | {key.replace("__", "."): value for key, value in tensors.items()}


def _without_some_biases(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key: value for key, value in state.items() if not (".conv" in key and key.endswith("bias") and "4" in key)}


@pytest.mark.parametrize(
    ("bias", "change", "message"),
    [
        (False, _without("layer4.1.conv2.weight"), r"1 tensor is missing, first: layer4\.1\.conv2"),
        (False, _without("layer4.1.", "layer2.0.bn1.bias"), r"13 tensors are missing, first: layer2\.0\.bn1\.bias"),
        (False, _with(layer9__weight=torch.zeros(1)), r"1 tensor is unknown, first: layer9\.weight"),
        (False, _with(layer1__0__conv1__weight=torch.zeros(32, 32, 5, 5)), r"\[32, 32, 5, 5\] instead of \[32, 32, 3"),
        (False, _with(conv1__0__weight=torch.zeros(48, 3, 3, 3)), r"first convolution has 48 channels"),
        (False, _with(conv1__0__weight=torch.tensor(32.0)), r"first convolution has 0 channels"),
        (False, _with(model__conv1__0__weight=torch.zeros(32, 3, 3, 3)), r"a DDRNet held twice"),
        (False, _with(final_layer__conv1__weight=torch.zeros(0, 128, 3, 3)), r"conv1\.weight is missing or no conv"),
        (False, _without("conv1."), r"first convolution has 0 channels"),
        (False, _with(layer3_1__0__conv1__weight=torch.zeros(1)), r"stages of DDRNet-39, but .* 32 channels"),
        (False, _without("final_layer."), r"without a segmentation head"),
        (False, _without("final_layer.conv2.weight"), r"final_layer\.conv2\.weight is missing"),
        (False, _with(final_layer__conv2__weight=torch.zeros(1, 64, 1, 1)), r"with 1 classes"),
        (False, _with(final_layer__conv2__weight=torch.zeros(19)), r"final_layer\.conv2\.weight is missing or no conv"),
        (False, _with(layer1__0__conv1__bias=torch.zeros(32)), r"only 1 of 41 convolutions .* have a bias"),
        (False, _with(down4__0__bias=torch.zeros(128)), r"only 1 of 41 convolutions .* first: down4\.0"),
        (True, _without_some_biases, r"only \d\d of 41 convolutions"),
        (True, _without("layer1.0.conv1.bias"), r"only 40 of 41 convolutions"),
        (False, _with(seghead_extra__conv1__weight=torch.zeros(64, 64, 3, 3)), r"tensors are missing, first: seghead"),
    ],
)
def test_a_file_that_is_nearly_one_is_refused(
    bias: bool, change: Callable[[dict[str, Tensor]], dict[str, Tensor]], message: str
) -> None:
    with pytest.raises(EngineError, match=message) as refused:
        recognise(content(change(Theirs("23-slim", bias=bias).state)))
    assert refused.value.cure
