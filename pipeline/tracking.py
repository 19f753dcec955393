"""Tracking: the same number for the same thing, from frame to frame. One tracker for each source and head with boxes.

Time is the frames' own (``Frame.pts``), not their count: frames that a live run dropped, or that were lost in the
file, age every track by the seconds that are missing, and a track not seen for longer than the buffer is over; whoever
comes after it gets a new id.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from contracts.config import Tracker
from contracts.frame import Frame
from contracts.prediction import Detections, InstanceMasks, Part
from pipeline.trackers import BoxTracker, import_library, open_tracker


class Tracking:
    """Gives boxes their ids. Frames of a source in their order; used by one thread at a time."""

    def __init__(self, kind: Tracker, buffer_s: float) -> None:
        """buffer_s: seconds a thing may be out of sight and keep its id. Raises UsageError without the library."""
        import_library()
        self._kind: Tracker = kind
        self._buffer_s = buffer_s
        self._trackers: dict[tuple[str, str], BoxTracker] = {}

    def follow(self, parts: Mapping[str, Part], frame: Frame, every: int = 1) -> dict[str, Part]:
        """The parts with ``track_ids`` in every Detections; boxes, scores and their order as they were.

        every: these heads look at every so many-th frame, the same in each call. Only what they saw is given here: a
        part that is carried on has its ids, and would be taken for a thing that stood still.
        """
        return {head: self._followed(head, part, frame, every) for head, part in parts.items()}

    def _followed(self, head: str, part: Part, frame: Frame, every: int) -> Part:
        if isinstance(part, Detections):
            ids = self._tracker(head, frame, every).update(part.boxes, part.scores, float(frame.pts))
            return replace(part, track_ids=ids)
        if isinstance(part, InstanceMasks):
            found = self._followed(head, part.detections, frame, every)
            assert isinstance(found, Detections)
            return replace(part, detections=found)
        return part

    def _tracker(self, head: str, frame: Frame, every: int) -> BoxTracker:
        key = (frame.source.id, head)
        if key not in self._trackers:
            rate = frame.source.rate
            # Frames further apart than the buffer could not be joined: neighbours always can.
            buffer_s = self._buffer_s if not rate else max(self._buffer_s, 1.5 * every / float(rate))
            self._trackers[key] = open_tracker(self._kind, buffer_s, float(rate) if rate else None)
        return self._trackers[key]
