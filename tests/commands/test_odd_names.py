"""Names and paths as file systems allow them, for a source and for every output: nothing lost, one line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import av
import pytest

from run_stream import main
from tests.support.clips import write_clip
from tests.support.networks import box_network, mask_network
from tests.support.program import command

NAMES = {
    "spaces and quotes": b"a 'b' \"c\" & $d;",
    "newline": b"a\nb",
    "emoji": "🚗 Straße".encode(),
    "no UTF-8": b"\xff\xfe\x80",
    "percent": b"a%d%s",
    "protocol": b"http:x",
    "option": b"-x",
    "question": b"a?b=c",
    "pattern": b"[a]{b}*",
    "escape": b"a\tb\x1b[31m",
    "200 bytes": b"n" * 200,
}


def run(*words: bytes | str | Path) -> tuple[int, str]:
    """Exit code and what was said; names are bytes, as the system has them."""
    line = [os.fsencode(word) for word in (*command(), *words)]
    done = subprocess.run(line, capture_output=True, timeout=240, check=False)
    return done.returncode, done.stderr.decode()


def engines(folder: Path) -> list[str | Path]:
    return [
        "--engine", box_network(folder / "boxes.onnx"), "--engine", mask_network(folder / "areas.onnx"), "--quiet"
    ]  # fmt: skip


def outputs(folder: bytes, stem: bytes) -> list[str | bytes]:
    def named(ending: bytes) -> bytes:
        return os.path.join(folder, stem + ending)  # noqa: PTH118 (bytes)

    return [
        "--save", named(b".mp4"), "--events", named(b".jsonl"), "--stats", named(b".json"),
        "--pictures", named(b" pictures"), "--masks", named(b" masks"), "--labels", named(b" labels"),
    ]  # fmt: skip


def check_whole(folder: bytes, stem: bytes, source: str, frames: int = 3) -> None:
    """Every output is there with every frame, and the texts among them are UTF-8 and name the source."""
    there = Path(os.fsdecode(folder))
    stem_ = os.fsdecode(stem)
    with av.open(f"file:{there / stem_}.mp4") as container:
        assert len(list(container.decode(video=0))) == frames
    events = (there / f"{stem_}.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["index"] for line in events] == list(range(frames))
    assert json.loads((there / f"{stem_}.json").read_text(encoding="utf-8"))["sources"][0]["uri"] == source
    for output, found in (
        ("pictures", "*.jpg"), ("masks", "drivable/*.png"), ("labels", "images/*.jpg"), ("labels", "labels/*.txt"),
    ):  # fmt: skip
        assert len(list((there / f"{stem_} {output}").glob(found))) == frames
    assert not [file for file in there.rglob("*") if ".part" in file.name or ".finishing" in file.name]


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_any_name_for_the_source_and_every_output(tmp_path: Path, name: bytes) -> None:
    folder = os.path.join(os.fsencode(tmp_path), name[:100])  # noqa: PTH118
    os.mkdir(folder)  # noqa: PTH102
    source = os.path.join(folder, name + b".mkv")  # noqa: PTH118
    shutil.move(write_clip(tmp_path / "clip.mkv", 3), os.fsdecode(source))
    assert run(source, *engines(tmp_path), *outputs(folder, b"out" + name)) == (0, "")
    check_whole(folder, b"out" + name, os.fsdecode(source))


def test_a_path_of_more_than_1024_bytes(tmp_path: Path) -> None:
    folder = tmp_path.joinpath(*["d" * 200] * 7)
    folder.mkdir(parents=True)
    source = folder / "clip.mp4"
    shutil.move(write_clip(tmp_path / "clip.mp4", 3), source)
    assert run(source, *engines(tmp_path), *outputs(os.fsencode(folder), b"out")) == (0, "")
    check_whole(os.fsencode(folder), b"out", str(source))


def test_a_source_whose_name_is_as_long_as_names_may_be(tmp_path: Path) -> None:
    """Files named after it are a little longer: they get a shorter name."""
    source = tmp_path / ("n" * 251 + ".mp4")
    shutil.move(write_clip(tmp_path / "clip.mp4", 3), source)
    assert run(source, *engines(tmp_path), *outputs(os.fsencode(tmp_path), b"out")) == (0, "")
    check_whole(os.fsencode(tmp_path), b"out", str(source))


@pytest.mark.parametrize("option", ["--save", "--events", "--stats", "--pictures", "--masks", "--labels"])
@pytest.mark.parametrize("name", ["n" * 300, "/".join(["f" * 200] * 25)], ids=["name", "path"])
def test_an_output_with_too_long_a_name_is_refused_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, name: str
) -> None:
    ending = {"--save": ".mp4", "--events": ".csv", "--stats": ".json"}.get(option, "")
    clip, network = write_clip(tmp_path / "clip.mp4", 3), mask_network(tmp_path / "areas.onnx")
    assert main([str(clip), f"--engine={network}", "--quiet", option, str(tmp_path / (name + ending))]) == 5
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    assert "name too long → check the path" in said


@pytest.mark.parametrize("name", [b"no\nsuch.mp4", b"no\x1b[31m\x07.mp4", b"\xff\xfe.mp4", b"n" * 300, b"a/" * 3000])
def test_a_source_that_is_not_there_is_one_harmless_line(tmp_path: Path, name: bytes) -> None:
    code, said = run(os.path.join(os.fsencode(tmp_path), name), *engines(tmp_path))  # noqa: PTH118
    assert code == 3
    assert len(said.splitlines()) == 1
    assert said.rstrip("\n").isprintable()


def test_unreadable_pictures_of_an_odd_folder_are_a_line_each(tmp_path: Path) -> None:
    folder = os.path.join(os.fsencode(tmp_path), b"\xff\n\x1b[1m")  # noqa: PTH118
    os.mkdir(folder)  # noqa: PTH102
    clip = write_clip(tmp_path / "clip.mp4", 1)
    code, _ = run(clip, *engines(tmp_path), "--pictures", folder)
    assert code == 0
    with open(os.path.join(folder, b"zz\n.jpg"), "wb") as broken:  # noqa: PTH118, PTH123
        broken.write(b"no picture")
    code, said = run(folder, *engines(tmp_path), "--strict")
    assert code == 3
    lines = said.splitlines()
    assert len(lines) == 2
    assert "zz .jpg is not a picture that can be read: skipped" in lines[0]
    assert lines[1].startswith("roadstream: 1 frame of ")
    assert lines[1].endswith("was unreadable and is missing")
    assert "\x1b" not in said
