"""The library ``trackers`` (Roboflow, Apache-2.0): the only file that imports it.

What its parameters mean, read in its source (2.6):

- ``lost_track_buffer`` counts frames of a 30 FPS clock whatever the video's rate; with time stamps it is used as
  ``lost_track_buffer / 30`` seconds since a track's last box, and nothing else counts.
- ``frame_rate`` turns the seconds between two updates into steps of the Kalman filter, so a gap of ten frames is one
  prediction ten steps long with the noise of ten steps. Without a time stamp every update is one step.
- ``track_activation_threshold``: least score of a box that starts a track (OC-SORT has none).
- ``high_conf_det_threshold``: ByteTrack gives tracks the boxes above it first, then the weaker ones to tracks that got
  none; OC-SORT leaves the weaker ones out altogether; SORT has no such line.
- ``minimum_consecutive_frames``: boxes in a row before a track gets its id; until then it is −1. OC-SORT hides the id
  for as many boxes again after every box that was missing, the others do not.
- ``minimum_iou_threshold``: least overlap (IoU) of a box and where its track was expected; its defaults are 0.1 for
  ByteTrack and 0.3 for the others.
- It knows no classes: what flickers between car and truck stays one track. Ids start at 0 in every tracker object.
- Its answer may have another order than what it was given.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.config import Tracker
from contracts.errors import UsageError

STARTS = 0.4
"""Least score of a box that starts a track; weaker ones only go on with one. The library's 0.7 is meant for detectors
of crowds; a run keeps boxes from 0.25 on, and a small far car seldom has more than 0.5. OC-SORT, which would leave
weaker boxes out altogether, takes every box the run kept."""
CONFIRMED = 2
"""Boxes in a row that make a track."""
OVERLAP = 0.2
"""Least IoU of a box and where its track was expected. At ByteTrack's 0.1 a car that appears takes over the id of one
that has just left more often (synthetic city, 51 ids: 6.8 against 4 take-overs, 96 against 98 % of a life one id)."""

_CLOCK = 30.0  # frames per second that the library counts its buffer in
_RATES = (1.0, 240.0)  # a nominal rate outside is a container's clock and not a camera's
_LARGEST, _LEAST = 1e6, 0.01  # pixels; beyond, areas and their quotients leave what float32 can tell apart


class BoxTracker:
    """One tracker of the library: boxes in, an id for each out. Ids start at 1."""

    def __init__(self, tracker: Any, detections: Callable[..., Any]) -> None:
        self._tracker, self._detections = tracker, detections

    def update(self, boxes: NDArray[np.float32], scores: NDArray[np.float32], seconds: float) -> NDArray[np.int64]:
        """Ids int64 (N,) of boxes float32 (N, 4), scores float32 (N,), at ``seconds``, later than the last time.

        −1: not confirmed yet, or nothing that can be followed (not finite, without area).
        """
        ids = np.full(len(boxes), -1, np.int64)
        solid = boxes[:, 2:] > boxes[:, :2] + np.float32(_LEAST)
        usable = (np.abs(boxes) < _LARGEST).all(axis=1) & solid.all(axis=1) & np.isfinite(scores)
        rows = np.flatnonzero(usable)
        given = self._detections(
            xyxy=boxes[rows], confidence=scores[rows], class_id=np.zeros(len(rows), int), data={"row": rows}
        )
        found = self._tracker.update(given, timestamp=seconds)
        if len(found):
            ids[found.data["row"]] = np.where(found.tracker_id >= 0, found.tracker_id + 1, -1)
        return ids


def open_tracker(kind: Tracker, buffer_s: float, rate: float | None) -> BoxTracker:
    """A tracker that forgets what it has not seen for ``buffer_s`` seconds; rate: nominal frames per second.

    Where the rate is not known (or is no camera's) 30 is taken: times are measured all the same, only the noise of
    the motion is counted in frames. Raises UsageError where the library is missing.
    """
    import_library()
    import supervision
    import trackers

    frame_rate = rate if rate is not None and _RATES[0] <= rate <= _RATES[1] else _CLOCK
    common: dict[str, Any] = {
        "lost_track_buffer": buffer_s * _CLOCK,
        "frame_rate": frame_rate,
        "minimum_consecutive_frames": CONFIRMED,
        "minimum_iou_threshold": OVERLAP,
    }
    if kind == "bytetrack":
        tracker: Any = trackers.ByteTrackTracker(
            **common, track_activation_threshold=STARTS, high_conf_det_threshold=STARTS
        )
    elif kind == "sort":
        tracker = trackers.SORTTracker(**common, track_activation_threshold=STARTS)
    else:
        tracker = trackers.OCSORTTracker(**common, high_conf_det_threshold=0.0)
    return BoxTracker(tracker, supervision.Detections)


def import_library() -> None:
    """Import it (half a second, once) before anything is opened; raises UsageError where it is missing."""
    try:
        import supervision  # noqa: F401
        import trackers  # noqa: F401
    except ImportError as fault:
        raise UsageError(
            f"tracking needs the library 'trackers', which cannot be imported: {fault}",
            "pip install rich scipy 'supervision>=0.31' && pip install --no-deps trackers"
            " (--no-deps: it would bring a second OpenCV)",
        ) from fault
