"""Prediction: what the networks saw in one frame, one part per head.

Boxes are in frame pixels. Masks stay at network resolution together with their Fit: nothing is upsampled that
nobody draws or counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from contracts.fit import Fit, Window, box_window
from contracts.sizes import Sizes

if TYPE_CHECKING:
    import supervision

MaskRole = Literal["drivable", "lane", ""]
Attributes = Mapping[str, tuple[str, ...]]
IGNORED = 255
"""Id of class maps' pixels in areas that the run leaves out; the value that label files of the field have for it."""


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """N boxes, best score first.

    boxes: float32 (N, 4), x1 y1 x2 y2 in frame pixels. scores: float32 (N,). class_ids: int32 (N,).
    names: class id → name, as the card has them. track_ids: int64 (N,) where a tracker ran,
    from 1 on; -1 where it is not sure yet. attributes: N mappings where the head answers more questions about each
    box (``{"location": ("own lane",), "actions": ("brake", "left")}``): question → its answers, none or several.
    sizes: in millimetres, where the frame's depth was known.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    class_ids: NDArray[np.int32]
    names: tuple[str, ...]
    track_ids: NDArray[np.int64] | None = None
    attributes: tuple[Attributes, ...] | None = None
    sizes: Sizes | None = None

    def __len__(self) -> int:
        return len(self.scores)

    def chosen(self, indices: NDArray[np.intp]) -> Detections:
        """Those at ``indices``, in that order, with all that belongs to them."""
        return replace(
            self,
            boxes=self.boxes[indices],
            scores=self.scores[indices],
            class_ids=self.class_ids[indices],
            track_ids=None if self.track_ids is None else self.track_ids[indices],
            attributes=None if self.attributes is None else tuple(self.attributes[index] for index in indices),
            sizes=None if self.sizes is None else self.sizes.chosen(indices),
        )

    def name(self, index: int) -> str:
        """The class name of detection ``index``."""
        class_id = int(self.class_ids[index])
        return self.names[class_id] if class_id < len(self.names) else str(class_id)

    def box(self, index: int) -> tuple[float, float, float, float] | None:
        """x1 y1 x2 y2 of detection ``index``; None where a number is not finite or the box has no area."""
        x1, y1, x2, y2 = (float(corner) for corner in self.boxes[index])
        if not all(map(math.isfinite, (x1, y1, x2, y2))) or x2 <= x1 or y2 <= y1:
            return None
        return x1, y1, x2, y2

    @classmethod
    def empty(cls, names: tuple[str, ...] = ()) -> Detections:
        """No boxes."""
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32), names)

    def to_supervision(self) -> supervision.Detections:
        """The same boxes as ``supervision.Detections`` (needs that library)."""
        import supervision

        names = np.array([self.name(i) for i in range(len(self))], dtype=str)
        sizes = {} if self.sizes is None else self.sizes.columns()
        return supervision.Detections(
            xyxy=self.boxes,
            confidence=self.scores,
            class_id=self.class_ids.astype(int),
            tracker_id=self.track_ids,
            data={"class_name": names, **self._answers(), **sizes},
        )

    def _answers(self) -> dict[str, NDArray[np.object_]]:
        """Question → a tuple of answers per box."""
        attributes = self.attributes or ()
        found = {question: np.empty(len(self), object) for each in attributes for question in each}
        for question, column in found.items():
            for index, each in enumerate(attributes):
                column[index] = each.get(question, ())
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Mask:
    """One yes/no area: uint8 (h, w) of 0 and 1 at network resolution, and the Fit it was made with.

    role: "drivable" or "lane" where drawing treats it in its own way, else "".
    """

    data: NDArray[np.uint8]
    fit: Fit
    name: str
    role: MaskRole = ""

    def content(self) -> NDArray[np.uint8]:
        """The part that shows the frame (padding cut off), a view of 0 and 1."""
        return self.fit.content_of(self.data)

    def share(self) -> float:
        """The share of the frame's area that is set, 0 … 1."""
        content = self.content()
        return float(np.count_nonzero(content)) / content.size

    def on_frame(self, size: tuple[int, int] | None = None) -> NDArray[np.uint8]:
        """The mask at frame size: uint8 (frame_height, frame_width) of 0 and 1 (edges interpolated, then cut at ½).

        size: (width, height) of the frame where it is shown at another size than its own.
        """
        size = size or (self.fit.frame_width, self.fit.frame_height)
        grown = cv2.resize(self.content() * np.uint8(255), size, interpolation=cv2.INTER_LINEAR)
        return np.asarray(grown > 127, np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class ClassMap:
    """One class per pixel: uint8 (h, w) of class ids at network resolution, its Fit, names and BGR palette.

    Pixels in ignored areas (``--ignore``) have the id ``IGNORED``.
    """

    ids: NDArray[np.uint8]
    fit: Fit
    names: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]

    def content(self) -> NDArray[np.uint8]:
        """The part that shows the frame (padding cut off), a view of class ids."""
        return self.fit.content_of(self.ids)

    def on_frame(self, size: tuple[int, int] | None = None) -> NDArray[np.uint8]:
        """Class ids at frame size (or another one, as ``Mask.on_frame``), each pixel that of the nearest of the map."""
        size = size or (self.fit.frame_width, self.fit.frame_height)
        return np.asarray(cv2.resize(self.content(), size, interpolation=cv2.INTER_NEAREST_EXACT), np.uint8)

    def name(self, class_id: int) -> str:
        """The name of a class; its number where the card has no name for it, "ignored" for ``IGNORED``."""
        if class_id < len(self.names):
            return self.names[class_id]
        return "ignored" if class_id == IGNORED else str(class_id)

    def shares(self) -> dict[int, float]:
        """Class id → share of the frame's area, above 0 … 1: of every class that is there, in the order of ids."""
        content = self.content()
        # float32 counts of OpenCV: exact up to 2^24 pixels of a class, and no index array as NumPy would make
        counts = cv2.calcHist([content], [0], None, [256], [0, 256]).reshape(-1)
        return {int(found): float(counts[found]) / content.size for found in np.flatnonzero(counts)}


@dataclass(frozen=True, slots=True, eq=False)
class InstanceMasks:
    """Detections and one small mask each: ``masks[i]`` is uint8 0/1 at frame resolution inside box i only."""

    detections: Detections
    masks: tuple[NDArray[np.uint8], ...]

    def chosen(self, indices: NDArray[np.intp]) -> InstanceMasks:
        """Those at ``indices``, in that order, with their masks."""
        return InstanceMasks(self.detections.chosen(indices), tuple(self.masks[index] for index in indices))

    def window(self, index: int) -> Window:
        """Where ``masks[index]`` lies on the frame (see ``box_window``)."""
        height, width = self.masks[index].shape
        corner = box_window(self.detections.boxes[index])
        return Window(corner.left, corner.top, width, height)

    def on_frame(self, frame_size: tuple[int, int]) -> NDArray[np.bool_]:
        """Every mask at the frame's size (width, height): bool (N, height, width)."""
        width, height = frame_size
        whole = np.zeros((len(self.masks), height, width), np.bool_)
        for index, mask in enumerate(self.masks):
            place = self.window(index)
            region = whole[index, place.top : place.top + place.height, place.left : place.left + place.width]
            region[:] = mask[: region.shape[0], : region.shape[1]]
        return whole

    def to_supervision(self, frame_size: tuple[int, int]) -> supervision.Detections:
        """The same instances as ``supervision.Detections`` with ``mask`` (N, height, width) (needs that library)."""
        found = self.detections.to_supervision()
        found.mask = self.on_frame(frame_size)
        return found

    def area(self, index: int) -> int:
        """Pixels of instance ``index``."""
        return int(np.count_nonzero(self.masks[index]))


@dataclass(frozen=True, slots=True, eq=False)
class Classification:
    """What the whole frame shows: the best classes first. class_ids int32 (k,), scores float32 (k,)."""

    class_ids: NDArray[np.int32]
    scores: NDArray[np.float32]
    names: tuple[str, ...]
    texts: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.scores)

    def name(self, index: int) -> str:
        """The class name of the best but ``index``; its number where the card has no name for it."""
        class_id = int(self.class_ids[index])
        return self.names[class_id] if class_id < len(self.names) else str(class_id)

    def text(self, index: int) -> str:
        """The card's text for that class, "" where it has none."""
        class_id = int(self.class_ids[index])
        return self.texts[class_id] if class_id < len(self.texts) else ""


Part = Detections | Mask | ClassMap | InstanceMasks | Classification


@dataclass(frozen=True, slots=True, eq=False)
class Prediction(Mapping[str, Part]):
    """Head name → part, for one frame. ``prediction["boxes"]`` or, by type, ``prediction.detections()``.

    carried: heads whose network did not look at this frame (``every`` of EngineConfig) → how many frames before it
    their part was seen in, by ``Frame.index``, so 1 and more; heads that looked are not in it.
    regions: name of each region of the run (``--region``) → class name → how many boxes of it are there.
    """

    parts: Mapping[str, Part] = field(default_factory=dict)
    carried: Mapping[str, int] = field(default_factory=dict)
    regions: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def __getitem__(self, head: str) -> Part:
        return self.parts[head]

    def __iter__(self) -> Iterator[str]:
        return iter(self.parts)

    def __len__(self) -> int:
        return len(self.parts)

    def followed_by(self, seen: Mapping[str, Part], frames: int) -> Prediction:
        """The prediction ``frames`` (1 and more) frames later: what was ``seen`` there, all else carried on from here.

        Parts are carried on as they are, the same objects; heads keep their order.
        """
        carried = {head: self.carried.get(head, 0) + frames for head in self.parts if head not in seen}
        return Prediction({**self.parts, **seen}, carried)

    def detections(self) -> dict[str, Detections]:
        """The parts that are boxes (those of instance masks included), by head name."""
        found: dict[str, Detections] = {}
        for head, part in self.parts.items():
            if isinstance(part, Detections):
                found[head] = part
            elif isinstance(part, InstanceMasks):
                found[head] = part.detections
        return found

    def masks(self) -> dict[str, Mask]:
        """The parts that are masks, by head name."""
        return {head: part for head, part in self.parts.items() if isinstance(part, Mask)}

    def class_maps(self) -> dict[str, ClassMap]:
        """The parts that are class maps, by head name."""
        return {head: part for head, part in self.parts.items() if isinstance(part, ClassMap)}

    def classifications(self) -> dict[str, Classification]:
        """The parts that classify the whole frame, by head name."""
        return {head: part for head, part in self.parts.items() if isinstance(part, Classification)}

    def instances(self) -> dict[str, InstanceMasks]:
        """The parts that are boxes with a mask each, by head name."""
        return {head: part for head, part in self.parts.items() if isinstance(part, InstanceMasks)}

    def to_supervision(self, frame_size: tuple[int, int] | None = None) -> dict[str, Any]:
        """``supervision.Detections`` per head with boxes (needs that library).

        frame_size: (width, height) in pixels; with it instances have their masks, else only their boxes.
        """
        found = {head: part.to_supervision() for head, part in self.detections().items()}
        if frame_size is not None:
            found |= {head: part.to_supervision(frame_size) for head, part in self.instances().items()}
        return found
