"""Findings: what an inspector (of roads, say) takes home. A table, a picture of each finding, and the statistics.

In the folder:

- ``findings.csv``: one row per finding, columns as in ``findings_tables.FINDING``;
- ``crops/``: what it looks like, cut from the frame itself (nothing is drawn on it) with some of its surroundings. A
  finding with a track number shares one picture with all others of that number: that of the best score so far;
- ``frames.csv``: one row per frame that was looked at, so that shares can be told;
- ``summary.json``: see ``findings_summary``; made of the two tables whenever a run ends.

A run started again into the folder goes on behind the frames that are there, also after a kill; other sources may
follow, other networks may not. Lengths are those of a mask's centre lines; a box without a mask has none. Where depth
was known, sizes in millimetres stand behind them (see ``contracts.sizes``).
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from contracts.centre_lines import centre_lines
from contracts.errors import OutputError
from contracts.frame import Frame, SourceInfo
from contracts.picture import Pixels
from contracts.prediction import Detections, InstanceMasks, Prediction
from contracts.result import Result
from outputs.findings_summary import summary_of
from outputs.findings_tables import FindingsTables, cell
from outputs.frame_folder import FrameFolder, jpeg, safe_name

log = logging.getLogger(__name__)

_MARGIN, _LEAST_MARGIN = 0.1, 8  # around the box: of its longer side, and pixels
_LONGEST_CROP = 1280  # pixels of a crop's longer side; larger ones are scaled down
TRACES = ("findings.csv", "frames.csv", "summary.json", "crops")
"""What the folder has."""


@dataclass(frozen=True, slots=True, eq=False)
class _Finding:
    """One thing in one frame. box: x1 y1 x2 y2 in pixels of the frame, finite and with an area."""

    head: str
    name: str
    class_id: int
    score: float
    track: int | None
    box: tuple[float, float, float, float]
    mask: Pixels | None
    sizes: Mapping[str, float]


class FindingsOutput:
    """Writes the folder; ``overwrite``: what it has of this run's sources is replaced."""

    name = "findings"
    wants_drawn = False

    def __init__(self, path: Path, *, overwrite: bool = False) -> None:
        self._folder = FrameFolder(path, "findings", overwrite=overwrite, traces=TRACES)
        self._tables = FindingsTables(self._folder, overwrite=overwrite)
        self._sources: Sequence[SourceInfo] = ()
        self._left_out = False

    def open(self, sources: Sequence[SourceInfo]) -> None:
        """Makes the folder. Raises OutputError, also where files of somebody else have our names."""
        self._sources = sources
        self._folder.open(sources)

    def write(self, result: Result) -> None:
        """Writes what was found in one frame, unless it is there. Raises OutputError.

        Of networks that did not look at it (``every``) nothing is written: what is carried on is no new finding.
        """
        heads = result.prediction.detections()
        if not self._tables.opened:
            self._begin(heads, sized=result.frame.intrinsics is not None)
        looked = [head for head in heads if head not in result.prediction.carried]
        if not looked or not self._tables.wants(result.frame):
            return
        rows = [
            self._row(result.frame, number, finding)
            for number, finding in enumerate(self._findings(result.prediction, looked), 1)
        ]
        self._tables.append(result.frame, looked, rows)

    def close(self, error: BaseException | None) -> None:  # noqa: ARG002 (the tables are whole whatever ended the run)
        """Writes the summary and gives the folder free. Raises OutputError."""
        try:
            if self._tables.opened and not self._tables.broken:
                self._tables.close()
                summary = summary_of(self._tables.frames(), self._tables.findings())
                text = json.dumps(summary, indent=1, allow_nan=False, ensure_ascii=False)
                self._folder.put(self._folder.path / "summary.json", (text + "\n").encode(), replace=True)
        finally:
            self._tables.close()
            self._folder.close()

    def _begin(self, heads: dict[str, Detections], *, sized: bool) -> None:
        if not heads:
            raise OutputError("no network of this run gives boxes, so nothing is found", "leave --findings out")
        self._folder.agree(heads={head: list(found.names) for head, found in heads.items()})
        self._tables.open(self._sources, sized=sized)

    def _findings(self, prediction: Prediction, heads: Sequence[str]) -> Iterator[_Finding]:
        for head in heads:
            part = prediction[head]
            found = part.detections if isinstance(part, InstanceMasks) else part
            assert isinstance(found, Detections)
            for index in range(len(found)):
                box, score = found.box(index), float(found.scores[index])
                if box is None or not math.isfinite(score):
                    self._say_left_out()
                    continue
                track = -1 if found.track_ids is None else int(found.track_ids[index])
                mask = part.masks[index] if isinstance(part, InstanceMasks) else None
                yield _Finding(
                    head=head,
                    name=found.name(index),
                    class_id=int(found.class_ids[index]),
                    score=round(score, 4),
                    track=track if track >= 0 else None,
                    box=box,
                    mask=mask,
                    sizes={} if found.sizes is None else found.sizes.known(index),
                )

    def _row(self, frame: Frame, number: int, finding: _Finding) -> dict[str, object]:
        """The finding's columns, its picture written where there is no better one."""
        x1, y1, x2, y2 = finding.box
        area = (x2 - x1) * (y2 - y1) if finding.mask is None else float(np.count_nonzero(finding.mask))
        length = None if finding.mask is None or not area else sum(line.length for line in centre_lines(finding.mask))
        return {
            "head": cell(finding.head),
            "class": cell(finding.name),
            "class_id": finding.class_id,
            "score": finding.score,
            "track": finding.track,
            **{name: round(corner, 2) for name, corner in zip(("x1", "y1", "x2", "y2"), finding.box, strict=True)},
            "shape": "box" if finding.mask is None else "mask",
            "area_px": round(area),
            "length_px": round(length, 1) if length else None,
            "width_px": round(area / length, 1) if length else None,
            "crop": self._crop(frame, number, finding),
            **finding.sizes,
        }

    def _crop(self, frame: Frame, number: int, finding: _Finding) -> str:
        """The name of the finding's picture in the folder. Raises OutputError."""
        name = self._folder.name(frame)
        if finding.track is not None:
            name = f"{name.rpartition('-')[0]}-{safe_name(finding.head)}-track{finding.track:04d}.jpg"
        else:
            name = f"{name}-{number}.jpg"
        if self._tables.is_best(frame, cell(finding.head), finding.track, finding.score):
            pixels = _cut(frame.picture.bgr(), finding.box)
            self._folder.put(self._folder.path / "crops" / name, jpeg(pixels), replace=True)
        return f"crops/{name}"

    def _say_left_out(self) -> None:
        if not self._left_out:
            self._left_out = True
            log.warning("%s: boxes without area or with numbers that are not finite are left out", self._folder.path)


def _cut(pixels: Pixels, box: tuple[float, float, float, float]) -> NDArray[np.uint8]:
    """The box with its margin, inside the frame and at least one pixel; no larger than ``_LONGEST_CROP``."""
    height, width = pixels.shape[:2]
    x1, y1, x2, y2 = box
    margin = max(_MARGIN * max(x2 - x1, y2 - y1), _LEAST_MARGIN)
    left, top = (int(min(max(low - margin, 0), size - 1)) for low, size in ((x1, width), (y1, height)))
    right, bottom = (math.ceil(min(high + margin, size)) for high, size in ((x2, width), (y2, height)))
    cut = pixels[top : max(bottom, top + 1), left : max(right, left + 1)]
    longest = max(cut.shape[:2])
    if longest > _LONGEST_CROP:
        scale = _LONGEST_CROP / longest
        size = tuple(max(round(side * scale), 1) for side in cut.shape[1::-1])
        cut = np.asarray(cv2.resize(cut, size, interpolation=cv2.INTER_AREA), np.uint8)
    return cut
