"""Segmented recordings that are killed, and the run after that."""

from __future__ import annotations

import signal
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import pytest

from outputs.encoder import VideoSettings
from outputs.mp4 import Mp4Output
from outputs.segment_names import segment_at
from outputs.segments import SegmentedMp4Output
from tests.support.numbered_video import mp4
from tests.support.recording import FAST, decoded, level_of, picture, rates
from tests.support.segmented import HALF, NAME, SECOND, arrived, live, names, noise, record, segments

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


@pytest.mark.parametrize("kind", ["empty", "begun", "rubbish", "cut", "closed", "marked", "taken"])
def test_what_a_killed_run_may_leave(tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """Killed before there was anything, before the first fragment, by a power cut, in mid-fragment, while it was
    finished, or twice."""
    part, name = tmp_path / "out-000004-20261127T190501Z.part.mp4", tmp_path / "out-000004-20261127T190501Z.mp4"
    record(tmp_path / "x.mp4", rates(Fraction(30), 25), SECOND)
    (made,) = tmp_path.iterdir()
    made.rename(part)
    data = part.read_bytes()
    if kind == "empty":
        part.write_bytes(b"")
    elif kind == "begun":
        part.write_bytes(data[:88])
    elif kind == "rubbish":
        part.write_bytes(data[:88] + b"\0" * 5000)
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
        "begun": [],
        "rubbish": [name.stem + ".part-1.mp4"],
        "taken": [name.name, name.stem + ".part-1.mp4"],
    }.get(kind, [name.name])
    if kind == "rubbish":
        assert (tmp_path / left[0]).read_bytes() == data[:88] + b"\0" * 5000
    if kind in {"closed", "marked", "cut"}:
        assert len(decoded(name)) >= 16
        assert name.read_bytes().count(data[-24:]) == 1, "marked once"
        assert segment_at(name, 4) is not None
    assert any(each.startswith("out-000005") for each in names(tmp_path))
    assert ("of an earlier run is now" in caplog.text) is (kind not in {"empty", "begun"})


def _growing(path: Path) -> bytes:
    """What a segment of 25 frames has on the disk before it is closed."""
    output = SegmentedMp4Output(path, FAST, SECOND)
    output.open([live()])
    for index, pts in enumerate(rates(Fraction(30), 25)):
        output.write(arrived(picture((128, 96), level_of(index)), pts, live(), index))
    (part,) = path.parent.glob(f"{path.stem}-*.part.mp4")
    data = part.read_bytes()
    output.close(None)
    for each in path.parent.glob(f"{path.stem}*"):
        each.unlink()
    return data


def _plain_part(folder: Path) -> bytes:
    """What a recording in one piece leaves when it is killed: RoadStream's, and no segment."""
    output = Mp4Output(folder / "plain.mp4", FAST)
    output.open([live()])
    for index, pts in enumerate(rates(Fraction(30), 25)):
        output.write(arrived(picture((128, 96), level_of(index)), pts, live(), index))
    data = (folder / "plain.part.mp4").read_bytes()
    output.close(None)
    return data


def _copied(part: bytes, folder: Path, **options: str) -> bytes:
    """What a program makes of a part of ours that copies its pictures and tags."""
    (folder / "ours.mp4").write_bytes(part)
    copy = folder / "copy.mp4"
    with av.open(folder / "ours.mp4") as ours, av.open(copy, "w", container_options=options) as out:
        out.metadata.update(ours.metadata)
        video = ours.streams.video[0]
        track = out.add_stream_from_template(video)
        track.metadata.update(video.metadata)
        for packet in ours.demux(video):
            if packet.dts is not None:
                packet.stream = track
                out.mux(packet)
    return copy.read_bytes()


@pytest.mark.parametrize("kind", ["plain", "fragmented", "short", "rubbish", "recording", "copy", "fragmented copy"])
def test_a_part_that_is_not_ours_is_left_alone(tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever has the name of a part: it stays to the bit, is named once in a run, and its number is not used."""
    folder, elsewhere = tmp_path / "rec", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    fragmented = {"movflags": "frag_keyframe+empty_moov"}
    if kind in {"plain", "short", "rubbish"}:
        data = {"plain": mp4(50), "short": mp4(1)[:40], "rubbish": b"\0" * 5000}[kind]
    elif kind == "recording":
        data = _plain_part(elsewhere)
    else:
        data = _growing(elsewhere / "x.mp4")
        data = _copied(data, elsewhere, **(fragmented if kind.startswith("fragmented") else {}))
    part = folder / "out-000009-20200101T000000Z.part.mp4"
    part.write_bytes(data)
    for run in (1, 2):
        output = SegmentedMp4Output(folder / "out.mp4", FAST, HALF, keep=len(data) + 20_000)
        output.open([live()])
        for index, pts in enumerate(rates(Fraction(30), 120)):
            output.write(arrived(noise(index, (128, 96)), pts, live(), index))
        output.close(None)
        assert output.counts()["deleted"]
        assert part.read_bytes() == data
        assert caplog.text.count("was not recorded by RoadStream as a segment: it stays as it is") == run
    assert [each for each in names(folder) if each < "out-00001"] == [part.name]


def test_a_part_is_known_as_ours_from_its_header_on(tmp_path: Path) -> None:
    """With whatever codec, growing and closed."""
    for codec in ("h264", "hevc", "av1"):
        output = SegmentedMp4Output(tmp_path / f"{codec}.mp4", VideoSettings(codec=codec), HALF)
        output.open([live()])
        output.write(arrived(picture((128, 96), 100), Fraction(0), live()))
        (part,) = tmp_path.glob(f"{codec}-*.part.mp4")
        begun = part.read_bytes()
        output.close(None)
        (whole,) = tmp_path.glob(f"{codec}-*.mp4")
        place = begun.find(b"uuid")
        assert 0 < place < len(begun) < 100, "there is only a header yet"
        assert begun[place - 4 : place + 20] == whole.read_bytes()[place - 4 : place + 20], codec
        assert len(decoded(whole)) == 1
