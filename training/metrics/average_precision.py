"""Average precision as COCO has it, computed by faster-coco-eval."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster
from numpy.typing import NDArray

from training.metrics.box_record import BoxRecord

IOUS = np.linspace(0.5, 0.95, 10)
"""Overlaps from which a box is found, as COCO has them."""


def average_precisions(records: Sequence[BoxRecord], classes: int) -> NDArray[np.float64]:
    """Per class and overlap of IOUS, float64 (classes, 10): AP over 101 recalls.

    At most 100 boxes per picture and class. NaN for a class without a counted box. Regions that do not count are
    ``iscrowd`` in every class: a box with such a share of its area inside one is neither hit nor miss.
    """
    truth = COCO(
        {
            "images": [{"id": index} for index in range(len(records))],
            "categories": [{"id": index} for index in range(classes)],
            "annotations": [{"id": number, **each} for number, each in enumerate(_annotations(records, classes), 1)],
        }
    )
    evaluation = COCOeval_faster(truth, truth.loadRes(_results(records)), "bbox", print_function=_silent)
    evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, 1e10]], ["all"]
    evaluation.evaluate()
    evaluation.accumulate()
    # overlaps × recalls × classes × areas × limits of boxes; the last limit is 100.
    precisions = np.asarray(evaluation.eval["precision"], np.float64)[:, :, :, 0, -1]
    means = precisions.mean(axis=1).T
    return np.where(means < 0, np.nan, means)


def _annotations(records: Sequence[BoxRecord], classes: int) -> Iterator[dict[str, Any]]:
    for image, record in enumerate(records):
        for box, class_id in zip(record.boxes, record.class_ids, strict=True):
            yield _annotation(image, int(class_id), box, crowd=0)
        for region in record.regions:
            for class_id in range(classes):
                yield _annotation(image, class_id, region, crowd=1)


def _annotation(image: int, class_id: int, box: NDArray[np.float64], *, crowd: int) -> dict[str, Any]:
    left, top, right, bottom = box.tolist()
    width, height = right - left, bottom - top
    return {
        "image_id": image,
        "category_id": class_id,
        "bbox": [left, top, width, height],
        "area": width * height,
        "iscrowd": crowd,
    }


def _results(records: Sequence[BoxRecord]) -> list[dict[str, Any]]:
    return [
        {
            "image_id": image,
            "category_id": int(class_id),
            "bbox": [box[0], box[1], box[2] - box[0], box[3] - box[1]],
            "score": float(score),
        }
        for image, record in enumerate(records)
        for box, class_id, score in zip(record.found.tolist(), record.found_ids, record.scores, strict=True)
    ]


def _silent(*_words: object) -> None:
    """The library tells of its progress; nobody asked."""
