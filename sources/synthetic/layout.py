"""Layouts: what lies across the road — lanes, markings, strips of ground — for a motorway, a country road, a street."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

Pattern = Literal["solid", "dashed", "double", "solid+dashed"]
PaintColour = Literal["white", "yellow"]
Material = Literal["asphalt", "shoulder", "pavement", "kerb"]
Kinds = tuple[tuple[str, float], ...]
"""Vehicle model → share of the traffic in a lane."""

SECTION = 160.0
"""Metres after which a marking may change its pattern."""


@dataclass(frozen=True, slots=True)
class Marking:
    """A painted line ``side`` metres right of the centre; section n shows ``patterns[n % len]``."""

    side: float
    colour: PaintColour
    patterns: tuple[Pattern, ...]
    width: float = 0.15
    dash: tuple[float, float] = (3.0, 12.0)
    """Metres painted, metres from one dash to the next."""


@dataclass(frozen=True, slots=True)
class Strip:
    """Ground of one material from ``left`` to ``right`` (metres right of the centre)."""

    left: float
    right: float
    material: Material


@dataclass(frozen=True, slots=True)
class Stream:
    """The traffic of one lane. speed: m/s along s, negative for oncoming. gap: metres from one place to the next."""

    side: float
    speed: float
    gap: float
    kinds: Kinds
    free: float = 0.25
    """Share of places without a vehicle."""
    sight: float = 230.0
    """Metres up to which it is worth painting."""
    leads: bool = False
    """Whether this is our own lane: it moves with the camera, which keeps a place of its own in it."""


@dataclass(frozen=True, slots=True)
class Layout:
    """One cross section. ``own`` is where the camera drives, ``drivable`` the edges of the lanes in its direction."""

    radius: float
    """Metres, about the sharpest curve."""
    rise: float
    """Steepest slope, metres per metre."""
    own: float
    speed: float
    """Metres per second of the camera."""
    drivable: tuple[float, float]
    strips: tuple[Strip, ...]
    markings: tuple[Marking, ...]
    streams: tuple[Stream, ...]
    rails: tuple[float, ...] = ()
    """Guard rails."""
    built: bool = False
    """Whether houses stand along it."""
    verge: tuple[float, float] = (-12.0, 12.0)
    """Where the outermost strips end: left and right of it scenery may stand."""
    lamps: tuple[float, ...] = ()
    """Street lamps; the arm reaches towards the centre."""


_MIXED: Kinds = (("saloon", 0.34), ("hatchback", 0.22), ("suv", 0.24), ("van", 0.12), ("motorcycle", 0.08))
_HEAVY: Kinds = (("lorry", 0.45), ("tanker", 0.1), ("bus", 0.15), ("van", 0.15), ("saloon", 0.15))
_TOWN: Kinds = (("saloon", 0.3), ("hatchback", 0.24), ("suv", 0.2), ("bus", 0.1), ("van", 0.08), ("motorcycle", 0.08))
_PARKED: Kinds = (("saloon", 0.4), ("hatchback", 0.3), ("suv", 0.2), ("van", 0.1))
_CYCLES: Kinds = (("bicycle", 0.7), ("motorcycle", 0.3))
_WALKERS: Kinds = (("person", 1.0),)


def motorway(rng: np.random.Generator) -> Layout:
    """A divided road of two or three lanes each way; oncoming traffic behind the central reservation."""
    lanes, width, speed = int(rng.integers(2, 4)), 3.6, float(rng.uniform(25, 29))
    left, right = -1.5 * width, (lanes - 1.5) * width
    own = left + width * (lanes - 1.5 + (lanes == 2))
    far = left - 10.2  # the oncoming carriageway's inner edge
    outer = far - lanes * width
    between: tuple[Pattern, ...] = ("dashed", "dashed", "dashed", "solid", "dashed", "dashed", "solid+dashed")
    markings = [Marking(left, "yellow", ("solid",)), Marking(right, "white", ("solid",), 0.18)]
    markings += [Marking(left + width * n, "white", between) for n in range(1, lanes)]
    markings += [Marking(far, "yellow", ("solid",)), Marking(outer, "white", ("solid",))]
    markings += [Marking(far - width * n, "white", ("dashed",)) for n in range(1, lanes)]
    streams = [
        Stream(side, speed + gain, gap, kinds, free, leads=leads)
        for side, gain, gap, kinds, free, leads in (
            (left + width * 0.5, 4.5, 46.0, _MIXED, 0.3, False),
            (left + width * 1.5, 0.0 if lanes == 3 else -4.0, 58.0, _MIXED if lanes == 3 else _HEAVY, 0.1, lanes == 3),
            (left + width * 2.5, -4.0, 52.0, _HEAVY, 0.25, False),
        )[:lanes]
    ]
    if lanes == 2:
        streams[1] = Stream(own, speed, 64.0, _MIXED, 0.1, leads=True)
    streams += [
        Stream(far - width * (n + 0.5), -speed - 3 + 4 * n, 48.0, _HEAVY if n else _MIXED) for n in range(lanes)
    ]
    strips = (
        Strip(left - 1.3, right + 3.0, "shoulder"),
        Strip(left - 0.3, right + 0.3, "asphalt"),
        Strip(outer - 3.0, far + 1.3, "shoulder"),
        Strip(outer - 0.3, far + 0.3, "asphalt"),
    )
    rails = (left - 2.0, far + 2.0, right + 3.7)
    verge = (outer - 4.5, right + 5.5)
    lamps = ((left + far) / 2, right + 4.2) if rng.random() < 0.6 else ()
    return Layout(
        620, 0.042, own, speed, (left, right), strips, tuple(markings), tuple(streams), rails, False, verge, lamps
    )


def country_road(rng: np.random.Generator) -> Layout:
    """One lane each way; the centre line tells who may overtake."""
    width, speed = 3.6, float(rng.uniform(19, 22))
    first = int(rng.integers(4))
    cycle: tuple[Pattern, ...] = ("double", "dashed", "solid+dashed", "dashed")
    centre = Marking(0.0, "yellow", cycle[first:] + cycle[:first])
    edges = (Marking(width, "white", ("solid",)), Marking(-width, "white", ("solid",)))
    streams = (
        Stream(width / 2, speed, 72.0, (*_MIXED, ("lorry", 0.25), ("bus", 0.1)), 0.05, leads=True),
        Stream(-width / 2, -speed - 1, 62.0, (*_MIXED, ("lorry", 0.2), ("bus", 0.1)), 0.2),
    )
    strips = (Strip(-width - 1.4, width + 1.4, "shoulder"), Strip(-width - 0.5, width + 0.5, "asphalt"))
    return Layout(400, 0.045, width / 2, speed, (0.0, width), strips, (centre, *edges), streams, verge=(-7.0, 7.0))


def street(rng: np.random.Generator) -> Layout:
    """Two lanes each way, parked cars, pavements, houses."""
    width, speed = 3.3, float(rng.uniform(10, 12.5))
    kerb, wall = 2 * width + 2.5, 2 * width + 2.5 + 4.2
    inner = bool(rng.integers(2))
    own = width * (0.5 if inner else 1.5)
    centre = Marking(0.0, "yellow", ("double", "double", "solid", "double", "solid+dashed"))
    between = tuple(Marking(side * width, "white", ("dashed",), 0.13, (3.0, 9.0)) for side in (-1, 1))
    edges = tuple(
        Marking(side * 2 * width, "white", ("solid", "solid", "dashed"), 0.13, (1.0, 3.0)) for side in (-1, 1)
    )
    other = Stream(width * (1.5 if inner else 0.5), speed + (-1.6 if inner else 2.2), 34.0, _TOWN, 0.3, 130.0)
    streams = (
        Stream(own, speed, 40.0, _TOWN, 0.1, 130.0, leads=True),
        other,
        Stream(-width * 0.5, -speed - 1, 36.0, _TOWN, 0.25, 130.0),
        Stream(-width * 1.5, -speed + 2, 32.0, _TOWN, 0.35, 130.0),
        Stream(2 * width + 1.25, 0.0, 7.6, _PARKED, 0.55, 75.0),
        Stream(-2 * width - 1.25, 0.0, 7.6, _PARKED, 0.55, 75.0),
        Stream(2 * width - 0.35, 5.0, 60.0, _CYCLES, 0.4, 110.0),
        Stream(kerb + 2.0, 1.3, 14.0, _WALKERS, 0.4, 80.0),
        Stream(kerb + 3.1, -1.2, 16.0, _WALKERS, 0.4, 80.0),
        Stream(-kerb - 2.4, -1.3, 13.0, _WALKERS, 0.4, 80.0),
    )
    strips = (
        Strip(-wall - 30, wall + 30, "pavement"),
        Strip(-kerb - 0.3, kerb + 0.3, "kerb"),
        Strip(-kerb, kerb, "asphalt"),
    )
    lamps = (kerb + 0.7, -kerb - 0.7)
    return Layout(
        250,
        0.034,
        own,
        speed,
        (0.0, 2 * width),
        strips,
        (centre, *between, *edges),
        streams,
        (),
        True,
        (-wall, wall),
        lamps,
    )
