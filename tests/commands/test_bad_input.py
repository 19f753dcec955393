"""Bad input: one line with the cure, the right exit code, nothing half-written under the output's name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.clips import write_clip
from tests.support.networks import box_network, mask_network
from tests.support.program import run_here, run_stream

Make = Callable[[Path], list[str]]
DRIVE = "synthetic:?seconds=1&size=64x64"


def _clip(folder: Path) -> str:
    return str(write_clip(folder / "clip.mp4", 10))


def _with_engine(*words: str) -> Make:
    return lambda folder: [*words, "--engine", str(mask_network(folder / "net.onnx"))]


def _with_boxes(*words: str) -> Make:
    return lambda folder: [*words, "--engine", str(box_network(folder / "net.onnx"))]


def _source(name: str, content: bytes | None) -> Make:
    def make(folder: Path) -> list[str]:
        if content is not None:
            (folder / name).write_bytes(content)
        return [str(folder / name), "--engine", str(mask_network(folder / "net.onnx"))]

    return make


def _engine(content: bytes, *, name: str = "bad.onnx") -> Make:
    def make(folder: Path) -> list[str]:
        (folder / name).write_bytes(content)
        return [_clip(folder), "--engine", str(folder / name)]

    return make


def _without_card(folder: Path) -> list[str]:
    return [_clip(folder), "--engine", str(mask_network(folder / "net.onnx", card=False))]


def _wrong_card(folder: Path) -> list[str]:
    return [_clip(folder), "--engine", str(box_network(folder / "net.onnx", classes="[car, bus, truck]"))]


def _yaml(text: str) -> Make:
    def make(folder: Path) -> list[str]:
        (folder / "preset.yaml").write_text(text, encoding="utf-8")
        return [
            _clip(folder),
            "--config",
            str(folder / "preset.yaml"),
            "--engine",
            str(mask_network(folder / "net.onnx")),
        ]

    return make


def _output(option: str, path: str) -> Make:
    def make(folder: Path) -> list[str]:
        (folder / "file").write_text("in the way", encoding="utf-8")
        target = path.format(folder=folder)
        return [_clip(folder), "--engine", str(mask_network(folder / "net.onnx")), option, target]

    return make


def _models(*words: str) -> Make:
    def make(folder: Path) -> list[str]:
        network = str(mask_network(folder / "net.onnx"))
        return [
            "models",
            "check",
            network,
            "--reference",
            network,
            "--frames",
            "synthetic:?seconds=1&size=64x64",
            *words,
        ]

    return make


def _overwrites_network(folder: Path) -> list[str]:
    network = mask_network(folder / "net.onnx")
    return [_clip(folder), "--engine", str(network), "--stats", str(network), "--overwrite"]


CASES: list[tuple[str, Make, int, list[str]]] = [
    ("no source", _with_engine(), 2, ["no source given", "--help"]),
    ("unknown option", _with_engine("--enginee", "x"), 2, ["--enginee", "did you mean --engine"]),
    ("bad number", _with_engine("x.mp4", "--score", "2"), 2, ["score"]),
    ("endless start", _with_engine("x.mp4", "--start", "1e18"), 2, ["start"]),
    ("infinite length", _with_engine("x.mp4", "--seconds", "inf"), 2, ["seconds"]),
    ("no length", _with_engine("x.mp4", "--seconds", "0"), 2, ["seconds"]),
    ("no classes", _with_engine("x.mp4", "--classes", ","), 2, ["classes"]),
    ("statistics as text", _with_engine("x.mp4", "--stats", "x.txt"), 2, [".json"]),
    ("missing source", _source("no.mp4", None), 3, ["no.mp4"]),
    ("empty source", _source("empty.mp4", b""), 3, ["empty.mp4", "empty"]),
    ("text source", _source("text.mp4", b"this is no video\n" * 50), 3, ["text.mp4"]),
    ("missing network", lambda folder: [_clip(folder), "--engine", "no.onnx"], 4, ["no.onnx"]),
    ("corrupt network", _engine(b"\x08\x07garbage" * 30), 4, ["bad.onnx"]),
    ("empty network", _engine(b""), 4, ["bad.onnx"]),
    ("checkpoint", _engine(b"PK\x03\x04", name="best.pt"), 4, ["best.pt", "training import"]),
    ("missing card", _without_card, 4, ["card", "net.onnx"]),
    ("contradicting card", _wrong_card, 4, ["3 classes", "net"]),
    ("unknown key", _yaml("scores: 0.3\n"), 2, ["scores", "did you mean 'score'"]),
    ("bad value", _yaml("score: much\n"), 2, ["score"]),
    ("no YAML", _yaml("score: [0.3\n"), 2, ["preset.yaml", "YAML"]),
    ("file as parent", _output("--save", "{folder}/file/out.mp4"), 5, ["out.mp4"]),
    ("missing parent", _output("--save", "{folder}/no/out.mp4"), 5, ["no"]),
    ("no MP4", _output("--save", "{folder}/out.avi"), 2, [".mp4"]),
    ("output is input", _output("--save", "{folder}/clip.mp4"), 2, ["clip.mp4"]),
    ("unknown events", _output("--events", "{folder}/out.txt"), 2, [".jsonl", ".csv"]),
    ("models: no such command", lambda folder: ["models", "chek"], 2, ["chek"]),
    ("models: bad backend", _models("--backend", "foo"), 2, ["backend", "foo"]),
    ("models: no frames", _models("--frames", "no.mp4"), 3, ["no.mp4"]),
    ("bench without end", _with_engine("bench", "synthetic:", "--loop"), 2, ["--max-frames"]),
    ("output is network", _overwrites_network, 2, ["net.onnx"]),
    ("two outputs of a kind", _with_engine("synthetic:", "-o", "a.csv", "-o", "b.jsonl"), 2, ["b.jsonl"]),
    (
        "classes without boxes",
        _with_engine(DRIVE, "--classes", "car"),
        2,
        ["gives boxes"],
    ),
    (
        "unknown class",
        _with_boxes("synthetic:?seconds=1&size=64x64", "--classes", "carr"),
        2,
        ["'carr'", "did you mean 'car'"],
    ),
]


@pytest.mark.parametrize(("make", "code", "words"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_one_line_and_the_right_exit_code(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], make: Make, code: int, words: list[str]
) -> None:
    arguments = make(tmp_path)
    if arguments[0] != "models":
        arguments.append("--quiet")  # a slow machine says how far it is
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    done = run_here(capfd, *arguments)
    assert done.code == code, done.err
    assert done.out == ""
    assert len(done.err.splitlines()) == 1, done.err
    assert done.err.startswith("roadstream: ")
    assert "→" in done.err
    for word in words:
        assert word in done.err
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert after == before


def test_an_existing_output_stays_without_overwrite_and_goes_with_it(tmp_path: Path) -> None:
    clip, network = _clip(tmp_path), mask_network(tmp_path / "net.onnx")
    out = tmp_path / "out.mp4"
    out.write_bytes(b"precious")
    refused = run_stream(clip, "--engine", network, "--save", out)
    assert (refused.code, out.read_bytes()) == (2, b"precious")
    assert "--overwrite" in refused.err
    done = run_stream(clip, "--engine", network, "--save", out, "--overwrite")
    assert done.code == 0, done.err
    assert out.read_bytes() != b"precious"


def test_debug_shows_where_an_error_came_from(tmp_path: Path) -> None:
    network = mask_network(tmp_path / "net.onnx")
    done = run_stream(tmp_path / "no.mp4", "--engine", network, "--debug")
    assert done.code == 3
    assert "Traceback" in done.err
