"""ONNX → ONNX, and cards for files that have none."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto

from contracts.card import Card, HeadCard, HeadKind, InputCard
from contracts.config import EngineConfig
from contracts.errors import EngineError, UsageError
from engines.cards import METADATA_KEY
from engines.open import open_engine
from tests.support.networks import box_network, mask_network
from tests.training.onnx_networks import DRIVABLE, Dims, model_of, node, two_masks
from training.importing import UnclearError, found_card, write_card, write_copy
from training.onnx_files import inputs_of, metadata, outputs_of, read_onnx, with_card
from training.order import Order
from training.rework import rework
from training.runtimes import in_onnxruntime

FEW = ("synthetic:?seconds=4&fps=1",)


def order(**given: Any) -> Order:
    return Order(**{"sources": FEW, **given})


def done(source: Path, output: Path, **given: Any) -> list[str]:
    said: list[str] = []
    rework(source, output, order(**given), said.append)
    return said


def images(width: int, height: int, batch: int = 1) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.random.default_rng(0).random((batch, 3, height, width), np.float32)


def test_a_head_less_is_an_output_and_its_operators_less(tmp_path: Path) -> None:
    source = two_masks(tmp_path / "two.onnx")
    done(source, tmp_path / "lane.onnx", heads=("lane",))
    model = read_onnx(tmp_path / "lane.onnx")
    assert [spec.name for spec in outputs_of(model)] == ["ll"]
    assert sorted(each.op_type for each in model.graph.node) == ["Conv", "Conv", "Relu", "Sigmoid"]
    card = Card.from_yaml(metadata(model)[METADATA_KEY], "inside")
    assert [head.name for head in card.heads] == ["lane"]
    assert card.origin == "a test"
    both = in_onnxruntime(source)(images(48, 32))
    np.testing.assert_array_equal(in_onnxruntime(tmp_path / "lane.onnx")(images(48, 32))["ll"], both["ll"])


def test_a_network_of_convolutions_takes_any_size_and_says_how_it_was_compared(tmp_path: Path) -> None:
    source = two_masks(tmp_path / "two.onnx")
    said = done(source, tmp_path / "large.onnx", size=(64, 48))
    assert said[0].startswith("the file cannot take this size as it is")
    model = read_onnx(tmp_path / "large.onnx")
    assert [str(spec) for spec in (*inputs_of(model), *outputs_of(model))] == [
        "images float32 [1,3,48,64]",
        "da float32 [1,2,48,64]",
        "ll float32 [1,2,48,64]",
    ]
    for backend in ("openvino", "onnxruntime"):
        config = EngineConfig.model_validate({"file": tmp_path / "large.onnx", "backend": backend})
        with closing(open_engine(config)) as engine:
            assert len(engine.card.heads) == 2


def test_an_open_size_is_fixed_and_compared_with_the_file_itself(tmp_path: Path) -> None:
    card = Card(name="two", input=InputCard(size=(48, 32)), heads=(DRIVABLE,))
    source = two_masks(tmp_path / "two.onnx", ("batch", 3, "height", "width"), card=card)
    said = done(source, tmp_path / "fixed.onnx", size=(64, 48), batch=1)
    assert not any("cannot take this size" in line for line in said)
    assert str(inputs_of(read_onnx(tmp_path / "fixed.onnx"))[0]) == "images float32 [1,3,48,64]"


def test_a_batch_is_opened_where_the_graph_allows(tmp_path: Path) -> None:
    source = two_masks(tmp_path / "two.onnx")
    done(source, tmp_path / "open.onnx", batch="dynamic")
    run, one = in_onnxruntime(tmp_path / "open.onnx"), in_onnxruntime(source)
    several = images(48, 32, batch=5)
    np.testing.assert_allclose(run(several)["da"][3:4], one(several[3:4])["da"], atol=1e-5)
    done(source, tmp_path / "two-at-once.onnx", batch=2)
    assert in_onnxruntime(tmp_path / "two-at-once.onnx")(several[:2])["ll"].shape == (2, 2, 32, 48)


@pytest.mark.parametrize(
    ("built_in", "wish"),
    [
        ("resize", {"size": (64, 48)}),
        ("reshape", {"size": (64, 48)}),
        ("reshape", {"batch": "dynamic"}),
        ("pixels", {"size": (32, 48)}),  # as many pixels as before: every constant fits
        ("pixels", {"size": (96, 16)}),
    ],
)
def test_sizes_built_into_the_graph_are_refused_and_nothing_is_written(
    tmp_path: Path, built_in: str, wish: dict[str, Any]
) -> None:
    source = two_masks(tmp_path / "two.onnx", built_in=built_in)
    with pytest.raises(EngineError, match=r"has the sizes of images float32 \[1,3,32,48\] built into its operators"):
        done(source, tmp_path / "out.onnx", **wish)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["two.onnx"]


def grid_boxes(path: Path, kind: HeadKind = "yolo_boxes", dims: Dims = (1, 3, 32, 48)) -> Path:
    """Boxes (1, 6, N) of a cell of 8 pixels each, whose places are a constant as exporters make it."""
    rng = np.random.default_rng(6)
    rows, columns = np.mgrid[: dims[2] // 8, : dims[3] // 8].reshape(2, 1, -1) * 8.0  # type: ignore[operator]
    constants: dict[str, NDArray[np.generic]] = {
        "w": rng.normal(size=(6, 3, 8, 8)).astype(np.float32) / 100,
        "flat": np.array([0, 6, -1], np.int64),
        "grid": np.vstack([columns, rows, np.zeros((4, rows.size))])[None].astype(np.float32),
    }
    nodes = [
        node("Conv", ["images", "w"], ["raw"], strides=[8, 8]),
        node("Reshape", ["raw", "flat"], ["rows"]),
        node("Sigmoid", ["rows"], ["scores"]),
        node("Add", ["scores", "grid"], ["boxes"]),
    ]
    model = model_of(nodes, constants, {"boxes": (TensorProto.FLOAT, (1, 6, rows.size))}, dims)
    head = HeadCard(name="boxes", kind=kind, outputs=("boxes",), classes=("car", "bus"))
    with_card(model, Card(name="grid", input=InputCard(fit="stretch"), heads=(head,)))
    onnx.save(model, path)
    return path


@pytest.mark.parametrize("size", [(32, 48), (96, 16), (64, 48)], ids=["swapped", "as many cells", "more"])
def test_a_file_of_boxes_keeps_the_size_that_its_grid_was_made_for(tmp_path: Path, size: tuple[int, int]) -> None:
    source = grid_boxes(tmp_path / "grid.onnx")
    with pytest.raises(
        EngineError, match=r"where the boxes of boxes lie may be built into it.*given \d+x\d+"
    ) as caught:
        done(source, tmp_path / "out.onnx", size=size)
    assert "from its checkpoint" in caught.value.cure
    assert list(tmp_path.iterdir()) == [source]
    done(source, tmp_path / "half.onnx", size=(48, 32), precision="fp16")


def test_half_of_a_file_is_held_to_the_file(tmp_path: Path) -> None:
    source = two_masks(tmp_path / "two.onnx")
    said = done(source, tmp_path / "half.onnx", precision="fp16")
    assert all(line.startswith("holds") for line in said[1:])
    (kind,) = {
        tensor.data_type for tensor in read_onnx(tmp_path / "half.onnx").graph.initializer if tensor.name[:2] == "w0"
    }
    assert kind == TensorProto.FLOAT16


def test_files_that_cannot_be_reworked_say_why(tmp_path: Path) -> None:
    (tmp_path / "ir.xml").write_text("<net/>", encoding="utf-8")
    (tmp_path / "ir.bin").write_bytes(b"x")
    with pytest.raises(EngineError, match="OpenVINO IR"):
        done(tmp_path / "ir.xml", tmp_path / "out.onnx")
    bare = mask_network(tmp_path / "bare.onnx", card=False)
    with pytest.raises(EngineError, match="has no card"):
        done(bare, tmp_path / "out.onnx", precision="fp16")
    source = two_masks(tmp_path / "two.onnx")
    with pytest.raises(UsageError, match="did you mean 'lane'"):
        done(source, tmp_path / "out.onnx", heads=("lanes",))


NAMED = ("drive_area_seg", "lane_line_seg")


def unknown(path: Path, outputs: dict[str, tuple[int, ...]], dims: tuple[int, ...] = (1, 3, 96, 64)) -> Path:
    """A file without a card whose outputs have these shapes."""
    nodes = [node("ReduceMean", ["images"], ["mean"], keepdims=0)]
    nodes += [node("Expand", ["mean", f"{name}_shape"], [name]) for name in outputs]
    shapes = {f"{name}_shape": np.array(shape, np.int64) for name, shape in outputs.items()}
    model = model_of(nodes, shapes, {name: (TensorProto.FLOAT, shape) for name, shape in outputs.items()}, dims)
    onnx.save(model, path)
    return path


@pytest.mark.parametrize(
    ("outputs", "kinds", "roles"),
    [
        ({"output0": (1, 84, 126)}, ["yolo_boxes"], [""]),
        ({"det": (1, 378, 85)}, ["anchor_boxes"], [""]),
        (dict.fromkeys(("da", "ll"), (1, 2, 96, 64)), ["two_class_mask"] * 2, ["drivable", "lane"]),
        (dict.fromkeys(NAMED, (1, 2, 96, 64)), ["two_class_mask"] * 2, ["drivable", "lane"]),
        ({"classes": (1, 19, 96, 64)}, ["class_map"], [""]),
    ],
)
def test_outputs_that_leave_no_doubt_get_a_card_that_says_what_was_assumed(
    tmp_path: Path, outputs: dict[str, tuple[int, ...]], kinds: list[str], roles: list[str]
) -> None:
    file = unknown(tmp_path / "net.onnx", outputs)
    found = found_card(file)
    assert [head.kind for head in found.card.heads] == kinds
    assert [head.role for head in found.card.heads] == roles
    assert found.assumed
    assert not found.there
    write_card(found, tmp_path / "net.card.yaml", overwrite=False)
    text = (tmp_path / "net.card.yaml").read_text(encoding="utf-8")
    assert all(f"# ASSUMED: {doubt}" in text for doubt in found.assumed)
    assert found_card(file).card == found.card
    assert found_card(file).there


def test_names_that_come_from_a_registered_network_are_clear(tmp_path: Path) -> None:
    """One class "vehicle" is no name that everybody gives, but YOLOP's outputs have names of their own."""
    masks = dict.fromkeys(NAMED, (1, 2, 320, 320))
    file = unknown(tmp_path / "mine.onnx", {"det_out": (1, 6300, 6), **masks}, (1, 3, 320, 320))
    found = found_card(file)
    assert found.card.heads[0].classes == ("vehicle",)
    assert any("are those of yolop" in doubt for doubt in found.assumed)


@pytest.mark.parametrize(
    ("outputs", "said"),
    [
        ({"output0": (1, 300, 6)}, "how the classes of 'boxes' are called"),
        ({"logits": (1, 1000)}, "how the classes of 'classification' are called"),
        ({"mask": (1, 2, 96, 64)}, "what the mask 'mask' shows"),
        ({"output0": (1, 84, 126), "other": (1, 7)}, "are called|what output other"),
    ],
)
def test_outputs_that_could_be_many_things_are_for_a_person(
    tmp_path: Path, outputs: dict[str, tuple[int, ...]], said: str
) -> None:
    with pytest.raises(UnclearError, match=said) as caught:
        found_card(unknown(tmp_path / "net.onnx", outputs))
    assert Card.from_yaml(caught.value.card, "to complete").heads
    assert "# ASSUMED" in caught.value.card


def test_outputs_that_nobody_reads_get_no_card(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="no card can be made"):
        found_card(unknown(tmp_path / "net.onnx", {"x": (1, 3, 5, 7, 9)}))


def test_a_card_that_contradicts_its_file_is_refused(tmp_path: Path) -> None:
    file = box_network(tmp_path / "boxes.onnx", classes="[car, bus, van]")
    with pytest.raises(EngineError, match="for 3 classes"):
        found_card(file)


def test_a_copy_has_its_card_inside_and_the_same_answers(tmp_path: Path) -> None:
    file = mask_network(tmp_path / "mask.onnx")
    write_copy(file, found_card(file).card, tmp_path / "copy.onnx", overwrite=False)
    with closing(open_engine(EngineConfig(file=tmp_path / "copy.onnx", backend="onnxruntime"))) as engine:
        assert engine.card.heads == (
            HeadCard(name="drivable", kind="two_class_mask", role="drivable", outputs=("mask",)),
        )
    pixels = images(64, 48)
    before, after = in_onnxruntime(file)(pixels), in_onnxruntime(tmp_path / "copy.onnx")(pixels)
    np.testing.assert_array_equal(before["mask"], after["mask"])
