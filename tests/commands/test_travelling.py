"""What travels with a drive, through the program: when, where, with what, and the GPS tracks, in step."""

from __future__ import annotations

import subprocess
from fractions import Fraction
from pathlib import Path

import av
import pytest

from tests.support.networks import box_network
from tests.support.program import command, run_stream
from tests.support.travelling import TAGS, kinds_of, line_at, record_drive, samples, tags_of

APPLE_PLACE = "com.apple.quicktime.location.ISO6709"
KEPT = {name: TAGS[name] for name in ("make", "model", "title", "comment")}


def frames_of(path: Path) -> list[tuple[Fraction, int]]:
    """Seconds and the number that the grey of each frame stands for."""
    with av.open(str(path)) as container:
        return [
            (
                (frame.pts or 0) * (frame.time_base or Fraction(0)),
                round(float(frame.to_ndarray(format="bgr24").mean()) / 2),
            )
            for frame in container.decode(video=0)
        ]


@pytest.mark.parametrize(
    ("words", "first", "last", "begun"),
    [
        ((), 0, 100, "2024-05-06T07:08:09.250000Z"),
        (("--start", "1.3", "--seconds", "1.6"), 33, 73, "2024-05-06T07:08:10.570000Z"),
    ],
)
def test_a_drive_keeps_when_where_and_its_gps(
    tmp_path: Path, words: tuple[str, ...], first: int, last: int, begun: str
) -> None:
    source, out = record_drive(tmp_path / "drive.mp4"), tmp_path / "out.mp4"
    network = box_network(tmp_path / "net.onnx")
    done = run_stream(source, "--engine", network, "--save", out, "--layers", "lanes", "--quiet", *words)
    assert (done.code, done.err) == (0, "")
    tags = tags_of(out)
    assert KEPT.items() <= tags.items()
    assert tags["creation_time"] == begun
    assert tags[APPLE_PLACE] == tags["location"] == tags_of(source)["location"]
    frames = frames_of(out)
    assert [time for time, _ in frames] == [Fraction(index, 25) for index in range(last - first)]
    assert all(abs(number - first - index) <= 2 for index, (_, number) in enumerate(frames))
    for kind in ("data", "subtitle"):
        found = samples(out, kind)
        assert found[0].begin == 0
        for sample in found[1:]:  # what a sample says of the time is what is seen there
            assert sample.data == line_at(round((sample.begin + Fraction(first, 25)) * 1000))
        assert abs(found[-1].begin + found[-1].length - Fraction(last - first, 25)) <= Fraction(1, 500)


def test_a_loop_keeps_when_and_where_it_began_and_no_tracks(tmp_path: Path) -> None:
    """The second pass is another moment than what the tracks say."""
    source, out = record_drive(tmp_path / "drive.mp4", seconds=1), tmp_path / "out.mp4"
    network = box_network(tmp_path / "net.onnx")
    done = run_stream(source, "--engine", network, "--save", out, "--loop", "--max-frames", "40", "--quiet")
    assert (done.code, done.err) == (0, "")
    assert kinds_of(out) == ["video"]
    assert tags_of(out)["creation_time"] == TAGS["creation_time"]


def test_standard_input_keeps_the_tags_and_no_tracks(tmp_path: Path) -> None:
    """Tracks are copied when the pictures are done; what came through a pipe is gone by then."""
    source, out = record_drive(tmp_path / "drive.mkv", data=None, text=False), tmp_path / "out.mp4"
    network = box_network(tmp_path / "net.onnx")
    words = command("-", "--engine", network, "--save", out, "--quiet")
    done = subprocess.run(words, input=source.read_bytes(), capture_output=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert kinds_of(out) == ["video"]
    assert KEPT.items() <= tags_of(out).items()
    assert tags_of(out)["creation_time"] == TAGS["creation_time"]


def test_tracks_that_no_mp4_holds_are_one_line(tmp_path: Path) -> None:
    source, out = record_drive(tmp_path / "drive.mp4", text=False), tmp_path / "out.mp4"
    source.write_bytes(source.read_bytes().replace(b"gpmd", b"mett"))
    done = run_stream(source, "--engine", box_network(tmp_path / "net.onnx"), "--save", out, "--quiet")
    assert done.code == 0
    assert len(done.err.splitlines()) == 1
    assert "data track 1 (GoPro MET)" in done.err
    assert kinds_of(out) == ["video"]
