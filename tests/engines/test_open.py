"""Files that are no networks: one line, with what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.config import EngineConfig
from contracts.errors import EngineError
from engines.open import open_engine
from engines.openvino_runtime import core
from engines.openvino_runtime import ov as openvino
from tests.engines import tiny


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def onnx_bytes(tmp_path: Path) -> bytes:
    return tiny.slow(tmp_path / "whole.onnx", layers=2).read_bytes()


def ir(path: Path, source: Path) -> Path:
    """``source`` as an OpenVINO IR."""
    openvino.save_model(core().read_model(source), path, compress_to_fp16=False)
    return path


@pytest.mark.parametrize("backend", ["openvino", "onnxruntime"])
@pytest.mark.parametrize(
    ("name", "content", "message", "cure"),
    [
        ("gone.onnx", None, "does not exist", "check the path"),
        ("folder.onnx", "folder", "is not a file", "give a network file"),
        ("empty.onnx", b"", "is empty", "copy or export it again"),
        ("text.onnx", b"<html>404: not found</html>" * 50, "damaged or cut off", "copy or export it again"),
        ("zeros.onnx", bytes(5000), "", ""),
        ("half.onnx", "half", "damaged or cut off", "copy or export it again"),
        ("net.pt", b"PK\x03\x04", "is a PyTorch checkpoint", "python -m training import FILE"),
        ("net.PTH", b"PK\x03\x04", "is a PyTorch checkpoint", "python -m training import FILE"),
        ("net.engine", b"ftrt", "is a TensorRT plan", "give the ONNX file it was built from"),
        ("net.bin", b"1234", "weights half of an OpenVINO IR", "give the .xml file"),
        ("net.jpg", b"1234", "unknown kind of network file '.jpg'", "give an .onnx file"),
        ("net", b"1234", "unknown kind of network file ''", "give an .onnx file"),
    ],
)
def test_what_is_no_network_is_refused_in_one_line(
    *, tmp_path: Path, onnx_bytes: bytes, backend: str, name: str, content: object, message: str, cure: str
) -> None:
    file = tmp_path / name
    if content == "folder":
        file.mkdir()
    elif content == "half":
        file.write_bytes(onnx_bytes[: len(onnx_bytes) // 2])
    elif isinstance(content, bytes):
        file.write_bytes(content)
    with pytest.raises(EngineError) as caught:
        open_engine(tiny.config(file, backend))
    assert message in caught.value.message
    assert cure in caught.value.cure
    assert caught.value.cure
    assert str(file) in caught.value.message
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("no .bin", "lacks its weights: net.bin"),
        ("empty .bin", "net.bin is empty"),
        ("half .bin", "damaged or cut off"),
        ("half .xml", "damaged or cut off"),
        ("other .xml", "is not an OpenVINO IR"),
    ],
)
def test_a_damaged_ir_is_refused_in_one_line(tmp_path: Path, damage: str, message: str) -> None:
    file = ir(tmp_path / "net.xml", tiny.slow(tmp_path / "whole.onnx", layers=2))
    weights = file.with_suffix(".bin")
    if damage == "no .bin":
        weights.unlink()
    elif damage == "other .xml":
        file.write_text("<html></html>")
    else:
        victim = weights if ".bin" in damage else file
        data = victim.read_bytes()
        victim.write_bytes(b"" if "empty" in damage else data[: len(data) // 2])
    with pytest.raises(EngineError, match=message) as caught:
        open_engine(tiny.config(file))
    assert caught.value.cure
    assert "\n" not in str(caught.value)


def test_garbage_leaves_no_noise_of_the_runtime_on_stderr(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "text.onnx"
    file.write_bytes(b"hello world" * 100)
    for backend in ("openvino", "onnxruntime"):
        with pytest.raises(EngineError):
            open_engine(tiny.config(file, backend))
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("options", "message", "cure"),
    [
        ({"device": "cuda:0"}, "device 'cuda:0'", "--device cpu"),
        ({"backend": "onnxruntime", "precision": "bf16"}, "no bf16", "--backend openvino"),
    ],
)
def test_what_cannot_be_done_here_says_what_can(
    tmp_path: Path, options: dict[str, str], message: str, cure: str
) -> None:
    file = tiny.with_card(tiny.echo(tmp_path / "echo.onnx"))
    with pytest.raises(EngineError, match=message) as caught:
        open_engine(EngineConfig.model_validate({"file": file, **options}))
    assert cure in caught.value.cure


def test_an_ir_runs_in_openvino_only(tmp_path: Path) -> None:
    file = tiny.with_card(ir(tmp_path / "net.xml", tiny.echo(tmp_path / "echo.onnx")))
    with pytest.raises(EngineError, match="ONNX Runtime cannot run") as caught:
        open_engine(tiny.config(file, "onnxruntime"))
    assert "--backend openvino" in caught.value.cure
    engine = open_engine(EngineConfig(file=file))
    assert (engine.facts.backend, [output.name for output in engine.outputs]) == ("openvino", ["seen"])
    assert len(engine.facts.sha256.split("+")) == 2
    engine.close()


@pytest.mark.parametrize("backend", [None, "auto", "openvino"])
def test_openvino_is_the_default(tmp_path: Path, backend: str | None) -> None:
    file = tiny.with_card(tiny.echo(tmp_path / "echo.onnx"))
    engine = open_engine(EngineConfig.model_validate({"file": file, "backend": backend, "device": "CPU"}))
    assert engine.facts.backend == "openvino"
    engine.close()
