"""What only OpenVINO has: the cache of compiled networks, precisions, hints, IRs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from contracts.config import EngineConfig
from contracts.errors import EngineError
from contracts.picture import Picture
from contracts.protocols import Engine
from engines.onnxruntime import OnnxRuntimeEngine
from engines.openvino import OpenVinoEngine
from engines.openvino_runtime import core, ov
from engines.prepare import Preparer
from tests.engines import tiny

HAS_BF16 = "BF16" in core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "roadstream" / "openvino"


@pytest.fixture
def net(tmp_path: Path) -> Path:
    return tiny.with_card(tiny.slow(tmp_path / "net.onnx", layers=2))


def answer(engine: Engine) -> NDArray[Any]:
    tensor = engine.buffer(engine.inputs[0])
    tensor[:] = np.arange(tensor.size).reshape(tensor.shape) % 251
    ticket = engine.submit({engine.inputs[0].name: tensor})
    seen: NDArray[Any] = ticket.result(20)["seen"].copy()
    ticket.close()
    engine.close()
    return seen


def test_the_second_start_takes_the_compiled_network_from_the_cache(net: Path, cache: Path) -> None:
    first = OpenVinoEngine(tiny.config(net))
    assert not first.loaded_from_cache
    assert list(cache.glob("*.blob"))
    second = OpenVinoEngine(tiny.config(net))
    assert second.loaded_from_cache
    np.testing.assert_array_equal(answer(first), answer(second))


def test_another_card_is_another_network_in_the_cache(net: Path) -> None:
    """The card's arithmetic is compiled in: the cache must not mix cards up."""
    first = answer(OpenVinoEngine(tiny.config(net)))
    again = OpenVinoEngine(tiny.config(tiny.with_card(net, scale=1)))
    assert not again.loaded_from_cache
    np.testing.assert_allclose(answer(again), first * 255, rtol=1e-3)


@pytest.mark.skipif(not HAS_BF16, reason="this CPU has no bf16")
def test_the_cache_does_not_mix_precisions_up(net: Path) -> None:
    exact = answer(OpenVinoEngine(tiny.config(net)))
    rough = OpenVinoEngine(tiny.config(net, precision="bf16"))
    assert rough.facts.precision == "bf16"
    difference = np.abs(answer(rough) - exact).max() / np.abs(exact).max()
    assert 1e-5 < difference < 0.1
    np.testing.assert_array_equal(answer(OpenVinoEngine(tiny.config(net))), exact)


@pytest.mark.skipif(HAS_BF16, reason="this CPU has bf16")
def test_bf16_is_refused_where_the_cpu_has_none(net: Path) -> None:
    with pytest.raises(EngineError, match="no bf16"):
        OpenVinoEngine(tiny.config(net, precision="bf16"))


def test_auto_runs_what_the_facts_say(net: Path) -> None:
    engine = OpenVinoEngine(EngineConfig(file=net))
    assert engine.facts.precision == ("bf16" if HAS_BF16 else "fp32")
    engine.close()


@pytest.mark.parametrize("damage", ["cut", "noise", "empty"])
def test_a_damaged_cache_is_compiled_again(net: Path, cache: Path, damage: str) -> None:
    wanted = answer(OpenVinoEngine(tiny.config(net)))
    for blob in cache.glob("*.blob"):
        data = blob.read_bytes()
        blob.chmod(0o644)
        blob.write_bytes({"cut": data[: len(data) // 2], "noise": b"\xa5" * len(data), "empty": b""}[damage])
    np.testing.assert_array_equal(answer(OpenVinoEngine(tiny.config(net))), wanted)


def test_no_cache_folder_no_cache(net: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a file"))
    for _ in range(2):
        engine = OpenVinoEngine(tiny.config(net))
        assert not engine.loaded_from_cache
        engine.close()


@pytest.mark.skipif(os.cpu_count() == 1, reason="one core cannot run two inferences side by side")
def test_live_runs_give_all_cores_to_one_inference_recorded_ones_share_them(net: Path) -> None:
    live, recorded = (OpenVinoEngine(tiny.config(net, threads=2), live=live) for live in (True, False))
    assert (live.depth, recorded.depth) == (2, 3)
    np.testing.assert_allclose(answer(live), answer(recorded), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_are_handed_on(net: Path, threads: int) -> None:
    engine = OpenVinoEngine(tiny.config(net, threads=threads))
    assert 2 <= engine.depth <= threads + 1
    engine.close()


def test_an_ir_gives_what_its_onnx_file_gives(net: Path, tmp_path: Path) -> None:
    file = tmp_path / "ir.xml"
    ov.save_model(core().read_model(net), file, compress_to_fp16=False)
    tiny.with_card(file)
    np.testing.assert_allclose(
        answer(OpenVinoEngine(tiny.config(file))), answer(OpenVinoEngine(tiny.config(net))), rtol=1e-5
    )


def test_a_network_that_takes_bytes_gets_bytes(tmp_path: Path) -> None:
    nodes = [helper.make_node("Max", ["images", "images"], ["seen"])]
    dims = (1, 3, 12, 16)
    file = tiny.save(tmp_path / "b.onnx", nodes, {"seen": dims}, {"images": dims}, kind=TensorProto.UINT8)
    pixels = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)
    tiny.with_card(file, fit="stretch", scale=1)
    for engine in (OpenVinoEngine(tiny.config(file)), OnnxRuntimeEngine(tiny.config(file, "onnxruntime"))):
        tensors, _ = Preparer(engine).prepare(Picture.from_bgr(pixels))
        ticket = engine.submit(tensors)
        np.testing.assert_array_equal(ticket.result(20)["seen"][0], pixels[..., ::-1].transpose(2, 0, 1))
        ticket.close()
        engine.close()


def test_operators_it_does_not_know_are_refused_with_the_other_runtime_named(tmp_path: Path) -> None:
    node = helper.make_node("Weird", ["images"], ["seen"], domain="com.nobody")
    tensor = helper.make_tensor_value_info
    graph = helper.make_graph([node], "g", [tensor("images", 1, [1, 3, 8, 8])], [tensor("seen", 1, [1, 3, 8, 8])])
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("com.nobody", 1)]
    file = tmp_path / "weird.onnx"
    onnx.save(helper.make_model(graph, opset_imports=imports, ir_version=8), file)
    with pytest.raises(EngineError, match=r"OpenVINO cannot run .*com\.nobody\.Weird") as caught:
        OpenVinoEngine(tiny.config(file))
    assert "--backend onnxruntime" in caught.value.cure


def test_a_size_that_the_network_cannot_work_at_is_refused(tmp_path: Path) -> None:
    """The file leaves its input open, but a reshape inside has 16x12 written into it."""
    sides = numpy_helper.from_array(np.array([1, 3, 12, 16]), "sides")
    nodes = [helper.make_node("Reshape", ["images", "sides"], ["seen"])]
    file = tiny.save(tmp_path / "r.onnx", nodes, {"seen": (1, 3, 12, 16)}, {"images": (1, 3, "h", "w")}, [sides])
    for engine, name in ((OpenVinoEngine, "openvino"), (OnnxRuntimeEngine, "onnxruntime")):
        with pytest.raises(EngineError) as caught:
            engine(tiny.config(tiny.with_card(file, size=[20, 12]), name))
        assert caught.value.cure
        engine(tiny.config(tiny.with_card(file, size=[16, 12]), name)).close()


def test_a_failing_inference_is_an_error_of_its_ticket_only(net: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = OpenVinoEngine(tiny.config(net))

    def broken(_array: object, **_options: object) -> object:
        raise RuntimeError("first line\nno memory left\n")

    with monkeypatch.context() as patch:
        patch.setattr(ov, "Tensor", broken)
        for _ in range(engine.depth + 1):
            with pytest.raises(EngineError, match="no memory left"):
                engine.submit({"images": engine.buffer(engine.inputs[0])})
    assert np.isfinite(answer(engine)).all()


def test_importing_it_reports_to_nobody() -> None:
    """OpenVINO's own import sends a usage report from a thread; ours must not."""
    code = (
        "import threading, sys, engines.openvino; "
        "assert threading.enumerate() == [threading.main_thread()], threading.enumerate(); "
        "assert 'openvino_telemetry' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.fixture
def frames(shared: Path) -> list[Picture]:
    pictures = []
    for clip in ("highway720_300.mp4", "portrait_motorbike_60fps.mp4"):
        with av.open(str(shared / "clips" / clip)) as container:
            pictures.append(Picture.from_av(next(container.decode(video=0))))
    return pictures


@pytest.mark.shared
@pytest.mark.parametrize("name", ["twinlitenet.onnx", "twinlitenetplus_small.onnx", "yolov8n-fp32.onnx"])
def test_both_runtimes_agree_on_real_networks_and_frames(shared: Path, frames: list[Picture], name: str) -> None:
    """In fp32, through the whole way from the decoder's planes: to 1e-3 of the largest value."""
    file = shared / "weights" / name
    engines: list[Engine] = [OpenVinoEngine(tiny.config(file)), OnnxRuntimeEngine(tiny.config(file, "onnxruntime"))]
    preparers = [Preparer(engine) for engine in engines]
    for picture in frames:
        outputs = []
        for engine, preparer in zip(engines, preparers, strict=True):
            ticket = engine.submit(preparer.prepare(picture)[0])
            outputs.append({key: value.copy() for key, value in ticket.result(60).items()})
            ticket.close()
        for key, value in outputs[1].items():
            assert np.abs(outputs[0][key] - value).max() <= 1e-3 * np.abs(value).max(), key
    for engine in engines:
        engine.close()


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "precision", "runs"),
    [("yolov8n-int8-ov.xml", "fp32", "int8+fp32"), ("twinlitenet.onnx", "fp32", "fp32")],
)
def test_quantised_networks_say_so(shared: Path, name: str, precision: str, runs: str) -> None:
    engine = OpenVinoEngine(tiny.config(shared / "weights" / name, precision=precision))
    assert engine.facts.precision == runs
    engine.close()
