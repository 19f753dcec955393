"""What only ONNX Runtime has: a thread of ours, outputs of open shape, failures while it runs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from contracts.errors import EngineError
from engines.onnxruntime import OnnxRuntimeEngine
from tests.engines import tiny


def test_outputs_of_open_shape_come_as_they_are(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("NonZero", ["images"], ["places"]),
        helper.make_node("Cast", ["places"], ["seen"], to=TensorProto.FLOAT),
    ]
    file = tiny.save(tmp_path / "n.onnx", nodes, {"seen": ("axes", "count")}, {"images": (1, 3, 12, 16)})
    engine = OnnxRuntimeEngine(tiny.config(tiny.with_card(file), "onnxruntime"))
    assert engine.outputs[0].shape == (4, -1)
    tickets = []
    for count in (5, 0, 7):
        tensor = engine.buffer(engine.inputs[0])
        tensor[:] = 0
        tensor.reshape(-1)[:count] = 1
        tickets.append((count, engine.submit({"images": tensor})))
        if len(tickets) == engine.depth:
            for wanted, ticket in tickets:
                assert ticket.result(20)["seen"].shape == (4, wanted)
                ticket.close()
            tickets.clear()
    engine.close()


def test_a_failure_while_it_runs_is_an_error_of_that_ticket_only(tmp_path: Path) -> None:
    """Gather beyond the end: the file cannot know."""
    nodes = [
        helper.make_node("ReduceMax", ["images"], ["most"], keepdims=0),
        helper.make_node("Cast", ["most"], ["index"], to=TensorProto.INT64),
        helper.make_node("Gather", ["table", "index"], ["seen"]),
    ]
    table = numpy_helper.from_array(np.arange(10, dtype=np.float32), "table")
    file = tiny.save(tmp_path / "g.onnx", nodes, {"seen": ()}, {"images": (1, 3, 12, 16)}, [table])
    engine = OnnxRuntimeEngine(tiny.config(tiny.with_card(file), "onnxruntime"))
    for value, works in ((3, True), (99, False), (4, True)):
        tensor = engine.buffer(engine.inputs[0])
        tensor[:] = value
        ticket = engine.submit({"images": tensor})
        if works:
            assert ticket.result(20)["seen"] == value
        else:
            with pytest.raises(EngineError, match=r"engine g failed: .*indices element out of data bounds") as caught:
                ticket.result(20)
            assert "\n" not in str(caught.value)
        ticket.close()
    engine.close()


def test_an_idle_engine_burns_no_cpu(tmp_path: Path) -> None:
    """Spinning threads would keep the cores busy for a while after each inference."""
    engine = OnnxRuntimeEngine(tiny.config(tiny.with_card(tiny.slow(tmp_path / "s.onnx")), "onnxruntime", threads=4))
    spent = 0.0
    for _ in range(5):
        ticket = engine.submit({"images": engine.buffer(engine.inputs[0])})
        ticket.result(60)
        before = time.process_time()
        time.sleep(0.1)
        spent += time.process_time() - before
        ticket.close()
    engine.close()
    assert spent < 0.1, f"{spent:.2f} CPU-seconds in 0.5 s of doing nothing"


def test_what_is_no_tensor_of_numbers_is_refused(tmp_path: Path) -> None:
    nodes = [helper.make_node("Cast", ["images"], ["seen"], to=TensorProto.STRING)]
    tensor = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "g", [tensor("images", 1, [1, 3, 8, 8])], [tensor("seen", TensorProto.STRING, [1, 3, 8, 8])]
    )
    file = tmp_path / "text.onnx"
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, file)
    with pytest.raises(EngineError, match=r"seen of the network is tensor\(string\)"):
        OnnxRuntimeEngine(tiny.config(tiny.with_card(file), "onnxruntime"))


def test_float16_inputs_get_float16(tmp_path: Path) -> None:
    dims = (1, 3, 12, 16)
    nodes = [helper.make_node("Abs", ["images"], ["seen"])]
    file = tiny.save(tmp_path / "h.onnx", nodes, {"seen": dims}, {"images": dims}, kind=TensorProto.FLOAT16)
    engine = OnnxRuntimeEngine(tiny.config(tiny.with_card(file), "onnxruntime"))
    assert (engine.inputs[0].dtype, engine.facts.precision) == ("float16", "fp16")
    tensor = engine.buffer(engine.inputs[0])
    tensor[:] = 0.5
    ticket = engine.submit({"images": tensor})
    assert ticket.result(20)["seen"].max() == 0.5
    ticket.close()
    engine.close()


def test_nothing_is_reported_to_anybody(tmp_path: Path) -> None:
    """The official builds' telemetry leaves a device id in the user's cache as soon as it starts."""
    script = "from engines.onnxruntime import onnxruntime; onnxruntime.SessionOptions()"
    environment = {**os.environ, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    root = Path(__file__).resolve().parents[2]
    subprocess.run([sys.executable, "-c", script], cwd=root, env=environment, check=True)
    assert list(tmp_path.rglob("*")) == []
