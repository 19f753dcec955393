"""Traffic: where every vehicle is at any moment, in closed form, so that any frame can be made on its own.

Each lane is a row of places that moves at the lane's speed; whoever sits in a place sways about it by less than
half the gap, so nobody ever touches. Faster and slower lanes make the overtaking.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sources.synthetic.layout import Layout, Stream
from sources.synthetic.looks import Colour
from sources.synthetic.mesh import Mesh
from sources.synthetic.models import CLASS_OF, MESHES

_TABLE = 192
"""Places after which a lane's vehicles repeat."""
_BODIES: tuple[Colour, ...] = (
    (232, 234, 236), (58, 56, 54), (150, 152, 154), (38, 40, 158), (132, 74, 32), (112, 116, 120), (206, 208, 206),
    (36, 34, 34), (86, 66, 40), (56, 108, 180), (70, 98, 60), (40, 132, 206), (184, 190, 196), (52, 48, 120),
)  # fmt: skip
_CARGO: tuple[Colour, ...] = ((226, 228, 228), (190, 180, 168), (196, 150, 60), (60, 60, 170), (222, 222, 214))
_CLOTHES: tuple[Colour, ...] = (
    (60, 60, 190), (150, 90, 40), (60, 130, 70), (50, 50, 56), (70, 170, 220), (190, 190, 186), (130, 70, 120),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Actor:
    """One vehicle or person: where its middle stands on the road, and how it looks."""

    s: float
    side: float
    direction: int
    """1 as we drive, -1 towards us."""
    mesh: Mesh
    class_id: int
    colour: Colour
    second: Colour
    """Load, livery or clothes."""
    braking: bool
    lit: bool
    """Whether its lights may be on (parked cars and people have none)."""


@dataclass(frozen=True, slots=True)
class _Lane:
    """A stream with its table of places: everything that chance decides, drawn once."""

    stream: Stream
    first: float
    """Where place 0 is at time 0, metres along the road."""
    models: tuple[str, ...]
    taken: tuple[bool, ...]
    colours: tuple[tuple[Colour, Colour], ...]
    jitter: tuple[float, ...]
    sway: tuple[tuple[float, float, float], ...]
    """Amplitude in metres, angular speed in 1/s, phase."""
    side: tuple[float, ...]

    def place(self, number: int, time: float) -> tuple[float, bool]:
        """Where place ``number`` is (m along the road) and whether its driver is braking."""
        n = number % _TABLE
        amplitude, speed, phase = self.sway[n]
        angle = speed * time + phase
        at = self.first + number * self.stream.gap + self.stream.speed * time + self.jitter[n]
        return at + amplitude * float(np.sin(angle)), -amplitude * speed**2 * float(np.sin(angle)) < -0.25

    def actors(self, start: float, end: float, time: float) -> list[Actor]:
        """Everybody of this lane between two places on the road."""
        origin = self.first + self.stream.speed * time
        numbers = range(int((start - origin) // self.stream.gap) - 1, int((end - origin) // self.stream.gap) + 3)
        found = []
        for number in numbers:
            n = number % _TABLE
            s, braking = self.place(number, time) if self.taken[n] else (start - 1, False)
            if start <= s <= end:
                found.append(self._actor(n, s, braking))
        return found

    def _actor(self, n: int, s: float, braking: bool) -> Actor:
        model, direction = self.models[n], -1 if self.stream.speed < 0 else 1
        lit = abs(self.stream.speed) > 2
        side = self.stream.side + self.side[n]
        body, second = self.colours[n]
        return Actor(s, side, direction, MESHES[model], CLASS_OF[model], body, second, braking and lit, lit)


class Traffic:
    """All lanes of a drive."""

    def __init__(self, rng: np.random.Generator, layout: Layout, start: float) -> None:
        self._lanes = tuple(_lane(rng, stream, start) for stream in layout.streams)

    def at(self, time: float, s: float) -> list[Actor]:
        """Everybody in sight from ``s`` (metres along the road) at ``time`` seconds, furthest first."""
        found = [actor for lane in self._lanes for actor in lane.actors(s - 8, s + lane.stream.sight, time)]
        return sorted(found, key=lambda actor: -actor.s)


def _lane(rng: np.random.Generator, stream: Stream, start: float) -> _Lane:
    """Draws the table of one lane. In our own lane place 0 is ours: it stays free."""
    names, shares = [name for name, _ in stream.kinds], np.array([share for _, share in stream.kinds])
    models = rng.choice(names, _TABLE, p=shares / shares.sum())
    taken = rng.random(_TABLE) >= stream.free
    taken[0] &= not stream.leads
    taken[1] |= stream.leads
    loose = 0.0 if stream.leads else 0.1 * stream.gap
    sway = np.stack(
        [0.13 * stream.gap * rng.uniform(0.4, 1, _TABLE), rng.uniform(0.25, 0.6, _TABLE), rng.uniform(0, 6.28, _TABLE)],
        1,
    )
    if abs(stream.speed) < 2:  # people and parked cars do not sway
        sway[:, 0] = 0
    first = start if stream.leads else start + rng.uniform(0, stream.gap)
    return _Lane(
        stream,
        float(first) - (0.25 * stream.gap if stream.leads else 0.0),
        tuple(map(str, models)),
        tuple(map(bool, taken)),
        tuple(_colours(rng, name) for name in models),
        tuple(map(float, rng.uniform(-loose, loose, _TABLE))),
        tuple((float(a), float(w), float(p)) for a, w, p in sway),
        tuple(map(float, rng.uniform(-0.22, 0.22, _TABLE))),
    )


def _colours(rng: np.random.Generator, model: str) -> tuple[Colour, Colour]:
    """Body and second colour of one vehicle."""
    body = _BODIES[int(rng.integers(len(_BODIES)))]
    if model in ("lorry", "tanker"):
        return body, _CARGO[int(rng.integers(len(_CARGO)))]
    if model == "bus":
        return ((60, 170, 230), (200, 120, 40), (70, 70, 190), (210, 212, 214))[int(rng.integers(4))], (240, 240, 240)
    return body, _CLOTHES[int(rng.integers(len(_CLOTHES)))]
