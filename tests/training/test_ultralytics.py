"""ultralytics' own checkpoints: the same outputs as ultralytics' own export, and nothing else happens."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from contracts.config import EngineConfig
from contracts.errors import EngineError
from engines.onnxruntime import OnnxRuntimeEngine, onnxruntime
from tests.training.handmade import archive, inner, name, pictures, text
from training.checkpoints import open_subject, read_checkpoint
from training.inert import Shell
from training.onnx_files import with_card, write_onnx
from training.order import Batch, card_of_export
from training.revival import Revival
from training.subject import Subject
from training.tracing import traced
from training.ultralytics import _classes

ROOT = Path(__file__).resolve().parents[2]
SIZE = (160, 128)  # (width, height)
TOLERANCE = 1e-3  # of a pixel, and of a score
FOLDED = 1e-2  # with batch norms folded on one side only: these networks of noise blow up the last bits


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Networks this small only wait for more."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of ultralytics' checkpoints and exports, made by ultralytics in a process of its own."""
    if importlib.util.find_spec("ultralytics") is None:
        pytest.skip("ultralytics is not installed")
    folder = tmp_path_factory.mktemp("ultralytics")
    environment = {**os.environ, "YOLO_OFFLINE": "1", "YOLO_AUTOINSTALL": "0", "YOLO_CONFIG_DIR": str(folder)}
    command = [sys.executable, "-m", "tests.training.ultralytics_reference", str(folder)]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, timeout=240)
    return folder


def exported(subject: Subject, path: Path, batch: Batch) -> Path:
    """Our export."""
    heads = [head.name for head in subject.card.heads]
    model = traced(subject.deployed(heads), SIZE, batch)
    with_card(model, card_of_export(subject.card, heads))
    write_onnx(model, path)
    return path


def ours(path: Path, image: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
    """An export's outputs, by our own engine."""
    engine = OnnxRuntimeEngine(EngineConfig(file=path, threads=1))
    try:
        memory = engine.buffer(engine.inputs[0])
        memory[:] = image
        ticket = engine.submit({engine.inputs[0].name: memory})
        outputs = {output: array.copy() for output, array in ticket.result(60).items()}
        ticket.close()
        return outputs
    finally:
        engine.close()


def theirs(path: Path, images: NDArray[np.float32]) -> list[NDArray[Any]]:
    """The outputs of an export, by ONNX Runtime alone."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return [np.asarray(array) for array in session.run(None, {"images": images})]


@pytest.mark.parametrize(
    ("network", "outputs", "batch"),
    [
        ("yolov8n", ("boxes",), 1),
        ("yolov8n-seg", ("boxes", "prototypes"), 1),
        ("yolo11n-seg", ("boxes", "prototypes"), "dynamic"),
        ("yolov8n-cls", ("classification",), "dynamic"),
    ],
)
def test_the_same_heads_as_their_own_export(
    made: Path, tmp_path: Path, network: str, outputs: tuple[str, ...], batch: Batch
) -> None:
    subject = open_subject(made / f"{network}.pt")
    assert subject.card.heads[0].outputs == outputs
    path = exported(subject, tmp_path / f"{network}.onnx", batch)
    found, wanted = ours(path, pictures(1, SIZE)), theirs(made / f"{network}.onnx", pictures(1, SIZE))
    assert list(found) == list(outputs)
    for output, reference in zip(found.values(), wanted, strict=True):
        assert output.shape == reference.shape
        assert reference.std() > 100 * TOLERANCE or network == "yolov8n-cls"  # probabilities of a thousand classes
        assert np.abs(output - reference).max() <= TOLERANCE
    if batch == "dynamic":
        two = theirs(path, np.concatenate([pictures(2, SIZE)[1:], pictures(1, SIZE)]))
        for output, reference in zip(two, wanted, strict=True):
            assert np.abs(output[1:] - reference).max() <= TOLERANCE


@pytest.mark.parametrize(("network", "batch"), [("yolov10n", "dynamic"), ("yolo26n", 1)])
def test_the_same_boxes_end_to_end(made: Path, tmp_path: Path, network: str, batch: Batch) -> None:
    """Rows are in the order of their scores; equal scores may change places, so rows are looked for."""
    subject = open_subject(made / f"{network}.pt")
    assert subject.card.heads[0].kind == "yolo_boxes_end2end"
    path = exported(subject, tmp_path / f"{network}.onnx", batch)
    (found,) = ours(path, pictures(1, SIZE)).values()
    (wanted,) = theirs(made / f"{network}.onnx", pictures(1, SIZE))
    assert found.shape == wanted.shape == (1, 300, 6)
    assert np.abs(found[0, :, 4] - wanted[0, :, 4]).max() <= TOLERANCE
    sure = wanted[0, wanted[0, :, 4] > wanted[0, -1, 4] + TOLERANCE]  # the last ones have rivals that did not fit in
    distances = np.abs(found[0][None] - sure[:, None]).max(-1)
    assert len(sure) > 100
    assert distances.min(1).max() <= TOLERANCE


@pytest.mark.parametrize("network", ["yolov8n", "yolov8n-seg", "yolov10n", "yolov8n-cls"])
def test_plain_and_deployed_agree_for_any_size_and_batch(made: Path, network: str) -> None:
    """Plain is ultralytics' own forward, deployed is folded and decoded by us."""
    subject = open_subject(made / f"{network}.pt")
    heads = [head.name for head in subject.card.heads]
    plain, deployed = subject.plain(heads), subject.deployed(heads)
    assert plain.names == deployed.names == subject.card.heads[0].outputs
    for size, batch in ((SIZE, 1), ((128, 96), 2), (SIZE, 1)):
        images = torch.from_numpy(pictures(batch, size))
        with torch.inference_mode():
            for one, other in zip(plain(images), deployed(images), strict=True):
                assert (one - other).abs().max() <= FOLDED


def test_what_the_card_and_the_report_say(made: Path) -> None:
    subject = open_subject(made / "yolov8n.pt")
    card = subject.card
    assert (card.name, card.licence) == ("yolov8n", "AGPL-3.0 (Ultralytics)")
    assert card.origin.startswith("ultralytics 8")
    assert (card.input.fit, card.input.colour, card.input.scale, card.input.size) == (
        "letterbox",
        "rgb",
        255,
        (160, 160),
    )
    assert card.heads[0].classes == tuple(map(str, range(80)))
    assert subject.stride == (32, 32)
    assert subject.checkpoint is None
    kinds = {
        network: open_subject(made / f"{network}.pt").card.heads[0].kind for network in ("yolov8n-seg", "yolov8n-cls")
    }
    assert (card.heads[0].kind, *kinds.values()) == ("yolo_boxes", "yolo_instances", "classification")
    assert subject.report[0] == "ultralytics DetectionModel (yolov8n), 3.16 M parameters"
    assert "epoch: 41" in subject.report
    assert "epoch: -1" not in open_subject(made / "yolov8n-seg.pt").report
    assert open_subject(made / "yolov8n-cls.pt").card.input.fit == "stretch"


def test_what_cannot_be_run_is_refused_by_name(made: Path) -> None:
    with pytest.raises(EngineError, match="PoseModel with the head Pose"):
        open_subject(made / "yolov8n-pose.pt")
    with pytest.raises(EngineError, match="of no family known here"):
        read_checkpoint(made / "yolov8n.pt")


def changed(made: Path, tmp_path: Path, old: bytes, new: bytes) -> Path:
    """A checkpoint of ultralytics with a few bytes of its pickle exchanged."""
    data, storages = inner((made / "yolov8n.pt").read_bytes())
    assert old in data
    return archive(tmp_path / "changed.pt", data.replace(old, new, 1), storages)


def test_modules_of_a_fork_are_refused_by_name(made: Path, tmp_path: Path) -> None:
    path = changed(made, tmp_path, b"cultralytics.nn.modules.block\nC2f\n", b"cultralytics.nn.modules.block\nC9x\n")
    with pytest.raises(EngineError, match=r"ultralytics\.nn\.modules\.block\.C9x, which the installed"):
        open_subject(path)


@pytest.mark.parametrize(
    "place",
    [
        ("ultralytics.utils.downloads", "safe_download"),  # a function
        ("ultralytics.engine.model", "Model"),  # a module class, of a place that is not let in
        ("ultralytics.nn.tasks", "torch_safe_load"),
        ("ultralytics.nn.tasks", "YOLO"),
        ("torch.nn.modules.module", "Any"),
        ("torch.nn.modules.nope", "Linear"),
    ],
)
def test_only_module_classes_come_to_life(made: Path, tmp_path: Path, place: tuple[str, str]) -> None:
    path = changed(made, tmp_path, name("torch.nn.modules.activation", "SiLU"), name(*place))
    with pytest.raises(EngineError, match="which the installed ultralytics does not have"):
        open_subject(path)


def test_a_network_that_cannot_run_is_an_error_of_ours(made: Path, tmp_path: Path) -> None:
    path = changed(
        made, tmp_path, name("torch.nn.modules.upsampling", "Upsample"), name("torch.nn.modules.conv", "Conv2d")
    )
    with pytest.raises(EngineError, match="cannot run"):
        open_subject(path)


def test_hooks_stay_behind(made: Path, tmp_path: Path) -> None:
    """A forward hook that a file brings along (a module can be called) is no part of the network."""
    hooks = text("_forward_hooks")
    data, storages = inner((made / "yolov8n.pt").read_bytes())
    start = data.index(hooks)
    module = name("torch.nn.modules.linear", "Identity") + b")\x81"
    after = data.index(b"R", start) + 1  # behind OrderedDict()
    evil = data[:after] + b"K\x00" + module + b"s" + data[after:]
    subject = open_subject(archive(tmp_path / "hooked.pt", evil, storages))
    assert not any(layer._forward_hooks for layer in subject.plain(["boxes"]).modules())


QUIET = """
import os, sys
import cv2, numpy, torch, warnings
before = (torch.save, cv2.getNumThreads(), numpy.get_printoptions(), len(warnings.filters), dict(os.environ))
from pathlib import Path
import training.checkpoints
seen = []
def watch(event, arguments):
    if event.startswith(("socket.", "subprocess.", "urllib.", "os.system", "os.exec", "os.fork", "os.posix_spawn")):
        seen.append(event)
    if event == "pickle.find_class":
        seen.append(event)
sys.addaudithook(watch)
subject = training.checkpoints.open_subject(Path(sys.argv[1]))
subject.deployed(["boxes"])(torch.zeros(1, 3, 64, 64))
assert seen == [], seen
after = (torch.save, cv2.getNumThreads(), numpy.get_printoptions(), len(warnings.filters))
assert after == before[:4], after
import ultralytics.utils
assert not ultralytics.utils.ONLINE and not ultralytics.utils.AUTOINSTALL
new = {key: value for key, value in os.environ.items() if before[4].get(key) != value}
assert new == {"YOLO_OFFLINE": "1", "YOLO_AUTOINSTALL": "0", "YOLO_VERBOSE": "0"}, new
"""


def test_nothing_reports_home_and_nothing_is_left(made: Path, tmp_path: Path) -> None:
    """In a process of its own, in an empty home: no socket, no process, no file, no changed setting."""
    home, scratch = tmp_path / "home", tmp_path / "scratch"
    home.mkdir()
    scratch.mkdir()
    kept = ("PATH", "LANG", "VIRTUAL_ENV", "LD_LIBRARY_PATH")
    environment = {key: os.environ[key] for key in kept if key in os.environ}
    environment |= {"HOME": str(home), "TMPDIR": str(scratch), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-W", "error", "-c", QUIET, str(made / "yolov8n.pt")]
    done = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(home.rglob("*")) == []
    assert list(scratch.rglob("*")) == []


def test_without_ultralytics_the_cure_is_its_package(made: Path) -> None:
    code = (
        "import sys; sys.modules['ultralytics'] = None\n"
        "from pathlib import Path\nfrom contracts.errors import EngineError\n"
        "from training.checkpoints import open_subject\n"
        "try: open_subject(Path(sys.argv[1]))\n"
        "except EngineError as error: print(error)\n"
    )
    command = [sys.executable, "-c", code, str(made / "yolov8n.pt")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    assert 'pip install -e ".[train,ultralytics]"' in done.stdout


def nest(deep: int) -> Any:
    """Lists of one list twice: 2 ** deep values for those who unfold it."""
    value: Any = "x"
    for _ in range(deep):
        value = [value, value]
    return value


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (nest(40), "things without end"),
        (Shell("pathlib.PosixPath", {"arguments": (nest(40),)}), "a path that is none"),
        (Shell("pathlib.PosixPath", {"arguments": ("x" * 4000,) * 2}), "a path without end"),
        (Shell("pathlib.PosixPath"), "a path that is none"),
    ],
)
def test_attributes_of_a_stranger_do_not_unfold(value: Any, words: str) -> None:
    shell = Shell("Identity", {"_parameters": {}, "_buffers": {}, "_modules": {}, "odd": value})
    with pytest.raises(EngineError, match=words):
        Revival(lambda _: nn.Identity, "checkpoint x").module(shell)


def test_classes_are_counted_by_the_tensors() -> None:
    head = SimpleNamespace(cv3=[[nn.Conv2d(1, 3, 1)]], nc=3)
    model = SimpleNamespace(model=[head], names={0: "a", 1: "b", 2: "c"})
    assert _classes(model, "checkpoint x") == ("a", "b", "c")
    for names in ({0: "a", 1: "b", 2: nest(40)}, ["a", "b", "c" * 5000]):
        with pytest.raises(EngineError, match="no short text"):
            _classes(SimpleNamespace(model=[head], names=names), "checkpoint x")
    head.nc = 10**9
    with pytest.raises(ValueError, match="not that of its tensors"):
        _classes(model, "checkpoint x")
