"""A tiny network for every kind of head, each with its card: what it finds is always the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from contracts.card import HeadKind
from tests.support.networks import SIZE, box_network, mask_network

WIDTH, HEIGHT = SIZE
_CAR, _BUS = (16, 16, 20, 12), (48, 24, 16, 16)
"""Centre and size, as ``box_network`` has them."""


def _corners(box: Sequence[float]) -> tuple[float, ...]:
    x, y, width, height = box
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def _constant(path: Path, outputs: Mapping[str, NDArray[np.float32]], card: str) -> Path:
    """[1,3,48,64] → these very tensors (the picture, times 0, is added: a network must look at something)."""
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], axes=[0, 1, 2, 3], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        *(helper.make_node("Add", [f"{name}_given", "nothing"], [name]) for name in outputs),
    ]
    constants = [numpy_helper.from_array(np.zeros((), np.float32), "zero")]
    constants += [numpy_helper.from_array(tensor, f"{name}_given") for name, tensor in outputs.items()]
    return _save(
        path, nodes, {name: (TensorProto.FLOAT, tensor.shape) for name, tensor in outputs.items()}, constants, card
    )


def _save(
    path: Path,
    nodes: list[onnx.NodeProto],
    outputs: Mapping[str, tuple[int, Sequence[int]]],
    constants: list[onnx.TensorProto],
    card: str,
) -> Path:
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, HEIGHT, WIDTH])
    infos = [helper.make_tensor_value_info(name, kind, list(shape)) for name, (kind, shape) in outputs.items()]
    graph = helper.make_graph(nodes, "tiny", [images], infos, constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    path.with_suffix(".card.yaml").write_text(f"name: {path.stem}\nheads: [{card}]\n", encoding="utf-8")
    return path


def end_to_end(path: Path) -> Path:
    rows = np.array([[*_corners(_CAR), 0.9, 0], [*_corners(_BUS), 0.6, 1], [0, 0, 0, 0, 0, 0]], np.float32)
    return _constant(path, {"rows": rows[None]}, "{name: finished, kind: yolo_boxes_end2end, classes: [car, bus]}")


def anchors(path: Path) -> Path:
    rows = np.array([[*_CAR, 0.95, 0.9, 0.1], [*_BUS, 0.9, 0.1, 0.6], [*_BUS, 0.05, 0.9, 0.9]], np.float32)
    return _constant(path, {"rows": rows[None]}, "{name: anchored, kind: anchor_boxes, classes: [car, bus]}")


def instances(path: Path) -> Path:
    """Prototypes: all of the picture, and its left half less its right one; the bus has no mask."""
    columns = np.array([[*_CAR, 0.9, 0.1, 1, 0], [*_BUS, 0.2, 0.6, -1, 0]], np.float32).T
    prototypes = np.ones((1, 2, HEIGHT // 4, WIDTH // 4), np.float32)
    card = "{name: things, kind: yolo_instances, classes: [car, bus]}"
    return _constant(path, {"boxes": np.ascontiguousarray(columns[None]), "prototypes": prototypes}, card)


def road_agents(path: Path) -> Path:
    """As ``instances``, the car ahead with its brake lights on, the bus parked."""
    car, bus = [*_CAR, 0.9, 0.1, 0.8, 0.2, 0.9, 0.1, 1, 0], [*_BUS, 0.2, 0.6, 0.1, 0.7, 0.2, 0.1, -1, 0]
    columns = np.array([car, bus], np.float32).T
    prototypes = np.ones((1, 2, HEIGHT // 4, WIDTH // 4), np.float32)
    card = (
        "{name: agents, kind: road_agents, classes: [car, bus], locations: [VehLane, Parking],"
        " actions: [Brake, HazLit]}"
    )
    return _constant(path, {"boxes": np.ascontiguousarray(columns[None]), "prototypes": prototypes}, card)


def mask_ids(path: Path) -> Path:
    """uint8, the arg-max inside: 1 where red is over one half, else 0."""
    mask_network(path, card=False)
    model = onnx.load(path)
    graph = model.graph
    graph.node.append(helper.make_node("ArgMax", ["mask"], ["best"], axis=1, keepdims=0))
    graph.node.append(helper.make_node("Cast", ["best"], ["ids"], to=TensorProto.UINT8))
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("ids", TensorProto.UINT8, [1, HEIGHT, WIDTH]))
    onnx.save(model, path)
    card = "name: ids\nheads: [{name: lane, kind: mask_ids, role: lane}]\n"
    path.with_suffix(".card.yaml").write_text(card, encoding="utf-8")
    return path


def class_map(path: Path) -> Path:
    scores = np.zeros((1, 3, HEIGHT // 4, WIDTH // 4), np.float32)
    scores[0, 1, 6:] = scores[0, 2, 9:, 8:] = 1
    scores[0, 2, 9:, 8:] = 2
    return _constant(path, {"scores": scores}, "{name: scene, kind: class_map, classes: [sky, road, water]}")


def classification(path: Path) -> Path:
    card = "{name: kind, kind: classification, classes: [street, forest, tunnel]}"
    return _constant(path, {"scores": np.array([[0.7, 0.2, 0.1]], np.float32)}, card)


EVERY_HEAD: Mapping[HeadKind, Callable[[Path], Path]] = {
    "yolo_boxes": box_network,
    "yolo_boxes_end2end": end_to_end,
    "anchor_boxes": anchors,
    "yolo_instances": instances,
    "two_class_mask": mask_network,
    "mask_ids": mask_ids,
    "class_map": class_map,
    "classification": classification,
    "road_agents": road_agents,
}
"""Kind → what writes its network, with its card beside it."""
