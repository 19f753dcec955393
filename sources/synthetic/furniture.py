"""Furniture: guard rails, street lamps, delineator posts and sign gantries, built as props."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from sources.synthetic.camera import Floats
from sources.synthetic.layout import Layout
from sources.synthetic.looks import Look
from sources.synthetic.props import Layer, Prop, beam, rectangle

GANTRY_AT = 0.33
"""Where on its lattice a gantry stands."""
_STEEL, _GREEN, _WHITE = (130, 134, 138), (84, 112, 26), (236, 238, 238)


def make_rail(side: float, pitch: float, pieces: int) -> Prop:
    """``pieces`` of guard rail of ``pitch`` metres: posts, beam, and the beam's shaded lower half."""
    starts = np.arange(pieces)[:, None, None] * np.array([pitch, 0.0, 0.0])
    posts = rectangle((0, 0.14), (side, side), (0, 0.7)) + starts
    upper = rectangle((0, pitch), (side, side), (0.5, 0.8)) + starts
    lower = rectangle((0, pitch), (side, side), (0.5, 0.64)) + starts
    layers = (
        Layer(posts, (96, 98, 100), mirrors=0.5),
        Layer(upper, (200, 202, 204), mirrors=0.7),
        Layer(lower, (146, 148, 152), False, 0.06, mirrors=0.6),
    )
    return Prop(layers, pitch * pieces)


def make_lamp(side: float, look: Look) -> Prop:
    """A street lamp at ``side`` whose arm reaches towards the road's centre."""
    inward = -1.0 if side > 0 else 1.0
    arm = [(side, 7.4), (side + 0.6 * inward, 8.3), (side + 2.6 * inward, 8.6)]
    bars = [beam((side, side), (0, 7.4), 0.18)]
    bars += [beam((a[0], b[0]), (a[1], b[1]), 0.13) for a, b in pairwise(arm)]
    head = beam((side + 2.0 * inward, side + 3.0 * inward), (8.52, 8.66), 0.24)
    lit = look.lamps_on
    layers = (
        Layer(np.concatenate(bars), (104, 106, 106), mirrors=0.3),
        Layer(head, (196, 230, 246) if lit else (170, 172, 172), shines=lit),
    )
    return Prop(layers, 0.0, (0.0, side + 2.5 * inward, 8.55))


def make_post(side: float) -> Prop:
    """A white delineator post with its dark band and reflector."""
    white = beam((side, side), (0, 1.0), 0.13)
    band = beam((side, side), (0.6, 0.86), 0.13)
    reflector = beam((side, side), (0.64, 0.82), 0.06)
    layers = (
        Layer(white, (228, 230, 230), mirrors=1.0),
        Layer(band, (38, 38, 40), False),
        Layer(reflector, (200, 220, 240), False, mirrors=1.6),
    )
    return Prop(layers, 0.0)


def make_gantry(layout: Layout) -> Prop:
    """A bridge of two green signs over our carriageway."""
    left, right = layout.drivable[0] - 2.6, layout.drivable[1] + 4.2
    frame = [beam((post, post), (0, 7.6), 0.4) for post in (left, right)] + [beam((left, right), (7.25, 7.25), 0.5)]
    boards, faces, words = [], [], []
    for middle in (layout.own - 2.1, layout.own + 3.4):
        boards.append(_board(middle, 2.2, (5.7, 8.1)))
        faces.append(_board(middle, 2.1, (5.8, 8.0)))
        words += [
            _board(middle - 0.4, 1.2, (7.2, 7.5)),
            _board(middle, 1.6, (6.6, 6.9)),
            _board(middle + 1.2, 0.1, (6, 6.4)),
        ]
    layers = (
        Layer(np.concatenate(frame), _STEEL, mirrors=0.2),
        Layer(np.concatenate(boards), _WHITE, mirrors=0.9),
        Layer(np.concatenate(faces), _GREEN, False, mirrors=1.0),
        Layer(np.concatenate(words), _WHITE, False, 0.4, mirrors=0.9),
    )
    return Prop(layers, 0.0)


def _board(middle: float, half: float, up: tuple[float, float]) -> Floats:
    """An upright rectangle across the road."""
    return rectangle((0, 0), (middle - half, middle + half), up)
