"""Which cameras are there. Needs no package, so that ``doctor`` can ask, too.

Everything is looked up under ``root`` (``/``). Only Linux lists its cameras as files.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_LONGEST_NAME = 60  # letters
PERMISSION_CURE = 'sudo usermod -aG video "$USER", then log in again (in a container: --group-add video)'


@dataclass(frozen=True, slots=True)
class CameraFile:
    """A camera's device file. name: what the driver calls it, "" where it does not say."""

    path: Path
    name: str
    usable: bool
    """Whether this user may read and write it."""

    def __str__(self) -> str:
        shown = f"/dev/{self.path.name}"
        return f"{shown} ({self.name})" if self.name else shown


def camera_files(root: Path = Path("/")) -> list[CameraFile]:
    """Device files of cameras, by name. A USB camera often has two: pictures come from the first."""
    return [_camera_file(path, root) for path in sorted((root / "dev").glob("video*"))]


def kernel_cameras(root: Path = Path("/")) -> list[str]:
    """Names of the cameras the kernel has, also those that a container does not see under /dev."""
    return sorted(path.name for path in (root / "sys/class/video4linux").glob("video*"))


def lasting_names(device: str, root: Path = Path("/")) -> list[Path]:
    """Links that lead to a device file and will again when the camera is plugged in anew, perhaps as another number."""
    try:
        meant = (root / device.lstrip("/")).resolve(strict=True)
        return [link for link in sorted((root / "dev/v4l/by-id").iterdir()) if link.resolve() == meant]
    except OSError:
        return []


def _camera_file(path: Path, root: Path) -> CameraFile:
    try:
        text = (root / "sys/class/video4linux" / path.name / "name").read_text(errors="replace")
    except OSError:
        text = ""
    name = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return CameraFile(path, name[:_LONGEST_NAME], os.access(path, os.R_OK | os.W_OK))
