"""yolo_instances: boxes with coefficients, and prototypes; a mask per kept box (YOLOv8-seg, 11-seg, 26-seg).

An instance's mask is the sum of M prototypes (images of a quarter of the input), each times its coefficient; its
pixels are those above 0, which is a sigmoid above ½.
"""

# ruff: noqa: ARG002 (every head is given the same arguments; not every one needs all)

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from contracts.card import HeadCard
from contracts.errors import EngineError
from contracts.fit import Fit, box_window
from contracts.prediction import InstanceMasks
from contracts.protocols import Tensors, Thresholds
from engines.heads import yolo_boxes, yolo_boxes_end2end
from engines.heads.candidates import Candidates, choose
from engines.heads.tensors import as_float, misfit

_ROWS = 128
"""Rows of a mask computed at once: their sums stay in the cache, and no float array is as large as a frame."""
_CEILING = np.float32(1e30)
"""Stands for infinity: weights may multiply it."""


class YoloInstances:
    """Boxes as ``yolo_boxes`` (or, finished, as ``yolo_boxes_end2end``) has them, with a mask each.

    Two tensors, told apart by their number of dimensions: prototypes [1, M, h, w], and boxes either
    [1, 4 + C + M, N] (suppressed here) or [1, K, 6 + M] (chosen by the network; ``thresholds.iou`` has no meaning).
    A box may have an empty mask; it is kept.
    """

    def __init__(self, head: HeadCard) -> None:
        self._head = head

    def decode(
        self, outputs: Tensors, fit: Fit, frame_size: tuple[int, int], thresholds: Thresholds
    ) -> InstanceMasks:
        """Outputs of one frame → InstanceMasks. Raises EngineError on a misfit.

        Rows with NaN or infinity are no boxes; in prototypes NaN counts as 0.
        """
        rows, prototypes = self._tensors(outputs)
        basis = len(prototypes)
        finished = rows.shape[1] == 6 + basis
        if finished:
            found = yolo_boxes_end2end.candidates_of(rows[:, :6], thresholds.score)
            rows = rows.T
        else:
            found = yolo_boxes.candidates_of(rows[:-basis], thresholds.score)
        found = found[np.isfinite(rows[-basis:, found.columns]).all(axis=0)]
        kept, part = choose(found, self._head.classes, fit, thresholds, suppressing=not finished)
        masks = _masks(rows[-basis:, kept.columns].T, prototypes, part.boxes, fit)
        return InstanceMasks(part, masks)

    def _tensors(self, outputs: Tensors) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Boxes (4 + C + M, N) or (K, 6 + M), and prototypes (M, h, w)."""
        head, classes = self._head, len(self._head.classes)
        wanted = f"float32 [1, 4 + {classes or 'classes'} + M, boxes] or [1, boxes, 6 + M], and prototypes [1, M, h, w]"
        names = head.outputs or tuple(outputs)
        if len(names) != 2 or not set(names) <= set(outputs):
            raise EngineError(
                f"head {head.name!r}: yolo_instances reads two outputs (boxes and prototypes), the network has"
                f" {', '.join(outputs)}",
                "name them in the card: `outputs: [BOXES, PROTOTYPES]`",
            )
        boxes, prototypes = sorted((as_float(head, outputs[name], wanted) for name in names), key=np.ndim)
        if prototypes.ndim != 4 or len(prototypes) != 1 or not prototypes.size:
            raise misfit(head, prototypes, wanted)
        basis = prototypes.shape[1]
        if boxes.ndim != 3 or len(boxes) != 1:
            raise misfit(head, boxes, wanted)
        _, second, third = boxes.shape
        if third != 6 + basis and (second < 5 + basis or classes not in (0, second - 4 - basis)):
            raise misfit(head, boxes, wanted)
        return boxes[0], prototypes[0]


def _masks(
    coefficients: NDArray[np.float32], prototypes: NDArray[np.float32], boxes: NDArray[np.float32], fit: Fit
) -> tuple[NDArray[np.uint8], ...]:
    """A mask of 0 and 1 per box, at frame resolution, of the size of the box's window.

    coefficients: (n, M). prototypes: (M, h, w). boxes: (n, 4) in frame pixels.
    """
    height, width = prototypes.shape[1:]
    across, down = _places(fit, width, axis=0), _places(fit, height, axis=1)
    masks = []
    for weights, box in zip(coefficients, boxes, strict=True):
        window = box_window(box)
        columns, of_x = _weights(across[window.left : window.left + window.width])
        rows, of_y = _weights(down[window.top : window.top + window.height])
        piece = prototypes[:, rows, columns]
        with np.errstate(over="ignore", invalid="ignore"):  # strange files have strange numbers
            logits = (weights @ piece.reshape(len(weights), -1)).reshape(piece.shape[1:])
        wide = np.nan_to_num(logits, copy=False, nan=0, posinf=_CEILING, neginf=-_CEILING) @ of_x.T
        mask = np.empty((window.height, window.width), np.bool_)
        for start in range(0, window.height, _ROWS):
            block = slice(start, start + _ROWS)
            np.greater(of_y[block] @ wide, 0, out=mask[block])
        masks.append(mask.view(np.uint8))
    return tuple(masks)


@lru_cache(maxsize=16)
def _places(fit: Fit, count: int, axis: int) -> NDArray[np.float64]:
    """Where the centres of a frame's columns (axis 0) or rows (1) lie among ``count`` centres of prototype pixels.

    Prototype pixels that show nothing but padding are out of reach.
    """
    window = fit.content
    length, size, first, content = (
        (fit.frame_width, fit.network_width, window.left, window.width),
        (fit.frame_height, fit.network_height, window.top, window.height),
    )[axis]
    centres = np.repeat((np.arange(length) + 0.5)[:, None], 2, axis=1)
    places = fit.to_network(centres)[:, axis] * (count / size) - 0.5
    lowest, highest = first * count // size, -(-(first + content) * count // size) - 1
    clipped = np.clip(places, lowest, highest)
    clipped.flags.writeable = False
    return clipped


def _weights(places: NDArray[np.float64]) -> tuple[slice, NDArray[np.float32]]:
    """The prototype pixels that ``places`` (rising) lie among, and linear weights of each: (places, pixels)."""
    low = np.floor(places).astype(np.intp)
    first, last = int(low[0]), int(np.ceil(places[-1]))
    weights = np.zeros((len(places), last - first + 1), np.float32)
    index, share = np.arange(len(places)), places - low
    weights[index, low - first] = 1 - share
    between = np.flatnonzero(share)
    weights[between, low[between] + 1 - first] = share[between]
    return slice(first, last + 1), weights
