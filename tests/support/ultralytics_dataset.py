"""Run as a program of its own, for ultralytics puts its own readers into OpenCV: a data set as its trainer reads it.

``python -m tests.support.ultralytics_dataset DATA.yaml TASK OUT.npz``: ``names``, and for each picture STEM ``classes
STEM`` (n,), ``boxes STEM`` (n, 4), cx cy w h in shares, and for TASK "segment" ``masks STEM``, n masks as ultralytics
fills polygons at the picture's size, 8 pixels a byte (``packbits`` over all of them).
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from ultralytics.data.dataset import YOLODataset
from ultralytics.data.utils import check_det_dataset, polygon2mask


def main(data: str, task: str, out: str) -> None:
    """See the module."""
    facts = check_det_dataset(data, autodownload=False)
    found: dict[str, Any] = {"names": [facts["names"][index] for index in range(len(facts["names"]))]}
    for label in YOLODataset(img_path=facts["train"], data=facts, task=task, augment=False, imgsz=640).labels:
        stem = label["im_file"].rpartition("/")[2].rpartition(".")[0]
        found[f"classes {stem}"] = label["cls"].reshape(-1)
        found[f"boxes {stem}"] = label["bboxes"]
        if task == "segment":
            height, width = label["shape"]
            polygons = [polygon * (width, height) for polygon in label["segments"]]
            masks = [polygon2mask((height, width), [polygon.reshape(-1)]) for polygon in polygons]
            found[f"masks {stem}"] = np.packbits(np.array(masks, bool))
    np.savez(out, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
