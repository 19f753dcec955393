"""hl2ss's messages: bytes written down by hand, packets packed by another hand, and whatever else a network brings."""

from __future__ import annotations

import contextlib
import io
import math
import struct
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import SourceError
from sources.hololens import messages
from sources.hololens.depth import along_ray
from sources.hololens.messages import (
    ReadExactly,
    VideoWish,
    read_depth,
    read_long_throw_calibration,
    read_video,
    start_camera,
)
from tests.support.hl2ss_device import depth_along_rays, depth_png

FLOATS = st.floats(width=32, allow_nan=False)
POSES = st.lists(FLOATS, min_size=16, max_size=16)
TICKS = st.integers(0, 2**63 - 1)
MOST = 16 * 2**20


class Bytes:
    """Gives bytes until there are no more. asked: the most that was asked for at once."""

    def __init__(self, data: bytes) -> None:
        self._data, self.asked = io.BytesIO(data), 0

    def read(self, size: int) -> bytes:
        self.asked = max(self.asked, size)
        data = self._data.read(size)
        if len(data) < size:
            raise SourceError("the connection was closed")
        return data


def packet(timestamp: int, payload: bytes, pose: list[float]) -> bytes:
    return struct.pack("<QI", timestamp, len(payload)) + payload + struct.pack("<16f", *pose)


def tail(focal: tuple[float, float], principal: tuple[float, float], size: tuple[int, int]) -> bytes:
    others = (1, 2, 3, 4, 5, 6, 7, 1.0, 2.0, 3.0, 4.0, 5.0)
    return struct.pack("<2f2fQ2Q4I2f3f2H", *focal, *principal, *others, *size)


def test_wishes_byte_by_byte() -> None:
    started = "07 00 01 00 00 00 00 00 6666663f 00000000 00000000 00000000 01000000"
    assert start_camera() == bytes.fromhex(started)
    assert messages.STOP_CAMERA == b"\x0b"
    wish = VideoWish(1280, 720, 30, "h264", 4_423_680)
    said = "01 0005 d002 1e 01 01 ff 00804300 01 0a00000000000000 1e00000000000000"
    assert wish.message() == bytes.fromhex(said)
    assert VideoWish(424, 240, 15, "hevc", 1).message()[7] == 3
    assert messages.STREAM_LONG_THROW == b"\x01\x01\x05\0\0\0"
    assert messages.CALIBRATE_LONG_THROW == b"\x02"


@given(TICKS, st.binary(min_size=1, max_size=300), POSES, st.tuples(FLOATS, FLOATS), st.tuples(FLOATS, FLOATS))
def test_a_video_packet_says_what_was_put_into_it(
    timestamp: int, unit: bytes, pose: list[float], focal: tuple[float, float], principal: tuple[float, float]
) -> None:
    data = packet(timestamp, unit + tail(focal, principal, (1280, 720)), pose)
    source = Bytes(data + b"more")
    found = read_video(source.read)
    assert (found.timestamp, found.access_unit) == (timestamp, unit)
    assert (found.focal, found.principal, found.size) == (focal, principal, (1280, 720))
    assert found.pose.reshape(-1).tolist() == pose
    assert source.read(4) == b"more"


@given(TICKS, st.binary(min_size=1, max_size=300), POSES)
def test_a_depth_packet_says_what_was_put_into_it(timestamp: int, png: bytes, pose: list[float]) -> None:
    found = read_depth(Bytes(packet(timestamp, png + bytes(8), pose)).read)
    assert (found.timestamp, found.png, found.pose.reshape(-1).tolist()) == (timestamp, png, pose)


def test_the_depth_camera_s_calibration_is_taken_apart() -> None:
    numbers = np.random.default_rng(5).normal(size=2 * 288 * 320 + 16 + 1 + 2 * 288 * 320 + 4).astype("<f4")
    numbers[2 * 288 * 320 + 16] = 1000
    found = read_long_throw_calibration(Bytes(numbers.tobytes()).read)
    for row, column in ((0, 0), (0, 319), (200, 7), (287, 319)):
        place = row * 320 + column
        assert found.rays[row, column].tolist() == [numbers[place], numbers[288 * 320 + place]]
    assert found.extrinsics.reshape(-1).tolist() == numbers[2 * 288 * 320 :][:16].tolist()
    assert found.scale == 1000
    numbers[2 * 288 * 320 + 3] = math.nan
    with pytest.raises(SourceError, match="calibration"):
        read_long_throw_calibration(Bytes(numbers.tobytes()).read)


@pytest.mark.parametrize(
    ("reader", "whole"),
    [
        (read_video, packet(1, b"unit" + tail((1, 1), (1, 1), (2, 2)), [0.0] * 16)),
        (read_depth, packet(1, b"png" + bytes(8), [0.0] * 16)),
    ],
)
def test_cut_off_at_any_byte_it_is_an_error(reader: Callable[[ReadExactly], object], whole: bytes) -> None:
    reader(Bytes(whole).read)
    for length in range(len(whole)):
        with pytest.raises(SourceError):
            reader(Bytes(whole[:length]).read)


@settings(max_examples=300)
@given(st.binary(max_size=400))
def test_garbage_is_an_error_or_a_packet_and_never_more_than_fits(data: bytes) -> None:
    for reader in (read_video, read_depth, read_long_throw_calibration):
        source = Bytes(data)
        with contextlib.suppress(SourceError):
            reader(source.read)
        assert source.asked <= MOST


@pytest.mark.parametrize("size", [0, 80, MOST + 1, 2**31, 2**32 - 1])
def test_sizes_that_cannot_be_are_refused_before_anything_is_fetched(size: int) -> None:
    source = Bytes(struct.pack("<QI", 5, size))
    with pytest.raises(SourceError, match=f"no stream of hl2ss: a packet of {size} bytes"):
        read_video(source.read)
    assert source.asked == 12


def test_a_time_that_cannot_be_is_refused() -> None:
    with pytest.raises(SourceError, match="no stream of hl2ss"):
        read_video(Bytes(struct.pack("<QI", 2**63, 200) + bytes(300)).read)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_depth_comes_out_of_the_picture_as_it_went_in(seed: int) -> None:
    depth = np.random.default_rng(seed).integers(0, 2**16, (288, 320), dtype=np.uint16)
    assert np.array_equal(along_ray(depth_png(depth)), depth)


GOOD = depth_png(depth_along_rays(1.0))
SIZES = {(319, 288), (320, 289), (60_000, 60_000)}


@pytest.mark.parametrize(
    "png",
    [
        b"",
        b"\x89PNG",
        GOOD[:30],
        GOOD[:3000],
        GOOD[: len(GOOD) // 2],
        GOOD[:70_000] + b"\xff" * 30 + GOOD[70_030:],
        b"\xff" * 5000,
        *(GOOD[:16] + struct.pack(">2I", *size) + GOOD[24:] for size in sorted(SIZES)),
    ],
)
def test_a_damaged_depth_picture_is_an_error_and_nothing_is_printed(
    png: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SourceError, match="depth picture is damaged"):
        along_ray(png)
    assert capfd.readouterr() == ("", "")
