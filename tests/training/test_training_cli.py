"""``python -m training`` as a person uses it: checkpoints of every family in, files that run out."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from commands.terminal import guarded
from contracts.card import Card
from contracts.config import EngineConfig
from contracts.errors import EXIT_INTERRUPTED
from contracts.protocols import Thresholds
from contracts.tensor import TensorSpec
from engines.cards import METADATA_KEY
from engines.gate import check
from engines.heads.open import open_head
from engines.open import open_engine
from engines.prepare import Preparer
from tests.training.onnx_networks import two_masks
from training.__main__ import main
from training.blueprint import Blueprint, Checkpoint
from training.checkpoints import save_checkpoint
from training.networks.families import FAMILIES, build, family
from training.onnx_files import inputs_of, metadata, outputs_of, read_onnx
from training.pictures import frames_of, tensors

ROOT = Path(__file__).resolve().parents[2]
FRAMES = "synthetic:?size=320x180&seconds=3&fps=1"
SIZES = {"roadnet": "256x128"}
"""Its masks are half as large as its input: at 128×64 one pixel that is rounded the other way were more than 1e-4."""
MASKS: Mapping[str, tuple[str, ...]] = {"drivable": ("other", "drivable area"), "lane": ("other", "lane line")}
NETWORKS: Mapping[str, Blueprint] = {
    "ayolom": Blueprint("ayolom", "p", {"boxes": ("car",), **MASKS}),
    "yolop": Blueprint("yolop", "standard", {"boxes": ("car",), **MASKS}),
    "yolov5": Blueprint("yolov5", "n", {"boxes": ("car", "bus")}),
    "ddrnet": Blueprint("ddrnet", "23-slim", {"classes": ("road", "sky", "car")}),
    "road_agents": Blueprint(
        "road_agents",
        "custom",
        {"agents": ("Car", "Bus"), "locations": ("here", "there"), "actions": ("brake",)},
        {"width": 0.125, "depth": 0.33},
    ),
    "twinlitenet": Blueprint("twinlitenet", "standard", MASKS),
    "twinlitenetplus": Blueprint("twinlitenetplus", "nano", MASKS),
    "roadnet": Blueprint("roadnet", "n", {"boxes": ("car",), **MASKS}),
    "classifier": Blueprint("classifier", "test_resnet", {"label": ("paper", "glass", "metal")}),
}


def test_every_family_has_its_row() -> None:
    assert set(NETWORKS) == set(FAMILIES)


def checkpoint(name: str, folder: Path, *, broken: bool = False) -> Path:
    """A file of ours with random weights, its norms settled on the frames it will see."""
    torch.manual_seed(1)
    network, kind = build(NETWORKS[name]), family(name)
    card = Card(name=name, input=kind.input.model_copy(update={"size": None}), heads=network.heads)
    images = tensors(card, [TensorSpec("images", (1, 3, 64, 128), "float32")], frames_of([FRAMES], 3))
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the plain average
    network.train()
    with torch.no_grad():
        network(torch.from_numpy(np.concatenate(list(images))))
    state = network.state_dict()
    if broken:
        next(tensor for tensor in state.values() if tensor.ndim == 4)[0] = torch.nan
    path = folder / f"{name}.pt"
    save_checkpoint(Checkpoint(NETWORKS[name], state, kind.input, "a test", kind.licence), path)
    return path


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint whose export is fastest."""
    return checkpoint("twinlitenetplus", tmp_path_factory.mktemp("small"))


def run(*words: str | Path) -> int:
    return guarded(main, [str(word) for word in words])


@pytest.mark.parametrize("name", FAMILIES)
def test_a_checkpoint_of_every_family_becomes_a_file_that_runs(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, output = checkpoint(name, tmp_path), tmp_path / "out.onnx"
    words = ("--output", output, "--size", SIZES.get(name, "128x64"), "--frames", FRAMES)
    assert run("export", source, *words) == 0, capsys.readouterr().err
    printed = capsys.readouterr()
    assert printed.out == f"{output}\n"
    names = [spec.name for spec in outputs_of(read_onnx(output))]
    for runtime in ("onnxruntime", "openvino"):
        assert all(f"holds  {each} in {runtime}" in printed.err for each in names)
        engine = open_engine(EngineConfig.model_validate({"file": output, "backend": runtime}))
        with closing(engine):
            (picture,) = frames_of([FRAMES], 1)
            arrays, fit = Preparer(engine).prepare(picture)
            outputs = engine.submit(arrays).result(60)
            assert engine.card.licence == family(name).licence
            for head in engine.card.heads:
                open_head(head).decode(outputs, fit, (picture.width, picture.height), Thresholds())


def test_import_writes_beside_the_file_at_its_authors_size_and_says_what_it_found(
    small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("import", small, "--frames", FRAMES) == 0
    printed = capsys.readouterr()
    assert printed.out == f"{small.with_suffix('.onnx')}\n"
    for said in ("TwinLiteNet+ nano", "head drivable", "input: 640×384, letterbox", "licence: MIT", "holds  lane"):
        assert said in printed.err
    assert "Traceback" not in printed.err
    assert "Warning" not in printed.err
    assert str(inputs_of(read_onnx(small.with_suffix(".onnx")))[0]) == "images float32 [1,3,384,640]"
    assert run("import", small.with_suffix(".onnx")) == 0
    assert "runs as it is" in capsys.readouterr().err


def test_import_keeps_a_checkpoint_as_ours_and_export_reads_it_back(
    small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("import", small, "--output", tmp_path / "again.pt") == 0
    words = ("--heads", "lane", "--batch", "dynamic", "--precision", "fp16", "--size", "64x32")
    assert run("export", tmp_path / "again.pt", *words, "--frames", "synthetic:?seconds=4&fps=1") == 0
    output = tmp_path / "again-lane-64x32-dynamic-fp16.onnx"
    assert capsys.readouterr().out.splitlines()[-1] == str(output)
    assert [str(spec) for spec in inputs_of(read_onnx(output))] == ["images float32 [?,3,32,64]"]


def test_a_fast_class_map_says_that_it_is_not_exact(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = checkpoint("ddrnet", tmp_path)
    assert run("export", source, "--fast-classmap", "--size", "128x64", "--frames", FRAMES) == 0
    output = tmp_path / "ddrnet-128x64-fast.onnx"
    assert capsys.readouterr().out == f"{output}\n"
    assert "--fast-classmap" in Card.from_yaml(metadata(read_onnx(output))[METADATA_KEY], "inside").origin


def test_int8_is_calibrated_on_the_frames_given_and_names_its_reference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = two_masks(tmp_path / "two.onnx")
    frames = "synthetic:?seconds=20&fps=1"
    assert run("export", source, "--precision", "int8", "--frames", frames) == 0, capsys.readouterr().err
    output = tmp_path / "two-int8.onnx"
    assert capsys.readouterr().out == f"{output}\n"
    assert any(each.op_type == "QuantizeLinear" for each in read_onnx(output).graph.node)
    assert Card.from_yaml(metadata(read_onnx(output))[METADATA_KEY], "inside").reference == "two.onnx"
    candidate = EngineConfig.model_validate({"file": output, "backend": "onnxruntime"})
    assert check(candidate, EngineConfig(file=source), frames_of([frames], 4)).state == "accepted"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["export", "{small}", "--size", "640x360"], 2, "--size 640x352 or 640x368"),
        (["export", "{small}", "--size", "640"], 2, "not WIDTHxHEIGHT"),
        (["export", "{small}", "--size", "0x0"], 2, "not WIDTHxHEIGHT"),
        (["export", "{small}", "--size", "64x32", "--heads", "lanes"], 2, "did you mean 'lane'?"),
        (["export", "{small}", "--heads", ","], 2, "--heads names none"),
        (["export", "{small}", "--batch", "0"], 2, "neither a number from 1"),
        (["export", "{small}", "--batch", "many"], 2, "neither a number from 1"),
        (["export", "{small}", "--precision", "int8"], 2, "give --frames of your own road"),
        (["export", "{small}", "--precision", "fp8"], 2, "invalid choice"),
        (["export", "{small}", "--output", "{tmp}/x.xml"], 2, "does not end in .onnx"),
        (["export", "{small}", "--output", "{small}"], 2, "does not end in .onnx"),
        (["export", "{small}", "--output", "{tmp}/no/x.onnx"], 5, "does not exist"),
        (["export", "{small}", "--fast-classmap", "--size", "64x32"], 2, "for DDRNet"),
        (["export", "{two}", "--heads", "lane", "--frames", "{tmp}/no.mp4"], 3, "no.mp4"),
        (["export", "{tmp}/no.pt"], 4, "no.pt"),
        (["export", "{tmp}/no.onnx", "--heads", "lane"], 4, "does not exist"),
        (["export", "{two}"], 2, "there is nothing to do to"),
        (["export", "{two}", "--fast-classmap"], 2, "while exporting a checkpoint"),
        (["import", "{two}", "--output", "{two}"], 2, "is the input"),
        (["import", "{two}", "--output", "{tmp}/x.pt"], 2, "does not end in .onnx or .yaml"),
        (["import", "{tmp}/bad.pt"], 4, "bad.pt"),
        (["import", "{tmp}/garbage.onnx"], 4, "damaged or cut off"),
        (["import", "{tmp}/half.pt"], 4, "half.pt"),
        (["import", "{tmp}/cut.onnx"], 4, "cut.onnx"),
        (["import", "{tmp}"], 4, ""),
        (["import", "{small}", "--outptu", "x"], 2, "unrecognized arguments: --outptu x → did you mean --output?"),
        (["export", "{small}", "--precison=fp16"], 2, "did you mean --precision?"),
        (["import", "{small}", "--precision", "fp16"], 2, "unrecognized arguments: --precision fp16"),
        (["imoprt", "{small}"], 2, "invalid choice"),
    ],
)
def test_mistakes_are_one_line_with_a_cure_and_nothing_is_written(
    words: list[str], code: int, said: str, *, small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    two = two_masks(tmp_path / "two.onnx")
    (tmp_path / "bad.pt").write_bytes(b"garbage" * 100)
    (tmp_path / "garbage.onnx").write_bytes(b"garbage" * 100)
    (tmp_path / "half.pt").write_bytes(small.read_bytes()[: small.stat().st_size // 2])
    (tmp_path / "cut.onnx").write_bytes(two.read_bytes()[: two.stat().st_size // 2])
    before = {path: path.read_bytes() for path in (*tmp_path.iterdir(), *small.parent.iterdir())}
    places = {"small": small, "tmp": tmp_path, "two": two}
    assert run(*(word.format(**places) for word in words)) == code
    printed = capsys.readouterr()
    *_, line = printed.err.strip().splitlines()
    assert line.startswith("roadstream: ")
    assert said in line
    assert "Traceback" not in printed.err
    assert printed.out == ""
    assert {path: path.read_bytes() for path in (*tmp_path.iterdir(), *small.parent.iterdir())} == before


def test_a_checkpoint_of_broken_weights_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = checkpoint("twinlitenetplus", tmp_path, broken=True)
    assert run("import", source) == 4
    assert "not finite" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [source]


def test_an_unclear_network_is_refused_and_its_card_printed_to_be_completed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = two_masks(tmp_path / "two.onnx", card_inside=False)
    assert run("import", file) == 0  # "da" and "ll" are names that everybody gives
    printed = capsys.readouterr()
    assert printed.out == f"{tmp_path / 'two.card.yaml'}\n"
    assert "assumed:" in printed.err
    (tmp_path / "two.card.yaml").unlink()

    file = two_masks(tmp_path / "two.onnx", card_inside=False, names=("x", "y"))
    assert run("import", file) == 4
    printed = capsys.readouterr()
    assert {head.kind for head in Card.from_yaml(printed.out, "stdout").heads} == {"two_class_mask"}
    assert "complete the card above" in printed.err
    assert list(tmp_path.iterdir()) == [file]


def test_an_existing_output_is_refused_before_the_work(small: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.onnx"
    output.write_bytes(b"mine")
    assert run("export", small, "--size", "64x32", "--output", output) == 2
    assert output.read_bytes() == b"mine"


def test_ctrl_c_leaves_nothing_half_written_and_says_so(tmp_path: Path) -> None:
    source = two_masks(tmp_path / "two.onnx")
    words = ["export", str(source), "--heads", "lane", "--output", str(tmp_path / "out.onnx")]
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "training", *words, "--frames", "synthetic:?seconds=600&fps=1"],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if line.startswith("comparing"):
                break
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        _, rest = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == EXIT_INTERRUPTED
    assert rest.strip() == "roadstream: interrupted"
    assert list(tmp_path.iterdir()) == [source]


def test_without_its_packages_it_says_what_to_install_and_help_works() -> None:
    hide = (
        "import runpy, sys; sys.modules[{!r}] = None; sys.argv[1:] = {};"
        " runpy.run_module('training', run_name='__main__')"
    )
    int8 = ["--precision", "int8", "--frames", "x.mp4"]
    for missing, words, code, said in (
        ("torch", ["import", "x.pt"], 2, 'this needs torch, which is not installed → pip install -e ".[train]"'),
        ("nncf", ["export", "x.onnx", *int8], 2, 'this needs nncf, which is not installed → pip install -e ".[train]"'),
        ("nncf", ["export", "x.pt", *int8], 2, "this needs nncf"),
        ("torch", ["import", "--help"], 0, ""),
    ):
        done = subprocess.run(
            [sys.executable, "-c", hide.format(missing, words)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == code, done.stderr
        assert said in done.stderr
        assert ("best.onnx" in done.stdout) == (code == 0)
