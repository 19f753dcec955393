"""Which picture files a source names, in which order, and how one of them is read."""

from __future__ import annotations

import logging
import os.path
import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from glob import glob, has_magic
from pathlib import Path

import cv2
import numpy as np

from contracts.errors import SourceError, UsageError
from contracts.picture import Pixels
from contracts.text import counted, did_you_mean
from sources.files import check_readable
from sources.options import rate_option
from sources.tiff import pages

log = logging.getLogger(__name__)

ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
"""In any case."""
_DEFAULT_RATE = Fraction(5)
"""Pictures per second: slow enough to look at, whatever they were taken for."""
_OPTION = re.compile(r"(?s)(?P<path>.+)\?(?P<name>[a-z]+)=(?P<value>[^?&=/]*)")


@dataclass(frozen=True, slots=True)
class PictureAddress:
    """``a.png``, ``folder`` or ``shots/*.jpg``, each with ``?fps=10`` behind it where one likes.

    path: as written, without the option. rate: pictures per second.
    """

    path: str
    rate: Fraction = _DEFAULT_RATE

    @classmethod
    def parse(cls, uri: str) -> PictureAddress | None:
        """None where ``uri`` names no pictures; what exists under the very name is never taken for a pattern.

        Raises UsageError for an unknown option and a rate that is none.
        """
        option = None if _exists(uri) else _OPTION.fullmatch(uri)
        path = option["path"] if option else uri
        if not _names_pictures(path):
            return None
        if option is None:
            return cls(path)
        if option["name"] != "fps":
            raise UsageError(f"unknown option {option['name']!r} in {uri!r}", did_you_mean(option["name"], ["fps"]))
        return cls(path, rate_option(uri, option["value"]))

    @property
    def id(self) -> str:
        """The file's name without its ending, or the name of the folder (of a pattern: the last one it spells out)."""
        path = Path(self.path)
        if not self.is_pattern:
            return path.stem if not _is_folder(self.path) else path.resolve().name or "pictures"
        while has_magic(str(path)):
            path = path.parent
        return path.resolve().name or "pictures"

    @property
    def is_pattern(self) -> bool:
        """Whether it stands for the files that match it."""
        return has_magic(self.path) and not _exists(self.path)

    def files(self) -> list[Path]:
        """The pictures in natural order, at least one; of a folder those in it, hidden ones left out.

        Raises SourceError where there are none.
        """
        path, endings = Path(self.path), " ".join(ENDINGS)
        try:
            if self.is_pattern:
                found = [Path(name) for name in glob(self.path, recursive=True)]  # noqa: PTH207 (Path.glob takes no absolute pattern)
            elif _is_folder(self.path):
                found = [each for each in path.iterdir() if not each.name.startswith(".")]
            else:
                return [path]
        except OSError as fault:
            raise SourceError(f"cannot read {path}: {fault.strerror}", "check the folder's permissions") from fault
        pictures = [each for each in found if each.suffix.lower() in ENDINGS and not each.is_dir()]
        if not pictures:
            where = (
                f"no picture matches {self.path}" if self.is_pattern else f"there is no picture in the folder {path}"
            )
            raise SourceError(where, f"pictures end in {endings}; a video is named by itself")
        return sorted(pictures, key=natural_order)


def places_read(uri: str) -> list[Path]:
    """Files and folders here that ``uri`` reads, as far as they exist: no output may be one of them.

    Of several pictures their folders too: what is written there is read by the next run. Raises UsageError.
    """
    address = PictureAddress.parse(uri)
    if address is None:
        return [Path(uri)] if _exists(uri) else []
    try:
        files = address.files()
    except SourceError:  # who opens it says so
        return []
    several = address.is_pattern or _is_folder(address.path)
    return [*files, *dict.fromkeys(file.parent for file in files if several)]


def _names_pictures(path: str) -> bool:
    return _is_folder(path) or Path(path).suffix.lower() in ENDINGS or (has_magic(path) and not _exists(path))


# Path.exists and Path.is_dir raise for a name that is too long.


def _is_folder(path: str) -> bool:
    return os.path.isdir(path)  # noqa: PTH112


def _exists(path: str) -> bool:
    return os.path.exists(path)  # noqa: PTH110


def natural_order(path: Path) -> tuple[object, ...]:
    """Sorts as people count: shot9 before shot10, folder by folder, small and capital letters alike."""
    return tuple((_counted(part), part) for part in path.parts)


def _counted(name: str) -> tuple[tuple[str, int], ...]:
    pieces = re.split(r"([0-9]+)", name.casefold())
    return tuple((text, int(digits)) for text, digits in zip(pieces[::2], [*pieces[1::2], "0"], strict=True))


# What OpenCV would print on its own about a damaged picture is said by SourceError.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def read_picture(path: Path, notice: Callable[[str], None] = log.warning) -> Pixels:
    """The picture upright, as its EXIF orientation says, as (height, width, 3) uint8 BGR, read-only.

    Grey becomes colour, 16 bits become 8, alpha is left out; of several pages the first is taken, which
    ``notice`` is told. Raises SourceError where it cannot be read.
    """
    check_readable(path, "picture")
    try:
        # Read by NumPy, not by OpenCV: names need not be UTF-8.
        data = np.fromfile(path, np.uint8)
        pixels = cv2.imdecode(data, cv2.IMREAD_COLOR)
    except OSError as fault:
        raise SourceError(
            f"cannot read {path}: {fault.strerror}", "check the disk and the file's permissions"
        ) from fault
    except (cv2.error, MemoryError) as fault:  # more pixels than OpenCV takes (2^30), or than there is memory for
        raise SourceError(f"{path} cannot be read as a picture", "save it smaller, or copy it again") from fault
    if pixels is None:
        raise SourceError(f"{path} is not a picture that can be read", "it may be cut off: copy or export it again")
    if path.suffix.lower().startswith(".tif") and (left_out := pages(data.tobytes()) - 1):
        notice(f"{path} has {counted(left_out + 1, 'page')}: only the first is taken")
    pixels.flags.writeable = False
    return np.asarray(pixels, np.uint8)
