"""The layout ``corners``: a JSON per picture that says where the corners of objects are (labelme and its like).

Pictures lie in ``images/SPLIT``, ``SPLIT/images`` or ``SPLIT``; or in ``images`` or the folder itself, then all are
train. The JSON of the same name lies beside the picture, or where ``images`` is replaced by ``labels``,
``annotations`` or ``json``. What is read stands in ``corner_json``.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from contracts.errors import SourceError, UsageError
from contracts.text import did_you_mean
from sources.datasets.corner_json import Shape, read_shapes
from sources.datasets.fileset import (
    Boxes,
    BoxFileSet,
    Entry,
    MissingSplitError,
    naming_cure,
    pictures_in,
    required_folder,
)
from sources.datasets.place import Where
from sources.datasets.sample import BOXES

_SPLITS = ("train", "val", "valid", "test")


@dataclass(frozen=True, slots=True)
class CornerSet(BoxFileSet):
    """Boxes around the corners."""

    def boxes_of(self, entry: Entry, width: int, height: int) -> Boxes | None:
        """None where there is no JSON. Raises SourceError."""
        path = entry.labels.get(BOXES)
        if path is None:
            return None
        shapes = read_shapes(path, width, height)
        corners = [[*shape.points.min(axis=0), *shape.points.max(axis=0)] for shape in shapes]
        return Boxes.of(corners, [class_id_of(shape, self.classes[BOXES], path) for shape in shapes])


def class_id_of(shape: Shape, names: tuple[str, ...], path: Path) -> int:
    """Of a shape that says a name or an id. Raises SourceError for a name that is none of the set's."""
    if isinstance(shape.label, int):
        return shape.label
    if shape.label not in names:
        raise SourceError(f"{path}: no class is called {shape.label!r}", did_you_mean(shape.label, names))
    return names.index(shape.label)


def open_set(where: Where) -> CornerSet:
    """A split of the folder. Without ``classes`` every JSON of every split is read for the names in it, sorted.

    One that cannot be read is passed over here: reading its picture says so. Raises SourceError, UsageError.
    """
    root = required_folder(Path(where.path), "give the folder of pictures and JSON files")
    pictures = pictures_in(_pictures_folder(root, where.split))
    if not pictures:
        raise MissingSplitError(f"no pictures for {where.split!r} in {root}", "check path and split")
    entries = tuple(_entry(picture, root) for picture in pictures)
    return CornerSet(root, entries, {BOXES: where.classes.get(BOXES) or _names(root)})


def _pictures_folder(root: Path, split: str) -> Path:
    """Raises SourceError where the folder has splits and not this one."""
    for folder in (root / "images" / split, root / split / "images", root / split):
        if folder.is_dir():
            return folder
    folder = root / "images" if (root / "images").is_dir() else root
    splits = [name for name in _SPLITS if (folder / name).is_dir() or (root / name).is_dir()]
    if splits or split != "train":
        raise MissingSplitError(
            f"{root} has no {split!r}", f"there are: {', '.join(splits) or 'no splits, all is train'}"
        )
    return folder


def _entry(picture: Path, root: Path) -> Entry:
    relative = picture.relative_to(root)
    places = [relative.with_suffix(".json")]
    if "images" in relative.parts:
        place = relative.parts.index("images")
        before, after = relative.parts[:place], relative.with_suffix(".json").parts[place + 1 :]
        places += [Path(*before, other, *after) for other in ("labels", "annotations", "json")]
    found = next((root / path for path in places if (root / path).is_file()), None)
    labels = {BOXES: found} if found else {}
    return Entry(relative.with_suffix("").as_posix(), picture, relative.parent.as_posix(), labels)


def _names(root: Path) -> tuple[str, ...]:
    """The names in all files of all splits that can be read, sorted.

    Raises UsageError where they give ids only, SourceError where none can be read.
    """
    folders: set[Path] = set()
    for split in _SPLITS:
        with suppress(MissingSplitError):  # not there
            folders.add(_pictures_folder(root, split))
    entries = [_entry(picture, root) for folder in folders for picture in pictures_in(folder)]
    shapes: list[Shape] = []
    unreadable: list[SourceError] = []
    for entry in entries:
        try:
            shapes += read_shapes(entry.labels[BOXES]) if entry.labels else []
        except SourceError as fault:
            unreadable.append(fault)
    if unreadable and not shapes:
        raise unreadable[0]
    names = {shape.label for shape in shapes if isinstance(shape.label, str)}
    if not names or any(isinstance(shape.label, int) for shape in shapes):
        raise UsageError(f"{root} does not name its classes", naming_cure(BOXES))
    return tuple(sorted(names))
