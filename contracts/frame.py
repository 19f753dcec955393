"""Frame and SourceInfo: what a source gives, and what is known about the source itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from contracts.live import Outage
from contracts.picture import Picture
from contracts.prediction import Prediction
from contracts.space import Depth, Intrinsics, Pose
from contracts.span import Span

USUAL_RATE = Fraction(25)
"""Frames per second assumed for a source where nobody knows its rate."""


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What is known about a source once its first frame has been read. No secrets: ``uri`` is printable."""

    id: str
    """Short name, used in file names and events."""
    uri: str
    width: int
    height: int
    """Pixels of a frame as given out (after rotation)."""
    rate: Fraction | None
    """Nominal frames per second; None where nobody knows."""
    time_base: Fraction
    """Seconds per tick of the source's clock."""
    start: Fraction = Fraction(0)
    """Seconds on the source's own clock at the first frame given out (its ``Frame.pts`` is 0)."""
    live: bool = False
    """Whether frames come when they come (camera) or when they are read (file)."""
    rotation: int = 0
    """Degrees the stored picture was turned clockwise to be upright; already applied."""
    mirrored: bool = False
    """Whether left and right of the stored picture changed places before that turn; already applied."""
    frames: int | None = None
    """How many frames are expected, for progress only; None where nobody knows."""
    audio: Path | None = None
    """A local file whose first audio stream belongs to the frames given out, on the same clock; None: no sound."""
    telemetry: Path | None = None
    """A local file whose data and subtitle streams (GPS …) belong to them, on the same clock; None: there are none."""
    tags: Mapping[str, str] = field(default_factory=dict, hash=False)
    """What the recorder wrote about the whole recording, as FFmpeg names it: creation_time, location, make …"""
    skipped: Fraction = Fraction(0)
    """Seconds of the recording, which the tags are about, before the first frame given out."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture and when it was taken.

    index: position in the source, 0 at the first frame given out; gaps stay gaps.
    pts: seconds since the first frame given out, on the source's clock.
    arrival: time.monotonic_ns() when the decoder handed the picture over.
    truth: exact or hand-made labels where the source has them, in the form a network's prediction has.
    connection: how often a live source had been connected again; the clocks of two connections have only ``arrival``
      in common.
    outage: what came between this frame and the one before it, where the source was lost in between.
    intrinsics, pose, depth: of the camera at this frame, where the source knows them.
    decoding: the work it was, where a thread of the source's own did it while nobody waited; None: whoever asked for
      the frame did it meanwhile.
    """

    picture: Picture
    index: int
    pts: Fraction
    arrival: int
    source: SourceInfo
    truth: Prediction | None = None
    connection: int = 0
    outage: Outage | None = None
    intrinsics: Intrinsics | None = None
    pose: Pose | None = None
    depth: Depth | None = None
    decoding: Span | None = None
