"""The source's sound beside the picture: in step, from the right second, never a reason to lose the picture."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import pytest

from contracts.frame import SourceInfo
from outputs.fragments import cut_to_whole_fragments
from outputs.mp4 import Mp4Output
from tests.support.recording import (
    FAST,
    boxes,
    decoded,
    level_of,
    picture,
    rates,
    record,
    result_of,
    source_info,
)
from tests.support.sounds import BEEP, beep_at, sound, write_sound

RATE = Fraction(30)
STEP = 0.025  # s; an AAC frame is 21 ms long


def record_with(path: Path, info: SourceInfo, seconds: int = 2, audio: bool = True) -> None:
    output = Mp4Output(path, FAST, audio)
    output.open([info])
    for index, pts in enumerate(rates(RATE, seconds * 30)):
        output.write(result_of(picture((128, 96), level_of(index)), pts, info))
    output.close(None)


def codec_of(path: Path) -> str | None:
    with av.open(str(path)) as container:
        return container.streams.audio[0].codec_context.codec.canonical_name if container.streams.audio else None


@pytest.mark.parametrize(
    ("codec", "ending", "becomes"),
    [
        ("aac", "mp4", "aac"),
        ("aac", "ts", "aac"),
        ("aac", "mkv", "aac"),
        ("libmp3lame", "mp4", "mp3"),
        ("libopus", "mkv", "opus"),
        ("flac", "mkv", "flac"),
        ("ac3", "mkv", "ac3"),
        ("alac", "mov", "alac"),
        ("pcm_s16le", "wav", "aac"),
        ("pcm_mulaw", "mov", "aac"),
        ("vorbis", "ogg", "aac"),
    ],
)
@pytest.mark.parametrize("start", [Fraction(0), Fraction(137, 100), Fraction(22001, 15000)])
def test_sound_is_in_step(tmp_path: Path, codec: str, ending: str, becomes: str, start: Fraction) -> None:
    """The beep is heard as long after the first picture as it came after it in the source."""
    if codec not in av.codecs_available:
        pytest.skip(f"this build of FFmpeg has no {codec} encoder to make the source with")
    source = write_sound(tmp_path / f"in.{ending}", codec)
    heard = beep_at(source)
    record_with(tmp_path / "out.mp4", source_info(audio=source, start=start), seconds=3)
    assert codec_of(tmp_path / "out.mp4") == becomes
    assert beep_at(tmp_path / "out.mp4") == pytest.approx(heard - float(start), abs=STEP)
    assert [time for time, _ in decoded(tmp_path / "out.mp4")] == rates(RATE, 90)


def test_sound_whose_clock_starts_late(tmp_path: Path) -> None:
    """Pts 0 of the picture is some moment of the source's clock, which need not begin at 0 (MPEG-TS rarely does)."""
    source = write_sound(tmp_path / "in.ts", "aac", first=Fraction(1))
    with av.open(str(source)) as container:
        late = container.streams.audio[0].start_time
        base = container.streams.audio[0].time_base
        assert late is not None
        assert base is not None
        start = late * base
    assert start > Fraction(9, 10)
    heard = beep_at(source)
    record_with(tmp_path / "out.mp4", source_info(audio=source, start=start), seconds=2)
    assert beep_at(tmp_path / "out.mp4") == pytest.approx(heard - float(start), abs=STEP)


def test_frames_dropped_at_the_beginning_do_not_move_the_sound(tmp_path: Path) -> None:
    info = source_info(audio=write_sound(tmp_path / "in.mp4", "aac"))
    record(tmp_path / "out.mp4", [Fraction(index, 30) for index in range(9, 90)], info)
    assert decoded(tmp_path / "out.mp4")[0][0] == Fraction(9, 30)
    assert beep_at(tmp_path / "out.mp4") == pytest.approx(BEEP, abs=STEP)


@pytest.mark.parametrize("codec", ["aac", "pcm_s16le"])
def test_sound_ends_with_the_picture(tmp_path: Path, codec: str) -> None:
    source = write_sound(tmp_path / "in.mov", codec)
    record_with(tmp_path / "out.mp4", source_info(audio=source, start=Fraction(1, 2)), seconds=2)
    samples, rate, begin = sound(tmp_path / "out.mp4")
    assert begin + len(samples) / rate == pytest.approx(2, abs=2 * STEP)


@pytest.mark.parametrize("codec", ["aac", "pcm_s16le"])
def test_sound_shorter_than_the_picture_leaves_silence(tmp_path: Path, codec: str) -> None:
    source = write_sound(tmp_path / "in.mov", codec, seconds=2.5)
    record_with(tmp_path / "out.mp4", source_info(audio=source), seconds=4)
    samples, rate, begin = sound(tmp_path / "out.mp4")
    assert begin + len(samples) / rate == pytest.approx(2.5, abs=3 * STEP)
    assert len(decoded(tmp_path / "out.mp4")) == 120


def test_index_in_front_with_sound_too(tmp_path: Path) -> None:
    record_with(tmp_path / "out.mp4", source_info(audio=write_sound(tmp_path / "in.mp4", "aac")))
    assert boxes(tmp_path / "out.mp4") == ["ftyp", "moov", "free", "mdat"]


def test_no_audio_asked_for(tmp_path: Path) -> None:
    record_with(tmp_path / "out.mp4", source_info(audio=write_sound(tmp_path / "in.mp4", "aac")), audio=False)
    assert codec_of(tmp_path / "out.mp4") is None


def test_a_source_without_sound(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    record(tmp_path / "in.mp4", rates(RATE, 5), source_info())
    record_with(tmp_path / "out.mp4", source_info(audio=tmp_path / "in.mp4"))
    assert codec_of(tmp_path / "out.mp4") is None
    assert caplog.text == ""


@pytest.mark.parametrize("fault", ["missing", "text", "cut", "past its end"])
def test_sound_that_cannot_be_had_never_costs_the_picture(
    tmp_path: Path, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    source, start = tmp_path / "in.ts", Fraction(0)
    if fault == "text":
        source.write_text("no sound\n" * 1000)
    elif fault != "missing":
        write_sound(source, "aac")
        start = Fraction(100) if fault == "past its end" else start
    if fault == "cut":
        source.write_bytes(source.read_bytes()[: source.stat().st_size // 2])
    record_with(tmp_path / "out.mp4", source_info(audio=source, start=start))
    assert len(decoded(tmp_path / "out.mp4")) == 60
    assert not list(tmp_path.glob("out.*.mp4"))
    if fault in {"missing", "text"}:
        assert caplog.text.count("is left out") == 1


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5, 0.8, 0.99, 1.0])
def test_a_cut_off_part_is_cut_back_to_what_plays(tmp_path: Path, share: float) -> None:
    """Whatever byte it was cut at: every fragment that is whole plays, nothing behind it is left."""
    whole = tmp_path / "whole.part.mp4"
    output = Mp4Output(tmp_path / "whole.mp4", FAST)
    info = source_info()
    output.open([info])
    for index, pts in enumerate(rates(RATE, 100)):
        output.write(result_of(picture((128, 96), level_of(index)), pts, info))
    data = whole.read_bytes()
    output.close(None)
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(data[: int(len(data) * share)])
    cut_to_whole_fragments(cut)
    kept = cut.read_bytes()
    assert data.startswith(kept)
    if kept:
        assert boxes(cut)[-1] == "mdat"
        assert len(decoded(cut)) >= 100 * share - 12


@pytest.mark.parametrize("data", [b"", b"\0" * 7, b"\0\0\0\0mdat", b"\0\0\0\1mdat\0\0", b"text, not boxes"])
def test_cutting_what_is_no_recording_leaves_nothing(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.mp4").write_bytes(data)
    cut_to_whole_fragments(tmp_path / "x.mp4")
    assert (tmp_path / "x.mp4").read_bytes() == b""
