"""SyntheticDrive: any frame of a procedural drive with its exact truth, by number."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from contracts.picture import Pixels
from contracts.pool import Pool
from contracts.prediction import Prediction
from sources.synthetic.backdrop import make_backdrop
from sources.synthetic.camera import Camera
from sources.synthetic.canvas import MOST_ACTORS, Canvas, glow, halo
from sources.synthetic.figures import Figure, FigurePainter
from sources.synthetic.looks import LOOKS
from sources.synthetic.road import Course, View
from sources.synthetic.scenery import Scenery
from sources.synthetic.surface import Surface
from sources.synthetic.traffic import Traffic
from sources.synthetic.truth import Claim, claim, truth_of
from sources.synthetic.weather import Rain

_POOL = halo((34, 62, 84), 1.5)


class SyntheticDrive:
    """A drive that is fixed by its look, seed, size (width, height in pixels) and frames per second.

    ``render`` is a pure function of the frame number: the same bits in any order, instance and process of one
    machine (other builds of OpenCV or NumPy may round differently). One instance is for one thread at a time.
    """

    def __init__(self, look: str, seed: int, size: tuple[int, int], fps: Fraction, traffic: bool = True) -> None:
        self._look, self._fps, self._with_traffic = LOOKS[look], fps, traffic
        self.camera = Camera.for_size(*size)
        rng = np.random.default_rng([seed, *look.encode()])
        self.layout = self._look.layout(rng)
        self.course = Course.random(rng, self.layout.radius, self.layout.rise)
        self._start = float(rng.uniform(0, 4000))
        self._sway = rng.uniform(0, 2 * np.pi, 3)
        self._traffic = Traffic(rng, self.layout, self._start)
        self._surface = Surface(rng, self.layout, self._look, self.camera)
        self._scenery = Scenery(rng, self.layout, self._look)
        self._backdrop = make_backdrop(rng, self._look, self.camera)
        self._rain = Rain(rng, self.camera) if self._look.wet else None
        self._figures = FigurePainter(self._look)
        width, height = size
        self._pictures, self._masks = Pool((height, width, 3)), Pool((height, width), keep=16)

    def view(self, index: int) -> View:
        """Where the camera is in frame ``index``, and how it sees the road."""
        time = float(index / self._fps)
        wander = 0.16 * np.sin(0.45 * time + self._sway[0]) + 0.06 * np.sin(1.3 * time + self._sway[1])
        nod = 0.0011 * np.sin(5.1 * time + self._sway[2]) * np.sin(0.9 * time)
        return View(self.camera, self.course, self._start + self.layout.speed * time, self.layout.own + wander, nod)

    def render(self, index: int) -> tuple[Pixels, Prediction]:
        """Frame ``index`` (≥ 0): BGR uint8 (height, width, 3), and its truth (see ``truth``), both the caller's own."""
        view = self.view(index)
        canvas = Canvas(self._pictures.take(), self._masks.take(), self.camera)
        canvas.ids.fill(0)
        drivable, lane = self._masks.take(), self._masks.take()
        figures = self._seen(view, index)
        self._ground(canvas, view, figures, drivable, lane)
        claims = self._things(canvas, view, figures)
        if self._rain is not None:
            self._rain.fall(canvas.picture, index)
            self._rain.drops(canvas.picture, index)
        return canvas.picture, truth_of(canvas.ids, drivable, lane, claims)

    def _seen(self, view: View, index: int) -> list[Figure]:
        """Everybody in sight, furthest first."""
        if not self._with_traffic:
            return []
        return self._figures.see(view, self._traffic.at(float(index / self._fps), view.s))[-MOST_ACTORS:]

    def _ground(self, canvas: Canvas, view: View, figures: list[Figure], drivable: Pixels, lane: Pixels) -> None:
        """Road and land with light and shadows, then the sky above them."""
        self._surface.paint(view, canvas.picture, drivable, lane)
        light = self._surface.light(view, self._surface.shade(view))
        if self._look.night:
            for centre, radii in self._scenery.pools(view):
                halved = (centre - [0, view.top]) / 2
                glow(light, _POOL, halved, (radii[0] / 2, radii[1] / 2), light.shape[0])
        self._figures.shadows(view, light, figures)
        self._surface.apply(view, canvas.picture, light)
        self._backdrop.paint(canvas.picture, self.camera, view.heading, view.horizon, view.top)

    def _things(self, canvas: Canvas, view: View, figures: list[Figure]) -> list[Claim]:
        """Everything that stands or drives on the ground, furthest first."""
        claims: list[Claim] = []
        if self._rain is not None:
            self._rain.mirror(canvas, view.horizon)

        def drive(owner: int, figure: Figure) -> None:
            self._figures.paint(canvas, figure, owner)
            claims.append(claim(canvas.ids, owner, figure.actor.class_id, figure.window))
            self._figures.lamps(canvas, figure)

        items = [(s, paint) for s, paint in self._scenery.items(canvas, view)]
        for number, figure in enumerate(figures):
            items.append((figure.actor.s, lambda owner=number + 1, figure=figure: drive(owner, figure)))  # type: ignore[misc]
        for _, paint in sorted(items, key=lambda item: -item[0]):
            paint()
        return claims
