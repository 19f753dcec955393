"""Panel: a small table of figures on a dark, translucent plate in the left upper corner."""

from __future__ import annotations

import math
from dataclasses import dataclass

from contracts.picture import Pixels
from contracts.text import counted
from outputs.draw.canvas import Canvas
from outputs.draw.glass import Glass, glass, glass_margin, glass_size
from outputs.draw.placing import Rectangle
from outputs.draw.text import CAPITAL, DIM, Letters, Typesetter, Word, shortened, written

_REGULAR, _BOLD = 500, 700
_LONGEST_NAME = 18  # letters
_WIDEST, _TALLEST = 0.5, 0.5  # with its margin, of the frame's width and height


@dataclass(frozen=True, slots=True)
class LiveFigures:
    """What the panel says of a source that comes and goes.

    state: one word. reconnects: how often it came again. backlog_ms: mean age on arrival, None where nothing came.
    """

    state: str
    reconnects: int
    backlog_ms: float | None


@dataclass(frozen=True, slots=True, eq=False)
class PanelFigures:
    """What the panel shows. Drawn once per object: pass the same one until there are new figures.

    fps: frames per second. stages: (name, mean ms since the last figures) in order. latency_ms: arrival to last
    stage. age_ms: of live frames, else None. engines: their short names. live: of sources that come and go.
    """

    fps: float
    stages: tuple[tuple[str, float], ...]
    latency_ms: float
    age_ms: float | None
    engines: tuple[str, ...]
    live: LiveFigures | None = None


class Panel:
    """Draws figures; the drawing is kept while the same figures come again on a canvas of the same size."""

    def __init__(self) -> None:
        self._setter = Typesetter()
        self._figures: PanelFigures | None = None
        self._size = (0, 0)
        self._plate: _Plate | None = None

    def place(self, canvas: Canvas, figures: PanelFigures) -> Rectangle | None:
        """Where ``draw`` will put the panel; None: the canvas is too small for any."""
        plate = self._prepared(canvas, figures)
        if plate is None:
            return None
        margin, shown = plate.margin, plate.glass
        return margin, margin, margin + shown.width, margin + shown.height

    def draw(self, canvas: Canvas, figures: PanelFigures) -> None:
        """Put the panel on the canvas, where there is room for one."""
        plate = self._prepared(canvas, figures)
        if plate is not None:
            plate.glass.put(canvas, plate.margin, plate.margin)

    def _prepared(self, canvas: Canvas, figures: PanelFigures) -> _Plate | None:
        size = (canvas.width, canvas.height)
        if figures is not self._figures or size != self._size:
            self._plate = _plate(self._setter, figures, *size)
            self._figures, self._size = figures, size
        return self._plate


@dataclass(frozen=True, slots=True, eq=False)
class _Plate:
    """The finished panel, ``margin`` pixels (even) from the left and upper edges."""

    margin: int
    glass: Glass


@dataclass(frozen=True, slots=True)
class _Table:
    """The panel's words: the rate, groups of rows (name, value), and lines of small print."""

    rate: str
    groups: tuple[list[tuple[str, str]], ...]
    notes: list[str]


def _plate(setter: Typesetter, figures: PanelFigures, width: int, height: int) -> _Plate | None:
    """The most telling table that leaves most of the frame free; None: not even the rate does."""
    size = glass_size(width, height)
    margin = glass_margin(size)
    for table in _tables(figures):
        coverage = _written(setter, table, size)
        tall, wide = coverage.shape[0] + margin, coverage.shape[1] + margin
        if wide <= _WIDEST * width and tall <= _TALLEST * height:
            return _Plate(margin, glass(coverage, radius=size // 2))
    return None


def _tables(figures: PanelFigures) -> tuple[_Table, ...]:
    """From everything to the rate alone."""
    totals = [("latency", milliseconds(figures.latency_ms))]
    if figures.age_ms is not None:
        totals.append(("age", milliseconds(figures.age_ms)))
    if figures.live is not None:
        totals += _live_rows(figures.live)
    stages = [(shortened(name, _LONGEST_NAME), milliseconds(value)) for name, value in figures.stages]
    engines = [shortened(name, _LONGEST_NAME) for name in figures.engines]
    rate = rate_text(figures.fps)
    return (
        _Table(rate, (stages, totals), engines),
        _Table(rate, (stages, totals), []),
        _Table(rate, (totals,), []),
        _Table(rate, (), []),
    )


def _live_rows(figures: LiveFigures) -> list[tuple[str, str]]:
    """What only a live source has."""
    backlog = "–" if figures.backlog_ms is None else milliseconds(figures.backlog_ms)
    return [("backlog", backlog), (figures.state, counted(figures.reconnects, "reconnect"))]


def rate_text(fps: float) -> str:
    """Frames per second with three digits or so; a dash before there is a rate."""
    if not math.isfinite(fps) or fps <= 0:
        return "–"
    return f"{fps:.0f}" if fps >= 99.95 else f"{fps:.1f}"


def milliseconds(value: float) -> str:
    """A duration given in ms: "4.2 ms", "118 ms", "12.3 s"; a dash where there is none."""
    if not math.isfinite(value):
        return "–"
    if value >= 9_999.5:
        return f"{value / 1000:.1f} s"
    return f"{value:.0f} ms" if value >= 99.95 else f"{value:.1f} ms"


def _written(setter: Typesetter, table: _Table, size: int) -> Pixels:
    """The table's ink on nothing: uint8 (height, width), both even."""
    words, width, height = _laid_out(setter, table, size)
    return written(setter, words, width, height)


def _laid_out(setter: Typesetter, table: _Table, size: int) -> tuple[list[Word], int, int]:
    """Every word in its place, and the table's width and height in pixels."""
    big, name, value = Letters(round(size * 1.9), _BOLD), Letters(size, _REGULAR), Letters(size, _BOLD)
    note = Letters(max(10, round(size * 0.85)), _REGULAR)
    edge, line, gap = round(size * 0.8), round(size * 1.45), round(size * 0.4)
    rate = setter.width(table.rate, big)
    inner = max(_inner_width(setter, table, name, value), rate + setter.width(" FPS", value))
    inner = max([inner, *(setter.width(text, note) for text in table.notes)])
    pen = edge + round(big.size * CAPITAL)
    words = [Word(table.rate, (edge, pen), big), Word(" FPS", (edge + rate, pen), value, DIM)]
    for group in table.groups:
        pen += gap
        for left, right in group:
            pen += line
            words.append(Word(left, (edge, pen), name, DIM))
            words.append(Word(right, (edge + inner - setter.width(right, value), pen), value))
    pen += gap if table.notes else 0
    for text in table.notes:
        pen += round(note.size * 1.4)
        words.append(Word(text, (edge, pen), note, DIM))
    return words, inner + 2 * edge, pen + edge


def _inner_width(setter: Typesetter, table: _Table, name: Letters, value: Letters) -> int:
    """The width of the rows: as wide as any usual figure, so that the panel does not breathe with its digits."""
    rows = [row for group in table.groups for row in group]
    if not rows:
        return 0
    names = max(setter.width(left, name) for left, _ in rows)
    return names + name.size + max(setter.width(text, value) for text in ("00.0 ms", *(right for _, right in rows)))
