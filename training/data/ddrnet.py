"""The layout ``ddrnet``: ``image/SPLIT/CAMERA/…`` and ``labelmap/SPLIT/CAMERA/…``, a map of classes per picture.

``X_leftImg8bit.png`` belongs to ``X_gtFine_CategoryId.png``, ``X.jpg`` to ``X_CategoryId.png`` (``X.png`` does too);
255 does not count. What lies in ``colormap`` is for people and is not read. The camera's folder is the group. The
files do not name their classes: those of ETRI, unless ``classes`` of the set says others.
"""

from __future__ import annotations

from pathlib import Path

from contracts.errors import SourceError
from contracts.picture import Pixels
from training.config import SetConfig
from training.data.fileset import Entry, FileSet, pictures_in, read_mask, split_folder
from training.networks.ddrnet_classes import ETRI

HEAD = "classes"
_PICTURE, _LABELS = "_leftImg8bit", ("_gtFine_CategoryId.png", "_CategoryId.png", ".png")


class DdrnetSet(FileSet):
    """A map of classes per picture."""

    def masks_of(self, entry: Entry, width: int, height: int) -> dict[str, Pixels]:
        """Empty where there is no label map."""
        path = entry.labels.get(HEAD)
        return {HEAD: read_mask(path, width, height)} if path else {}


def open_set(config: SetConfig) -> DdrnetSet:
    """A split of the folder. Raises SourceError."""
    root = Path(config.path)
    images = split_folder(root / "image", config.split)
    maps = split_folder(root / "labelmap", config.split)
    entries = tuple(_entry(picture, images, maps) for picture in pictures_in(images))
    if not entries:
        raise SourceError(f"no pictures in {images}", "check path and split")
    names = config.classes.get(HEAD) or ETRI
    return DdrnetSet(root, entries, {HEAD: names})


def _entry(picture: Path, images: Path, maps: Path) -> Entry:
    below = picture.relative_to(images)
    core = below.stem.removesuffix(_PICTURE)
    found = next((path for ending in _LABELS if (path := maps / below.parent / f"{core}{ending}").is_file()), None)
    name = (Path(images.name) / below.parent / core).as_posix()
    return Entry(name, picture, below.parent.as_posix(), {HEAD: found} if found else {})
