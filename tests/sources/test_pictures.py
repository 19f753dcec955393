"""Picture files as a source: which ones, in which order, upright, in one size, and what is said of unreadable ones."""

from __future__ import annotations

import itertools
import os
import struct
import sys
import zlib
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from contracts.errors import RoadStreamError, SourceError, UsageError
from contracts.frame import Frame
from sources.open import open_source
from sources.picturefiles import ENDINGS, PictureAddress, natural_order, read_picture
from sources.pictures import PictureSource
from sources.shaping import fitted
from tests.sources.making_videos import make_video

RED, GREEN, BLUE = (0, 0, 255), (0, 255, 0), (255, 0, 0)


def scene(level: int = 0, size: tuple[int, int] = (48, 32)) -> NDArray[np.uint8]:
    """Red, green and blue corners, and one grey of its own at the lower right."""
    width, height = size
    pixels = np.full((height, width, 3), level, np.uint8)
    pixels[: height // 2, : width // 2], pixels[: height // 2, width // 2 :] = RED, GREEN
    pixels[height // 2 :, : width // 2] = BLUE
    return pixels


def write(path: Path, pixels: NDArray[Any]) -> Path:
    """Like cv2.imwrite, under any name."""
    encoded = cv2.imencode(path.suffix.lower(), pixels)[1]
    path.write_bytes(encoded.tobytes())
    return path


def read(uri: str | Path, **options: Any) -> tuple[PictureSource, list[Frame]]:
    source = open_source(str(uri), **options)
    assert isinstance(source, PictureSource)
    frames = list(source.frames())
    source.close()
    return source, frames


def levels(frames: list[Frame]) -> list[int]:
    """The grey that tells pictures apart."""
    return [int(frame.picture.bgr()[-1, -1, 0]) for frame in frames]


def test_a_folder_in_natural_order(tmp_path: Path) -> None:
    for number in (10, 9, 1, 100, 2):
        write(tmp_path / f"shot{number}.png", scene(number))
    (tmp_path / "notes.txt").write_text("not a picture")
    (tmp_path / "folder.png").mkdir()
    write(tmp_path / ".hidden.png", scene(77))
    source, frames = read(tmp_path)
    assert levels(frames) == [1, 2, 9, 10, 100]
    assert [frame.index for frame in frames] == [0, 1, 2, 3, 4]
    assert [frame.pts for frame in frames] == [Fraction(index, 5) for index in range(5)]
    info = source.info
    assert (info.id, info.uri, info.width, info.height) == (tmp_path.name, str(tmp_path), 48, 32)
    assert (info.rate, info.time_base, info.frames, info.live, info.audio) == (
        Fraction(5),
        Fraction(1, 5),
        5,
        False,
        None,
    )
    assert source.losses.lost == 0


def test_a_pattern_takes_what_matches_in_all_its_folders(tmp_path: Path) -> None:
    for day in (2, 10):
        (tmp_path / f"day{day}").mkdir()
        for number in (2, 11):
            write(tmp_path / f"day{day}" / f"{number}.png", scene(day * 10 + number))
    (tmp_path / "day2" / "2.txt").write_text("matches, but is no picture")
    source, frames = read(f"{tmp_path}/day*/*")
    assert levels(frames) == [22, 31, 102, 111]
    assert source.info.id == tmp_path.name
    assert levels(read(f"{tmp_path}/**/2.png")[1]) == [22, 102]
    assert levels(read(f"{tmp_path}/day2/?.png")[1]) == [22]


def test_names_with_the_signs_of_patterns_are_names_where_they_exist(tmp_path: Path) -> None:
    write(tmp_path / "a[1]?fps=3.png", scene(7))
    write(tmp_path / "a1.png", scene(8))
    source, frames = read(tmp_path / "a[1]?fps=3.png")
    assert (levels(frames), source.info.id, source.info.rate) == ([7], "a[1]?fps=3", Fraction(5))
    (tmp_path / "b[1]").mkdir()
    write(tmp_path / "b[1]" / "x.png", scene(9))
    assert levels(read(tmp_path / "b[1]")[1]) == [9]


@pytest.mark.parametrize("ending", [*ENDINGS, ".JPG", ".Png", ".TIFF"])
def test_every_kind_of_picture_in_any_case(tmp_path: Path, ending: str) -> None:
    source, frames = read(write(tmp_path / f"über 写真{ending}", scene(100)))
    assert source.info.id == "über 写真"
    pixels = frames[0].picture.bgr()
    assert pixels.shape == (32, 48, 3)
    assert not pixels.flags.writeable
    for (y, x), colour in {(4, 4): RED, (4, 40): GREEN, (28, 4): BLUE, (28, 40): (100, 100, 100)}.items():
        assert np.abs(pixels[y, x].astype(int) - colour).max() <= 12


@pytest.mark.parametrize("ending", [".png", ".tif"])
def test_grey_and_deep_and_transparent_pictures_are_bgr(tmp_path: Path, ending: str) -> None:
    deep = np.arange(48 * 32, dtype=np.uint16).reshape(32, 48) * 40
    for pixels, expected in (
        (deep, np.repeat((deep >> 8)[..., None], 3, 2)),
        (np.dstack([deep] * 3), np.repeat((deep >> 8)[..., None], 3, 2)),
        (scene(9)[..., 1], np.repeat(scene(9)[..., 1:2], 3, 2)),
        (np.dstack([scene(9), np.full((32, 48), 30, np.uint8)]), scene(9)),
    ):
        found = read_picture(write(tmp_path / f"a{ending}", pixels))
        assert found.dtype == np.uint8
        assert np.abs(found.astype(int) - expected).max() <= 1  # TIFF rounds, PNG cuts off


EXIF: dict[int, Any] = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: np.rot90(stored, 2),
    4: lambda stored: stored[::-1],
    5: lambda stored: np.swapaxes(stored, 0, 1),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: np.rot90(stored[:, ::-1], -1),
    8: np.rot90,
}
"""EXIF orientation → the picture upright (EXIF 2.32, tag 274)."""


@pytest.mark.parametrize("orientation", EXIF)
def test_the_orientation_a_phone_wrote_is_respected(tmp_path: Path, orientation: int) -> None:
    jpeg = cv2.imencode(".jpg", scene(100))[1].tobytes()
    entry = b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 274, 3, 1, orientation, 0, 0)
    segment = b"Exif\0\0" + entry
    (tmp_path / "a.jpg").write_bytes(jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + jpeg[2:])
    (tmp_path / "plain.jpg").write_bytes(jpeg)
    assert np.array_equal(read_picture(tmp_path / "a.jpg"), EXIF[orientation](read_picture(tmp_path / "plain.jpg")))


def test_unreadable_pictures_are_named_skipped_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(1, 9):
        write(tmp_path / f"{number}.png", scene(number))
    (tmp_path / "1.png").write_bytes(b"")
    (tmp_path / "4.png").write_bytes((tmp_path / "3.png").read_bytes()[:60])
    (tmp_path / "5.png").write_text("text", encoding="utf-8")
    source, frames = read(tmp_path)
    assert levels(frames) == [2, 3, 6, 7, 8]
    assert [frame.index for frame in frames] == [0, 1, 4, 5, 6]
    assert [frame.pts * 5 for frame in frames] == [0, 1, 4, 5, 6]
    assert source.losses.lost == 3
    assert source.info.start == Fraction(1, 5)
    for name in ("1.png", "4.png", "5.png"):
        assert caplog.text.count(f"{name} ") == 1


def test_a_picture_that_goes_while_the_others_are_read(tmp_path: Path) -> None:
    for number in range(4):
        write(tmp_path / f"{number}.png", scene(number))
    source = PictureSource(PictureAddress(str(tmp_path)), str(tmp_path))
    frames = source.frames()
    next(frames)
    (tmp_path / "2.png").unlink()
    assert [frame.index for frame in frames] == [1, 3]
    assert source.losses.lost == 1


@pytest.mark.skipif(sys.platform == "win32", reason="there are no named pipes in folders")
def test_what_is_no_file_does_not_hold_the_run_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    write(tmp_path / "b.png", scene(5))
    source, frames = read(tmp_path)
    assert (levels(frames), source.losses.lost) == ([5], 1)


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux only")
def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path) + b"/caf\xe9"
    Path(os.fsdecode(folder)).mkdir()
    name = write(tmp_path / "a.png", scene(3)).rename(Path(os.fsdecode(folder + b"/\xff.png")))
    assert levels(read(name)[1]) == levels(read(os.fsdecode(folder))[1]) == [3]


def test_other_sizes_are_fitted_into_the_first_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path / "1.png", scene(200))
    write(tmp_path / "2.png", scene(200, (96, 64)))
    write(tmp_path / "3.png", np.full((32, 16, 3), 90, np.uint8))
    _, frames = read(tmp_path)
    assert {frame.picture.bgr().shape for frame in frames} == {(32, 48, 3)}
    assert np.array_equal(frames[0].picture.bgr(), frames[1].picture.bgr())
    tall = frames[2].picture.bgr()
    assert (tall[:, 16:32] == 90).all()
    assert not tall[:, :16].any()
    assert not tall[:, 32:].any()
    assert caplog.text.count("several sizes") == 1


@given(st.tuples(*[st.integers(1, 40)] * 4))
def test_fitting_fills_one_direction_and_keeps_the_shape(sizes: tuple[int, int, int, int]) -> None:
    width, height, wanted_width, wanted_height = sizes
    found = fitted(np.full((height, width, 3), 255, np.uint8), (wanted_width, wanted_height))
    assert found.shape == (wanted_height, wanted_width, 3)
    columns, rows = int(found.any((0, 2)).sum()), int(found.any((1, 2)).sum())
    assert columns == wanted_width or rows == wanted_height
    scale = min(wanted_width / width, wanted_height / height)
    assert abs(columns - max(1, width * scale)) <= 0.5
    assert abs(rows - max(1, height * scale)) <= 0.5


def test_start_rate_and_loop(tmp_path: Path) -> None:
    for number in range(6):
        write(tmp_path / f"{number}.png", scene(number))
    source, frames = read(f"{tmp_path}?fps=2", start=0.6)
    assert levels(frames) == [2, 3, 4, 5]
    assert [frame.pts for frame in frames] == [0, Fraction(1, 2), 1, Fraction(3, 2)]
    assert [frame.index for frame in frames] == [0, 1, 2, 3]
    assert (source.info.start, source.info.rate, source.info.frames) == (Fraction(1), Fraction(2), 4)

    (tmp_path / "3.png").write_bytes(b"broken")
    looping = open_source(str(tmp_path), start=0.2, loop=True)
    endless = list(itertools.islice(looping.frames(), 10))
    assert levels(endless) == [1, 2, 4, 5, 1, 2, 4, 5, 1, 2]
    assert [frame.index for frame in endless] == [0, 1, 3, 4, 5, 6, 8, 9, 10, 11]
    assert [frame.pts * 5 for frame in endless] == [frame.index for frame in endless]
    assert looping.info.frames is None
    looping.close()


def test_a_loop_whose_pictures_go_ends_with_an_error(tmp_path: Path) -> None:
    write(tmp_path / "a.png", scene())
    source = open_source(str(tmp_path), loop=True)
    frames = source.frames()
    next(frames), next(frames)
    (tmp_path / "a.png").unlink()
    with pytest.raises(SourceError, match="any more"):
        next(frames)


def test_close_ends_a_loop(tmp_path: Path) -> None:
    source = open_source(str(write(tmp_path / "a.png", scene())), loop=True)
    frames = source.frames()
    next(frames)
    source.close()
    source.close()
    assert next(frames, None) is None


@pytest.mark.parametrize(
    ("uri", "kind", "words"),
    [
        ("{}", SourceError, r"no picture in the folder .* → .*\.jpg \.jpeg \.png \.bmp \.webp \.tif \.tiff"),
        ("{}/*.jpg", SourceError, r"no picture matches .*/\*\.jpg → .*\.jpg .*\.tiff"),
        ("{}/clip.*", SourceError, "no picture matches"),
        ("{}/a.png", SourceError, "no such file"),
        ("{}/none/a.png", SourceError, "there is no folder"),
        ("{}/empty.jpeg", SourceError, "empty"),
        ("{}/text.bmp", SourceError, "not a picture that can be read"),
        ("{}/*.[jb]*", SourceError, "not one of 2 pictures"),
        ("{}/" + 300 * "x" + ".png", SourceError, "File name too long.*check the path"),
        ("{}?fps=0", UsageError, "above 0"),
        ("{}?fps=-2", UsageError, "is not a number"),
        ("{}?fps=fast", UsageError, "is not a number → write fps="),
        ("{}?fsp=3", UsageError, "did you mean 'fps'"),
    ],
)
def test_what_is_no_source_of_pictures(tmp_path: Path, uri: str, kind: type[RoadStreamError], words: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    if uri.startswith("{}/"):
        make_video(folder / "clip.mp4", 2)
        (folder / "empty.jpeg").touch()
        (folder / "text.bmp").write_text("text")
    with pytest.raises(kind, match=words) as caught:
        open_source(uri.format(folder))
    assert "\n" not in str(caught.value)


def test_a_start_behind_the_last_picture(tmp_path: Path) -> None:
    write(tmp_path / "a.png", scene())
    with pytest.raises(SourceError, match="1 picture at 5 per second"):
        open_source(str(tmp_path), start=1.0)
    with pytest.raises(UsageError):
        open_source(str(tmp_path), start=-1.0)


def test_the_smallest_and_a_very_large_picture(tmp_path: Path) -> None:
    write(tmp_path / "one.png", np.full((1, 1, 3), RED, np.uint8))
    assert np.array_equal(read(tmp_path / "one.png")[1][0].picture.bgr(), [[RED]])
    rows = bytearray(16384 * (1 + 16384 // 8))  # one bit per pixel, a filter byte before each row
    rows[-1] = 1
    header = struct.pack(">IIBBBBB", 16384, 16384, 1, 0, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(rows, 1)), (b"IEND", b"")]
    (tmp_path / "large.png").write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
            for kind, data in parts
        )
    )
    source = open_source(str(tmp_path / "large.png"))
    assert (source.info.width, source.info.height) == (16384, 16384)
    pixels = next(iter(source.frames())).picture.bgr()
    assert (pixels[-1, -2:] == [[0], [255]]).all()


def test_a_folder_named_by_a_dot_has_its_own_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a.png", scene())
    monkeypatch.chdir(tmp_path)
    for uri in (".", "./", "*.png", "./*"):
        assert open_source(uri).info.id == tmp_path.name


names = st.text("aAbBé0123456789.- ", min_size=1, max_size=12)


@given(st.lists(names, unique=True), st.randoms(use_true_random=False))
def test_natural_order_does_not_depend_on_the_order_found(found: list[str], shuffle: Any) -> None:
    paths = [Path(name) for name in found]
    expected = sorted(set(paths), key=natural_order)
    shuffle.shuffle(paths)
    assert sorted(set(paths), key=natural_order) == expected


@given(st.text("aAbBé.- ", max_size=5), st.lists(st.integers(0, 10**12), unique=True), st.text("aAbBé.- ", max_size=5))
def test_natural_order_counts(before: str, numbers: list[int], after: str) -> None:
    paths = [Path(f"{before}x{number}x{after}") for number in numbers]
    expected = [Path(f"{before}x{number}x{after}") for number in sorted(numbers)]
    assert sorted(paths, key=natural_order) == expected


@given(names, names)
def test_natural_order_looks_at_folders_first(one: str, other: str) -> None:
    paths = [Path("shots9", one), Path("shots10", other)]
    assert sorted(paths, key=natural_order) == paths
