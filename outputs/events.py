"""What was seen, frame by frame, for programs: JSON lines or CSV. A line is on the disk when ``write`` returns.

``outputs.events_parquet`` makes a table of the same lines.

Both are written beside the target as ``NAME.part.jsonl`` and take its name when they are closed, so a killed run
loses at most its last, partial line and leaves nothing half-written under the target's name. Numbers that are not
finite are never written: what has one is left out, with one warning.
"""

from __future__ import annotations

import json
import logging
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.errors import OutputError
from contracts.frame import SourceInfo
from contracts.live import Outage
from contracts.prediction import Attributes, Classification, ClassMap, Detections, InstanceMasks, Prediction
from contracts.result import Polyline, Result
from contracts.sizes import SIZE_COLUMNS
from outputs.paths import Target, cure, reason
from outputs.whole_lines import WholeLines, csv_lines

log = logging.getLogger(__name__)

_PTS_DIGITS, _BOX_DIGITS, _SCORE_DIGITS, _SHARE_DIGITS, _LANE_DIGITS = 6, 2, 4, 6, 1  # µs, 1/100 pixel, …
_OUTAGE_DIGITS = 3
CSV_COLUMNS = (
    "index",
    "pts",
    "source",
    "head",
    "class",
    "class_id",
    "score",
    "x1",
    "y1",
    "x2",
    "y2",
    "track",
    "area",
    "attributes",
    "carried",
)
"""Columns of the CSV: one row per detection; ``track`` is empty where no tracker ran or is not sure yet, ``area``
without a mask, ``attributes`` (JSON: question → answers) where the head asks for no more than the class, ``carried``
where the head looked at this very frame (else: how many frames before, see Prediction). Of a source whose first frame
knows its camera's intrinsics the columns ``SIZE_COLUMNS`` follow, empty where a size is not known. The last one of a
live source is ``connection``: how often it had been connected again."""


class _LinesOutput(ABC):
    """Lines of text, one block per result."""

    name = "events"
    wants_drawn = False

    def __init__(self, path: Path, lines: Path | None = None) -> None:
        """path: the file to be made. lines: what the lines are called meanwhile, where they are not that file."""
        self.path = path
        self._target = Target(lines or path)
        self._lines: WholeLines | None = None
        self._frames = 0
        self._live = self._warned = False
        self._sized = False  # whether a size was written so far

    def open(self, sources: Sequence[SourceInfo]) -> None:
        """Makes the file. Raises OutputError."""
        self._live = any(source.live for source in sources)
        self._lines = WholeLines(self._target.claim())

    def write(self, result: Result) -> None:
        """Writes the lines of one result. Raises OutputError."""
        if self._lines is None:
            return
        text = self._text(result)
        try:
            self._lines.append(text)
        except OSError as fault:
            raise self._give_up(fault) from fault
        self._frames += 1

    def close(self, error: BaseException | None) -> None:  # noqa: ARG002 (whatever ended the run, the lines are whole)
        """Gives the file its name, also when the run ended early; no frames, no file. Raises OutputError."""
        if self._lines is None:
            return
        try:
            if self._frames:
                self._publish()
            else:
                self._target.part.unlink()
        except OSError as fault:
            raise self._give_up(fault) from fault
        finally:
            self._release()  # only now: another run that claimed the lines meanwhile would take them away

    def _publish(self) -> None:
        """Gives the file its name. Raises OSError."""
        self._target.publish(self._target.part)

    def _give_up(self, fault: OSError) -> OutputError:
        self._release()
        part = self._target.part
        kept = f"; the lines so far are kept as {part}" if part.exists() else ""
        return OutputError(f"cannot write {self.path}: {reason(fault)}{kept}", cure(fault))

    def _release(self) -> None:
        if self._lines is not None:
            self._lines.close()
            self._lines = None

    @abstractmethod
    def _text(self, result: Result) -> str:
        """The lines of one result."""

    def _finite(self, *numbers: float) -> bool:
        """Whether all are; warns the first time they are not."""
        finite = all(map(math.isfinite, numbers))
        if not finite and not self._warned:
            self._warned = True
            log.warning("%s: what has a number that is not finite is left out", self.path)
        return finite

    def _seen(self, prediction: Prediction) -> Iterator[_Seen]:
        """Every detection of every head."""
        instances = prediction.instances()
        for head, found in prediction.detections().items():
            seen = _of_head(head, found, instances.get(head))
            for one in seen:
                if self._finite(one.score, *one.box):
                    self._sized = self._sized or bool(one.sizes)
                    yield one


class JsonlEvents(_LinesOutput):
    """One JSON object per frame: index, pts, source, detections, masks, lanes, class_maps, classification.

    ``pts``: seconds since the source's first frame. Boxes: pixels of the frame. ``share``, and the number of each
    class that a class map has in this frame: of the frame's pixels. ``lanes``: the lines of all lane masks, x and y in
    pixels of the frame, as ``Result.lanes()`` has them: left to right, each from its end nearest to the bottom.
    ``track`` is there only where a tracker ran and is sure, ``area`` (pixels of its mask) only where a detection has a
    mask, ``attributes`` (``{"location": ["Jun"], "actions": []}``: question → answers) only where its head asks for
    more than the class, ``box_width_mm`` … ``max_width_mm`` (``SIZE_COLUMNS``) only those that are known. ``carried``
    is there only where a network did not look at this frame: head → how many frames before this one what is said of it
    was seen. ``regions`` is there only where the run has some: region → class → how many boxes stand in it. Of live
    sources there is ``connection``, how often it had been connected again, and in the first frame after it was away
    ``outage``: ``seconds`` without pictures, frames ``lost``, and the ``reason``.
    """

    def _text(self, result: Result) -> str:
        frame, prediction = result.frame, result.prediction
        record = {
            "index": frame.index,
            "pts": round(float(frame.pts), _PTS_DIGITS),
            "source": frame.source.id,
            "detections": [one.as_json() for one in self._seen(prediction)],
            "masks": {head: {"share": round(mask.share(), _SHARE_DIGITS)} for head, mask in prediction.masks().items()},
            "lanes": [_points(line) for lines in result.lanes().values() for line in lines],
            "class_maps": {head: _shares(part) for head, part in prediction.class_maps().items()},
            "classification": list(self._classified(prediction)),
        }
        if prediction.carried:
            record["carried"] = dict(prediction.carried)
        if prediction.regions:
            record["regions"] = {region: dict(counts) for region, counts in prediction.regions.items()}
        if frame.source.live:
            record["connection"] = frame.connection
        if frame.outage is not None:
            record["outage"] = _outage(frame.outage)
        return json.dumps(record, allow_nan=False) + "\n"

    def _classified(self, prediction: Prediction) -> Iterator[dict[str, Any]]:
        for head, part in prediction.classifications().items():
            yield from (record for record in _classes(head, part) if self._finite(record["score"]))


class CsvEvents(_LinesOutput):
    """One row per detection, columns as in ``CSV_COLUMNS``; a frame without detections has no row."""

    _columns: tuple[str, ...] = ()  # those of sizes, once the first frame has told whether there are any
    _headed = False

    def _text(self, result: Result) -> str:
        if self._headed:
            return self._rows(result)
        self._headed = True
        self._columns = SIZE_COLUMNS if result.frame.intrinsics is not None else ()
        live = ("connection",) if self._live else ()
        return csv_lines([CSV_COLUMNS + self._columns + live]) + self._rows(result)

    def _rows(self, result: Result) -> str:
        frame = result.frame
        where = (frame.index, round(float(frame.pts), _PTS_DIGITS), frame.source.id)
        carried, behind = result.prediction.carried, (frame.connection,) if self._live else ()
        return csv_lines(
            (
                *(*where, *one.as_row(), carried.get(one.head, "")),
                *(one.sizes.get(name, "") for name in self._columns),
                *behind,
            )
            for one in self._seen(result.prediction)
        )


@dataclass(frozen=True, slots=True)
class _Seen:
    """One detection in plain numbers."""

    head: str
    name: str
    class_id: int
    score: float
    box: tuple[float, ...]
    track: int | None
    area: int | None
    attributes: Attributes | None
    sizes: Mapping[str, float]

    def as_json(self) -> dict[str, Any]:
        record: dict[str, Any] = {
            "head": self.head,
            "class": self.name,
            "class_id": self.class_id,
            "score": self.score,
            "box": list(self.box),
        }
        if self.track is not None:
            record["track"] = self.track
        if self.area is not None:
            record["area"] = self.area
        if self.attributes:
            record["attributes"] = dict(self.attributes)
        return record | dict(self.sizes)

    def as_row(self) -> tuple[object, ...]:
        told = json.dumps(dict(self.attributes), ensure_ascii=False) if self.attributes else None
        rest = ("" if value is None else value for value in (self.track, self.area, told))
        return (self.head, self.name, self.class_id, self.score, *self.box, *rest)


def _of_head(head: str, found: Detections, instances: InstanceMasks | None) -> Iterator[_Seen]:
    tracks = found.track_ids.tolist() if found.track_ids is not None else [-1] * len(found)
    for index, (box, score, class_id, track) in enumerate(
        zip(found.boxes.tolist(), found.scores.tolist(), found.class_ids.tolist(), tracks, strict=True)
    ):
        corners = tuple(round(corner, _BOX_DIGITS) for corner in box)
        sure = track if track >= 0 else None
        area = None if instances is None else instances.area(index)
        told = None if found.attributes is None else found.attributes[index]
        sizes = {} if found.sizes is None else found.sizes.known(index)
        yield _Seen(head, found.name(index), class_id, round(score, _SCORE_DIGITS), corners, sure, area, told, sizes)


def _outage(outage: Outage) -> dict[str, Any]:
    return {"seconds": round(float(outage.seconds), _OUTAGE_DIGITS), "lost": outage.lost, "reason": outage.reason}


def _points(line: Polyline) -> list[list[float]]:
    return [[round(x, _LANE_DIGITS), round(y, _LANE_DIGITS)] for x, y in line.tolist()]


def _shares(part: ClassMap) -> dict[str, float]:
    """Class name → share of the frame; ids of the same name are one class."""
    shares: dict[str, float] = {}
    for class_id, share in part.shares().items():
        name = part.name(class_id)
        shares[name] = shares.get(name, 0.0) + share
    return {name: round(share, _SHARE_DIGITS) for name, share in shares.items()}


def _classes(head: str, part: Classification) -> Iterator[dict[str, Any]]:
    """The classes of a head that looks at the whole frame, best first."""
    for index, (class_id, score) in enumerate(zip(part.class_ids.tolist(), part.scores.tolist(), strict=True)):
        record = {"head": head, "class": part.name(index), "class_id": class_id, "score": round(score, _SCORE_DIGITS)}
        if class_id < len(part.texts):
            record["text"] = part.texts[class_id]
        yield record
