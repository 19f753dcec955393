"""Every clip of the shared material: frames and losses as its README says, times as its stamps say."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from contracts.errors import SourceError
from sources.video import VideoFileSource
from tests.sources.making_videos import reference

pytestmark = pytest.mark.shared

CLIPS: list[tuple[str, int, int, tuple[int, int]]] = [
    # name, frames out, lost, size as given out
    ("udacity_solidWhiteRight.mp4", 221, 0, (960, 540)),
    ("highway720_300.mp4", 300, 0, (1280, 720)),
    ("city_seattle_a.mp4", 250, 0, (640, 360)),
    ("city_seattle_b.mp4", 200, 0, (640, 360)),
    ("city_ringroad_8fps.mp4", 72, 0, (320, 240)),
    ("night_highway_truck.mp4", 300, 0, (640, 360)),
    ("night_twolane_720.mp4", 157, 0, (1280, 720)),
    ("rain_highway_audio.mp4", 240, 0, (640, 360)),
    ("country_curves.mp4", 180, 0, (640, 360)),
    ("portrait_motorbike_60fps.mp4", 240, 0, (480, 848)),
    ("mp4v_night_1080.mp4", 60, 0, (1920, 1080)),
    ("hevc_city.mp4", 120, 0, (640, 360)),
    ("mjpeg_city.avi", 75, 0, (640, 360)),
    ("vp9_rain.webm", 120, 0, (640, 360)),
    ("rot90.mp4", 45, 0, (480, 270)),
    ("vfr.mp4", 45, 0, (480, 270)),
    ("bt601_full.mp4", 45, 0, (480, 270)),
    ("odd_853x479.mkv", 30, 0, (853, 479)),
    ("tenbit.mp4", 45, 0, (480, 270)),
    ("tenbit_h264.mp4", 45, 0, (480, 270)),
    ("truncated.mp4", 24, 21, (480, 270)),
    ("corrupt_middle.mp4", 43, 2, (480, 270)),
    ("reschange.ts", 44, 0, (480, 270)),
    ("nopts.h264", 45, 0, (480, 270)),
    ("one_frame.mp4", 1, 0, (480, 270)),
]


@pytest.mark.parametrize("clip", CLIPS, ids=[clip[0] for clip in CLIPS])
def test_frames_and_losses(
    shared: Path, clip: tuple[str, int, int, tuple[int, int]], caplog: pytest.LogCaptureFixture
) -> None:
    name, count, lost, size = clip
    source = VideoFileSource(shared / "clips" / name)
    frames = [(frame.index, frame.pts, frame.picture.width, frame.picture.height) for frame in source.frames()]
    info = source.info
    assert len(frames) == count
    assert source.losses.lost == lost
    assert {(width, height) for _, _, width, height in frames} == {(info.width, info.height)} == {size}
    shown = reference(shared / "clips" / name)
    if shown[0].pts is not None:
        expected = [(pts - shown[0].pts) * info.time_base for pts, _ in shown if pts is not None]
        assert [pts for _, pts, _, _ in frames] == expected
    if not lost:
        assert [index for index, *_ in frames] == list(range(count))
    assert bool(caplog.records) == (lost > 0 or name == "reschange.ts")


@pytest.mark.parametrize("name", [clip[0] for clip in CLIPS if clip[1] > 1 and clip[0] != "reschange.ts"])
def test_start_in_the_middle(shared: Path, name: str, caplog: pytest.LogCaptureFixture) -> None:
    """Only the tail of a damaged clip is damaged; of the others nothing is."""
    whole = VideoFileSource(shared / "clips" / name)
    times = [frame.pts for frame in whole.frames()]
    caplog.clear()
    for share in (0.5, 0.95):
        wanted = times[int(share * len(times))]
        source = VideoFileSource(shared / "clips" / name, start=float(wanted) - 1e-4)
        assert [frame.pts + wanted for frame in source.frames()] == times[int(share * len(times)) :]
        assert source.losses.lost <= whole.losses.lost
        if not whole.losses.lost:
            assert source.losses.lost == 0


def test_a_bare_stream_plays_at_the_rate_it_states(shared: Path) -> None:
    source = VideoFileSource(shared / "clips" / "nopts.h264")
    times = [frame.pts for frame in source.frames()]
    assert times == [index * Fraction(1001, 30000) for index in range(45)]


def test_a_turned_clip_shows_the_street_upright(shared: Path) -> None:
    """The same pictures are in city_seattle_a.mp4, larger and never turned."""
    turned = next(VideoFileSource(shared / "clips" / "rot90.mp4").frames()).picture.bgr()
    upright = next(VideoFileSource(shared / "clips" / "city_seattle_a.mp4").frames()).picture.bgr()
    expected = cv2.resize(upright, (480, 270), interpolation=cv2.INTER_AREA).astype(int)
    assert np.abs(expected - turned).mean() < 6
    assert np.abs(expected - turned[::-1, ::-1]).mean() > 30


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("audio_only.m4a", "sound but no video"),
        ("text.mp4", "not a video"),
        ("empty.mp4", "empty"),
        ("zero_frame.mp4", "not one frame"),
    ],
)
def test_clips_without_video(shared: Path, name: str, words: str) -> None:
    with pytest.raises(SourceError, match=words):
        VideoFileSource(shared / "clips" / name)
