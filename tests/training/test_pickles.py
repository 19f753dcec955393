"""Checkpoints are read as data: nothing of a file runs, whatever it says, and reading ends."""

from __future__ import annotations

import collections
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from contracts.errors import EngineError
from tests.training.handmade import archive, entry, inner, name, number, numbers, odd, pickled, storage, tensor, text
from training.containers import read_pickled
from training.contents import content_of

ROOT = Path(__file__).resolve().parents[2]


class Call:
    """Pickled as the call of a function."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.function, self.arguments


def payloads(marker: Path) -> dict[str, bytes]:
    """Pickles that, read by Python's own unpickler, would leave the marker behind (or could)."""
    touch = f"touch {marker}"
    code = f"open({str(marker)!r}, 'w').close()"
    system = Call(os.system, touch)
    return {
        "os.system": pickled(system),
        "os.system, protocol 4": pickled(system, 4),
        "builtins.exec": pickled(Call(exec, code)),
        "builtins.eval": pickled(Call(eval, code)),
        "subprocess.Popen": pickled(Call(subprocess.Popen, ["touch", str(marker)])),
        "in a dict": pickled({"epoch": 3, "state_dict": collections.OrderedDict(a=[{"b": (1, system)}])}),
        "as a key": pickled({("a", 1): {system: 2}})
        if False
        else entry("k", name("os", "system") + text(touch) + b"\x85R"),
        "in the state of a module": name("torch.nn.modules.linear", "Identity")
        + b")\x81}"
        + text("hook")
        + name("os", "system")
        + text(touch)
        + b"\x85Rsb.",
        "in a persistent id": b"\x80\x02(" + text("storage") + name("os", "system") + text(touch) + b"\x85RtQ.",
        "by INST": b"(" + text(touch) + b"ios\nsystem\n.",
        "by OBJ": b"(" + name("os", "system") + text(touch) + b"o.",
        "by protocol 0": pickle.dumps(system, 0),
        "by STACK_GLOBAL": b"\x80\x04\x8c\x02os\x8c\x06system\x93" + text(touch) + b"\x85R.",
        "after the end of another": pickled({"a": 1})[:-1] + name("os", "system") + text(touch) + b"\x85R.",
    }


WORKING = ("os.system", "os.system, protocol 4", "builtins.exec", "in a dict", "by INST", "by OBJ", "by protocol 0")


@pytest.mark.parametrize("case", WORKING)
def test_the_payloads_are_live(tmp_path: Path, case: str) -> None:
    """Otherwise the next test would prove nothing."""
    marker = tmp_path / "marker"
    pickle.loads(payloads(marker)[case])
    assert marker.exists()


@pytest.mark.parametrize("case", list(payloads(Path("x"))))
def test_nothing_of_a_payload_runs(tmp_path: Path, case: str) -> None:
    marker = tmp_path / "marker"
    path = archive(tmp_path / "evil.pt", payloads(marker)[case])
    with pytest.raises(EngineError, match="nothing was run") as caught:
        read_pickled(path)
    assert not marker.exists()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("case", list(payloads(Path("x"))))
def test_nothing_of_a_payload_runs_in_the_old_format(tmp_path: Path, case: str) -> None:
    marker, path = tmp_path / "marker", tmp_path / "evil.pt"
    head = [pickled(value) for value in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})]
    path.write_bytes(b"".join(head) + payloads(marker)[case] + pickled([]))
    with pytest.raises(EngineError, match="nothing was run"):
        read_pickled(path)
    assert not marker.exists()


ONE = tensor(storage("0", 4), 0, (2, 2), (2, 1))
NAMED = {
    "posix.system": (pickled(Call(os.system, "true")), "posix.system"),
    "getattr": (pickled(Call(getattr, "a", "upper")), "__builtin__.getattr"),
    "torch.load": (pickled(Call(torch.load, "/dev/null")), "torch.serialization.load"),
    "torch.hub": (pickled(Call(torch.hub.load, "x", "y")), "torch.hub.load"),
    "a name alone": (pickled({"f": os.system}), "posix.system"),
    "an import": (pickled(Call(__import__, "antigravity")), "__builtin__.__import__"),
    "a function of a known code base": (
        name("utils.general", "check_requirements") + text("evil") + b"\x85R.",
        "call utils.general.check_requirements",
    ),
    "ultralytics' constructor": (
        name("ultralytics.nn.tasks", "DetectionModel") + b"}\x85R.",
        "call ultralytics.nn.tasks.DetectionModel",
    ),
    "a constructor with arguments": (
        name("torch.nn.modules.linear", "Linear") + numbers(2, 2) + b"\x81.",
        "torch.nn.modules.linear.Linear constructed with arguments",
    ),
    "what hangs below a class": (
        b"\x80\x04" + text("torch.nn.modules.module") + text("Module.forward.__globals__") + b"\x93)R.",
        "call torch.nn.modules.module.Module.forward.__globals__",
    ),
    "a path of no identifiers": (name("models", "x y") + b".", "models.x y"),
    "terminal codes": (name("\x1b[2J", "x") + b".", r"\\x1b"),
    "a new object of a function": (name("torch._utils", "_rebuild_parameter") + b")\x81.", "no module's class"),
    "the call of a value": (text("f") + b")R.", "no function"),
    "the insides of a list": (b"](K\x01K\x02ub.".replace(b"u", b"t"), "insides of a list"),
    "the insides of a class": (name("models.yolo", "Model") + b"}b.", "insides of a Name"),
    "an extension": (b"\x80\x02\x82\x01.", "instruction EXT1"),
    "a persistent id as text": (b"Pstorage\n.", "instruction PERSID"),
    "a buffer": (b"\x80\x05\x97.", "instruction NEXT_BUFFER"),
    "keyword arguments": (name("models.yolo", "Model") + b")}\x92.", "instruction NEWOBJ_EX"),
    "a foreign storage": (entry("a", storage("0", 4, "QInt8Storage")), "torch.QInt8Storage"),
    "a class as storage": (
        b"\x80\x02(" + text("storage") + name("models.yolo", "Model") + text("0") + text("cpu") + number(4) + b"tQ.",
        "kind of storage",
    ),
    "a storage of Python objects": (name("torch._utils", "_rebuild_from_type_v2") + b".", "_rebuild_from_type_v2"),
}


@pytest.mark.parametrize("case", NAMED)
def test_what_no_checkpoint_needs_is_refused_by_name(tmp_path: Path, case: str) -> None:
    data, words = NAMED[case]
    path = archive(tmp_path / "odd.pt", data, {"0": bytes(16)})
    with pytest.raises(EngineError, match="nothing was run") as caught:
        read_pickled(path)
    assert words.replace("\\\\", "\\") in caught.value.message
    assert str(caught.value).isprintable()


BROKEN = {
    "beyond its storage": entry("a", tensor(storage("0", 4), 1, (2, 2), (2, 1))),
    "a stride beyond its storage": entry("a", tensor(storage("0", 4), 0, (2, 2), (1 << 40, 1))),
    "a negative stride": entry("a", tensor(storage("0", 4), 3, (4,), (-1,))),
    "a negative offset": entry("a", tensor(storage("0", 4), -1, (1,), (1,))),
    "a negative size": entry("a", tensor(storage("0", 4), 0, (-1,), (1,))),
    "a size that overflows": entry("a", tensor(storage("0", 4), 0, (1 << 40, 1 << 40), (0, 0))),
    "an empty one that overflows": entry("a", tensor(storage("0", 4), 0, (0, 1 << 40, 1 << 40), (0, 0, 0))),
    "more sizes than strides": entry("a", tensor(storage("0", 4), 0, (2, 2), (1,))),
    "a hundred dimensions": entry("a", tensor(storage("0", 4), 0, (1,) * 100, (0,) * 100)),
    "a number that is huge": entry("a", tensor(storage("0", 4), 0, (1 << 900,), (1,))),
    "a storage shorter than it says": entry("a", tensor(storage("0", 5), 0, (2, 2), (2, 1))),
    "a storage of another kind": entry(
        "a", b"]" + ONE + b"a" + tensor(storage("0", 2, "DoubleStorage"), 0, (1,), (1,))
    ),
    "a storage that is not there": entry("a", tensor(storage("7", 4), 0, (2, 2), (2, 1))),
    "a tensor as storage": entry("a", tensor(ONE, 0, (2,), (1,))),
    "a parameter of text": name("torch._utils", "_rebuild_parameter") + b"(" + text("a") + b"\x88}tR.",
    "a storage without a name": b"\x80\x02" + text("0") + b"Q.",
    "an odd call of a set": name("builtins", "set") + text("ab") + b"\x85R.",
    "an odd call of an ordered dict": name("collections", "OrderedDict") + b"K\x01K\x02\x86R.",
    "an encoding with a program behind it": name("_codecs", "encode") + text("x") + text("zlib") + b"\x86R.",
    "a numpy type of objects": name("numpy", "dtype") + text("O") + b"\x85R.",
    "a numpy array of another class": name("numpy.core.multiarray", "_reconstruct")
    + name("models.yolo", "Model")
    + b"\x85R.",
    "state that is no mapping": name("models.yolo", "Model") + b")\x81K\x01b.",
    "state with numbers for names": name("models.yolo", "Model") + b")\x81}K\x01K\x02sb.",
    "an empty stack": b"\x80\x02.",
    "two values": b"\x80\x02K\x01K\x02.",
    "an open mark": b"\x80\x02(K\x01.",
    "no end": b"\x80\x02K\x01",
    "a memo that is empty": b"\x80\x02h\x05.",
    "a list as key": b"\x80\x02}]K\x01s.",
    "items for a list": b"\x80\x02]K\x01K\x02s.",
    "no instruction": b"\x80\x02\xff.",
    "text that is cut off": b"\x80\x02X\xff\xff\xff\x7fabc",
    "a huge number as key": b"\x80\x02}" + number(1 << 61) + b"K\x01s.",
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_broken_is_said_in_one_line(tmp_path: Path, case: str) -> None:
    path = archive(tmp_path / "broken.pt", BROKEN[case], {"0": bytes(16)})
    with pytest.raises(EngineError, match=r"damaged|cut off|refused") as caught:
        read_pickled(path)
    assert str(caught.value).isprintable()


def test_the_good_neighbours_of_the_broken_ones_are_read(tmp_path: Path) -> None:
    values = np.arange(4, dtype=np.float32)
    path = archive(tmp_path / "good.pt", entry("a", ONE), {"0": values.tobytes()})
    assert read_pickled(path)["a"].tolist() == [[0, 1], [2, 3]]


def doubling_tuples(levels: int) -> bytes:
    """t = (t, t), over and over: a few bytes that unfold to 2 ** levels."""
    return b"\x80\x02K\x01" + b"".join(b"q\x00h\x00\x86" for _ in range(levels))


NESTS = {
    "tuples": doubling_tuples(200)[2:],
    "a list in itself": b"]q\x01h\x01a",
    "lists": b"]" * 300_000 + b"a" * 299_999,
}


@pytest.mark.parametrize("case", NESTS)
def test_a_nest_that_unfolds_without_end_costs_nothing(tmp_path: Path, case: str) -> None:
    network = b"}" + text("w") + ONE + b"s"
    data = b"\x80\x02}" + text("model") + network + b"s" + text("a") + NESTS[case] + b"s."
    content = content_of(read_pickled(archive(tmp_path / "nest.pt", data, {"0": bytes(16)})), "nest")
    assert list(content.state) == ["w"]
    assert "a" not in content.facts


def test_tuples_in_tuples_are_no_keys(tmp_path: Path) -> None:
    """Their hash would take 2 ** 200 steps."""
    path = archive(tmp_path / "keys.pt", b"\x80\x02}" + doubling_tuples(200)[2:] + b"K\x01s.")
    with pytest.raises(EngineError, match="no key"):
        read_pickled(path)


MODULE = name("models.yolo", "Model") + b")\x81"
CHILDREN = b"}" + text("_modules") + b"}"
TWICE = b"q\x020" + MODULE + CHILDREN + text("a") + b"h\x02s" + text("b") + b"h\x02ssb"


@pytest.mark.parametrize(
    "data",
    [MODULE + b"q\x01" + CHILDREN + text("a") + b"h\x01ssb.", MODULE + 40 * TWICE + b"."],
    ids=["itself", "two of the same, forty times over"],
)
def test_modules_that_hold_one_another_are_refused(tmp_path: Path, data: bytes) -> None:
    path = archive(tmp_path / "cycle.pt", data)
    with pytest.raises(EngineError, match="contain one another"):
        content_of(read_pickled(path), "cycle")


def test_one_value_shown_a_billion_times_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "fill.pt", entry("a", tensor(storage("0", 4), 0, (1 << 30,), (0,))), {"0": bytes(16)})
    with pytest.raises(EngineError, match="over and over"):
        read_pickled(path)


def test_a_pickle_of_millions_of_instructions_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "long.pt", b"\x80\x02" + b"N0" * 2_000_000 + b"N.")
    with pytest.raises(EngineError, match="instructions"):
        read_pickled(path)


WATCHED = """
import pathlib, sys
from contracts.errors import EngineError
from training.checkpoints import open_subject
folder = pathlib.Path(sys.argv[1])
seen = []
def watch(event, arguments):
    writing = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
    if writing or event in ("exec", "compile", "import") or event.startswith(
        ("os.", "pickle.", "subprocess.", "socket.", "ctypes.", "shutil.", "urllib.", "marshal.")
    ):
        seen.append(event)
def read(path):
    try:
        open_subject(path)
    except EngineError as error:
        return str(error)
    return "read"
read(folder / "warm.pt")  # imports what is imported late
cases = sorted(folder.glob("case*.pt"))
sys.addaudithook(watch)
for path in cases:
    said = read(path)
    sys.stdout.write(f"{path.name}: {said}: {seen}\\n")
"""


def test_the_interpreter_itself_sees_nothing_happen(tmp_path: Path) -> None:
    """Audit events of Python: no import, no exec, no unpickling, no process, no socket, no file opened for writing."""
    marker = tmp_path / "marker"
    archive(tmp_path / "warm.pt", *inner(odd()))
    cases = [*payloads(marker).values(), *(data for data, _ in NAMED.values())]
    for index, data in enumerate(cases):
        archive(tmp_path / f"case{index:02}.pt", data, {"0": bytes(16)})
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    lines = done.stdout.splitlines()
    assert len(lines) == len(cases)
    assert all("nothing was run" in line and line.endswith(": []") for line in lines), done.stdout
    assert not marker.exists()
