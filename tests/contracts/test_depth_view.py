"""What a depth camera knows of a frame: places of pixels, holes, and what another camera cannot see."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from contracts.depth_view import DepthView
from contracts.space import Pose
from tests.support.space import BESIDE, CAMERA, HEIGHT, WIDTH, DepthCamera, Piece, frame, lacking, nearest, turned

ROOM = (
    Piece(turned(yaw=25, at=(0, 0, 2.4))),
    Piece(turned(pitch=90, at=(0, 0.9, 0))),
    Piece(turned(yaw=-20, at=(0.2, 0.1, 1.2)), (0.4, 0.5)),
)
"""A wall, a floor, and a board in front of them."""


def points(count: int, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).uniform(0, [WIDTH, HEIGHT], (count, 2))


def exact(pieces: tuple[Piece, ...], camera: Pose, at: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where in the camera the surfaces lie."""
    ahead = np.concatenate([CAMERA.rays(at), np.ones((len(at), 1))], axis=1)
    return np.asarray(ahead * nearest(pieces, camera, ahead)[:, None])


def view(pieces: tuple[Piece, ...], camera: Pose, depth_camera: DepthCamera = BESIDE, noise: float = 0) -> DepthView:
    """noise: in metres; with some a fifth of the pixels know nothing, too."""
    depth = depth_camera.seen(pieces, camera, noise=noise, holes=0.2 if noise else 0)
    found = DepthView.of(frame(depth, camera))
    assert found is not None
    return found


@pytest.mark.parametrize("yaw", [-25, 0, 20])
@pytest.mark.parametrize("noise", [0.0, 0.003])
def test_pixels_have_the_places_of_the_surfaces_they_show(yaw: float, noise: float) -> None:
    camera = turned(yaw, 5, 3, at=(0.1, -0.2, 0.05))
    at = points(300)
    wanted, told = exact(ROOM, camera, at), view(ROOM, camera, noise=noise).places(at)
    known = np.isfinite(told).all(axis=1)
    assert known.mean() > 0.97
    off = np.abs(told[known, 2] / wanted[known, 2] - 1)
    assert np.median(off) < 0.0005 + noise / 2
    assert np.mean(off > 0.02) < 0.05  # at the edges of the board the depth camera has a point for 6 × 6 pixels
    assert CAMERA.projected(told[known]) == pytest.approx(at[known], abs=1e-3)


def test_a_view_has_as_many_points_as_the_depth_camera_saw_in_it() -> None:
    camera = np.eye(4)
    found = view(ROOM[:1], camera)
    assert found.spacing == pytest.approx(np.sqrt(1.25**2 * WIDTH * HEIGHT / len(found.points)), rel=0.1)


def test_where_nothing_is_known_there_is_no_place() -> None:
    camera = np.eye(4)
    depth = BESIDE.seen(ROOM[:1], camera)
    depth.z[:, :160] = 0
    found = DepthView.of(frame(depth, camera))
    assert found is not None
    at = np.array([[100.0, 360.0], [1200.0, 360.0], [5000.0, 360.0]])
    assert np.isfinite(found.places(at)).all(axis=1).tolist() == [False, True, False]


def test_what_the_picture_does_not_show_is_not_taken_for_what_hides_it() -> None:
    """The depth camera, half a metre aside, looks behind the board: in the picture the board is before all that."""
    board = Piece(turned(at=(0, 0, 1.0)), (0.5, 0.5))
    wall = Piece(turned(at=(0, 0, 2.0)))
    aside = DepthCamera(turned(yaw=-14, at=(0.5, 0, 0)))
    found = view((wall, board), np.eye(4), aside)
    on_board = CAMERA.projected(np.array([[x, y, 1.0] for x in (-0.2, 0, 0.2) for y in (-0.2, 0.2)]))
    assert found.places(on_board)[:, 2] == pytest.approx(1.0, abs=0.002)
    left, top, right, bottom = CAMERA.projected(np.array([[-0.24, -0.24, 1.0], [0.24, 0.24, 1.0]])).reshape(-1)
    inside = found.within(left, top, right, bottom)
    assert 1 / found.nearness[inside] == pytest.approx(1.0, abs=0.01)
    assert np.count_nonzero(inside) > 1000
    everything = DepthView.of(frame(aside.seen((wall,), np.eye(4)), np.eye(4)))
    assert everything is not None
    assert len(everything.within(left, top, right, bottom)) > 1000  # the wall behind it is in the depth camera's view


@pytest.mark.parametrize("missing", ["intrinsics", "pose", "depth"])
def test_without_intrinsics_pose_or_depth_there_is_no_view(missing: str) -> None:
    whole = frame(BESIDE.seen(ROOM, np.eye(4)), np.eye(4))
    assert DepthView.of(whole) is not None
    assert DepthView.of(lacking(whole, missing)) is None


def test_a_pose_that_is_lost_gives_no_view_and_depth_without_points_an_empty_one() -> None:
    depth = BESIDE.seen(ROOM, np.eye(4))
    assert DepthView.of(frame(depth, np.full((4, 4), np.nan))) is None
    nothing = DepthView.of(frame(replace(depth, z=np.zeros_like(depth.z)), np.eye(4)))
    assert nothing is not None
    assert len(nothing.points) == 0
    assert np.isnan(nothing.places(points(3))).all()
