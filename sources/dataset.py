"""A folder of labelled pictures as a recorded source: its labels are the truth of its frames."""

from __future__ import annotations

import logging
import os.path
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from contracts.errors import SourceError, UsageError
from contracts.picture import Pixels
from contracts.prediction import Prediction
from contracts.text import did_you_mean
from sources.datasets.fileset import Entry, FileSet
from sources.datasets.guess import guessed_layout
from sources.datasets.open import LAYOUTS, open_layout
from sources.datasets.place import Place
from sources.datasets.sample import require_known
from sources.datasets.truth import truth_of
from sources.options import options_of, rate_option
from sources.pictures import PictureSource
from sources.shaping import place_in

log = logging.getLogger(__name__)

_FORM = "write dataset:FOLDER?layout=yolo&split=val"


@dataclass(frozen=True, slots=True)
class DatasetAddress:
    """``dataset:FOLDER?layout=yolo&split=val&fps=5``. layout: None: guessed. rate: pictures per second."""

    path: str
    layout: str | None = None
    split: str = "train"
    rate: Fraction = Fraction(5)

    @classmethod
    def parse(cls, uri: str) -> DatasetAddress:
        """Raises UsageError."""
        rest = uri.partition(":")[2]
        path, _, query = (rest, "", "") if os.path.exists(rest) else rest.partition("?")  # noqa: PTH110 (raises never)
        options = options_of(uri, query, ("layout", "split", "fps"))
        if not path:
            raise UsageError(f"{uri!r} names no folder", _FORM)
        if path.startswith("synthetic:"):
            raise UsageError("synthetic: has its truth with it", f"write {path}")
        layout = options.get("layout")
        known = sorted(set(LAYOUTS) - {"synthetic"})
        if layout is not None and layout not in known:
            raise UsageError(f"no layout is called {layout!r}", did_you_mean(layout, known))
        return cls(path, layout, options.get("split") or "train", rate_option(uri, options.get("fps", "5")))

    def open(self) -> FileSet:
        """The set as it lies on disk. Raises SourceError, UsageError."""
        try:
            layout = self.layout or guessed_layout(self.path)
            found = open_layout(Place(self.path, layout, self.split))
        except UsageError as fault:
            raise UsageError(fault.message, fault.cure.replace("--layout:", "?layout=, one of")) from fault
        assert isinstance(found, FileSet)  # the only other one is synthetic
        return found


class Dataset:
    """Which pictures a set gives, and what is known of each of them."""

    def __init__(self, address: DatasetAddress) -> None:
        self._set = address.open()
        self._entries: dict[Path, Entry] = {entry.picture: entry for entry in self._set.entries}
        self._warned: set[Path] = set()
        self.rate = address.rate
        folder = Path(address.path).resolve()
        self.id = (folder.name if folder.is_dir() else folder.stem) or "dataset"

    def files(self) -> list[Path]:
        """The pictures in the set's order."""
        return list(self._entries)

    def truth(self, path: Path, pixels: Pixels, size: tuple[int, int]) -> Prediction | None:
        """As ``sources.pictures.Labels`` says; labels that cannot be read are named, once."""
        entry = self._entries[path]
        try:
            sample = self._set.labelled(entry, pixels)
            require_known(sample, self._set.classes)
        except SourceError as fault:
            if path not in self._warned:
                self._warned.add(path)
                log.warning("%s: its picture has no truth here", fault.message)
            return None
        return truth_of(sample, self._set.classes, size, place_in(size, pixels.shape[1], pixels.shape[0]))


def open_dataset(uri: str, *, start: float = 0.0, loop: bool = False) -> PictureSource:
    """The pictures of a labelled folder, their labels as ``Frame.truth``. Raises SourceError, UsageError."""
    dataset = Dataset(DatasetAddress.parse(uri))
    return PictureSource(dataset, uri, start=start, loop=loop, labels=dataset)


def places_read(uri: str) -> list[Path]:
    """Files and folders of a set, pictures and labels: no output may be one of them. Raises UsageError."""
    address = DatasetAddress.parse(uri)
    try:
        entries = address.open().entries
    except SourceError:  # who opens it says so
        return []
    files = [file for entry in entries for file in (entry.picture, *entry.labels.values(), *entry.company)]
    return [Path(address.path), *dict.fromkeys(file.parent for file in files), *dict.fromkeys(files)]
