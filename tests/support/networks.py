"""Tiny networks made on the spot, whose answers a test can work out by hand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

SIZE = (64, 48)  # width, height


def mask_network(path: Path, *, card: bool = True) -> Path:
    """[1,3,48,64] RGB / 255 → ``mask`` [1,2,48,64]: channel 1 wins where red is over one half."""
    width, height = SIZE
    weight = np.zeros((2, 3, 1, 1), np.float32)
    weight[1, 0] = 1
    nodes = [helper.make_node("Conv", ["images", "weight", "bias"], ["mask"])]
    constants = [
        numpy_helper.from_array(weight, "weight"),
        numpy_helper.from_array(np.array([0.5, 0], np.float32), "bias"),
    ]
    _save(path, nodes, constants, {"mask": np.zeros((1, 2, height, width), np.float32)})
    if card:
        head = "{name: drivable, kind: two_class_mask, role: drivable, outputs: [mask]}"
        path.with_suffix(".card.yaml").write_text(
            f"name: red-area\ninput: {{fit: stretch}}\nheads: [{head}]\n", encoding="utf-8"
        )
    return path


def box_network(path: Path, *, card: bool = True, classes: str = "[car, bus]", drift: float = 0) -> Path:
    """[1,3,48,64] → ``boxes`` [1,6,2]: a car at 16,16,20,12 (score 0.9) and a bus at 48,24,16,16 (0.6).

    drift: pixels that both go to the right from a black picture to a white one; 0: they are always there.
    """
    rows = np.array([[16, 16, 20, 12, 0.9, 0.1], [48, 24, 16, 16, 0.2, 0.6]], np.float32).T[None]
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "drift"], ["drifted"]),
        helper.make_node("Add", ["rows", "drifted"], ["boxes"]),
    ]
    right = np.array([drift, 0, 0, 0, 0, 0], np.float32)[None, :, None]
    constants = [numpy_helper.from_array(rows, "rows"), numpy_helper.from_array(right, "drift")]
    _save(path, nodes, constants, {"boxes": np.zeros((1, 6, 2), np.float32)})
    if card:
        head = f"{{name: boxes, kind: yolo_boxes, classes: {classes}}}"
        path.with_suffix(".card.yaml").write_text(f"name: two-boxes\nheads: [{head}]\n", encoding="utf-8")
    return path


def constant_network(path: Path, outputs: Mapping[str, NDArray[Any]]) -> Path:
    """[1,3,48,64] → these arrays, whatever it is shown; without a card."""
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["none"]),
    ]
    constants = [numpy_helper.from_array(np.zeros((), np.float32), "zero")]
    for name, array in outputs.items():
        number = helper.np_dtype_to_tensor_dtype(array.dtype)
        constants.append(numpy_helper.from_array(np.ascontiguousarray(array), f"{name} there"))
        nodes.append(helper.make_node("Cast", ["none"], [f"{name} none"], to=number))
        nodes.append(helper.make_node("Add", [f"{name} there", f"{name} none"], [name]))
    _save(path, nodes, constants, outputs)
    return path


def agents_network(path: Path, *, card: bool = True) -> Path:
    """[1,3,48,64] → ``agents`` [1,19,64], ``prototypes`` [1,4,12,16], always the same.

    A car at 16,16,20,12 (score 0.9), in the own lane, braking; a bus at 48,24,16,16 (0.6), parked, no light on. Masks
    are full. Their eleven scores are those that the road-agents network has.
    """
    car = [16, 16, 20, 12, 0.9, 0.1, 0.8, 0.1, 0.1, 0.1, 0.1, 0.9, 0.1, 0.2, 0.1, 1, 0, 0, 0]
    bus = [48, 24, 16, 16, 0.1, 0.6, 0.1, 0.1, 0.2, 0.1, 0.7, 0.1, 0.1, 0.2, 0.1, 1, 0, 0, 0]
    rows = np.zeros((64, 19), np.float32)  # as many as an input of 64 × 48 has cells
    rows[[4, 40]] = [car, bus]
    constant_network(path, {"agents": rows.T[None], "prototypes": np.ones((1, 4, 12, 16), np.float32)})
    if card:
        names = (
            "classes: [Car, Bus], locations: [VehLane, OutgoLane, IncomLane, Jun, Parking],"
            " actions: [Brake, IncatLft, IncatRht, HazLit]"
        )
        head = f"{{name: agents, kind: road_agents, outputs: [agents, prototypes], {names}}}"
        path.with_suffix(".card.yaml").write_text(
            f"name: two-agents\ninput: {{fit: stretch}}\nheads: [{head}]\n", encoding="utf-8"
        )
    return path


def _save(
    path: Path, nodes: list[onnx.NodeProto], constants: list[onnx.TensorProto], outputs: Mapping[str, NDArray[Any]]
) -> None:
    """outputs: arrays of their shape and type."""
    width, height = SIZE
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, height, width])],
        [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), list(array.shape))
            for name, array in outputs.items()
        ],
        constants,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
