"""Planes through points of a depth camera: exact ones, noisy ones, and much that does not belong to them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from contracts.planes import Plane, fitted

Numbers = NDArray[Any]


def seen(normal: tuple[float, float, float], count: int = 400, seed: int = 0) -> tuple[Numbers, Numbers]:
    """Rays and 1/z of places on a plane."""
    rays = np.random.default_rng(seed).uniform(-0.15, 0.15, (count, 2))
    return rays, rays @ np.array(normal[:2]) + normal[2]


def angle(plane: Plane, normal: tuple[float, float, float]) -> float:
    """Degrees between two planes."""
    one, other = (np.array(each) / np.linalg.norm(each) for each in (plane.normal, normal))
    return math.degrees(math.acos(min(float(one @ other), 1.0)))


@pytest.mark.parametrize("normal", [(0.0, 0.0, 1.0), (0.7, -0.2, 0.9), (0.1, 2.0, 0.5), (0.0, 0.0, 0.1)])
def test_rays_meet_a_plane_where_its_points_are(normal: tuple[float, float, float]) -> None:
    rays, nearness = seen(normal)
    ahead = nearness > 0
    found = fitted(rays[ahead], nearness[ahead])
    assert found is not None
    plane, share = found
    assert share == 1
    assert angle(plane, normal) < 0.02
    places = plane.places(rays[ahead])
    assert places @ np.array(normal) == pytest.approx(np.ones(len(places)), abs=1e-3)
    assert places[:, :2] / places[:, 2:] == pytest.approx(rays[ahead])


def test_a_ray_that_runs_beside_a_plane_meets_it_nowhere() -> None:
    assert np.isnan(Plane((1.0, 0.0, 0.1)).places(np.array([[-0.1, 0.0], [-0.5, 0.3]]))).all()


@pytest.mark.parametrize("share", [0.0, 0.2, 0.45])
def test_what_lies_elsewhere_does_not_pull_it(share: float) -> None:
    """At 1 m, tilted by 30°, 3 mm of noise; a part of the points lies 5 to 50 cm behind, as a wall behind a post."""
    normal = (-math.tan(math.radians(30)), 0.0, 1.0)
    angles, distances = [], []
    for seed in range(20):
        random = np.random.default_rng(seed)
        rays, nearness = seen(normal, seed=seed)
        z = 1 / nearness + random.normal(0, 0.003, len(rays))
        z[random.random(len(rays)) < share] += random.uniform(0.05, 0.5)
        found = fitted(rays, 1 / z)
        assert found is not None
        assert found[1] == pytest.approx(1 - share, abs=0.08)
        angles.append(angle(found[0], normal))
        distances.append(1 / found[0].normal[2] - 1)
    assert np.max(angles) < 1
    assert np.abs(distances).max() < 0.001


def test_points_in_a_line_give_the_plane_that_faces_the_camera_across_it() -> None:
    """A post two points wide: how it is turned nobody can tell, how far it is everybody can."""
    random = np.random.default_rng(3)
    rays = np.column_stack([np.tile([0.0, 0.004], 40), np.repeat(np.linspace(-0.1, 0.1, 40), 2)])
    found = fitted(rays, 1 / (2 + random.normal(0, 0.01, 80)))
    assert found is not None
    assert angle(found[0], (0.0, 0.0, 0.5)) < 15
    assert found[0].places(np.array([0.002, 0.0]))[2] == pytest.approx(2, abs=0.005)


@pytest.mark.parametrize("count", [0, 1, 5])
def test_fewer_than_six_points_are_no_plane(count: int) -> None:
    assert fitted(*seen((0.0, 0.0, 1.0), count)) is None


def test_six_places_that_are_one_do_not_break_it() -> None:
    found = fitted(np.full((6, 2), 0.1), np.full(6, 0.5))
    assert found is not None
    assert found[0].places(np.array([0.1, 0.1])) == pytest.approx([0.2, 0.2, 2.0])
