"""Recording when things go wrong: killed at any moment, a disk that fills up or turns read-only."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from contracts.errors import OutputError
from contracts.frame import SourceInfo
from contracts.picture import Picture
from contracts.result import Result
from outputs.encoder import VideoSettings
from outputs.mp4 import Mp4Output
from tests.support.disks import make_read_only, small_disk
from tests.support.recording import FAST, boxes, decoded, i420, planes, result_of, source_info
from tests.support.sounds import write_sound

SIZE = (320, 240)

_RECORDER = r'''
import sys, threading, time, random
from fractions import Fraction
from pathlib import Path
import numpy as np
from contracts.picture import Picture
from outputs.encoder import VideoSettings
from outputs.mp4 import Mp4Output
from tests.support.recording import planes, result_of, source_info, i420

def gaps(name):
    """Stream time between frames; "vfr" is a camera that slows down from 30 to 5 frames per second at night."""
    count = 0
    while True:
        count += 1
        yield Fraction(1, 30 if count % 60 < 30 else 5) if name == "vfr" else 1 / Fraction(name)

def record(folder, name, codec):
    info = source_info((320, 240), None if name == "vfr" else Fraction(name))
    output = Mp4Output(folder / f"{name}.mp4", VideoSettings(codec, 23, "veryfast" if codec == "h264" else "ultrafast"))
    output.open([info])
    buffer, shift = i420((320, 240), 90), np.random.default_rng(0).integers(0, 60, (240, 320)).astype(np.uint8)
    written = (folder / f"{name}.written").open("w", buffering=1)  # a line at a time, whole
    pts, begin, index = Fraction(0), time.monotonic(), 0
    for gap in gaps(name):
        buffer[:240] = 90 + np.roll(shift, index, 1)
        output.write(result_of(Picture("yuv420p", planes(buffer)), pts, info))
        written.write(f"{pts}\n")
        pts, index = pts + gap, index + 1
        time.sleep(max(0.0, float(pts) - (time.monotonic() - begin)))

folder, codec = Path(sys.argv[1]), sys.argv[2]
for name in sys.argv[3:]:
    threading.Thread(target=record, args=(folder, name, codec)).start()
'''


@pytest.mark.parametrize(
    ("codec", "names"), [("h264", ("8", "30", "60", "vfr")), ("hevc", ("8", "30")), ("av1", ("8", "30"))]
)
def test_killed_at_any_moment_all_but_the_last_second_plays(tmp_path: Path, codec: str, names: tuple[str, ...]) -> None:
    """Recordings in real time, several at once; what is on the disk must decode to its end without an error."""
    script = tmp_path / "recorder.py"
    script.write_text(_RECORDER)
    kills = 3 if codec == "h264" else 1
    for kill in range(kills):
        folder = tmp_path / str(kill)
        folder.mkdir()
        _kill_recorder([sys.executable, str(script), str(folder), codec, *names], folder, random.uniform(1.5, 2.8))
        for name in names:
            written = _last_written(folder, name)
            assert written is not None
            frames = decoded(folder / f"{name}.part.mp4")
            assert frames[0][0] == 0
            assert frames[-1][0] >= written - 1, f"{name}: {float(written - frames[-1][0]):.2f} s lost"
            assert not (folder / f"{name}.mp4").exists()


def _last_written(folder: Path, name: str) -> Fraction | None:
    """Seconds of the last frame the recorder has handed over."""
    file = folder / f"{name}.written"
    lines = file.read_text().split("\n")[:-1] if file.exists() else []
    return Fraction(lines[-1]) if lines else None


def _kill_recorder(command: list[str], folder: Path, after_s: float) -> None:
    """Starts the recorder and kills it ``after_s`` of real time after its last recording began."""
    names = command[4:]
    environment = {"PYTHONPATH": str(Path(__file__).resolve().parents[2]), "PATH": "/usr/bin:/bin"}
    process = subprocess.Popen(command, env=environment)
    try:
        deadline = time.monotonic() + 60
        while any(_last_written(folder, name) is None for name in names):
            assert process.poll() is None, "the recorder ended by itself"
            assert time.monotonic() < deadline, "the recorder did not begin"
            time.sleep(0.02)
        time.sleep(after_s)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=30)


@pytest.mark.parametrize("size", [1_000_000, 1_234_567, 1_500_000, 2_000_000])
def test_a_disk_that_fills_up_while_recording(tmp_path: Path, size: int) -> None:
    with small_disk(tmp_path / "disk", size) as disk:
        output = Mp4Output(disk / "out.mp4", FAST)
        output.open([source_info(SIZE)])
        error, written = _fill(output)
        assert re.match(r".*disk full.*out\.part\.mp4", str(error))
        assert error.exit_code == 5
        output.close(error)
        assert [file.name for file in disk.iterdir()] == ["out.part.mp4"]
        assert len(decoded(disk / "out.part.mp4")) >= written - 8  # a quarter of a second and the frame that ends it


def test_a_disk_too_full_for_the_first_fragment(tmp_path: Path) -> None:
    """Nothing that plays is there: nothing is left, and the message does not promise anything."""
    with small_disk(tmp_path / "disk", 200_000) as disk:
        output = Mp4Output(disk / "out.mp4", FAST)
        output.open([source_info(SIZE)])
        error, _ = _fill(output)
        assert "disk full" in str(error)
        assert "kept" not in str(error)
        output.close(error)
        assert list(disk.iterdir()) == []


@pytest.mark.parametrize("lost", ["sound", "telemetry"])
def test_a_disk_that_fills_up_while_finishing(tmp_path: Path, lost: str) -> None:
    """With sound the finished file needs as much room again: without it the recording stays, whole."""
    source = write_sound(tmp_path / "in.mp4", "aac")
    info = source_info(SIZE, audio=source) if lost == "sound" else source_info(SIZE, telemetry=source)
    with small_disk(tmp_path / "disk", 1_500_000) as disk:
        output, count = _record_most(disk, info)
        with pytest.raises(OutputError, match=r"disk full.*out\.part\.mp4"):
            output.close(None)
        assert [file.name for file in disk.iterdir()] == ["out.part.mp4"]
        assert len(decoded(disk / "out.part.mp4")) == count


@pytest.mark.parametrize("tags", [{}, {"title": "A drive", "location": "+48.1+011.5/"}])
def test_without_sound_a_disk_needs_no_room_for_a_second_file(
    tmp_path: Path, tags: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """It takes its name as it was recorded, and that is said, with what is not in it."""
    with small_disk(tmp_path / "disk", 1_500_000) as disk:
        output, count = _record_most(disk, source_info(SIZE, tags=tags))
        output.close(None)
        assert [file.name for file in disk.iterdir()] == ["out.mp4"]
        frames = decoded(disk / "out.mp4")
        assert [pts for pts, *_ in frames] == [Fraction(index, 30) for index in range(count)]
        assert boxes(disk / "out.mp4") == ["ftyp", "free", "mdat", "moov"]
        (warning,) = caplog.messages
        assert warning.startswith(f"{disk / 'out.mp4'}: the disk has no room for the copy that finishes it")
        assert warning.endswith(", without its tags" if tags else "its index at the end")


def _record_most(disk: Path, info: SourceInfo) -> tuple[Mp4Output, int]:
    """More than half of the disk, not closed, and how many frames those are."""
    output, count = Mp4Output(disk / "out.mp4", FAST), 0
    output.open([info])
    part = disk / "out.part.mp4"
    while not part.exists() or part.stat().st_size < 900_000:
        output.write(_noise(count))
        count += 1
    return output, count


def test_a_disk_that_fills_up_in_the_very_last_bytes(tmp_path: Path) -> None:
    """The end of a recording writes an index, which may stop anywhere: what is left plays."""
    count, small, endings = 44, (64, 64), set()
    for room in range(0, 280_000, 8192):
        with small_disk(tmp_path / str(room), 2_000_000) as disk:
            output = Mp4Output(disk / "out.mp4", VideoSettings(crf=30))
            output.open([source_info(small)])
            for index in range(count):
                output.write(_noise(index, small))
            (disk / "filler").write_bytes(b"\0" * (_free(disk) - room))
            error = _close(output)
            assert error is None or re.match(r".*disk full.*out\.part\.mp4", str(error))
            left = "out.mp4" if error is None else "out.part.mp4"
            assert sorted(file.name for file in disk.iterdir()) == ["filler", left]
            found = len(decoded(disk / left))
            assert count - 8 <= found <= count
            endings.add((left, found == count))
    assert endings == {("out.part.mp4", False), ("out.mp4", True)}


def test_a_disk_that_turns_read_only_before_the_end(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1_000_000) as disk:
        (disk / "out.part.mp4").write_bytes(b"of an earlier run")
        make_read_only(disk)
        output = Mp4Output(disk / "out.mp4", FAST)
        with pytest.raises(OutputError, match="read-only"):
            output.open([source_info(SIZE)])
        output.close(None)


def test_the_folder_vanishes_while_recording(tmp_path: Path) -> None:
    """The open file is still written; the finished one has nowhere to go."""
    folder = tmp_path / "gone"
    folder.mkdir()
    output = Mp4Output(folder / "out.mp4", FAST)
    output.open([source_info(SIZE)])
    output.write(_noise(0))
    (folder / "out.part.mp4").unlink()
    folder.rmdir()
    with pytest.raises(OutputError, match=r"cannot write .*out\.mp4"):
        output.close(None)


def _fill(output: Mp4Output) -> tuple[OutputError, int]:
    """Writes until that fails; the error and how many frames were taken before it."""
    for index in range(10_000):
        try:
            output.write(_noise(index))
        except OutputError as error:
            return error, index
    raise AssertionError("the disk never filled up")


def _close(output: Mp4Output) -> OutputError | None:
    try:
        output.close(None)
    except OutputError as error:
        return error
    return None


def _noise(index: int, size: tuple[int, int] = SIZE) -> Result:
    """A frame that compresses badly, at 30 per second."""
    width, height = size
    buffer = i420(size, 100)
    buffer[:height] = np.random.default_rng(index).integers(0, 255, (height, width))
    return result_of(Picture("yuv420p", planes(buffer)), Fraction(index, 30), source_info(size))


def _free(disk: Path) -> int:
    figures = os.statvfs(disk)
    return figures.f_bavail * figures.f_bsize
