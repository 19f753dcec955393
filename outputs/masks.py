"""Masks as pictures: a PNG per frame and head, at the frame's size."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from contracts.errors import OutputError
from contracts.frame import SourceInfo
from contracts.prediction import ClassMap, Mask
from contracts.result import Result
from outputs.frame_folder import FrameFolder, safe_name
from outputs.png import png


class MasksOutput:
    """``DIR/HEAD/clip-000012.png``: a Mask in grey, 0 and 255; a ClassMap as class ids with the head's palette.

    Those that exist are left alone unless ``overwrite``; of a head that did not look at a frame (``every``) there is
    none.
    """

    name = "masks"
    wants_drawn = False

    def __init__(self, path: Path, *, overwrite: bool = False) -> None:
        self._folder = FrameFolder(path, "masks", overwrite=overwrite)

    def open(self, sources: Sequence[SourceInfo]) -> None:
        """Makes the folder. Raises OutputError."""
        self._folder.open(sources)

    def write(self, result: Result) -> None:
        """Writes the masks of one frame. Raises OutputError, also where no head of the run gives any."""
        parts = {head: part for head, part in result.prediction.items() if isinstance(part, (Mask, ClassMap))}
        if not parts:
            cure = "--labels writes those of instances" if result.prediction.instances() else "leave --masks out"
            raise OutputError(
                "no network of this run gives masks of the whole picture", f"{cure}, or name one with --engine"
            )
        self._folder.agree()
        name = self._folder.name(result.frame)
        for head, part in parts.items():
            file = self._folder.path / safe_name(head) / f"{name}.png"
            if head not in result.prediction.carried and self._folder.wants(file):
                self._folder.put(file, _png(part))

    def close(self, error: BaseException | None) -> None:  # noqa: ARG002 (whatever ended the run, the files are whole)
        """Gives the folder free."""
        self._folder.close()


def _png(part: Mask | ClassMap) -> bytes:
    if isinstance(part, Mask):
        return png(part.on_frame() * np.uint8(255))
    return png(part.on_frame(), part.palette)
