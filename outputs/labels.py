"""Labels out: what the networks saw, as labelled pictures for training and for labelling tools.

Both layouts put the frame itself (not annotated, JPEG) into ``images/``. Boxes are as the run found them, in pixels of
the frame; instance masks are polygons around them (``outputs.polygons``), the box's corners where a mask is empty.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from contracts.errors import OutputError
from contracts.frame import SourceInfo
from contracts.prediction import Attributes, Detections, InstanceMasks, Part, Prediction
from contracts.result import Result
from outputs.frame_folder import FrameFolder, jpeg
from outputs.polygons import Ring, joined, rings_of

log = logging.getLogger(__name__)

_DIGITS = 8  # of a share: a thousandth of a pixel and less
_TRACES = ("data.yaml", "data.yml", "labels", "annotations")
"""What says that a folder holds labels."""
_Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """One object: class id among all classes of the run, score, x1 y1 x2 y2 and rings in pixels of the frame.

    rings: none where the head gives boxes only. area: pixels of the mask, else of the box. attributes: as Detections'.
    """

    class_id: int
    score: float
    box: _Box
    area: float
    rings: tuple[Ring, ...] = ()
    attributes: Attributes | None = None


class LabelsOutput(ABC):
    """What both layouts share: the folder, the pictures, the classes, what is written already."""

    name = "labels"
    wants_drawn = False
    layout = ""
    """What ``roadstream.json`` calls the layout."""

    def __init__(self, path: Path, *, overwrite: bool = False) -> None:
        self.folder = FrameFolder(path, f"{self.layout} labels", overwrite=overwrite, traces=_TRACES)
        self._classes: _Classes | None = None
        self._left_out = False

    def open(self, sources: Sequence[SourceInfo]) -> None:
        """Makes the folder. Raises OutputError, also where it holds labels that are not from here."""
        self.folder.open(sources)

    def write(self, result: Result) -> None:
        """Writes the picture and the labels of one frame, unless they are there. Raises OutputError.

        A frame that not every head with classes looked at (``every``) is left out: what another frame shows is no
        label of this one, and without it the frame would teach that nothing is there.
        """
        classes = self._classes_of(result.prediction)
        name = self.folder.name(result.frame)
        if not self.wants(name) or classes.first.keys() & result.prediction.carried.keys():
            return
        picture = result.frame.picture
        self.folder.put(self.folder.path / "images" / f"{name}.jpg", jpeg(picture.bgr()))
        self.put(name, (picture.width, picture.height), list(self._objects(result.prediction, classes)))

    def close(self, error: BaseException | None) -> None:  # noqa: ARG002 (whatever ended the run, the files are whole)
        """Gives the folder free. Raises OutputError."""
        self.folder.close()

    @abstractmethod
    def wants(self, name: str) -> bool:
        """Whether a frame is still to be labelled."""

    @abstractmethod
    def put(self, name: str, size: tuple[int, int], objects: Sequence[Labelled]) -> None:
        """Writes the labels of one frame of (width, height) pixels. Raises OutputError."""

    @abstractmethod
    def begin(self, names: Sequence[str]) -> None:
        """Gets ready, once the classes are known and agreed. Raises OutputError."""

    def _classes_of(self, prediction: Prediction) -> _Classes:
        """Known since the first result: heads name their classes there, whatever they found."""
        if self._classes is None:
            classes = _Classes.of(prediction)
            self.folder.agree(classes=list(classes.names))
            self.begin(classes.names)
            self._classes = classes
        return self._classes

    def _objects(self, prediction: Prediction, classes: _Classes) -> Iterator[Labelled]:
        for head, part in prediction.items():
            if head not in classes.first:
                continue
            found = part.detections if isinstance(part, InstanceMasks) else part
            assert isinstance(found, Detections)
            for index in range(len(found)):
                box = found.box(index)
                class_id = int(found.class_ids[index])
                if box is None or not 0 <= class_id < len(found.names):
                    self._say_left_out()
                    continue
                rings, area = _traced(part, index, box)
                told = None if found.attributes is None else found.attributes[index]
                yield Labelled(classes.first[head] + class_id, float(found.scores[index]), box, area, rings, told)

    def _say_left_out(self) -> None:
        if not self._left_out:
            self._left_out = True
            log.warning("%s: boxes without area, place or class are left out", self.folder.path)


class YoloLabels(LabelsOutput):
    """``images/NAME.jpg``, ``labels/NAME.txt``, ``data.yaml``: as ultralytics and most labelling tools read it.

    A line is ``class cx cy w h``, or ``class x1 y1 x2 y2 …``, in shares of the picture; no score, readers refuse it.
    Where the run has a head with instance masks all lines are polygons: readers take a file's lines for one kind.
    A frame with nothing in it has an empty file. ``data.yaml`` names the pictures as training and as validation set.
    """

    layout = "YOLO"
    _polygons = False

    def wants(self, name: str) -> bool:
        """By its text file."""
        return self.folder.wants(self._text(name))

    def begin(self, names: Sequence[str]) -> None:
        """Writes data.yaml."""
        facts = {"train": "images", "val": "images", "names": dict(enumerate(names))}
        text = yaml.safe_dump(facts, sort_keys=False, allow_unicode=True)
        self.folder.put(self.folder.path / "data.yaml", text.encode(errors="backslashreplace"))

    def write(self, result: Result) -> None:
        """As all labels; sees first whether this run has instance masks. Raises OutputError."""
        self._polygons = any(isinstance(part, InstanceMasks) for part in result.prediction.values())
        super().write(result)

    def put(self, name: str, size: tuple[int, int], objects: Sequence[Labelled]) -> None:
        """Writes the text file."""
        lines = (f"{each.class_id} {self._shares(each, size)}\n" for each in objects)
        self.folder.put(self._text(name), "".join(lines).encode())

    def _text(self, name: str) -> Path:
        return self.folder.path / "labels" / f"{name}.txt"

    def _shares(self, one: Labelled, size: tuple[int, int]) -> str:
        width, height = size
        x1, y1, x2, y2 = one.box
        if self._polygons:
            ring = joined(one.rings or (_around(one.box),))
            shares = (ring / size).reshape(-1).tolist()
        else:
            shares = [(x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height]
        return " ".join(f"{share:.{_DIGITS}f}" for share in shares)


@dataclass(frozen=True, slots=True)
class _Classes:
    """names: the classes of all heads with boxes, one head after the other. first: head → number of its class 0."""

    names: tuple[str, ...]
    first: Mapping[str, int]

    @classmethod
    def of(cls, prediction: Prediction) -> _Classes:
        """A name that several heads use becomes ``head.name``. Raises OutputError where there are no classes."""
        heads = prediction.detections()
        if not heads:
            raise OutputError("no network of this run gives boxes, so there are no labels", "leave --labels out")
        nameless = next((head for head, found in heads.items() if not found.names), None)
        if nameless is not None:
            raise OutputError(f"the classes of head {nameless!r} have no names", "name them in the network's card")
        users = Counter(name for found in heads.values() for name in dict.fromkeys(found.names))
        names: list[str] = []
        first: dict[str, int] = {}
        for head, found in heads.items():
            first[head] = len(names)
            names += [name if users[name] == 1 else f"{head}.{name}" for name in found.names]
        return cls(tuple(names), first)


def _traced(part: Part, index: int, box: _Box) -> tuple[tuple[Ring, ...], float]:
    """Rings and area of one object, in pixels of the frame; those of its box where nothing of its mask is set."""
    x1, y1, x2, y2 = box
    if not isinstance(part, InstanceMasks):
        return (), (x2 - x1) * (y2 - y1)
    window = part.window(index)
    rings = tuple(ring + np.array([window.left, window.top]) for ring in rings_of(part.masks[index]))
    return (rings, float(part.area(index))) if rings else ((_around(box),), (x2 - x1) * (y2 - y1))


def _around(box: _Box) -> Ring:
    x1, y1, x2, y2 = box
    return np.array([(x1, y1), (x2, y1), (x2, y2), (x1, y2)], np.float64)


def annotation_of(one: Labelled) -> dict[str, Any]:
    """One object as COCO has it, without its ids; ``segmentation`` where there is a mask: polygons.

    ``attributes`` (question → answers) where its head asks more than the class.
    """
    x1, y1, x2, y2 = one.box
    annotation: dict[str, Any] = {"category_id": one.class_id + 1, "iscrowd": 0, "score": round(one.score, 4)}
    annotation |= {"bbox": [x1, y1, x2 - x1, y2 - y1], "area": one.area}
    if one.rings:
        annotation["segmentation"] = [ring.round(2).reshape(-1).tolist() for ring in one.rings]
    if one.attributes:
        annotation["attributes"] = dict(one.attributes)
    return annotation
