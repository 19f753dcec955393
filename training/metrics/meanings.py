"""What each figure means, in one line for people; the measures' docstrings say the same."""

from __future__ import annotations

MEANINGS = {
    "map50": "mean over classes of average precision, found from IoU 0.5 (COCO, 101 recalls)",
    "map50_95": "the same, mean over IoU 0.5, 0.55 … 0.95",
    "ap50": "average precision of one class, found from IoU 0.5",
    "ap50_95": "the same, mean over IoU 0.5, 0.55 … 0.95",
    "precision": "TP / (TP + FP); boxes: at the run's score, found from IoU 0.5",
    "recall": "TP / (TP + FN); boxes: at the run's score, found from IoU 0.5",
    "success": "share of all labelled pictures, with or without boxes to find, in which anything was found at the run's"
    " score",
    "best_f1": "largest 2 · precision · recall / (precision + recall) over all scores, all boxes together",
    "best_f1_precision": "precision there",
    "best_f1_recall": "recall there",
    "best_f1_score": "the score there",
    "iou": "TP / (TP + FP + FN) of pixels, summed over all pictures; uncounted pixels left out",
    "tolerant_iou": "TP / (TP + FP + FN): TP predicted pixels within 3 px in x and y (at a width of 640, more where"
    " wider) of a labelled one, FP the other predicted ones, FN labelled ones farther than that from any predicted one",
    "accuracy": "share of counted pixels that are right; of lanes without tolerance",
    "balanced_accuracy": "lanes: (TP / (TP + FN) + TN / (TN + FP)) / 2, without tolerance; pictures: mean recall of"
    " the classes",
    "miou": "mean IoU of the classes that labels or predictions have somewhere",
    "miou_all": "mean IoU of all classes, 0 for one that is nowhere",
    "top1": "share of pictures whose class was predicted first",
    "top5": "share of pictures whose class was among the first five",
    "boxes": "labelled boxes that count",
    "pictures": "pictures that say something about this (boxes: with any to find)",
    "pixels": "labelled pixels that count",
}
COUNTS = frozenset({"boxes", "pictures", "pixels"})
"""Figures that are whole numbers."""
MAIN = ("map50", "tolerant_iou", "miou", "iou", "top1")
"""A head's main figure is the first of these that it has."""
