"""The layout ``ddrnet``: ``image/SPLIT/CAMERA/…`` and ``labelmap/SPLIT/CAMERA/…``, a map of classes per picture.

``X_leftImg8bit.png`` belongs to ``X_gtFine_CategoryId.png``, ``X.jpg`` to ``X_CategoryId.png`` (``X.png`` does too);
255 does not count. What lies in ``colormap`` is for people: not read, but taken along by a split. The camera's folder
is the group. The files do not name their classes: those of ETRI, unless ``classes`` of the set says others.
"""

from __future__ import annotations

from pathlib import Path

from contracts.class_sets import ETRI
from contracts.picture import Pixels
from sources.datasets.fileset import Entry, FileSet, MissingSplitError, pictures_in, read_mask, split_folder
from sources.datasets.place import Where

HEAD = "classes"
_PICTURE, _LABELS = "_leftImg8bit", ("_gtFine_CategoryId.png", "_CategoryId.png", ".png")
_COLOURS = ("_gtFine_Color.png", "_Color.png", "_color.png", "._color.png", ".png")


class DdrnetSet(FileSet):
    """A map of classes per picture."""

    def masks_of(self, entry: Entry, width: int, height: int) -> dict[str, Pixels]:
        """Empty where there is no label map."""
        path = entry.labels.get(HEAD)
        return {HEAD: read_mask(path, width, height)} if path else {}


def open_set(where: Where) -> DdrnetSet:
    """A split of the folder. Raises SourceError."""
    root = Path(where.path)
    images = split_folder(root / "image", where.split)
    if not (root / "labelmap" / images.name).is_dir():
        cure = "give the folder that holds image/ and labelmap/"
        raise MissingSplitError(f"{root / 'labelmap' / images.name} is no folder", cure)
    entries = tuple(_entry(picture, root, picture.relative_to(root / "image")) for picture in pictures_in(images))
    if not entries:
        raise MissingSplitError(f"no pictures in {images}", "check path and split")
    names = where.classes.get(HEAD) or tuple(ETRI)
    return DdrnetSet(root, entries, {HEAD: names})


def _entry(picture: Path, root: Path, below: Path) -> Entry:
    """below: the picture's place below image/."""
    core = below.with_name(below.stem.removesuffix(_PICTURE))
    found = _first(root / "labelmap" / core, _LABELS)
    colours = _first(root / "colormap" / core, _COLOURS)
    name, group = core.as_posix(), Path(*below.parent.parts[1:]).as_posix()
    return Entry(name, picture, group, {HEAD: found} if found else {}, company=(colours,) if colours else ())


def _first(core: Path, endings: tuple[str, ...]) -> Path | None:
    places = (core.with_name(f"{core.name}{ending}") for ending in endings)
    return next((path for path in places if path.is_file()), None)
