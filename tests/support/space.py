"""Rooms of flat pieces, seen by a camera and by a depth camera beside it: exact pictures to measure in.

World: metres, x to the right, y down, z forward, as a camera without a turn has them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.frame import Frame, SourceInfo
from contracts.picture import Picture
from contracts.space import Depth, Intrinsics, Pose, inverse

Numbers = NDArray[np.float64]
WIDTH, HEIGHT = 1280, 720
CAMERA = Intrinsics(1010.0, 1008.0, 633.2, 358.7)
"""A HoloLens' at 1280 × 720: 65° wide."""
_FINER = 7  # samples of a pixel each way: an odd number of them, so that no pixel is half covered


def turned(yaw: float = 0.0, pitch: float = 0.0, roll: float = 0.0, at: Sequence[float] = (0, 0, 0)) -> Pose:
    """A pose: degrees about y, then x, then z, and a place in metres."""
    pose = np.eye(4)
    for degrees, (one, other) in ((yaw, (2, 0)), (pitch, (1, 2)), (roll, (0, 1))):
        turn, angle = np.eye(4), math.radians(degrees)
        turn[one, one] = turn[other, other] = math.cos(angle)
        turn[one, other], turn[other, one] = -math.sin(angle), math.sin(angle)
        pose = pose @ turn
    pose[:3, 3] = at
    return pose


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """A flat rectangle; pose: its middle, x and y along its sides, and z behind it. size: metres, endless if None."""

    pose: Pose
    size: tuple[float, float] | None = None

    def distances(self, start: Numbers, rays: Numbers) -> Numbers:
        """How many times a ray (..., 3) from ``start`` goes to it: (...), infinity where it passes by."""
        normal, middle = self.pose[:3, 2], self.pose[:3, 3]
        with np.errstate(divide="ignore", invalid="ignore"):
            times = ((middle - start) @ normal) / (rays @ normal)
        hit = times > 0
        if self.size is not None:
            on = self.within(start + rays * np.where(np.isfinite(times), times, 0)[..., None])
            hit &= (np.abs(on) <= np.array(self.size) / 2).all(axis=-1)
        return np.where(hit, times, np.inf)

    def within(self, places: Numbers) -> Numbers:
        """Places of the world (..., 3) in the piece's own x and y (..., 2)."""
        return np.asarray((places - self.pose[:3, 3]) @ self.pose[:3, :2])


@dataclass(frozen=True, slots=True, eq=False)
class DepthCamera:
    """320 × 288 pixels, wide, with a barrel distortion that ``rays`` know of; mount: it → the picture's camera."""

    mount: Pose
    width: int = 320
    height: int = 288

    def rays(self) -> NDArray[np.float32]:
        """X/z and y/z of each pixel, (height, width, 2)."""
        v, u = np.mgrid[: self.height, : self.width].astype(np.float64)
        x, y = (u - self.width / 2 + 0.3) / 185, (v - self.height / 2 - 0.2) / 185
        bent = 1 + 0.12 * (x**2 + y**2)
        return np.stack([x * bent, y * bent], axis=-1).astype(np.float32)

    def seen(
        self, pieces: Sequence[Piece], camera: Pose, noise: float = 0.0, holes: float = 0.0, seed: int = 0
    ) -> Depth:
        """What it sees of pieces. noise: standard deviation in metres; holes: share of pixels that know nothing."""
        pose, rays, random = camera @ self.mount, self.rays(), np.random.default_rng(seed)
        z = nearest(pieces, pose, np.concatenate([rays, np.ones_like(rays[..., :1])], axis=-1).astype(np.float64))
        z = z + random.normal(0, noise, z.shape) if noise else z
        unknown = ~np.isfinite(z) | (random.random(z.shape) < holes)
        return Depth(np.where(unknown, 0, z).astype(np.float32), rays, pose)


BESIDE = DepthCamera(turned(2.0, 9.0, 1.0, at=(0.03, -0.06, 0.01)))
"""As on a HoloLens: some centimetres above, looking down a little."""


def nearest(pieces: Sequence[Piece], pose: Pose, ahead: Numbers) -> Numbers:
    """Z of the first piece that each ray (..., 3) of a camera, z = 1, meets; infinity where it meets none."""
    rays = ahead @ pose[:3, :3].T
    return np.asarray(np.min([piece.distances(pose[:3, 3], rays) for piece in pieces], axis=0))


def frame(depth: Depth | None, camera: Pose, intrinsics: Intrinsics | None = CAMERA) -> Frame:
    """A grey picture of it."""
    source = SourceInfo("glasses", "glasses", WIDTH, HEIGHT, Fraction(30), Fraction(1, 30))
    picture = Picture.from_bgr(np.full((HEIGHT, WIDTH, 3), 128, np.uint8))
    return Frame(picture, 0, Fraction(0), 0, source, intrinsics=intrinsics, pose=camera, depth=depth)


def lacking(seen: Frame, what: str) -> Frame:
    """The same without its intrinsics, pose or depth."""
    missing: dict[str, Any] = {what: None}
    return replace(seen, **missing)


@dataclass(frozen=True, slots=True, eq=False)
class Crack:
    """A polyline (N, 2) on a piece, in metres, and its width there; round at its ends."""

    points: Numbers
    width: float

    @classmethod
    def straight(cls, length: float, width: float, degrees: float) -> Crack:
        """Through the middle; degrees: from the piece's x."""
        way = np.array([math.cos(math.radians(degrees)), math.sin(math.radians(degrees))]) * length / 2
        return cls(np.stack([-way, way]), width)

    @property
    def length(self) -> float:
        """With its round ends."""
        return float(np.hypot(*np.diff(self.points, axis=0).T).sum()) + self.width

    def mask(self, piece: Piece, camera: Pose, intrinsics: Intrinsics = CAMERA) -> tuple[Any, tuple[float, ...]]:
        """Uint8 0/1 of a box of the frame, where more than half of a pixel is covered; and that box."""
        corners = np.concatenate([self.points, np.zeros((len(self.points), 1)), np.ones((len(self.points), 1))], axis=1)
        seen = intrinsics.projected((corners @ piece.pose.T @ inverse(camera).T)[:, :3])
        margin = 3 + self.width * intrinsics.fx / 0.2
        low = np.maximum(np.floor(seen.min(axis=0) - margin), 0).astype(int)
        high = np.minimum(np.ceil(seen.max(axis=0) + margin), [WIDTH, HEIGHT]).astype(int)
        middles = np.stack(np.meshgrid(*(np.arange(*ends) + 0.5 for ends in zip(low, high, strict=True))), axis=-1)
        aside, pixel = self._aside(piece, camera, intrinsics, middles)
        mask = np.asarray(aside <= 0, np.uint8)
        edge = np.abs(aside) <= 1.5 * pixel  # of the others no part is on the other side
        steps = (np.arange(_FINER) + 0.5) / _FINER - 0.5
        samples = middles[edge][:, None] + np.stack(np.meshgrid(steps, steps), axis=-1).reshape(1, -1, 2)
        mask[edge] = (self._aside(piece, camera, intrinsics, samples)[0] <= 0).mean(axis=1) > 0.5
        rows, columns = mask.nonzero()
        top, left, bottom, right = rows.min(), columns.min(), rows.max() + 1, columns.max() + 1
        box = (low[0] + left, low[1] + top, low[0] + right, low[1] + bottom)
        return mask[top:bottom, left:right], tuple(float(side) for side in box)

    def _aside(self, piece: Piece, camera: Pose, intrinsics: Intrinsics, points: Numbers) -> tuple[Numbers, Numbers]:
        """How far outside the crack each point (..., 2) of a frame is, in metres, and how large a pixel there is."""
        ahead = np.concatenate([intrinsics.rays(points), np.ones((*points.shape[:-1], 1))], axis=-1)
        rays = ahead @ camera[:3, :3].T
        z = piece.distances(camera[:3, 3], rays)
        z, far = np.where(np.isfinite(z), z, 1e6), np.full(points.shape[:-1], np.inf)  # beside it: far away
        on = piece.within(camera[:3, 3] + rays * z[..., None])
        for one, other in zip(self.points[:-1], self.points[1:], strict=True):
            way = other - one
            share = np.clip(((on - one) @ way) / (way @ way), 0, 1)
            far = np.minimum(far, np.linalg.norm(on - one - share[..., None] * way, axis=-1))
        # A pixel is larger where the piece is seen aslant; nobody looks at 75° here.
        return far - self.width / 2, z / intrinsics.fx * 4
