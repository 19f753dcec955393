"""float16: what is half, what stays whole, what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from contracts.errors import EngineError
from tests.training.onnx_networks import model_of, node, two_masks
from tests.training.tiny_networks import SIZE, subject
from training.export import export, torch_run
from training.half import halved
from training.half_range import require_range
from training.onnx_files import inputs_of, outputs_of, read_onnx, write_onnx
from training.order import Order
from training.rework import rework
from training.runtimes import RUNTIMES, in_onnxruntime

FEW = ("synthetic:?size=192x128&seconds=3&fps=1",)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("half") / "tiny.onnx"
    export(subject(), path, Order(precision="fp16", sources=FEW), lambda _: None)
    return path


def types(model: onnx.ModelProto) -> dict[str, int]:
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    described = (*inferred.graph.value_info, *inferred.graph.output, *inferred.graph.input)
    return {value.name: value.type.tensor_type.elem_type for value in described}


def test_convolutions_are_half_boxes_are_put_together_whole_and_the_outside_stays(exported: Path) -> None:
    model = read_onnx(exported)
    found = types(model)
    convolutions = [each for each in model.graph.node if each.op_type == "Conv"]
    assert convolutions
    assert {found[each.output[0]] for each in convolutions} == {TensorProto.FLOAT16}
    assert {found[each.output[0]] for each in model.graph.node if each.op_type in ("Tanh", "Concat")} == {
        TensorProto.FLOAT
    }
    weights = {tensor.data_type for tensor in model.graph.initializer if len(tensor.dims) == 4 and tensor.dims[1] > 1}
    assert weights == {TensorProto.FLOAT16}
    assert [str(spec) for spec in inputs_of(model)] == ["images float32 [1,3,64,96]"]
    assert [spec.dtype for spec in outputs_of(model)] == ["float32", "uint8", "uint8"]


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_it_runs_and_gives_nearly_the_same(exported: Path, runtime: str) -> None:
    images = np.random.default_rng(0).random((1, 3, SIZE[1], SIZE[0]), np.float32)
    expected = torch_run(subject().plain(("boxes",)))(images)["boxes"]
    found = RUNTIMES[runtime](exported)(images)["boxes"]
    assert np.abs(found - expected).max() < 0.02
    assert np.abs(found - expected).max() > 1e-5  # it is half indeed


def test_the_file_is_half_as_large(tmp_path: Path) -> None:
    weights = {"w": np.random.default_rng(0).normal(size=(64, 3, 9, 9)).astype(np.float32)}
    model = model_of([node("Conv", ["images", "w"], ["y"])], weights, {"y": (TensorProto.FLOAT, (1, 64, 24, 40))})
    assert len(halved(model).SerializeToString()) < 0.52 * len(model.SerializeToString())


def test_a_resize_is_half_but_its_scales_are_not(tmp_path: Path) -> None:
    model = model_of(
        [
            node("Conv", ["images", "w"], ["c"]),
            node("Resize", ["c", "", "twice"], ["large"], mode="nearest"),
            node("Conv", ["large", "v"], ["y"]),  # so that the resize is in the half part
        ],
        {
            "w": np.ones((16, 3, 1, 1), np.float32),
            "twice": np.array([1, 1, 2, 2], np.float32),
            "v": np.ones((4, 16, 1, 1), np.float32),
        },
        {"y": (TensorProto.FLOAT, (1, 4, 64, 96))},
    )
    half = halved(model)
    assert types(half)["large"] == TensorProto.FLOAT16
    (resize,) = (each for each in half.graph.node if each.op_type == "Resize")
    kinds = {tensor.name: tensor.data_type for tensor in half.graph.initializer}
    assert kinds[resize.input[2]] == TensorProto.FLOAT
    write_onnx(half, tmp_path / "half.onnx")
    for open_in in RUNTIMES.values():
        assert open_in(tmp_path / "half.onnx")(np.zeros((1, 3, 32, 48), np.float32))["y"].dtype == np.float32


def test_a_value_that_crosses_is_cast_once() -> None:
    """Two nodes behind one convolution, both on the way to a float output."""
    model = model_of(
        [
            node("Conv", ["images", "w"], ["c"]),
            node("Sigmoid", ["c"], ["s"]),
            node("Mul", ["c", "s"], ["y"]),
            node("Greater", ["c", "zero"], ["g"]),
            node("Cast", ["g"], ["m"], to=TensorProto.UINT8),
        ],
        {"w": np.ones((16, 3, 1, 1), np.float32), "zero": np.zeros((), np.float32)},
        {"y": (TensorProto.FLOAT, (1, 16, 32, 48)), "m": (TensorProto.UINT8, (1, 16, 32, 48))},
    )
    half = halved(model)
    casts = [each for each in half.graph.node if each.op_type == "Cast" and each.input[0] == "c"]
    assert len(casts) == 1
    (greater,) = (each for each in half.graph.node if each.op_type == "Greater")
    assert greater.input[0] == "c"  # half against half
    assert types(half)[greater.input[0]] == TensorProto.FLOAT16


def test_an_output_that_is_also_read_inside_keeps_its_name_and_type(tmp_path: Path) -> None:
    model = model_of(
        [
            node("Conv", ["images", "w"], ["features"]),
            node("Conv", ["features", "v"], ["y"]),
        ],
        {"w": np.ones((16, 3, 1, 1), np.float32), "v": np.ones((4, 16, 1, 1), np.float32)},
        {"features": (TensorProto.FLOAT, (1, 16, 32, 48)), "y": (TensorProto.FLOAT, (1, 4, 32, 48))},
    )
    write_onnx(halved(model), tmp_path / "half.onnx")
    images = np.random.default_rng(0).random((1, 3, 32, 48), np.float32)
    found = in_onnxruntime(tmp_path / "half.onnx")(images)
    assert {name: array.dtype.name for name, array in found.items()} == {"features": "float32", "y": "float32"}
    np.testing.assert_allclose(found["features"][:, 0], images.sum(1), rtol=2e-3)
    np.testing.assert_allclose(found["y"][:, 0], 16 * images.sum(1), rtol=5e-3)


def test_a_weight_beyond_the_range_is_refused_by_name() -> None:
    model = model_of(
        [node("Conv", ["images", "first.weight"], ["y"])],
        {"first.weight": np.full((16, 3, 1, 1), 7e4, np.float32)},
        {"y": (TensorProto.FLOAT, (1, 16, 32, 48))},
    )
    with pytest.raises(EngineError, match=r"weight 'first\.weight' reaches 7e\+04, float16 ends at 65504"):
        halved(model)


def test_what_overflows_inside_is_refused_and_not_written(tmp_path: Path) -> None:
    path = two_masks(tmp_path / "two.onnx", weight=6e4)
    with pytest.raises(EngineError, match=r"'common' inside the network reaches .* on frame 0, float16 ends at 65504"):
        rework(path, tmp_path / "half.onnx", Order(precision="fp16", sources=FEW), lambda _: None)
    assert not (tmp_path / "half.onnx").exists()


def test_no_number_inside_is_refused_although_the_output_is_one(tmp_path: Path) -> None:
    model = model_of(
        [
            node("Conv", ["images", "w"], ["negative"]),
            node("Sqrt", ["negative"], ["none"]),
            node("Conv", ["none", "v"], ["after"]),
            node("IsNaN", ["after"], ["where"]),
            node("Where", ["where", "zero", "after"], ["y"]),
        ],
        {
            "w": np.full((16, 3, 1, 1), -1, np.float32),
            "v": np.ones((4, 16, 1, 1), np.float32),
            "zero": np.zeros((), np.float32),
        },
        {"y": (TensorProto.FLOAT, (1, 4, 32, 48))},
    )
    frames = [np.ones((1, 3, 32, 48), np.float32)]
    with pytest.raises(EngineError, match=r"'none' inside the network reaches nan on frame 0"):
        require_range(model, halved(model), frames)


def test_networks_that_are_not_plain_floats_are_refused(exported: Path) -> None:
    with pytest.raises(EngineError, match="float16 weights already"):
        halved(read_onnx(exported))
    quantised = model_of(
        [
            node("QuantizeLinear", ["images", "scale", "zero"], ["q"]),
            node("DequantizeLinear", ["q", "scale", "zero"], ["y"]),
        ],
        {"scale": np.array(0.1, np.float32), "zero": np.array(0, np.uint8)},
        {"y": (TensorProto.FLOAT, (1, 3, 32, 48))},
    )
    with pytest.raises(EngineError, match="quantised already"):
        halved(quantised)
