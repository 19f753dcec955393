"""Inputs that lose something while they are read: what could be read is kept, what is missing counted and said."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from roadstream import stream
from tests.sources.making_videos import make_video
from tests.support.events import events_of
from tests.support.networks import mask_network

FRAMES = 250
EVERY_PICTURE_WHOLE = {"g": "1", "preset": "ultrafast", "crf": "5"}
"""Some 80 KB a frame: 20 MB, more than FFmpeg reads ahead."""


def read_while(source: Path, folder: Path, fault: Callable[[], object]) -> dict[str, int]:
    """A run into MP4 and events, with a fault after the tenth result; counts of frames, checked against the files."""
    network = mask_network(folder / "net.onnx")
    out, events = folder / "out.mp4", folder / "out.jsonl"
    with stream(str(source), engines=[str(network)], save=str(out), events=str(events)) as results:
        for count, result in enumerate(results, 1):
            if count == 10:
                fault()
            assert result.frame.index >= count - 1
    frames: dict[str, int] = results.statistics()["frames"]
    with av.open(str(out)) as container:
        assert len(list(container.decode(video=0))) == frames["read"]
    assert len(events_of(events)) == frames["read"]
    assert not list(folder.glob("*.part*"))
    return frames


@pytest.mark.parametrize("name", ["index_in_front.mp4", "index_behind.mp4", "clip.mkv", "clip.ts"])
@pytest.mark.parametrize("share", [0.5, 0])
def test_a_video_that_shrinks(tmp_path: Path, name: str, share: float, caplog: pytest.LogCaptureFixture) -> None:
    flags = {"movflags": "faststart"} if name == "index_in_front.mp4" else None
    source = make_video(tmp_path / name, FRAMES, size=(320, 240), options=EVERY_PICTURE_WHOLE, container_options=flags)
    size = source.stat().st_size
    frames = read_while(source, tmp_path, lambda: os.truncate(source, int(size * share)))
    assert 10 < frames["read"] < FRAMES
    assert abs(frames["read"] + frames["lost"] - FRAMES) <= 3
    if share:
        assert abs(frames["read"] - FRAMES * share) < 10
    assert caplog.text.count("is damaged or cut off") == 1


@pytest.mark.parametrize("fault", ["deleted", "replaced"])
def test_a_video_whose_name_goes_is_read_to_its_end(tmp_path: Path, fault: str) -> None:
    """What is open stays whole; only its sound, which is read at the end, would be missing."""
    source = make_video(tmp_path / "clip.mkv", FRAMES, size=(320, 240), options=EVERY_PICTURE_WHOLE)
    (tmp_path / "other").write_bytes(b"another file")
    remove = source.unlink if fault == "deleted" else lambda: (tmp_path / "other").replace(source)
    frames = read_while(source, tmp_path, remove)
    assert (frames["read"], frames["lost"]) == (FRAMES, 0)


def test_pictures_that_go_while_the_others_are_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "shots"
    folder.mkdir()
    for number in range(60):
        cv2.imwrite(str(folder / f"{number}.png"), np.full((48, 64, 3), number, np.uint8))
    gone = [folder / f"{number}.png" for number in (40, 41, 55)]
    frames = read_while(folder, tmp_path, lambda: list(map(Path.unlink, gone)))
    assert (frames["read"], frames["lost"]) == (57, 3)
    for file in gone:
        assert caplog.text.count(f"no such file: {file}") == 1
