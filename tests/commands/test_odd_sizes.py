"""The smallest and the largest pictures, through every output and every layer."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from contracts.picture import Picture, PixelFormat, ffmpeg_takes
from tests.support.clips import write_clip
from tests.support.events import events_of
from tests.support.networks import box_network, mask_network
from tests.support.program import run_stream

SIDE = 16384


def two_engines(folder: Path) -> list[str | Path]:
    boxes, areas = box_network(folder / "boxes.onnx"), mask_network(folder / "areas.onnx")
    return ["--engine", boxes, "--engine", areas, "--quiet"]


def every_output(folder: Path) -> list[str | Path]:
    return [
        "--save", folder / "o.mp4", "--events", folder / "o.jsonl", "--stats", folder / "o.json",
        "--pictures", folder / "pictures", "--masks", folder / "masks", "--labels", folder / "labels", "--track",
    ]  # fmt: skip


def sizes_in(folder: Path, pattern: str) -> set[tuple[int, int]]:
    found = [cv2.imread(str(file), cv2.IMREAD_UNCHANGED) for file in folder.glob(pattern)]
    return {(picture.shape[1], picture.shape[0]) for picture in found if picture is not None}


def one_pixel_video(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        video = container.add_stream("ffv1", rate=25)
        video.width, video.height, video.pix_fmt = 1, 1, "yuv420p"
        for level in (0, 120, 240):
            container.mux(video.encode(av.VideoFrame.from_ndarray(np.full((1, 1, 3), level, np.uint8), "bgr24")))
        container.mux(video.encode())
    return path


def one_pixel_picture(path: Path) -> Path:
    cv2.imwrite(str(path), np.full((1, 1, 3), 200, np.uint8))
    return path


@pytest.mark.parametrize("kind", ["video", "picture"])
def test_one_pixel_through_every_output(tmp_path: Path, kind: str) -> None:
    source = one_pixel_video(tmp_path / "x.mkv") if kind == "video" else one_pixel_picture(tmp_path / "x.png")
    done = run_stream(source, *two_engines(tmp_path), *every_output(tmp_path))
    assert (done.code, done.err) == (0, "")
    with av.open(str(tmp_path / "o.mp4")) as container:
        shown = [(frame.width, frame.height) for frame in container.decode(video=0)]
    assert shown == [(2, 2)] * (3 if kind == "video" else 1)
    for pattern in ("pictures/*.jpg", "masks/drivable/*.png", "labels/images/*.jpg"):
        assert sizes_in(tmp_path, pattern) == {(1, 1)}
    lines = events_of(tmp_path / "o.jsonl")
    assert len(lines) == len(shown)


@pytest.mark.parametrize("codec", ["hevc", "av1"])
def test_a_picture_too_small_for_an_encoder_is_refused_before_anything_is_written(tmp_path: Path, codec: str) -> None:
    source = one_pixel_picture(tmp_path / "x.png")
    done = run_stream(source, *two_engines(tmp_path), "--save", tmp_path / "o.mp4", "--codec", codec)
    if done.code == 0:  # some versions take it
        return
    assert done.code == 5
    assert done.err.count("\n") == 1
    assert f"no {codec} encoder takes pictures of 2×2 → write them larger with --output-size" in done.err
    assert not list(tmp_path.glob("o*"))


@pytest.mark.parametrize("words", [(), ("--start", "0.01")])
def test_a_video_of_one_frame_and_of_none(tmp_path: Path, words: tuple[str, ...]) -> None:
    """One frame is a whole run; to begin behind it is an error that leaves nothing behind."""
    source = write_clip(tmp_path / "x.mp4", 1)
    network = two_engines(tmp_path)
    before = set(tmp_path.iterdir())
    done = run_stream(source, *network, *every_output(tmp_path), *words)
    if words:
        assert (done.code, done.err.count("\n")) == (3, 1)
        assert set(tmp_path.iterdir()) == before
    else:
        assert (done.code, done.err) == (0, "")
        with av.open(str(tmp_path / "o.mp4")) as container:
            assert len(list(container.decode(video=0))) == 1


def largest_picture(path: Path) -> Path:
    """A PNG of 16384×16384, black but for its last pixels: 260 KB."""
    rows = bytearray(SIDE * (1 + SIDE // 8))  # one bit per pixel, a filter byte before each row
    rows[-1] = 1
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 1, 0, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(rows, 1)), (b"IEND", b"")]
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
            for kind, data in parts
        )
    )
    return path


def test_the_largest_picture_through_the_folders(tmp_path: Path) -> None:
    """FFmpeg takes no such picture in one piece; memory stays at some copies of it (0.8 GB as BGR)."""
    source = largest_picture(tmp_path / "x.png")
    words: list[str | Path] = ["--pictures", tmp_path / "pictures", "--masks", tmp_path / "masks"]
    done = run_stream(source, "--quiet", *words, "--stats", tmp_path / "o.json", timeout=500)
    assert (done.code, done.err) == (0, "")
    (shown,) = (tmp_path / "pictures").glob("*.jpg")
    small = cv2.imread(str(shown), cv2.IMREAD_REDUCED_GRAYSCALE_8)  # an eighth of each side: decoding takes its time
    assert small is not None
    assert small.shape == (SIDE // 8, SIDE // 8)
    (mask,) = (tmp_path / "masks" / "drivable").glob("*.png")
    assert struct.unpack(">II", mask.read_bytes()[16:24]) == (SIDE, SIDE)
    assert json.loads((tmp_path / "o.json").read_text(encoding="utf-8"))["peak_rss_mb"] < 4000


def test_the_largest_picture_is_refused_by_a_video_before_work_is_lost(tmp_path: Path) -> None:
    source = largest_picture(tmp_path / "x.png")
    done = run_stream(source, *two_engines(tmp_path), "--save", tmp_path / "o.mp4", timeout=500)
    assert done.code == 5
    assert done.err == (
        "roadstream: no h264 encoder takes pictures of 16384×16384"
        " → write them smaller with --output-size, or try another --codec\n"
    )
    assert not list(tmp_path.glob("o*"))


@pytest.mark.parametrize(("layout", "tolerance"), [("yuv420p", 0), ("nv12", 2)])  # swscale dithers nv12 by rows
@pytest.mark.parametrize("full_range", [False, True])
def test_a_picture_too_large_for_ffmpeg_is_converted_in_bands_with_the_same_colours(
    monkeypatch: pytest.MonkeyPatch, layout: PixelFormat, full_range: bool, tolerance: int
) -> None:
    rows, columns = np.mgrid[0:600, 0:64]
    luma = ((rows + 2 * columns) % 220 + 16).astype(np.uint8)
    first, second = np.full((300, 32), 90, np.uint8), np.full((300, 32), 170, np.uint8)
    chroma = (first, second) if layout == "yuv420p" else (np.dstack([first, second]),)
    whole = Picture(layout, (luma, *chroma), "bt709", full_range).bgr()
    monkeypatch.setattr("contracts.picture._TOO_LARGE", 0)
    monkeypatch.setattr("contracts.picture._BAND", 128)
    banded = Picture(layout, (luma, *chroma), "bt709", full_range).bgr()
    assert np.abs(banded.astype(int) - whole).max() <= tolerance


def test_what_ffmpeg_takes() -> None:
    for width, height in ((SIDE, SIDE), (SIDE, 16000), (1, 1)):
        try:
            av.VideoFrame(width, height, "gray")
        except av.FFmpegError:
            assert not ffmpeg_takes(width, height)
        else:
            assert ffmpeg_takes(width, height)
