"""Segmented recordings that are killed, and the run after that."""

from __future__ import annotations

import signal
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest

from outputs.mp4 import Mp4Output
from outputs.segment_names import segment_at
from tests.support.recording import FAST, decoded, level_of, picture, rates
from tests.support.segmented import NAME, SECOND, arrived, live, names, record, segments

_RECORDER = r"""
import sys, time
from fractions import Fraction
from pathlib import Path
from contracts.segments import SegmentLimit
from outputs.segments import SegmentedMp4Output
from tests.support.segmented import arrived, live, noise
from tests.support.recording import FAST

info = live((320, 240))
output = SegmentedMp4Output(Path(sys.argv[1]), FAST, SegmentLimit(seconds=Fraction(1, 2)))
output.open([info])
begin = time.monotonic()
for index in range(100_000):
    pts = Fraction(index, 30)
    output.write(arrived(noise(index % 50), pts, info, index))
    print(index, flush=True)
    time.sleep(max(0.0, float(pts) - (time.monotonic() - begin)))
"""


@pytest.mark.parametrize("frames", [3, 35, 47, 60])
def test_killed_at_any_moment_and_started_again(tmp_path: Path, frames: int, caplog: pytest.LogCaptureFixture) -> None:
    """Finished segments are whole, the part plays, and the next run finishes it and goes on behind it."""
    written = _killed_recorder(tmp_path / "out.mp4", frames)
    whole = [file for file in segments(tmp_path) if NAME.fullmatch(file.name)]
    parts = [file for file in segments(tmp_path) if file not in whole]
    parts = [file for file in parts if file.stat().st_size > 256]  # else killed before its first fragment
    found = sum(len(decoded(file)) for file in (*whole, *parts))
    assert found >= written - 9, "a quarter of a second and the frame that ends it"
    record(tmp_path / "out.mp4", [Fraction(0)], SECOND)
    after = segments(tmp_path)
    assert all(NAME.fullmatch(file.name) for file in after), names(tmp_path)
    assert len(after) == len(whole) + len(parts) + 1
    assert sum(len(decoded(file)) for file in after) == found + 1
    assert all(segment_at(file, 1) for file in after)
    assert (tmp_path / "out.part.mp4").exists() is False
    for part in parts:
        assert not part.exists()
    assert caplog.text.count("of an earlier run is now") == len([file for file in after[:-1] if file not in whole])


def _killed_recorder(path: Path, frames: int) -> int:
    """Kills a recorder once it has written so many frames; how many they were."""
    environment = {"PYTHONPATH": str(Path(__file__).resolve().parents[2]), "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-c", _RECORDER, str(path)]
    written = 0
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            written = int(line) + 1
            if written >= frames:
                process.send_signal(signal.SIGKILL)
                written = max([written, *(int(rest) + 1 for rest in process.stdout if rest.endswith("\n"))])
    return written


@pytest.mark.parametrize("kind", ["empty", "rubbish", "cut", "closed", "marked", "taken"])
def test_what_a_killed_run_may_leave(tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """Killed before the first fragment, by a power cut, in mid-fragment, while it was finished, or twice."""
    part, name = tmp_path / "out-000004-20261127T190501Z.part.mp4", tmp_path / "out-000004-20261127T190501Z.mp4"
    record(tmp_path / "x.mp4", rates(Fraction(30), 25), SECOND)
    (made,) = tmp_path.iterdir()
    made.rename(part)
    data = part.read_bytes()
    if kind == "empty":
        part.write_bytes(b"")
    elif kind == "rubbish":
        part.write_bytes(b"\0" * 5000)
    elif kind == "closed":
        part.write_bytes(data[:-24])
    elif kind == "cut":
        part.write_bytes(_growing(tmp_path / "y.mp4")[:-7])
    elif kind == "taken":
        name.write_bytes(b"finished already")
    (tmp_path / "out-000004-20261127T190501Z.finishing.mp4").write_bytes(b"half a copy")
    record(tmp_path / "out.mp4", [Fraction(0)], SECOND)
    left = [each for each in names(tmp_path) if each.startswith("out-000004")]
    assert left == {
        "empty": [],
        "rubbish": [name.stem + ".part-1.mp4"],
        "taken": [name.name, name.stem + ".part-1.mp4"],
    }.get(kind, [name.name])
    if kind == "rubbish":
        assert (tmp_path / left[0]).read_bytes() == b"\0" * 5000
    if kind in {"closed", "marked", "cut"}:
        assert len(decoded(name)) >= 16
        assert name.read_bytes().count(data[-24:]) == 1, "marked once"
        assert segment_at(name, 4) is not None
    assert any(each.startswith("out-000005") for each in names(tmp_path))
    assert ("of an earlier run is now" in caplog.text) is (kind != "empty")


def _growing(path: Path) -> bytes:
    """What a recording of 25 frames has on the disk before it is closed."""
    output = Mp4Output(path, FAST)
    output.open([live()])
    for index, pts in enumerate(rates(Fraction(30), 25)):
        output.write(arrived(picture((128, 96), level_of(index)), pts, live(), index))
    data = path.with_name(f"{path.stem}.part.mp4").read_bytes()
    output.close(None)
    path.unlink()
    return data
