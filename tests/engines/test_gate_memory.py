"""A verdict is remembered for exactly the question it answers, and a damaged memory is no memory."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from contracts.config import EngineConfig
from engines import gate_memory
from engines.gate_memory import remember, remembered
from engines.verdicts import HeadFigures, Verdict

ACCEPTED = Verdict(
    "accepted",
    "with openvino fp32, boxes: 43 of 45 boxes found again (limit 90%)",
    "sure.onnx",
    16,
    (HeadFigures("boxes", "boxes", 43, 45), HeadFigures("lane", "lines", 900, 1000, 100_000)),
)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "roadstream" / "gate"


@pytest.fixture
def pair(tmp_path: Path, cache: Path) -> tuple[EngineConfig, EngineConfig]:
    """A file and its reference; only their bytes matter here."""
    (tmp_path / "file.xml").write_bytes(b"<net/>")
    (tmp_path / "file.bin").write_bytes(b"weights")
    (tmp_path / "sure.onnx").write_bytes(b"network")
    return EngineConfig(file=tmp_path / "file.xml"), EngineConfig(file=tmp_path / "sure.onnx")


def test_what_is_remembered_comes_back_whole(pair: tuple[EngineConfig, EngineConfig], cache: Path) -> None:
    assert remembered(*pair) is None
    remember(*pair, ACCEPTED)
    assert remembered(*pair) == ACCEPTED
    assert [path.suffix for path in cache.iterdir()] == [".json"]


def test_no_verdict_is_not_remembered(pair: tuple[EngineConfig, EngineConfig]) -> None:
    remember(*pair, Verdict("no verdict", "too few boxes"))
    assert remembered(*pair) is None


@pytest.mark.parametrize("name", ["file.xml", "file.bin", "sure.onnx"])
def test_a_changed_byte_asks_again(pair: tuple[EngineConfig, EngineConfig], tmp_path: Path, name: str) -> None:
    remember(*pair, ACCEPTED)
    changed = bytearray((tmp_path / name).read_bytes())
    changed[2] ^= 1
    (tmp_path / name).write_bytes(changed)
    os.utime(tmp_path / name, (1, 1))  # coarse clocks must not hide the change
    assert remembered(*pair) is None


def test_the_same_bytes_elsewhere_are_known(pair: tuple[EngineConfig, EngineConfig], tmp_path: Path) -> None:
    remember(*pair, ACCEPTED)
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for name in ("file.xml", "file.bin", "sure.onnx"):
        (tmp_path / name).rename(moved / name)
    assert remembered(EngineConfig(file=moved / "file.xml"), EngineConfig(file=moved / "sure.onnx")) == ACCEPTED


@pytest.mark.parametrize("update", [{"backend": "onnxruntime"}, {"precision": "bf16"}, {"device": "cuda:0"}])
def test_another_way_of_running_asks_again(pair: tuple[EngineConfig, EngineConfig], update: dict[str, str]) -> None:
    remember(*pair, ACCEPTED)
    assert remembered(pair[0].model_copy(update=update), pair[1]) is None


def test_options_left_out_are_the_defaults(pair: tuple[EngineConfig, EngineConfig]) -> None:
    remember(*pair, ACCEPTED)
    spelled_out = pair[0].model_copy(update={"backend": "auto", "precision": "auto", "device": "cpu", "score": 0.5})
    assert remembered(spelled_out, pair[1]) == ACCEPTED


@pytest.mark.parametrize("name", ["file.card.yaml", "sure.card.yaml"])
def test_a_card_beside_a_file_that_comes_or_changes_asks_again(
    pair: tuple[EngineConfig, EngineConfig], tmp_path: Path, name: str
) -> None:
    for text in ("colour: rgb", "colour: bgr"):
        remember(*pair, ACCEPTED)
        (tmp_path / name).write_text(text)
        assert remembered(*pair) is None


@pytest.mark.parametrize(
    ("part", "value"),
    [("installed_version", lambda _package: "99.0"), ("_processor", lambda: "another")],
    ids=["runtime", "cpu"],
)
def test_another_runtime_or_processor_asks_again(
    pair: tuple[EngineConfig, EngineConfig],
    monkeypatch: pytest.MonkeyPatch,
    part: str,
    value: Callable[..., str],
) -> None:
    remember(*pair, ACCEPTED)
    monkeypatch.setattr(gate_memory, part, value)
    assert remembered(*pair) is None


def test_forbidden_instruction_sets_ask_again(
    pair: tuple[EngineConfig, EngineConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    remember(*pair, ACCEPTED)
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    assert remembered(*pair) is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: "\x00\xff" * 50,
        lambda text: "[]",
        lambda text: text.replace("accepted", "splendid"),
        lambda text: json.dumps({**json.loads(text), "verdict": {}}),
        lambda text: json.dumps({**json.loads(text), "question": {"file": ["another"]}}),
    ],
    ids=["empty", "cut off", "noise", "another form", "an unknown state", "no verdict in it", "another question"],
)
def test_a_damaged_entry_is_ignored_and_written_anew(
    pair: tuple[EngineConfig, EngineConfig], cache: Path, damage: Callable[[str], str]
) -> None:
    remember(*pair, ACCEPTED)
    (entry,) = cache.iterdir()
    entry.write_text(damage(entry.read_text()), encoding="utf-8")
    assert remembered(*pair) is None
    remember(*pair, ACCEPTED)
    assert remembered(*pair) == ACCEPTED


def test_a_cache_that_cannot_be_written_remembers_nothing(
    pair: tuple[EngineConfig, EngineConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a file"))
    remember(*pair, ACCEPTED)
    assert remembered(*pair) is None


def test_an_entry_that_cannot_be_replaced_is_left(pair: tuple[EngineConfig, EngineConfig], cache: Path) -> None:
    remember(*pair, ACCEPTED)
    (entry,) = cache.iterdir()
    entry.unlink()
    entry.mkdir()  # rename(2) of a file onto a folder fails, for root as well
    remember(*pair, ACCEPTED)
    assert remembered(*pair) is None
    assert [*cache.iterdir()] == [entry]
