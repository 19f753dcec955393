"""hl2ss:// against the emulated device: what travels with a picture, and what happens when the device fails."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from contracts.errors import SourceError
from contracts.frame import Frame
from contracts.live import LiveState, Patience
from sources.hololens.address import Hl2ssAddress
from sources.hololens.research import ResearchOpener, open_research
from sources.live.connection import Attempt
from sources.live.source import LiveSource
from tests.support.hl2ss_device import (
    DEPTH,
    DISC,
    HOST,
    PICTURES,
    TICKS,
    WALL_Z,
    Hl2ssDevice,
    focal_length,
    picture_pose,
)

pytestmark = pytest.mark.usefixtures("no_thread_stays")

LIMIT_S = 60.0
"""For what has to happen at all; how soon is not asked here."""
SOON = Patience(open_s=20, read_s=2)


@pytest.fixture
def device() -> Iterator[Hl2ssDevice]:
    with Hl2ssDevice() as found:
        yield found


def opened(options: str = "", patience: Patience = SOON) -> LiveSource:
    uri = f"hl2ss://{HOST}?size=424x240{options}"
    return open_research(Hl2ssAddress.parse(uri), uri, patience)


def seconds(frame: Frame) -> float:
    """Of the device's own clock, since it was switched on."""
    ticks = (frame.source.start + frame.pts) * TICKS
    return (float(ticks) - Hl2ssDevice.first_tick) / TICKS


def eventually(frames: Iterator[Frame], holds: str = "") -> Iterator[Frame]:
    """The frames until the time is up."""
    deadline = time.monotonic() + LIMIT_S
    for frame in frames:
        yield frame
        assert time.monotonic() < deadline, holds


def disc(picture: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The middle of what is white, pixels."""
    rows, columns = np.nonzero(picture.min(axis=2) > 200)
    assert rows.size
    return np.array([columns.mean(), rows.mean()])


def world_to_pixel(frame: Frame, point: NDArray[np.float64]) -> NDArray[np.float64]:
    assert frame.pose is not None
    assert frame.intrinsics is not None
    x, y, z, _ = np.linalg.inv(frame.pose) @ point
    return np.array(
        [frame.intrinsics.fx * x / z + frame.intrinsics.cx, frame.intrinsics.fy * y / z + frame.intrinsics.cy]
    )


@pytest.mark.parametrize("coding", ["h264", "hevc"])
def test_pictures_come_upright_with_the_place_they_were_seen_from(device: Hl2ssDevice, coding: str) -> None:
    source = opened(f"&format={coding}&depth=none")
    assert (source.info.width, source.info.height, source.info.rate) == (424, 240, Fraction(30))
    assert source.info.live
    assert source.info.id == f"hololens-{HOST}"
    frames = list(islice(source.frames(), 30))
    source.close()
    picture = frames[0].picture.bgr()
    assert picture[5].mean(axis=0).argmax() == 0  # the sky is blue
    assert picture[-5].mean(axis=0).argmax() == 1  # the floor is green
    for frame in frames[::5]:
        assert world_to_pixel(frame, DISC) == pytest.approx(disc(frame.picture.bgr()), abs=1.0)
        assert frame.intrinsics is not None
        assert (frame.intrinsics.fx, frame.intrinsics.fy) == pytest.approx(focal_length(seconds(frame), 424), rel=1e-5)
        assert frame.pose is not None
        assert frame.pose[:3, 3] == pytest.approx(picture_pose(seconds(frame))[3, :3], abs=1e-5)
        assert frame.depth is None
    assert len({frame.intrinsics for frame in frames}) == len(frames)  # it focuses anew all the time
    steps = {frame.pts for frame in frames}
    assert len(steps) == len(frames)
    assert device.clients == {PICTURES: 1, DEPTH: 0}


def test_depth_shows_the_wall_where_the_picture_shows_it(device: Hl2ssDevice) -> None:
    source = opened()
    found = next(frame for frame in eventually(source.frames(), "depth") if frame.depth is not None)
    source.close()
    depth = found.depth
    assert depth is not None
    assert abs(depth.offset) <= 0.25
    known = depth.z > 0
    assert 0.5 < known.mean() < 1
    rays = np.concatenate([depth.rays, np.ones((288, 320, 1), np.float32)], axis=2).astype(float)
    points = np.concatenate([rays * depth.z[..., None], np.ones((288, 320, 1))], axis=2)[known] @ depth.pose.T
    assert points[:, 2] == pytest.approx(WALL_Z, abs=0.003)  # millimetres were rounded
    nearest = points[np.linalg.norm(points[:, :3] - DISC[:3], axis=1).argmin()]
    assert world_to_pixel(found, nearest) == pytest.approx(disc(found.picture.bgr()), abs=4)


def test_depth_goes_along_with_the_pictures_and_its_rays_stay(device: Hl2ssDevice) -> None:
    source = opened()
    with_depth = []
    for frame in eventually(source.frames(), "depth"):
        if frame.depth is not None:
            with_depth.append(frame)
        if len(with_depth) > 20:
            break
    source.close()
    assert len({id(frame.depth.z) for frame in with_depth if frame.depth}) > 2  # and not the same for ever
    assert len({id(frame.depth.rays) for frame in with_depth if frame.depth}) == 1


def test_a_device_that_does_not_know_where_it_is_gives_pictures_without_a_place(device: Hl2ssDevice) -> None:
    device.lost.set()
    source = opened()
    frames = list(islice(source.frames(), 20))
    source.close()
    assert all(frame.pose is None and frame.depth is None and frame.intrinsics is not None for frame in frames)


def test_the_camera_is_switched_on_and_off_again(device: Hl2ssDevice) -> None:
    source = opened()
    next(source.frames())
    assert not device.switched_off.is_set()
    source.close()
    assert device.switched_off.wait(LIMIT_S)
    assert [wish[0] for wish in device.wishes[PICTURES]] == [0x07, 1, 0x0B]
    assert device.wishes[DEPTH][0] == b"\2"


def test_without_depth_the_pictures_go_on_and_that_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), Hl2ssDevice(depth=False):
        source = opened()
        frames = list(islice(source.frames(), 60))
        source.close()
        source = opened("&depth=none")
        source.close()
    assert [frame.depth for frame in frames] == [None] * 60
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 1, said
    assert "port 3805: nobody listens: there is no depth" in said[0]
    assert "depth=none" in said[0]


def test_depth_that_comes_later_is_taken() -> None:
    with Hl2ssDevice(depth=False) as device:
        source = opened()
        frames = eventually(source.frames(), "depth")
        assert next(frames).depth is None
        device.open_depth()
        assert next(frame for frame in frames if frame.depth is not None).connection == 0
        source.close()


def test_switched_off_and_on_again_it_goes_on(device: Hl2ssDevice) -> None:
    source = opened()
    frames = eventually(source.frames(), "pictures of another connection")
    first = list(islice(frames, 5))
    device.switch_off()
    device.switch_on()
    after = next(frame for frame in frames if frame.connection == 1)
    later = next(frame for frame in frames if frame.depth is not None and frame.connection == 1)
    source.close()
    assert first[-1].pts < after.pts < later.pts
    assert after.outage is not None
    assert "closed the connection" in after.outage.reason
    assert after.pose is not None
    assert source.losses.reconnects == 1


def test_a_device_that_falls_silent_is_stalled_then_lost_then_back(device: Hl2ssDevice) -> None:
    source = opened()
    frames = eventually(source.frames(), "pictures after silence")
    next(frames)
    seen: set[LiveState] = set()
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.02):
            seen.add(source.status.state)
            if LiveState.LOST in seen:
                device.stalled.clear()

    watcher = threading.Thread(target=watch)
    watcher.start()
    device.stalled.set()
    after = next(frame for frame in frames if frame.connection == 1)
    over.set()
    watcher.join()
    source.close()
    assert {LiveState.LIVE, LiveState.STALLED, LiveState.LOST} <= seen
    assert after.outage is not None
    assert "has sent no" in after.outage.reason  # we say it, or whoever waits for pictures does


def test_garbage_is_a_loss_and_nothing_worse(device: Hl2ssDevice) -> None:
    source = opened()
    frames = eventually(source.frames(), "pictures after garbage")
    next(frames)
    device.garbage.set()
    threading.Timer(0.5, device.garbage.clear).start()
    after = next(frame for frame in frames if frame.connection == 1)
    source.close()
    assert after.outage is not None
    assert "no stream of hl2ss" in after.outage.reason


@pytest.mark.parametrize("coding", ["h264", "hevc"])
def test_after_damaged_pictures_it_goes_on_with_whole_ones(device: Hl2ssDevice, coding: str) -> None:
    source = opened(f"&format={coding}&depth=none")
    frames = eventually(source.frames(), "pictures after damage")
    next(frames)
    device.damaged.set()
    threading.Timer(0.7, device.damaged.clear).start()
    while device.damaged.is_set():
        next(frames)
    sound = next(frame for frame in frames if seen_well(frame))
    source.close()
    assert sound.connection == 0
    if coding == "h264":  # HEVC's decoder takes noise for a picture
        assert 0 < source.losses.lost <= sound.index  # what was lost left gaps


def seen_well(frame: Frame) -> bool:
    """Whether the disc is where it has to be."""
    white = frame.picture.bgr().min(axis=2) > 200
    return bool(white.any()) and np.abs(world_to_pixel(frame, DISC) - disc(frame.picture.bgr())).max() < 1


def test_a_size_it_does_not_offer_is_said_at_once(device: Hl2ssDevice) -> None:
    uri = f"hl2ss://{HOST}?size=426x240"
    with pytest.raises(SourceError, match="refuses 426x240 at 30 frames per second") as caught:
        open_research(Hl2ssAddress.parse(uri), uri, SOON)
    assert "1280x720" in caught.value.cure
    assert [wish[0] for wish in device.wishes[PICTURES]][:2] == [0x07, 1]


def test_a_second_program_waits_and_then_hears_why(device: Hl2ssDevice) -> None:
    first = opened("&depth=none")
    with pytest.raises(SourceError) as caught:
        opened("&depth=none", Patience(open_s=1.5, read_s=2, reconnect=0))
    assert any(words in caught.value.message for words in ("has sent no", "cannot be reached")), caught.value
    assert caught.value.cure
    frames = list(islice(first.frames(), 10))
    assert len(frames) == 10  # who was first is not disturbed
    first.close()


def test_nobody_there_is_tried_as_often_as_was_said() -> None:
    with pytest.raises(SourceError, match=f"{HOST}, port 3810: nobody listens") as caught:
        opened(patience=Patience(open_s=20, read_s=2, reconnect=1))
    assert "hl2ss app" in caught.value.cure


@pytest.mark.parametrize("when", ["while pictures come", "while it is silent"])
def test_closing_ends_it_at_once_from_another_thread(device: Hl2ssDevice, when: str) -> None:
    source = opened(patience=Patience(open_s=60, read_s=600))
    frames = source.frames()
    next(frames)
    if when == "while it is silent":
        device.stalled.set()
    threading.Timer(0.3, source.close).start()
    began = time.monotonic()
    for _ in frames:
        pass
    assert time.monotonic() - began < LIMIT_S
    assert source.status.state is LiveState.ENDED


def test_many_connections_leave_nothing_behind(device: Hl2ssDevice) -> None:
    opener = ResearchOpener(Hl2ssAddress.parse(f"hl2ss://{HOST}?size=424x240"))
    descriptors, threads = [], []
    for _ in range(16):
        connection = opener(Attempt(SOON))
        while not connection.receive():
            pass
        connection.close()
        descriptors.append(len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").exists() else 0)
        threads.append(threading.active_count())
    assert max(descriptors[6:]) <= max(descriptors[:6])
    assert max(threads[6:]) <= max(threads[:6])


def test_an_old_connection_does_not_switch_off_what_a_new_one_switched_on(device: Hl2ssDevice) -> None:
    opener = ResearchOpener(Hl2ssAddress.parse(f"hl2ss://{HOST}?size=424x240&depth=none"))
    old = opener(Attempt(SOON))
    old.receive()
    device.switch_off()
    device.switch_on()
    new = opener(Attempt(SOON))
    old.close()
    for _ in range(10):
        assert new.receive() is not None
    new.close()
    assert device.switched_off.wait(LIMIT_S)
    assert [wish[0] for wish in device.wishes[PICTURES]] == [7, 1, 7, 1, 0x0B]
