"""Painter: from a result to the annotated picture, layer by layer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from contracts.config import Layer
from contracts.picture import Picture
from contracts.prediction import Mask, Prediction
from contracts.result import Result
from outputs.draw.best_classes import BestClasses
from outputs.draw.boxes import draw_box, even_corners, line_width
from outputs.draw.canvas import Canvas, Canvases
from outputs.draw.class_maps import ClassMapBrush
from outputs.draw.colours import PALETTES, Rgb, class_colour, to_yuv
from outputs.draw.labels import Plates, label_text, text_size
from outputs.draw.legend import Legend, entries_of
from outputs.draw.masks import MaskBrush
from outputs.draw.panel import Panel, PanelFigures
from outputs.draw.placing import Places, Rectangle
from outputs.draw.signs import Sign, signs_of
from outputs.draw.truth import TruthBrush

_Box = tuple[Rectangle, Rgb, str, tuple[Sign, ...]]
"""Corners, colour, label and signs."""


class Painter:
    """Draws predictions of one stream; used by one thread at a time.

    layers: what is drawn. "drivable" covers every filled area that is not a lane line, class maps too; "labels" every
    word about what was seen: at boxes, the legend of class maps, classifications. alpha: strength of filled areas,
    0 … 1; lane lines are stronger. palette: a name in ``outputs.draw.colours.PALETTES`` (else KeyError). truth: the
    source's own labels are drawn, too, where a frame has them.
    """

    def __init__(self, layers: Sequence[Layer], alpha: float, palette: str, *, truth: bool = False) -> None:
        self._layers = frozenset(layers)
        self._alpha = alpha
        self._lane_alpha = 1 - (1 - alpha) ** 3  # lines are thin: as strong as three coats of an area's paint
        self._palette = PALETTES[palette]
        self._canvases, self._brush, self._plates, self._panel = Canvases(), MaskBrush(), Plates(), Panel()
        self._truth_brush = TruthBrush(self._layers) if truth else None
        self._map_brush, self._legend, self._best_classes = ClassMapBrush(), Legend(), BestClasses(self._palette)

    def paint(self, result: Result, figures: PanelFigures | None) -> Picture:
        """The annotated picture: limited-range yuv420p of even size, in memory of its own (see ``Canvas``).

        From the bottom: class maps, areas, lane lines, masks of instances, boxes (of both the best score on top),
        panel, legend, classifications, labels; the truth's areas over areas, its boxes over boxes. figures: None for no
        panel.
        """
        canvas = self._canvases.of(result.frame.picture)
        brush, truth = (
            self._truth_brush,
            (result.frame.truth if self._truth_brush is not None else None) or Prediction(),
        )
        self._paint_masks(canvas, result.prediction)
        if brush is not None:
            brush.paint_areas(canvas, truth)
        boxes = self._boxes(canvas, result.prediction)
        if "boxes" in self._layers:
            self._paint_instances(canvas, result.prediction)
            line = line_width(canvas)
            for corners, colour, _, _ in reversed(boxes):
                draw_box(canvas, corners, to_yuv(colour, canvas.matrix), line)
        if brush is not None:
            brush.paint_boxes(canvas, truth)
        taken: list[Rectangle | None] = []
        if figures is not None and "panel" in self._layers:
            self._panel.draw(canvas, figures)
            taken.append(self._panel.place(canvas, figures))
        if "labels" in self._layers:
            taken += self._paint_plates(canvas, result.prediction, truth if brush is not None else Prediction())
            taken += brush.paint_plate(canvas, truth) if brush is not None else []
            places = self._paint_labels(canvas, boxes, [place for place in taken if place is not None])
            if brush is not None:
                brush.paint_labels(canvas, truth, result.prediction, places)
        return canvas.picture()

    def _paint_masks(self, canvas: Canvas, prediction: Prediction) -> None:
        masks = prediction.masks().values()
        if "drivable" in self._layers:
            for part in prediction.class_maps().values():
                self._map_brush.paint(canvas, part, self._alpha)
            for mask in masks:
                if mask.role != "lane":
                    self._brush.paint(canvas, mask, to_yuv(self._area_colour(mask), canvas.matrix), self._alpha)
        if "lanes" in self._layers:
            for mask in masks:
                if mask.role == "lane":
                    self._brush.paint(canvas, mask, to_yuv(self._palette.lane, canvas.matrix), self._lane_alpha)

    def _paint_instances(self, canvas: Canvas, prediction: Prediction) -> None:
        found = [
            (float(part.detections.scores[index]), part, index)
            for part in prediction.instances().values()
            for index in range(len(part.masks))
        ]
        found.sort(key=lambda scored: -scored[0])
        for _, part, index in reversed(found):
            window = part.window(index)
            colour = to_yuv(class_colour(part.detections.name(index), self._palette), canvas.matrix)
            self._brush.paint_instance(canvas, part.masks[index], (window.left, window.top), colour, self._alpha)

    def _area_colour(self, mask: Mask) -> Rgb:
        return self._palette.drivable if mask.role == "drivable" else class_colour(mask.name, self._palette)

    def _boxes(self, canvas: Canvas, prediction: Prediction) -> list[_Box]:
        """Corners, colour, label and signs of every head's boxes, best score first."""
        if not self._layers & {"boxes", "labels"}:
            return []
        found: list[tuple[float, _Box]] = []
        for head, part in prediction.detections().items():
            carried = head in prediction.carried
            corners = even_corners(part.boxes, canvas).tolist()
            for index, (x1, y1, x2, y2) in enumerate(corners):
                colour = class_colour(part.name(index), self._palette)
                text = label_text(part, index, carried=carried)
                signs = () if part.attributes is None else signs_of(part.name(index), part.attributes[index])
                found.append((float(part.scores[index]), ((x1, y1, x2, y2), colour, text, signs)))
        found.sort(key=lambda scored: -scored[0])
        return [box for _, box in found]

    def _paint_plates(self, canvas: Canvas, prediction: Prediction, truth: Prediction) -> Iterator[Rectangle | None]:
        """Legend and classifications; yields where they are. A legend without its areas would explain nothing."""
        if "drivable" in self._layers and self._alpha > 0:
            yield self._legend.draw(
                canvas, entries_of([*prediction.class_maps().values(), *truth.class_maps().values()])
            )
        yield self._best_classes.draw(canvas, prediction.classifications())

    def _paint_labels(self, canvas: Canvas, boxes: list[_Box], taken: Sequence[Rectangle]) -> Places:
        """Labels where there is room; gives what is taken then."""
        size = text_size(canvas)
        places = Places(canvas.width, canvas.height, band=2 * size)
        for place in taken:
            places.take(place)
        for corners, colour, text, signs in boxes:
            badge = self._plates.badge(signs, size, canvas.matrix) if signs else None
            plate = self._plates.get((text, colour, size, canvas.matrix), badge.height if badge else 0)
            spot = places.find(corners, plate.width + (badge.width if badge else 0), plate.height)
            if spot is None and badge is not None:  # rather the name alone than nothing
                badge, spot = None, places.find(corners, plate.width, plate.height)
            if spot is None:
                continue
            plate.put(canvas, *spot)
            if badge is not None:
                badge.put(canvas, spot[0] + plate.width, spot[1])
        return places
