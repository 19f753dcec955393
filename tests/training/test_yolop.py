"""YOLOP: against the original's golden outputs and checkpoint layout; its rewrites against what they replace."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from contracts.errors import EngineError
from tests.support.boxes import unlike_boxes
from tests.training.goldens import Golden
from training.blueprint import Blueprint
from training.checkpoints import read_checkpoint
from training.foreign import yolov5
from training.foreign.content import Content
from training.foreign.csp_keys import layers, their_key
from training.foreign.yolop import AREAS, recognise
from training.networks.blocks import folded
from training.networks.csp_blocks import NormedCrossStage, Stem
from training.networks.families import build
from training.networks.upsampling import UpsampledStage, before_upsampling
from training.networks.yolop import AreaBranch, Yolop
from training.tracing import traced

RELATIVE = 2e-5
HEADS = ["boxes", "drivable", "lane"]
ONE_CLASS = Blueprint("yolop", "standard", {"boxes": ("vehicle",)})


def alive(module: nn.Module, inputs: Tensor) -> Any:
    """The module in eval mode, with statistics as training on the inputs leaves them: folding has something to do."""
    torch.manual_seed(4)
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.momentum = 0.5  # half way: no variance so small that rounding would be all that is seen
            nn.init.uniform_(norm.weight, 0.8, 1.6)
            nn.init.uniform_(norm.bias, -0.3, 0.3)
    with torch.no_grad():
        module.train()(inputs)
    return module.eval()


@pytest.fixture(scope="module")
def network() -> Yolop:
    torch.manual_seed(0)
    made = alive(build(ONE_CLASS), pictures(2))
    assert isinstance(made, Yolop)
    for branch in (made.drivable, made.lane):
        centre_scores(made, branch)
    return made


def centre_scores(made: Yolop, branch: AreaBranch) -> None:
    """Drawn weights would find one class everywhere; so about half of each mask is area."""
    seen: list[Tensor] = []
    hook = branch.scores.convolution.register_forward_hook(lambda _, __, output: seen.append(output))
    with torch.no_grad():
        made(pictures(2))
    hook.remove()
    branch.scores.norm.get_buffer("running_mean").copy_(seen[0].mean((0, 2, 3)))
    nn.init.zeros_(branch.scores.norm.get_parameter("bias"))


def pictures(batch: int = 1, height: int = 64, width: int = 96) -> Tensor:
    return torch.randn(batch, 3, height, width, generator=torch.Generator().manual_seed(3))


@pytest.mark.shared
def test_golden_outputs(shared: Path) -> None:
    golden = Golden(shared, "yolop")
    checkpoint = recognise(Content(golden.state(), {}, {"epoch": 240, "model": "MCnet"}, {}))
    assert checkpoint is not None
    assert (checkpoint.epoch, checkpoint.blueprint.classes) == (240, {"boxes": ("vehicle",)})
    made = build(checkpoint.blueprint)
    made.load_state_dict(dict(checkpoint.state))
    made.eval()
    assert isinstance(made, Yolop)
    assert sum(parameter.numel() for parameter in made.parameters()) == 7_940_846
    deployed = made.deployed(HEADS)
    for case in golden.cases():
        with torch.inference_mode():
            raw, found = made(case.images), deployed(case.images)
            boxes = made.boxes.decode(raw.levels)
        for index, level in enumerate(raw.levels):
            assert golden.difference(case, f"det_raw{index}", level) < RELATIVE
        for decoded in (boxes, found[0]):
            assert golden.difference(case, "det", decoded) < RELATIVE
            left_over = golden.array(case, "nms_conf0.25_iou0.45_item0")
            assert unlike_boxes(decoded[:1].numpy(), ("vehicle",), left_over) == 0
        for name, scores, mask in (("da", raw.drivable, found[1]), ("ll", raw.lane, found[2])):
            assert golden.difference(case, name, scores.sigmoid()) < RELATIVE
            assert (mask.numpy() != golden.foreground(case, name)).mean() <= 1e-4


@pytest.mark.shared
def test_the_layout_of_a_real_checkpoint_is_read(shared: Path, tmp_path: Path) -> None:
    """{epoch, model (a name), state_dict, optimizer}, every weight zero."""
    packed = shared / "goldens" / "checkpoints" / "yolop-end-to-end-layout-zeros.pth.gz"
    file = tmp_path / "End-to-end.pth"
    file.write_bytes(gzip.decompress(packed.read_bytes()))
    checkpoint = read_checkpoint(file)
    assert (checkpoint.blueprint.family, checkpoint.licence) == ("yolop", "MIT")
    assert not any(value.any() for value in checkpoint.state.values() if value.is_floating_point())


@pytest.mark.parametrize("batch", [1, 2])
def test_deployed_gives_what_plain_gives(network: Yolop, batch: int) -> None:
    images = pictures(batch)
    with torch.inference_mode():
        raw = network(images)
        plain, found = network.plain(HEADS)(images), network.deployed(HEADS)(images)
    for output, expected in zip(
        plain, (network.boxes.decode(raw.levels), *(s.sigmoid() for s in raw[1:])), strict=True
    ):
        torch.testing.assert_close(output, expected)
    torch.testing.assert_close(found[0], plain[0], atol=5e-3, rtol=0)
    for scores, mask in zip(plain[1:], found[1:], strict=True):
        assert scores.shape == (batch, 2, 64, 96)
        assert mask.dtype == torch.uint8
        wrong = mask != scores.argmax(1)
        assert not (wrong & ((scores[:, 1] - scores[:, 0]).abs() > 1e-5)).any()
        assert mask.unique().tolist() == [0, 1]


def test_only_what_the_wanted_heads_need_is_kept(network: Yolop) -> None:
    images = pictures()
    whole = network.deployed(HEADS)
    with torch.inference_mode():
        expected = dict(zip(HEADS, whole(images), strict=True))
        for wanted in (["lane"], ["boxes", "drivable"]):
            part = network.deployed(wanted)
            assert part.names == tuple(wanted)
            for name, output in zip(wanted, part(images), strict=True):
                assert torch.equal(output, expected[name])
            assert not [
                key for key in part.state_dict() if key.startswith("heads.") and key.split(".")[1] not in wanted
            ]
            assert len(network.plain(wanted)(images)) == len(wanted)


def test_exported_it_gives_the_same(network: Yolop) -> None:
    deployed = network.deployed(HEADS)
    model = traced(deployed, (96, 64), "dynamic").SerializeToString()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    assert [output.type for output in session.get_outputs()] == ["tensor(float)", "tensor(uint8)", "tensor(uint8)"]
    for count in (1, 3):
        images = pictures(count)
        with torch.inference_mode():
            expected = deployed(images)
        found = session.run(HEADS, {"images": images.numpy()})
        np.testing.assert_allclose(found[0], expected[0], atol=5e-3)
        for mask, ids in zip(found[1:], expected[1:], strict=True):
            assert mask.shape == ids.shape
            assert (mask != ids.numpy()).mean() <= 3e-4


def test_focus_is_one_convolution() -> None:
    """The original cuts the picture into its four quarters by parity, then convolves; borders included."""
    content = Content(originals(build(ONE_CLASS)), {}, {}, {})
    weight = torch.randn(32, 12, 3, 3)
    content.state["model.0.conv.conv.weight"].copy_(weight)
    checkpoint = recognise(content)
    assert checkpoint is not None
    stem = Stem(32, nn.Identity)
    stem.convolution.weight.data = checkpoint.state["body.stem.convolution.weight"]
    image = torch.randn(2, 3, 8, 12)
    cells = torch.cat([image[..., row::2, column::2] for column in (0, 1) for row in (0, 1)], 1)
    torch.testing.assert_close(stem.convolution(image), functional.conv2d(cells, weight, padding=1))


@pytest.mark.parametrize("bias", [True, False])
def test_a_convolution_moves_before_its_upsample(bias: bool) -> None:
    torch.manual_seed(1)
    convolution = nn.Conv2d(5, 3, 3, padding=1, bias=bias)
    features = torch.randn(2, 5, 4, 7)
    expected = convolution(functional.interpolate(features, scale_factor=2, mode="nearest"))
    found = functional.pixel_shuffle(before_upsampling(convolution)(features), 2)
    torch.testing.assert_close(found, expected)


def test_a_stage_moves_before_its_upsample() -> None:
    torch.manual_seed(2)
    features = torch.randn(2, 12, 4, 6)
    stage = alive(NormedCrossStage(12, 8, 1, residual=False, activation=nn.Hardswish), features)
    with torch.inference_mode():
        expected = stage(functional.interpolate(features, scale_factor=2, mode="nearest"))
        small = folded(stage)
        small.fold_norm()
        found = UpsampledStage(small)(features)
    torch.testing.assert_close(found, expected)


def originals(made: Any) -> dict[str, Tensor]:
    """The state under the original's keys, Focus and the second copy of the anchors as they are there."""
    focus = {"0.conv.conv.weight": torch.zeros(0)}
    places = {**layers(focus, pooling_first=True), **AREAS}
    state = {f"model.{their_key(made, key, places)}": value.clone() for key, value in made.state_dict().items()}
    state["model.0.conv.conv.weight"] = torch.randn(32, 12, 3, 3)
    pixels = state["model.24.anchors"] * torch.tensor([8, 16, 32]).reshape(3, 1, 1)
    state["model.24.anchor_grid"] = pixels.reshape(3, 1, 3, 1, 1, 2)
    return state


Change = Callable[[dict[str, Tensor]], object]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("model.33.conv.weight"), r"YOLOP, but 1 tensor is missing, first: 33\.conv\.weight"),
        (lambda s: [s.pop(f"model.{n}.conv.weight") for n in (30, 39)], "2 tensors are missing"),
        (lambda s: s.update({"model.40.cv5.weight": torch.zeros(1)}), r"1 tensor is unknown, first: 40\.cv5"),
        (
            lambda s: s.update({"model.42.conv.weight": torch.zeros(3, 8, 3, 3)}),
            r"first: 42\.conv\.weight \[3, 8, 3, 3\] instead of \[2, 8, 3, 3\]",
        ),
        (lambda s: s.update({"model.24.anchor_grid": torch.ones(3, 1, 3, 1, 1, 2)}), "anchors contradict"),
    ],
)
def test_what_is_not_quite_a_yolop_is_refused_by_name(change: Change, message: str) -> None:
    state = originals(build(ONE_CLASS))
    change(state)
    with pytest.raises(EngineError, match=message):
        recognise(Content(state, {}, {}, {}))


def test_more_classes_are_numbered() -> None:
    made = build(Blueprint("yolop", "standard", {"boxes": ("a", "b", "c")}))
    checkpoint = recognise(Content(originals(made), {}, {}, {}))
    assert checkpoint is not None
    assert checkpoint.blueprint.classes["boxes"] == ("class 0", "class 1", "class 2")
    assert checkpoint.notes


def test_yolop_is_not_taken_for_yolov5_nor_anything_for_yolop() -> None:
    state = originals(build(ONE_CLASS))
    assert yolov5.recognise(Content(state, {}, {}, {})) is None
    assert recognise(Content({**state, "model.43.conv.weight": torch.zeros(1)}, {}, {}, {})) is None
    assert recognise(Content({}, {}, {}, {})) is None
    assert recognise(Content({"weight": torch.zeros(1)}, {}, {}, {})) is None
