"""Verdict: whether a network file still gives what its reference gives, and by which figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from contracts.errors import EngineError

State = Literal["accepted", "refused", "no verdict"]
Compared = Literal["boxes", "areas", "lines", "classes", "frames"]

LIMITS: dict[Compared, float] = {"boxes": 0.9, "areas": 0.9, "lines": 0.7, "classes": 0.9, "frames": 0.9}
"""Least agreement. Boxes: share of the reference's found again. Frames: share classified alike. Others: intersection
over union of pixels; lines are a few pixels wide, so that a shift of one pixel already costs a fifth."""
MIN_BOXES = 20
"""Fewer boxes of the reference say nothing: one missed box would be more than 5 %."""
MIN_FRAMES = 10
"""Fewer frames that the reference is sure of say nothing: one of another class would be more than 10 %."""
MIN_AREA = 0.001
"""Masks that together cover less of the pixels seen say nothing: a stray speck would decide."""
_COUNTED: dict[Compared, tuple[int, str]] = {
    "boxes": (MIN_BOXES, "boxes found again"),
    "frames": (MIN_FRAMES, "frames classified alike"),
}


@dataclass(frozen=True, slots=True)
class HeadFigures:
    """How far one head agrees with the reference over all frames.

    agreed of total: boxes found again of the reference's; frames of the same class of those the reference is sure of;
    pixels in both masks of those in either (intersection and union); for class maps every pixel counts in the unions
    of both its classes. seen: pixels looked at (boxes and frames: 0).
    """

    head: str
    compared: Compared
    agreed: int
    total: int
    seen: int = 0

    @property
    def judged(self) -> bool:
        """Whether there was enough to compare."""
        if self.compared in _COUNTED:
            return self.total >= _COUNTED[self.compared][0]
        return self.total > MIN_AREA * self.seen

    @property
    def share(self) -> float:
        """Agreement 0 … 1; 1 where there was nothing to compare."""
        return self.agreed / self.total if self.total else 1.0

    @property
    def refused(self) -> bool:
        """Whether there was enough to compare, and it agrees too little."""
        return self.judged and self.share < LIMITS[self.compared]

    def __str__(self) -> str:
        limit = LIMITS[self.compared]
        if self.compared in _COUNTED:
            least, what = _COUNTED[self.compared]
            said = f"{self.agreed} of {self.total} {what}"
            rest = f"limit {limit:.0%}" if self.judged else f"{least} are needed to judge"
        else:
            said = f"mask IoU {self.share:.3f}" if self.judged else "next to nothing to compare"
            rest = f"limit {limit:.2f}" if self.judged else f"{MIN_AREA:.1%} of the pixels are needed to judge"
        return f"{self.head}: {said} ({rest})"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate says. reason: one line. reference: its file's name. frames: how many were compared."""

    state: State
    reason: str
    reference: str = ""
    frames: int = 0
    figures: tuple[HeadFigures, ...] = ()

    def report(self) -> str:
        """For people: the verdict, then a line per head."""
        first = f"{self.state}: against {self.reference}, frames compared: {self.frames}"
        return "\n".join((first, *(f"  {figures}" for figures in self.figures)))

    def error(self, file: Path) -> EngineError:
        """What a caller raises when the verdict is "refused"."""
        return EngineError(
            f"{file} does not see what its reference {self.reference} sees: {self.reason}",
            f"run it with another --backend or --precision, or use {self.reference} itself",
        )


def judge(figures: Sequence[HeadFigures], frames: int, reference: str, ran: str) -> Verdict:
    """The verdict on what was compared; ``ran`` says how the file ran ("openvino fp32").

    One head below its limit refuses the file; heads with too little to compare decide nothing, and where no head
    has enough there is no verdict.
    """
    refused = [head for head in figures if head.refused]
    state: State = "no verdict"
    if refused:
        state = "refused"
    elif any(head.judged for head in figures):
        state = "accepted"
    said = "; ".join(map(str, refused or figures)) or "there was no frame to compare"
    return Verdict(state, f"with {ran}, {said}", reference, frames, tuple(figures))
