"""two_class_mask and mask_ids: one yes/no area (drivable, lane), or one class per pixel, at network resolution."""

# ruff: noqa: ARG002 (every head is given the same arguments; not every one needs all)

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.card import HeadCard
from contracts.errors import EngineError
from contracts.fit import Fit
from contracts.palette import palette_of
from contracts.prediction import ClassMap, Mask
from contracts.protocols import Tensors, Thresholds
from engines.heads.tensors import float_output, misfit, only_output


class TwoClassMask:
    """[1, 2, H, W] or [1, 1, H, W] → Mask.

    Two channels (background, foreground), any monotonic score (logits, sigmoid, softmax): 1 where the foreground
    is greater; a tie is background, as arg-max has it. One channel: 1 where it is greater than the card's ``score``
    (a probability), or greater than 0 where the card has none (a logit, or the difference of two scores).
    ``thresholds.score`` is for boxes and changes nothing here. NaN is background.
    """

    def __init__(self, head: HeadCard) -> None:
        self._head = head

    def decode(self, outputs: Tensors, fit: Fit, frame_size: tuple[int, int], thresholds: Thresholds) -> Mask:
        """Outputs of one frame → Mask. Raises EngineError on a misfit."""
        wanted = "float32 [1, 2, height, width] or [1, 1, height, width]"
        tensor = float_output(self._head, outputs, wanted)
        if tensor.ndim != 4 or tensor.shape[0] != 1 or tensor.shape[1] not in (1, 2):
            raise misfit(self._head, tensor, wanted)
        scores = tensor[0]
        floor = scores[0] if len(scores) == 2 else np.float32(self._head.score or 0)
        return _mask(scores[-1] > floor, fit, self._head)


class MaskIds:
    """[1, H, W] or [1, 1, H, W] whole numbers, the arg-max made inside the network → Mask or ClassMap.

    A Mask where the card gives the head a role or at most two classes: 1 wherever the class is not 0 (background).
    Otherwise a ClassMap with the card's palette, or one of our own.
    """

    def __init__(self, head: HeadCard) -> None:
        self._head = head
        self._palette = palette_of(head.palette, head.classes)
        if len(head.classes) > 256:
            raise EngineError(f"head {head.name!r}: mask_ids has {len(head.classes)} classes", "256 are possible")

    def decode(
        self, outputs: Tensors, fit: Fit, frame_size: tuple[int, int], thresholds: Thresholds
    ) -> Mask | ClassMap:
        """Outputs of one frame → Mask or ClassMap. Raises EngineError on a misfit or on a class the card lacks."""
        head, tensor = self._head, only_output(self._head, outputs)
        layers = tensor.reshape(-1, *tensor.shape[-2:]) if tensor.ndim in (3, 4) else tensor[:0]
        if len(layers) != 1 or tensor.dtype.kind not in "iub":
            raise misfit(head, tensor, "integers [1, height, width]")
        if head.role or len(head.classes) <= 2:
            return _mask(layers[0] != 0, fit, head)
        return ClassMap(self._checked(layers[0]), fit, head.classes, self._palette)

    def _checked(self, ids: NDArray[Any]) -> NDArray[np.uint8]:
        """A uint8 copy of the ids; raises EngineError where one of them has no class in the card."""
        low, high = int(ids.min(initial=0)), int(ids.max(initial=0))
        if low < 0 or high >= len(self._head.classes):
            raise EngineError(
                f"head {self._head.name!r}: the network gives class {low if low < 0 else high},"
                f" the card has {len(self._head.classes)} classes",
                "correct classes in the card",
            )
        return ids.astype(np.uint8, order="C")


def _mask(foreground: NDArray[np.bool_], fit: Fit, head: HeadCard) -> Mask:
    """A Mask over a fresh boolean array; True and False are stored as 1 and 0, so nothing is copied."""
    return Mask(foreground.view(np.uint8), fit, head.name, head.role)
