"""Planes as a camera sees them, and the plane through noisy points of a depth camera."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_Numbers = NDArray[np.float64]

_OFF, _OFF_M = 0.01, 0.005
"""How far a point of the plane may lie off it along its ray: of the distance, and metres. Depth cameras of this field
are good to 1 % of the distance and some mm."""
_TRIALS, _LOOKED_AT = 64, 400  # planes through three points; on how many points each of them is tried
_MOST = 1500  # points: more tell no more, for a camera's errors are not all noise
_LEAST = 6  # points
_NOISE, _TILT = 0.01, 1.0  # expected before anything is seen: of the distance; tangent of the angle to the camera
_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Plane:
    """The places with ``normal · (X, Y, Z) = 1`` in a camera's axes, metres.

    On the ray (x, y) lies (X, Y, Z) = z (x, y, 1), so 1/z = normal · (x, y, 1): what is a plane in space is a linear
    function of the ray in 1/z, exactly. So it is fitted there, and no perspective is left over.
    """

    normal: tuple[float, float, float]

    def places(self, rays: NDArray[Any]) -> _Numbers:
        """Rays (..., 2) → where they meet it (..., 3); NaN where they do not."""
        return meeting(np.array(self.normal), rays)


def meeting(normals: _Numbers, rays: NDArray[Any]) -> _Numbers:
    """Where rays (..., 2) meet the planes of ``normals`` (..., 3) or (3,): (..., 3), NaN where they do not."""
    ahead = np.concatenate([rays, np.ones((*rays.shape[:-1], 1))], axis=-1)
    nearness = (ahead * normals).sum(axis=-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(nearness > 0, ahead / nearness, np.nan))


def facing(nearness: NDArray[Any]) -> Plane:
    """The plane that faces the camera in the middle of points; nearness: 1/z of each, at least one."""
    return Plane((0.0, 0.0, float(np.median(nearness))))


def fitted(rays: NDArray[Any], nearness: NDArray[Any]) -> tuple[Plane, float] | None:
    """The plane that most points lie on, and how many of them do, 0 … 1; None of fewer than six points.

    rays: (M, 2), x/z and y/z. nearness: (M,), 1/z. Of 64 planes through three of the points the one that most points
    agree with (Fischler and Bolles, "Random sample consensus", CACM 1981, scored by distances cut off as Torr and
    Zisserman do, "MLESAC", CVIU 2000), then least squares over those. The triples are the same for the same number of
    points. Where the points hardly say how it is tilted (a post two of them wide) the fit leans to the plane that
    faces the camera: as if noise of 1 % of the distance and tilts of 45° were expected (ridge regression).
    """
    if len(nearness) < _LEAST:
        return None
    some = _evenly(len(nearness), _MOST)
    points = np.column_stack([rays[some], nearness[some]]).astype(np.float64)
    off = _OFF * points[:, 2] + _OFF_M * points[:, 2] ** 2  # dρ = ρ² dz of ρ = 1/z
    agreeing = np.abs(_beside(points, _most_agreed(points, off))) <= off
    for _ in range(_ROUNDS):
        if np.count_nonzero(agreeing) < _LEAST:
            return None
        normal = _least_squares(points[agreeing])
        aside = np.abs(_beside(points, normal))
        agreeing = aside <= off
        # Half the points lie within 0.67 standard deviations: beyond 2.5 of these a point belongs to something else.
        agreeing &= aside <= 2.5 * 1.4826 * (np.median(aside[agreeing]) if agreeing.any() else 0) + 1e-9
    share = float(np.count_nonzero(np.abs(_beside(points, normal)) <= off)) / len(points)
    x, y, z = normal.tolist()
    return Plane((x, y, z)), share


def _evenly(count: int, most: int) -> NDArray[np.intp]:
    """Indices, at most so many."""
    return np.linspace(0, count - 1, min(count, most)).astype(np.intp)


def _beside(points: _Numbers, normal: _Numbers) -> _Numbers:
    """How much nearer than a plane each point is, in 1/z."""
    return np.asarray(points[:, 2] - points[:, :2] @ normal[:2] - normal[2])


def _most_agreed(points: _Numbers, off: _Numbers) -> _Numbers:
    """The best of planes through three of the points."""
    some = _evenly(len(points), _LOOKED_AT)
    looked_at, off = points[some], off[some]
    one, other, third = looked_at[np.random.default_rng(0).integers(0, len(some), (3, _TRIALS))]
    across = np.cross(other - one, third - one)
    with np.errstate(divide="ignore", invalid="ignore"):
        slopes = -across[:, :2] / across[:, 2:]
    slopes = np.where(np.isfinite(slopes).all(axis=1, keepdims=True), slopes, 0)
    normals = np.column_stack([slopes, one[:, 2] - (slopes * one[:, :2]).sum(axis=1)])
    aside = looked_at[:, 2] - normals[:, :2] @ looked_at[:, :2].T - normals[:, 2:]
    best = np.minimum((aside / off) ** 2, 1).sum(axis=1).argmin()
    return np.asarray(normals[best])


def _least_squares(points: _Numbers) -> _Numbers:
    middle = points.mean(axis=0)
    (across, nearness), expected = np.split(points - middle, [2], axis=1), (_NOISE / _TILT) ** 2
    slopes = np.linalg.solve(across.T @ across + expected * np.eye(2), across.T @ nearness[:, 0])
    return np.append(slopes, middle[2] - slopes @ middle[:2])
