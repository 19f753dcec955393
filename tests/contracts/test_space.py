"""Space: from pixels to places and back, through a camera that stands elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.space import Depth, Intrinsics, Pose, inverse, moved
from tests.support.space import CAMERA, turned

INTRINSICS = st.builds(Intrinsics, *(st.floats(50, 5000) for _ in range(2)), *(st.floats(-100, 3000) for _ in range(2)))
POINTS = st.lists(st.tuples(st.floats(-500, 4500), st.floats(-500, 4500)), min_size=1, max_size=5).map(np.array)
ANGLES, METRES = st.floats(-180, 180), st.tuples(*(st.floats(-20, 20) for _ in range(3)))
POSES = st.builds(turned, ANGLES, ANGLES, ANGLES, METRES)
PLACES = st.lists(METRES, min_size=1, max_size=5).map(lambda places: np.array(places, np.float64))


@given(INTRINSICS, POINTS, st.floats(0.1, 50))
def test_what_is_unprojected_is_projected_to_where_it_was(
    camera: Intrinsics, points: np.ndarray[tuple[int, int], np.dtype[np.float64]], z: float
) -> None:
    rays = camera.rays(points)
    places = np.column_stack([rays * z, np.full(len(points), z)])
    assert camera.projected(places) == pytest.approx(points, abs=1e-6)
    assert camera.points(rays) == pytest.approx(points, abs=1e-6)


@given(POSES, PLACES)
def test_a_pose_and_its_inverse_lead_back(
    pose: Pose, places: np.ndarray[tuple[int, int], np.dtype[np.float64]]
) -> None:
    assert moved(moved(places, pose), inverse(pose)) == pytest.approx(places, abs=1e-9)
    assert inverse(pose) == pytest.approx(np.linalg.inv(pose), abs=1e-9)
    columns = pose @ np.column_stack([places, np.ones(len(places))]).T
    assert moved(places, pose) == pytest.approx(columns[:3].T, abs=1e-9)


def test_the_middle_of_the_first_pixel_is_the_zero_of_intrinsics() -> None:
    """As OpenCV's projectPoints has it; points of frames count from the pixel's edge."""
    assert CAMERA.rays(np.array([0.5, 0.5])) == pytest.approx([-CAMERA.cx / CAMERA.fx, -CAMERA.cy / CAMERA.fy])
    assert CAMERA.projected(np.array([0.0, 0.0, 2.0])) == pytest.approx([CAMERA.cx + 0.5, CAMERA.cy + 0.5])


def test_what_is_behind_a_camera_is_nowhere_in_its_picture() -> None:
    behind = np.array([[0.1, 0.2, -1.0], [0.1, 0.2, 0.0], [0.1, 0.2, 1.0]])
    assert np.isnan(CAMERA.projected(behind)).all(axis=1).tolist() == [True, True, False]


def test_a_depth_picture_is_places_where_it_knows() -> None:
    z = np.array([[0, 2, np.nan], [1, 0, 4]], np.float32)
    rays = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
    places = Depth(z, rays, np.eye(4)).places()
    assert places.tolist() == [[4, 6, 2], [6, 7, 1], [40, 44, 4]]
