"""Models: the vehicles and people of the drive, built from real dimensions."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from sources.synthetic.mesh import Builder, Mesh

CLASSES = ("person", "car", "bus", "truck", "two_wheeler")
"""Class names of the truth, in the order of their ids."""


_Outline = tuple[tuple[float, float], ...]
_SALOON: _Outline = ((-0.98, 0.32), (-1.0, 0.62), (-0.97, 0.98), (-0.74, 1.0), (-0.4, 1.42), (0.12, 1.45), (0.5, 0.98),
                     (0.95, 0.8), (1.0, 0.6), (0.98, 0.3))  # fmt: skip
_HATCHBACK: _Outline = ((-0.97, 0.32), (-1.0, 0.6), (-0.97, 0.96), (-0.72, 1.45), (0.15, 1.5), (0.55, 1.0),
                        (0.95, 0.84), (1.0, 0.62), (0.97, 0.3))  # fmt: skip
_SUV: _Outline = ((-0.98, 0.38), (-1.0, 0.7), (-0.98, 1.1), (-0.84, 1.66), (0.15, 1.7), (0.48, 1.12), (0.95, 1.0),
                  (1.0, 0.7), (0.98, 0.36))  # fmt: skip


def _car(length: float, width: float, roof: float, outline: _Outline, belt: float, *, cabin: int = 2) -> Mesh:
    """A car from its side outline: (forward share of half the length, height) from the rear bumper over the roof.

    The outline's points from number ``cabin`` on are: foot of the rear window, roof's rear, roof's front, cowl.
    """
    build, half = Builder(), width / 2
    build.treads(-0.3 * length, half * 0.97, 0.24, 0.36)
    build.treads(0.3 * length, half * 0.97, 0.24, 0.36)
    build.part()
    at = [(share * length / 2, up) for share, up in outline]
    out = [half * (0.97 if up < 0.45 else 1.0 if up <= belt + 0.08 else 0.78) for _, up in at]
    for n in range(len(at) - 1):
        (x, z), (x2, z2) = at[n], at[n + 1]
        glass = n in (cabin, cabin + 2)
        build.face([(x, -out[n], z), (x, out[n], z), (x2, out[n + 1], z2), (x2, -out[n + 1], z2)], "body")
        if glass:
            build.face(_inset(at[n], at[n + 1], out[n], out[n + 1]), "glass", True)
    for sign in (-1.0, 1.0):
        lower = [(x, sign * w, z) for (x, z), w in zip(at, out, strict=True) if z <= belt + 0.1]
        build.face(lower, "body")
        flank = [(at[n][0], sign * out[n], at[n][1]) for n in range(cabin, cabin + 4)]
        build.face(flank, "body")
        build.face(_side_window(flank), "glass", True)
    build.wheels((-0.3 * length, 0.3 * length), 0.33, half + 0.01)
    _car_ends(build, length, half, roof)
    return build.finish()


def _inset(
    low: tuple[float, float], high: tuple[float, float], out: float, out_high: float
) -> list[tuple[float, float, float]]:
    """A window inside the pane between two outline points."""
    (x, z), (x2, z2) = low, high
    a, b = 0.08, 0.93
    foot, head = (x + (x2 - x) * a, z + (z2 - z) * a), (x + (x2 - x) * b, z + (z2 - z) * b)
    w, w2 = out * 0.9, out_high * 0.9
    return [(foot[0], -w, foot[1]), (foot[0], w, foot[1]), (head[0], w2, head[1]), (head[0], -w2, head[1])]


def _side_window(cabin: list[tuple[float, float, float]]) -> list[tuple[float, float, float]]:
    """The cabin's flank shrunk towards its middle."""
    middle = tuple(sum(corner[n] for corner in cabin) / 4 for n in range(3))
    return [tuple(m + 0.8 * (c - m) for c, m in zip(corner, middle, strict=True)) for corner in cabin]  # type: ignore[misc]


def _car_ends(build: Builder, length: float, half: float, roof: float) -> None:
    """Bumpers, lamps, plates and grille."""
    back, front = -length / 2 - 0.005, length / 2 + 0.005
    lift = 0.58 if roof < 1.6 else 0.72
    build.on_end(back, (-half * 0.93, half * 0.93, 0.34, 0.5), "dark")
    build.on_end(back, (-0.27, 0.27, lift + 0.04, lift + 0.17), "plate")
    for sign in (-1, 1):
        inner, outer = sorted((sign * half * 0.55, sign * half * 0.96))
        build.on_end(back, (inner, outer, lift + 0.12, lift + 0.3), "tail")
        build.on_end(front, (inner, outer, lift, lift + 0.16), "head")
    build.on_end(front, (-half * 0.5, half * 0.5, lift - 0.06, lift + 0.1), "dark")
    build.on_end(front, (-0.27, 0.27, 0.42, 0.53), "plate")
    build.lights(back, front, half * 0.76, lift + 0.21, lift + 0.08)


def _van() -> Mesh:
    build, half = Builder(), 0.98
    build.treads(-1.6, half * 0.96, 0.24, 0.4)
    build.treads(1.7, half * 0.96, 0.24, 0.4)
    build.box((-2.7, 1.9, -half, half, 0.38, 2.35), "body", 0.92)
    build.on_end(-2.71, (-0.8, -0.06, 1.35, 2.05), "glass", 0.03)
    build.on_end(-2.71, (0.06, 0.8, 1.35, 2.05), "glass", 0.03)
    build.on_end(-2.71, (-0.02, 0.02, 0.5, 2.25), "dark")
    build.on_end(-2.71, (-0.27, 0.27, 0.62, 0.75), "plate")
    build.on_end(-2.72, (-0.97, 0.97, 0.36, 0.52), "dark")
    for side in (-0.95, 0.77):
        build.on_end(-2.72, (side, side + 0.18, 0.85, 1.3), "tail")
    build.part()
    nose = [(1.9, 2.3), (2.45, 1.35), (2.75, 1.1), (2.8, 0.4)]
    for (x, z), (x2, z2) in pairwise(nose):
        build.face([(x, -half * 0.95, z), (x, half * 0.95, z), (x2, half * 0.95, z2), (x2, -half * 0.95, z2)], "body")
    build.face(_inset(nose[0], nose[1], half * 0.92, half * 0.95), "glass", True)
    for sign in (-1.0, 1.0):
        build.face([(1.9, sign * half * 0.95, 0.4), *[(x, sign * half * 0.95, z) for x, z in nose]], "body")
    build.on_side((1.2, 2.05, 1.35, 2.0), half, "glass")
    build.wheels((-1.6, 1.7), 0.36, half + 0.01)
    for side in (-0.9, 0.6):
        build.on_end(2.81, (side, side + 0.3, 0.75, 1.0), "head")
    build.lights(-2.72, 2.81, 0.8, 1.1, 0.88)
    return build.finish()


def _lorry(tank: bool = False) -> Mesh:
    build = Builder()
    for axle in (-6.2, -5.0, 2.2):
        build.treads(axle, 1.2, 0.5, 0.95)
    build.box((-7.0, 2.6, -1.2, 1.2, 0.85, 1.25), "dark")
    build.box((-7.1, 3.4, -1.26, 1.26, 1.2, 3.9 if not tank else 3.3), "cargo", 1.0 if not tank else 0.55)
    if not tank:
        build.on_end(-7.11, (-0.03, 0.03, 1.25, 3.85), "dark")
        for side in (-0.62, 0.6):
            build.on_end(-7.11, (side, side + 0.03, 1.25, 3.85), "chrome")
        build.on_side((-6.6, 2.8, 2.0, 3.3), 1.27, "stripe")
    build.on_end(-7.12, (-1.25, 1.25, 0.55, 0.72), "stripe")
    build.on_end(-7.12, (-0.27, 0.27, 0.82, 0.96), "plate")
    for side in (-1.22, 0.84):
        build.on_end(-7.12, (side, side + 0.38, 0.84, 1.06), "tail")
    build.wheels((-6.2, -5.0, -3.8, 2.2), 0.5, 1.27)
    build.treads(5.2, 1.22, 0.36, 0.95)
    build.box((3.9, 6.0, -1.22, 1.22, 0.5, 3.3), "body", 0.96)
    build.on_end(6.01, (-1.08, 1.08, 1.75, 2.75), "glass", -0.03)
    build.on_end(6.01, (-0.9, 0.9, 0.75, 1.5), "dark")
    for side in (-1.15, 0.8):
        build.on_end(6.02, (side, side + 0.35, 0.72, 0.95), "head")
    build.on_side((4.7, 5.85, 1.75, 2.65), 1.225, "glass")
    build.wheels((5.2,), 0.5, 1.23)
    build.lights(-7.13, 6.03, 1.03, 0.95, 0.84)
    return build.finish()


def _bus() -> Mesh:
    build, half = Builder(), 1.26
    build.treads(-3.2, half * 0.96, 0.4, 0.9)
    build.treads(3.4, half * 0.96, 0.3, 0.9)
    build.box((-5.9, 5.9, -half, half, 0.35, 3.05), "body", 0.97)
    build.on_end(-5.91, (-1.08, 1.08, 1.75, 2.65), "glass", 0.01)
    build.on_end(-5.91, (-1.05, 1.05, 0.75, 1.45), "dark")
    build.on_end(5.91, (-1.14, 1.14, 1.15, 2.5), "glass", -0.01)
    build.on_end(5.91, (-0.9, 0.9, 2.62, 2.92), "plate")
    build.on_end(-5.92, (-0.27, 0.27, 0.5, 0.64), "plate")
    for side in (-1.2, 1.0):
        build.on_end(-5.92, (side, side + 0.2, 0.9, 1.5), "tail")
        build.on_end(5.92, (side, side + 0.2, 0.6, 0.85), "head")
    build.on_side((-5.7, 5.75, 1.5, 2.6), half, "glass", 0.01)
    build.on_side((-5.85, 5.85, 0.95, 1.2), half + 0.003, "body2")
    for pillar in (-4.0, -2.2, -0.4, 1.4, 3.2, 4.7):
        build.on_side((pillar, pillar + 0.14, 1.45, 2.65), half + 0.006, "body")
    build.wheels((-3.2, 3.4), 0.48, half + 0.012)
    build.lights(-5.93, 5.93, 1.1, 1.2, 0.72)
    return build.finish()


def _rider(build: Builder, seat: float, lean: float) -> None:
    """A rider: legs, back, arms, helmet."""
    build.box((-0.15, 0.3, -0.24, 0.24, seat - 0.45, seat + 0.1), "trousers", 0.8)
    build.box((-0.2 + lean, 0.14 + lean, -0.26, 0.26, seat, seat + 0.58), "cloth", 0.82)
    build.box((-0.14 + lean * 1.6, 0.14 + lean * 1.6, -0.13, 0.13, seat + 0.6, seat + 0.88), "body", 0.75)


def _motorcycle() -> Mesh:
    build = Builder()
    build.box((-1.05, -0.4, -0.09, 0.09, 0.0, 0.62), "tyre", 0.8)
    build.box((0.45, 1.05, -0.07, 0.07, 0.0, 0.62), "tyre", 0.8)
    build.box((-0.75, 0.75, -0.2, 0.2, 0.35, 0.85), "body", 0.7)
    build.on_end(-0.76, (-0.1, 0.1, 0.42, 0.56), "plate")
    build.on_end(-0.76, (-0.12, 0.12, 0.66, 0.8), "tail")
    build.box((0.45, 0.62, -0.36, 0.36, 0.9, 1.05), "dark", 0.9)
    build.on_end(0.63, (-0.11, 0.11, 0.86, 1.04), "head")
    _rider(build, 0.82, 0.1)
    build.lights(-0.77, 0.64, 0.0, 0.73, 0.95)
    return build.finish()


def _bicycle() -> Mesh:
    build = Builder()
    build.box((-0.85, -0.2, -0.03, 0.03, 0.0, 0.66), "tyre", 0.8)
    build.box((0.2, 0.85, -0.03, 0.03, 0.0, 0.66), "tyre", 0.8)
    build.box((-0.5, 0.5, -0.03, 0.03, 0.5, 0.62), "body")
    build.box((0.4, 0.46, -0.28, 0.28, 0.95, 1.0), "dark")
    _rider(build, 0.95, 0.16)
    build.lights(-0.85, 0.85, 0.0, 0.7, 0.85)
    return build.finish()


def _person() -> Mesh:
    build = Builder()
    build.box((-0.24, 0.0, -0.17, -0.02, 0.0, 0.86), "trousers", 1.1)
    build.box((0.0, 0.24, 0.02, 0.17, 0.0, 0.86), "trousers", 1.1)
    build.box((-0.13, 0.13, -0.24, 0.24, 0.82, 1.44), "cloth", 0.88)
    build.box((-0.08, 0.1, -0.31, -0.22, 0.8, 1.38), "cloth")
    build.box((-0.1, 0.08, 0.22, 0.31, 0.8, 1.38), "cloth")
    build.box((-0.1, 0.1, -0.09, 0.09, 1.48, 1.72), "skin", 0.85)
    build.box((-0.12, 0.07, -0.1, 0.1, 1.63, 1.76), "trousers", 0.8)
    return build.finish()


_MAKERS: dict[str, tuple[str, Callable[[], Mesh]]] = {
    "saloon": ("car", lambda: _car(4.6, 1.82, 1.45, _SALOON, 0.95, cabin=3)),
    "hatchback": ("car", lambda: _car(4.05, 1.76, 1.5, _HATCHBACK, 0.95)),
    "suv": ("car", lambda: _car(4.6, 1.9, 1.7, _SUV, 1.08)),
    "van": ("car", _van),
    "lorry": ("truck", _lorry),
    "tanker": ("truck", lambda: _lorry(tank=True)),
    "bus": ("bus", _bus),
    "motorcycle": ("two_wheeler", _motorcycle),
    "bicycle": ("two_wheeler", _bicycle),
    "person": ("person", _person),
}
MESHES: dict[str, Mesh] = {name: make() for name, (_, make) in _MAKERS.items()}
CLASS_OF: dict[str, int] = {name: CLASSES.index(kind) for name, (kind, _) in _MAKERS.items()}
