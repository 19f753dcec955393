"""Annotated pictures: a JPEG per frame."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from contracts.frame import SourceInfo
from contracts.result import Result
from outputs.frame_folder import FrameFolder, jpeg


class PicturesOutput:
    """``DIR/clip-000012.jpg``, of ``size`` (the frame's where None). Those that exist stay unless ``overwrite``."""

    name = "pictures"
    wants_drawn = True

    def __init__(self, path: Path, *, overwrite: bool = False, size: tuple[int, int] | None = None) -> None:
        self._size = size
        self._folder = FrameFolder(path, "annotated pictures", overwrite=overwrite)

    def open(self, sources: Sequence[SourceInfo]) -> None:
        """Makes the folder. Raises OutputError."""
        self._folder.open(sources)

    def write(self, result: Result) -> None:
        """Writes one picture. Raises OutputError."""
        self._folder.agree(output_size=f"{self._size[0]}x{self._size[1]}" if self._size else None)
        file = self._folder.path / f"{self._folder.name(result.frame)}.jpg"
        if not self._folder.wants(file):
            return
        width, height = self._size or (result.frame.picture.width, result.frame.picture.height)
        pixels = result.drawn().bgr()[:height, :width]  # what is drawn on has even sides
        self._folder.put(file, jpeg(pixels))

    def close(self, error: BaseException | None) -> None:  # noqa: ARG002 (whatever ended the run, the files are whole)
        """Gives the folder free."""
        self._folder.close()
