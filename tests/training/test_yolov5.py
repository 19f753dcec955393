"""YOLOv5: against the original's golden outputs, its own keys run layer by layer, and a real checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor

from contracts.card import HeadCard
from contracts.errors import EngineError
from contracts.fit import Letterbox
from contracts.prediction import Detections
from contracts.protocols import Thresholds
from engines.class_names import usual_names
from engines.heads.open import open_head
from tests.support.boxes import unlike_boxes
from tests.training.goldens import Golden, drawing_rule
from tests.training.original_yolov5 import Original
from training.blueprint import Blueprint
from training.checkpoints import read_checkpoint
from training.foreign.content import Content
from training.foreign.yolov5 import recognise
from training.networks.anchor_head import STRIDES
from training.networks.families import build
from training.networks.yolov5 import FAMILY, Yolov5
from training.tracing import traced

RELATIVE = 2e-5


def loaded(content: Content) -> Yolov5:
    checkpoint = recognise(content)
    assert checkpoint is not None
    network = build(checkpoint.blueprint)
    network.load_state_dict(dict(checkpoint.state))
    assert isinstance(network, Yolov5)
    return network.eval()


def pictures(batch: int = 1, height: int = 64, width: int = 96) -> Tensor:
    return torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize(
    ("variant", "parameters"),
    [("n", 1_872_157), ("s", 7_235_389), ("m", 21_190_557), ("l", 46_563_709), ("x", 86_749_405)],
)
def test_every_variant_has_the_published_number_of_parameters(variant: str, parameters: int) -> None:
    with torch.device("meta"):
        network = build(Blueprint("yolov5", variant, {"boxes": usual_names(80)}))
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters


@pytest.mark.shared
def test_golden_outputs(shared: Path) -> None:
    golden = Golden(shared, "yolov5n")
    network = loaded(Content(golden.state(), {}, {}, {}))
    deployed = network.deployed(["boxes"])
    for case in golden.cases():
        with torch.inference_mode():
            levels = network(case.images).levels
            boxes = (network.boxes.decode(levels), deployed(case.images)[0])
        for index, level in enumerate(levels):
            assert golden.difference(case, f"det_raw{index}", level) < RELATIVE
        for found in boxes:
            assert golden.difference(case, "det", found) < RELATIVE
            left_over = golden.array(case, "nms_conf0.25_iou0.45_item0")
            assert unlike_boxes(found[:1].numpy(), usual_names(80), left_over) == 0


@pytest.mark.shared
def test_golden_head_alone(shared: Path) -> None:
    golden = Golden(shared, "yolov5n")
    head = loaded(Content(golden.state(), {}, {}, {})).boxes
    shapes = [(1, 64, 5, 7), (1, 128, 3, 4), (1, 256, 2, 2)]
    rule = drawing_rule(shared)
    features = [
        torch.from_numpy(rule.stream(f"feat{index}").normal(0, 1, shape).astype(np.float32))
        for index, shape in enumerate(shapes)
    ]
    expected = np.load(shared / "goldens" / "yolov5n-head.npz")
    with torch.inference_mode():
        raw = head(features)
        for index, level in enumerate(raw):
            np.testing.assert_allclose(level, expected[f"det_raw{index}"], atol=RELATIVE * 5)
        for boxes in (head.decode(raw), head.deployed()(features)):
            np.testing.assert_allclose(boxes, expected["det"], atol=5e-3)
            np.testing.assert_allclose(boxes[..., 4:], expected["det"][..., 4:], atol=1e-5)


def forms(network: Yolov5) -> dict[str, Callable[..., Any]]:
    return {"plain": network.plain, "deployed": network.deployed}


@pytest.mark.parametrize("release", ["6.0", "5.0"])
@pytest.mark.parametrize(("size", "classes"), [("n", 1), ("s", 4)])
def test_gives_what_the_original_gives_layer_by_layer(size: str, classes: int, release: str) -> None:
    """Releases 4.0 and 5.0 have Focus, their pooling elsewhere and more bottlenecks; there is no golden of them."""
    original = Original(size, classes, release)
    network = loaded(original.content())
    images = pictures(2)
    with torch.inference_mode():
        found, expected = network(images).levels, original(images)
        for level, wanted in zip(found, expected, strict=True):
            torch.testing.assert_close(level, wanted, atol=2e-5 * float(wanted.abs().max()), rtol=0)
        boxes = slow_decode(expected, original.state["model.24.anchors"])
        for run in forms(network).values():
            np.testing.assert_allclose(run(["boxes"])(images)[0], boxes, atol=5e-3)


def slow_decode(levels: list[Tensor], anchors: Tensor) -> np.ndarray[Any, Any]:
    """Cell by cell, in the order level, anchor, row, column; anchors: a training's own, in cells."""
    pictures_ = []
    for picture in range(len(levels[0])):
        rows = []
        for level, values in enumerate(levels):
            for anchor, row, column in np.ndindex(*values.shape[1:4]):
                s = 1 / (1 + np.exp(-values[picture, anchor, row, column].double().numpy()))
                centre = (2 * s[:2] - 0.5 + np.array([column, row])) * STRIDES[level]
                size = (2 * s[2:4]) ** 2 * anchors[level, anchor].double().numpy() * STRIDES[level]
                rows.append(np.concatenate([centre, size, s[4:]]))
        pictures_.append(rows)
    return np.array(pictures_)


@pytest.mark.parametrize("size", ["m", "l", "x"])
def test_the_larger_variants_are_recognised(size: str) -> None:
    checkpoint = recognise(Original(size).content())
    assert checkpoint is not None
    assert (checkpoint.blueprint.variant, dict(checkpoint.blueprint.options)) == (size, {})


def test_what_a_file_says_is_kept() -> None:
    content = Original("n", 2).content(epoch=49, opt={"imgsz": 960})
    checkpoint = recognise(content)
    assert checkpoint is not None
    assert checkpoint.blueprint.classes == {"boxes": ("thing 0", "thing 1")}
    assert (checkpoint.epoch, checkpoint.input.size, checkpoint.notes) == (49, (960, 960), ())
    torch.testing.assert_close(checkpoint.state["boxes.anchors"], content.state["model.24.anchors"])


@pytest.mark.parametrize(
    ("names", "classes"),
    [
        ({0: "a", 1: "b"}, ("a", "b")),
        (["a", "b"], ("a", "b")),
        (["a"], ("class 0", "class 1")),
        ({0: "a", 2: "b"}, ("class 0", "class 1")),
        (["a", 7], ("class 0", "class 1")),
        (None, ("class 0", "class 1")),
    ],
)
@pytest.mark.parametrize("opt", [{"imgsz": "x"}, {"imgsz": 333}, None, {}])
def test_strange_facts_do_no_harm(names: Any, classes: tuple[str, ...], opt: Any) -> None:
    state = NANO.state
    checkpoint = recognise(Content(state, {"names": names}, {"epoch": -1, "opt": opt}, {}))
    assert checkpoint is not None
    assert checkpoint.blueprint.classes["boxes"] == classes
    assert (checkpoint.epoch, checkpoint.input.size) == (None, (640, 640))
    assert bool(checkpoint.notes) == (classes[0] == "class 0")


NANO = Original("n", 2)
Change = Callable[[dict[str, Tensor]], object]


def renamed(state: dict[str, Tensor], old: str, new: str) -> None:
    for key in [key for key in state if key.startswith(old)]:
        state[new + key.removeprefix(old)] = state.pop(key)


def fused(state: dict[str, Tensor]) -> None:
    for key in [key for key in state if ".bn." in key]:
        value = state.pop(key)
        if key.endswith("bn.bias"):
            state[key.replace("bn.bias", "conv.bias")] = value


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("model.9.cv1.bn.weight"), r"YOLOv5n, but 1 tensor is missing, first: 9\.cv1\.bn\.weight"),
        (lambda s: s.pop("model.24.anchors"), r"1 tensor is missing, first: 24\.anchors"),
        (lambda s: s.pop("model.24.m.0.weight"), r"box head 24\.m\.0\.weight is missing"),
        (lambda s: s.update({"model.5.x": torch.zeros(1)}), r"1 tensor is unknown, first: 5\.x"),
        (
            lambda s: s.update({"model.7.conv.weight": torch.zeros(9, 9, 3, 3)}),
            r"another shape, first: 7\.conv\.weight \[9, 9, 3, 3\] instead of \[256, 128, 3, 3\]",
        ),
        (lambda s: s.update({"model.1.conv.weight": torch.zeros(48, 24, 3, 3)}), "no size known: layer 1 has 48"),
        (lambda s: s.update({"model.24.anchors": torch.zeros(3, 4, 2)}), r"with anchors \[3, 4, 2\]"),
        (lambda s: s.update({"model.24.anchors": torch.zeros(())}), r"with anchors \[\]"),
        (lambda s: s.update({"model.24.anchor_grid": torch.ones(3, 1, 3, 1, 1, 2)}), "anchors contradict"),
        (lambda s: s.update({"model.24.proto.cv1.conv.weight": torch.zeros(1)}), "YOLOv5 segmentation network"),
        (lambda s: s.update({"model.9.linear.weight": torch.zeros(1)}), "YOLOv5 classification network"),
        (lambda s: renamed(s, "model.24.", "model.33."), r"four levels \(n6"),
        (lambda s: s.update({"model.2.cv4.conv.weight": torch.zeros(1)}), "before release 4.0"),
        (fused, "batch norms are folded"),
    ],
)
def test_what_is_not_quite_a_yolov5_is_refused_by_name(change: Change, message: str) -> None:
    state = dict(NANO.state)
    change(state)
    with pytest.raises(EngineError, match=message) as caught:
        recognise(Content(state, {}, {}, {}))
    assert caught.value.cure


def test_another_activation_is_refused() -> None:
    modules = {
        "model.0.act": "torch.nn.modules.activation.SiLU",
        "model.3.act": "torch.nn.modules.activation.LeakyReLU",
    }
    with pytest.raises(EngineError, match=r"LeakyReLU instead of SiLU \(at model\.3\.act\)"):
        recognise(Content(NANO.state, {}, {}, modules))


def test_prefixes_of_wrappers_are_passed_over() -> None:
    state = {f"model.model.{key}": value for key, value in NANO.state.items()}
    assert recognise(Content(state, {}, {}, {})) is not None


@pytest.mark.parametrize(
    "keys",
    [
        [],
        ["model.0.conv.weight", "model.24.m.0.weight"],
        ["encoder.level1.conv.weight"],
        # YOLOv5u of ultralytics: another head on the same body.
        [key for key in NANO.state if not key.startswith("model.24.")] + ["model.24.cv2.0.0.conv.weight"],
        # YOLOP goes on behind the box head.
        [*NANO.state, "model.25.conv.weight"],
        # YOLOv7 and others have their anchors elsewhere.
        ["model.105.anchors", "model.105.m.0.weight", "model.24.conv.weight"],
    ],
    ids=["nothing", "too little", "TwinLiteNet", "YOLOv5u", "YOLOP", "YOLOv7"],
)
def test_other_families_are_left_to_others(keys: list[str]) -> None:
    assert recognise(Content(dict.fromkeys(keys, torch.zeros(1)), {}, {}, {})) is None


def test_exported_with_an_open_batch_it_gives_the_same() -> None:
    network = loaded(NANO.content()).deployed(["boxes"])
    model = traced(network, (96, 64), "dynamic").SerializeToString()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    for count in (1, 3):
        images = pictures(count)
        with torch.inference_mode():
            (expected,) = network(images)
        (found,) = session.run(["boxes"], {"images": images.numpy()})
        np.testing.assert_allclose(found, expected, atol=5e-3)
        np.testing.assert_allclose(found[..., 4:], expected[..., 4:], atol=1e-5)


def test_the_network_trained_stays_as_it_is() -> None:
    network = build(Blueprint("yolov5", "n", {"boxes": ("car",)})).train()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    network.plain(["boxes"]), network.deployed(["boxes"])
    assert network.training
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_a_fresh_network_expects_little() -> None:
    """The first step of a training would else drown in false objects: 8 are expected per anchor."""
    torch.manual_seed(0)
    network = build(Blueprint("yolov5", "n", {"boxes": usual_names(80)})).eval()
    with torch.inference_mode():
        boxes = network.plain(["boxes"])(pictures(1, 320, 320))[0]
    assert 0.5 < float(boxes[..., 4].sum()) / (9 * 8 / 4) < 2


@pytest.mark.shared
def test_the_real_checkpoint_sees_the_cars(shared: Path) -> None:
    """A full pickle of the code base, read without it. Frame 40 of the street clip: cars parked on both sides."""
    checkpoint = read_checkpoint(shared / "weights" / "yolov5n.pt")
    assert (checkpoint.blueprint.variant, checkpoint.blueprint.classes["boxes"]) == ("n", usual_names(80))
    assert not checkpoint.blueprint.options
    assert checkpoint.notes == ()
    network = build(checkpoint.blueprint)
    network.load_state_dict(dict(checkpoint.state))
    tensor, fit = letterboxed(shared / "clips" / "city_seattle_a.mp4", 40)
    head = open_head(HeadCard(name="boxes", kind="anchor_boxes", classes=usual_names(80)))
    with torch.inference_mode():
        output = network.deployed(["boxes"])(tensor)[0].numpy()
    part = head.decode({"boxes": output}, fit, (fit.frame_width, fit.frame_height), Thresholds(score=0.4))
    assert isinstance(part, Detections)
    names = [part.name(index) for index in range(len(part))]
    assert names.count("car") >= 3
    assert set(names) <= {"car", "truck", "bus", "person", "traffic light", "bicycle"}


def letterboxed(clip: Path, index: int) -> tuple[Tensor, Letterbox]:
    with av.open(str(clip)) as container:
        frame = next(frame for number, frame in enumerate(container.decode(video=0)) if number == index)
        rgb = frame.to_ndarray(format="rgb24")
    height, width = rgb.shape[:2]
    scale = 640 / max(height, width)
    small = cv2.resize(rgb, (round(width * scale), round(height * scale)))
    left, top = (640 - small.shape[1]) // 2, (640 - small.shape[0]) // 2
    square = np.full((640, 640, 3), 114, np.uint8)
    square[top : top + small.shape[0], left : left + small.shape[1]] = small
    tensor = torch.from_numpy(np.ascontiguousarray(square.transpose(2, 0, 1)[None])).float() / 255
    return tensor, Letterbox(width, height, 640, 640)


def test_the_family_says_how_it_is_fed() -> None:
    assert (FAMILY.input.fit, FAMILY.input.pad, FAMILY.input.colour, FAMILY.input.scale) == (
        "letterbox",
        114,
        "rgb",
        255,
    )
