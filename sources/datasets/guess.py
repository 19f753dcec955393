"""Which layout a folder has, by what lies in it."""

from __future__ import annotations

from pathlib import Path

from contracts.errors import SourceError, UsageError
from sources.datasets.open import LAYOUTS
from sources.picturefiles import ENDINGS


def guessed_layout(path: str) -> str:
    """A key of LAYOUTS. Raises SourceError where there is nothing, UsageError where it is none that is known."""
    if path.startswith("synthetic:"):
        return "synthetic"
    root = Path(path)
    if not root.exists():
        raise SourceError(f"{path} does not exist", "check the path")
    if root.is_file():
        return "coco" if root.suffix == ".json" else "yolo"
    for layout, needed in _SIGNS:
        if all(any(root.glob(pattern)) for pattern in needed):
            return layout
    if _is_class_folders(root):
        return "class_folders"
    raise UsageError(
        f"{path} has no layout that is known by its folders", f"give --layout: {', '.join(sorted(LAYOUTS))}"
    )


_SIGNS = (
    ("ayolom", ("images", "detection-object*")),
    ("drive", ("images", "drivable", "lane", "boxes")),
    ("ddrnet", ("image", "labelmap")),
    ("coco", ("annotations/instances*.json",)),
    ("yolo", ("data.y*ml",)),
    ("yolo", ("**/labels/**/*.txt",)),
    ("corners", ("**/*.json",)),
    ("yolo", ("**/labels",)),
)
"""Layout and patterns that must all be there; the first that fits."""


def _is_class_folders(root: Path) -> bool:
    folders = [folder for folder in root.iterdir() if folder.is_dir()]
    return any(path.suffix.lower() in ENDINGS for folder in folders for path in folder.rglob("*"))
