"""Opens a head by its kind: one file plus one line here makes a new one."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from contracts.card import HeadCard, HeadKind
from contracts.protocols import Head
from engines.heads.anchor_boxes import AnchorBoxes
from engines.heads.class_map import ClassScores
from engines.heads.classification import TopFive
from engines.heads.masks import MaskIds, TwoClassMask
from engines.heads.road_agents import RoadAgents
from engines.heads.yolo_boxes import YoloBoxes
from engines.heads.yolo_boxes_end2end import YoloBoxesEnd2End
from engines.heads.yolo_instances import YoloInstances

HEADS: Mapping[HeadKind, Callable[[HeadCard], Head]] = {
    "yolo_boxes": YoloBoxes,
    "yolo_boxes_end2end": YoloBoxesEnd2End,
    "anchor_boxes": AnchorBoxes,
    "yolo_instances": YoloInstances,
    "two_class_mask": TwoClassMask,
    "mask_ids": MaskIds,
    "class_map": ClassScores,
    "classification": TopFive,
    "road_agents": RoadAgents,
}


def open_head(head: HeadCard) -> Head:
    """The decoder of one head; it holds no state and may be used by several threads."""
    return HEADS[head.kind](head)
