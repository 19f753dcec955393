"""Run as a program of its own, for ultralytics puts its own readers into OpenCV and PIL.

``python -m tests.training.data.ultralytics_labels IMAGES`` prints JSON: picture's stem → [[class, cx, cy, w, h], …].
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
from pathlib import Path


def main(images: str) -> None:
    """Reads the labels of a folder as its trainer does."""
    with contextlib.redirect_stdout(io.StringIO()):
        from ultralytics.data.dataset import YOLODataset

        facts = {"names": {0: "car", 1: "bus"}, "channels": 3, "nc": 2}
        found = YOLODataset(img_path=images, data=facts, task="detect", augment=False, imgsz=64)
    rows = {
        Path(label["im_file"]).stem: [
            [int(kind), *map(float, box)] for kind, box in zip(label["cls"].reshape(-1), label["bboxes"], strict=True)
        ]
        for label in found.labels
    }
    sys.stdout.write(json.dumps(rows))


if __name__ == "__main__":
    main(sys.argv[1])
