"""Where a HoloLens looks: our cameras against its own formulas, written for row vectors and one point at a time."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from contracts.errors import SourceError
from contracts.space import Depth
from sources.hololens.depth import DepthHistory
from sources.hololens.messages import LongThrowCalibration, VideoPacket
from sources.hololens.space import DepthCamera, picture_intrinsics, picture_pose
from tests.support.hl2ss_device import RIG_TO_DEPTH, depth_rays, turned

ANGLES = st.tuples(*[st.floats(-3.1, 3.1)] * 3)
PLACES = st.tuples(*[st.floats(-20, 20)] * 3)
FOCAL = st.tuples(*[st.floats(100, 3000)] * 2)
PRINCIPAL = st.tuples(*[st.floats(-50, 1500)] * 2)


def video_packet(focal: tuple[float, float], principal: tuple[float, float]) -> VideoPacket:
    return VideoPacket(0, b"", focal, principal, (1280, 720), np.eye(4))


def their_pixel(
    world: NDArray[np.float64], pose: NDArray[np.float64], focal: tuple[float, float], principal: tuple[float, float]
) -> NDArray[np.float64]:
    """p_picture = (world @ inv(pose)) @ K, divided by its third part; the camera looks along -z."""
    seen = world @ np.linalg.inv(pose)
    k = np.array([[-focal[0], 0, 0], [0, focal[1], 0], [principal[0], principal[1], 1]])
    pixel = seen[:3] @ k
    return np.array(pixel[:2] / pixel[2])


@given(ANGLES, PLACES, FOCAL, PRINCIPAL, st.tuples(st.floats(-1, 1), st.floats(-1, 1), st.floats(0.3, 40)))
def test_a_point_is_seen_at_the_pixel_where_the_device_sees_it(
    angles: tuple[float, float, float],
    place: tuple[float, float, float],
    focal: tuple[float, float],
    principal: tuple[float, float],
    point: tuple[float, float, float],
) -> None:
    rows = turned(*angles, at=place)
    across, up, away = point
    world = np.array([across * away, up * away, -away, 1.0]) @ rows  # before the camera, which looks along -z
    pose, camera = picture_pose(rows), picture_intrinsics(video_packet(focal, principal))
    assert pose is not None
    assert camera is not None
    x, y, z, _ = np.linalg.inv(pose) @ world
    assert z == pytest.approx(away, abs=1e-6)  # forward is positive here
    ours = np.array([camera.fx * x / z + camera.cx, camera.fy * y / z + camera.cy])
    assert ours == pytest.approx(their_pixel(world, rows, focal, principal), abs=1e-5)


def test_up_is_up_and_right_is_right() -> None:
    """A camera at the origin that has not turned: the device's y points up, and it looks along -z."""
    pose = picture_pose(np.eye(4))
    assert pose is not None
    assert (np.linalg.inv(pose) @ [1, 2, -3, 1]).tolist() == [1, -2, 3, 1]


@pytest.mark.parametrize(
    "rows",
    [
        np.zeros((4, 4)),
        np.full((4, 4), math.nan),
        np.diag([1.0, 1, 1, 0]),
        np.diag([2.0, 1, 1, 1]),
        np.full((4, 4), 1e30),
    ],
)
def test_a_pose_that_is_none_is_none(rows: NDArray[np.float64]) -> None:
    assert picture_pose(rows) is None
    camera = DepthCamera(LongThrowCalibration(np.zeros((288, 320, 2), np.float32), np.eye(4), 1000))
    assert camera.depth(np.ones((288, 320), np.uint16), rows) is None


@pytest.mark.parametrize("focal", [(0.0, 900.0), (900.0, -900.0), (math.nan, 900.0), (900.0, math.inf)])
def test_a_camera_without_a_focal_length_is_unknown(focal: tuple[float, float]) -> None:
    assert picture_intrinsics(video_packet(focal, (640, 360))) is None
    assert picture_intrinsics(video_packet((900, 900), (math.nan, 360))) is None


@settings(deadline=None, max_examples=25)
@given(ANGLES, PLACES, ANGLES, PLACES, st.integers(0, 2**32 - 1))
def test_depth_lies_in_the_world_where_the_device_puts_it(
    turn: tuple[float, float, float],
    place: tuple[float, float, float],
    mount: tuple[float, float, float],
    offset: tuple[float, float, float],
    seed: int,
) -> None:
    random = np.random.default_rng(seed)
    x, y = depth_rays()
    rays = np.stack([x, y], axis=-1).astype(np.float32)
    measured = random.integers(0, 7000, (288, 320), dtype=np.uint16)
    extrinsics, rig = turned(*mount, at=offset), turned(*turn, at=place)
    found = DepthCamera(LongThrowCalibration(rays, extrinsics, 1000.0)).depth(measured, rig)
    assert found is not None
    assert {found.z.dtype, found.rays.dtype} == {np.dtype(np.float32)}
    for _ in range(30):
        row, column = random.integers(288), random.integers(320)
        u, v = rays[row, column].astype(float)
        z = measured[row, column] / (math.sqrt(u * u + v * v + 1) * 1000.0)
        theirs = np.array([u * z, v * z, z, 1.0]) @ np.linalg.inv(extrinsics) @ rig
        ray = np.append(found.rays[row, column].astype(float), 1.0)
        ours = found.pose @ np.append(ray * found.z[row, column], 1.0)
        assert ours == pytest.approx(theirs, abs=1e-5)


def test_depth_is_shared_read_only_and_without_what_the_lens_does_not_see() -> None:
    rays = np.zeros((288, 320, 2), np.float32)
    rays[5, 6, 1], rays[7, 8, 0] = math.nan, math.inf
    found = DepthCamera(LongThrowCalibration(rays, RIG_TO_DEPTH, 1000)).depth(np.full((288, 320), 2000), np.eye(4))
    assert found is not None
    assert found.z[5, 6] == found.z[7, 8] == 0
    assert found.z[0, 0] == pytest.approx(2)
    assert np.isfinite(found.rays).all()
    assert not found.z.flags.writeable
    assert not found.rays.flags.writeable


def test_a_mount_without_an_inverse_is_an_error() -> None:
    with pytest.raises(SourceError, match="calibration"):
        DepthCamera(LongThrowCalibration(np.zeros((288, 320, 2), np.float32), np.zeros((4, 4)), 1000))


def depth(number: float) -> Depth:
    return Depth(np.full((1, 1), number, np.float32), np.zeros((1, 1, 2), np.float32), np.eye(4))


@pytest.mark.parametrize(
    ("ms", "nearest", "offset_ms"),
    [
        (0, 1, 0),
        (140, 2, 60),
        (90, 1, -90),
        (110, 2, 90),
        (650, 3, -250),
        (651, None, 0),
        (-250, 1, 250),
        (-251, None, 0),
    ],
)
def test_the_depth_nearest_in_time_belongs_to_a_picture(ms: int, nearest: int | None, offset_ms: int) -> None:
    history = DepthHistory()
    assert history.nearest(0) is None
    zero = 98_765_432_109_876
    for number in range(3):
        history.add(zero + number * 2_000_000, depth(number + 1))
    found = history.nearest(zero + ms * 10_000)
    assert (found and found.z[0, 0]) == nearest
    if found is not None:
        assert found.offset == Fraction(offset_ms, 1000)


def test_only_a_few_depth_pictures_are_kept() -> None:
    history = DepthHistory()
    for number in range(1000):
        history.add(number, depth(number))
    assert len(history._kept) == 4
    oldest = history.nearest(0)
    assert oldest is not None
    assert oldest.z[0, 0] == 996
