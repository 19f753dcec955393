"""Runs whose networks speak about the whole picture: class maps and classifications reach events and picture."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.support.clips import write_clip
from tests.support.events import events_of
from tests.support.networks import mask_network
from tests.support.program import run_stream


def class_map_network(path: Path) -> Path:
    """The mask network fed with BGR, its scores read as a class map: "blue" where blue is over one half, else "dim"."""
    mask_network(path, card=False)
    head = "{name: scene, kind: class_map, classes: [dim, blue], palette: ['#ffffff', '#ff0000']}"
    path.with_suffix(".card.yaml").write_text(
        f"name: blue-classes\ninput: {{fit: stretch, colour: bgr}}\nheads: [{head}]\n", encoding="utf-8"
    )
    return path


def classifier(path: Path) -> Path:
    """[1,3,48,64] → ``scores`` [1,3]: always 0.1, 0.7, 0.2."""
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Add", ["scores_given", "nothing"], ["scores"]),
    ]
    constants = [
        numpy_helper.from_array(np.array([[0.1, 0.7, 0.2]], np.float32), "scores_given"),
        numpy_helper.from_array(np.zeros((), np.float32), "zero"),
    ]
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 48, 64])
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 3])
    graph = helper.make_graph(nodes, "tiny", [images], [scores], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    head = "{name: waste, kind: classification, classes: [glass, carton, paper], texts: [a, Flatten it., c]}"
    path.with_suffix(".card.yaml").write_text(f"name: waste\nheads: [{head}]\n", encoding="utf-8")
    return path


def first_luma(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    with av.open(str(path)) as container:
        return np.asarray(next(container.decode(video=0)).to_ndarray(format="gray"), np.uint8)


@pytest.mark.parametrize("backend", ["openvino", "onnxruntime"])
def test_a_class_map_and_a_classification_reach_events_and_picture(tmp_path: Path, backend: str) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 8)
    engines: list[str | Path] = [
        "--engine",
        class_map_network(tmp_path / "map.onnx"),
        "--engine",
        classifier(tmp_path / "waste.onnx"),
    ]
    events, out = tmp_path / "out.jsonl", tmp_path / "out.mp4"
    done = run_stream(clip, *engines, "--backend", backend, "--events", events, "--save", out, "--layers", "drivable")
    assert done.code == 0, done.err
    lines = events_of(events)
    assert len(lines) == 8
    for line in lines:
        shares = line["class_maps"]["scene"]
        assert shares["blue"] == pytest.approx(16 * 16 / (128 * 96), abs=0.01)  # the clip's square
        assert shares["blue"] + shares["dim"] == pytest.approx(1, abs=1e-5)
        best = line["classification"][0]
        assert (best["class"], best["text"]) == ("carton", "Flatten it.")
    brighter = first_luma(out).astype(int) - first_luma(clip)
    assert np.median(brighter) > 50, "what is dim is painted white"
