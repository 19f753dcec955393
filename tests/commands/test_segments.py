"""Segmented recordings on the command line: what is said, what is refused, what the statistics hold."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.support.networks import mask_network
from tests.support.program import run_here, run_stream
from tests.support.recording import decoded

CAMERA = "synthetic:city?size=320x180&seconds=5&fps=10"


def test_a_run_into_segments(tmp_path: Path) -> None:
    """Twice into the same name: the second goes on, and neither names more than the first and the last file."""
    words: list[str | Path] = [
        CAMERA,
        "--engine",
        mask_network(tmp_path / "net.onnx"),
        "--save",
        tmp_path / "out.mp4",
        "--segment",
        "2s",
        "--stats",
        tmp_path / "s.json",
        "--overwrite",
    ]
    for run in (0, 3):
        done = run_stream(*words)
        assert done.code == 0, done.err
        first, last = (tmp_path / f"out-{run + number:06d}.mp4" for number in (1, 3))
        assert re.search(rf"written +{re.escape(f'{first} … {last} (3 segments, ')}\d+ [kM]B\)", done.err), done.err
        assert done.err.count("written     ") == 2, "the segments and the statistics"
        encode = json.loads((tmp_path / "s.json").read_text())["outputs"]["encode"]
        sizes = [file.stat().st_size for file in tmp_path.glob("out-*.mp4") if file.name > f"out-{run:06d}.mp4"]
        assert encode == {
            "written": 50,
            "dropped": 0,
            "segments": 3,
            "bytes": sum(sizes),
            "deleted": 0,
            "first": str(first),
            "last": str(last),
        }
    assert [len(decoded(file)) for file in sorted(tmp_path.glob("*.mp4"))] == [20, 20, 10] * 2


def test_what_was_deleted_is_said(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    done = run_stream(
        *("synthetic:city?size=640x360&seconds=10&fps=10", "--engine", mask_network(tmp_path / "net.onnx")),
        *("--save", tmp_path / "kept/out.mp4", "--segment", "1s", "--keep", "2MB", "--crf", "1"),
    )
    assert done.code == 0, done.err
    assert re.search(r"\((\d+) segments, .*; \d+ oldest ones deleted\)", done.err), done.err
    assert sum(file.stat().st_size for file in (tmp_path / "kept").iterdir()) <= 2_000_000


def test_dry_run_shows_it(capfd: pytest.CaptureFixture[str]) -> None:
    done = run_here(capfd, CAMERA, "--save", "out.mp4", "--segment", "1h30m", "--keep", "50GB", "--dry-run")
    assert done.code == 0, done.err
    shown = json.loads(done.out)
    assert (shown["segment"], shown["keep"]) == ("5400s", "50GB")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--save", "out.mp4", "--keep", "50GB"], "keep deletes the oldest segments, and there are none → add segment"),
        (["--segment", "10m"], "give a name to save"),
        (["--save", "out.mp4", "--segment", "600"], "write 600s, 600m or 600MB"),
        (["--save", "out.mp4", "--segment", "2GB", "--keep", "3GB"], "at least 4GB"),
    ],
)
def test_usage_errors_are_one_line_with_the_cure(
    capfd: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    done = run_here(capfd, CAMERA, *words)
    assert done.code == 2
    assert says in done.err
    assert len(done.err.splitlines()) == 1
