"""Small labelled folders in every layout, written from plain lists."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from contracts.picture import Pixels

Corners = tuple[float, float, float, float]
"""x1 y1 x2 y2 in pixels."""
Labelled = Mapping[str, Sequence[tuple[int, Corners]]]
"""Picture's name → (class id, box)."""
SIZE = (64, 48)


def picture(seed: int = 0, size: tuple[int, int] = SIZE) -> Pixels:
    """Smooth noise, so that JPEG keeps it and no two are alike."""
    small = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_CUBIC), np.uint8)


def put_picture(path: Path, seed: int = 0, size: tuple[int, int] = SIZE) -> Path:
    """Writes one."""
    return put(path, picture(seed, size))


def put(path: Path, pixels: Pixels) -> Path:
    """Writes an image; what it is by its ending."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels)
    return path


def put_text(path: Path, text: str) -> Path:
    """Writes text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def put_json(path: Path, data: object) -> Path:
    """Writes JSON."""
    return put_text(path, json.dumps(data))


def yolo_lines(boxes: Sequence[tuple[int, Corners]], size: tuple[int, int] = SIZE) -> str:
    """Written out by hand, with every digit a float has."""
    width, height = size
    lines = [
        f"{kind} {(x1 + x2) / 2 / width!r} {(y1 + y2) / 2 / height!r} {(x2 - x1) / width!r} {(y2 - y1) / height!r}"
        for kind, (x1, y1, x2, y2) in boxes
    ]
    return "\n".join(lines) + "\n" if lines else ""


def put_yolo(root: Path, labelled: Labelled, split: str = "train", names: Sequence[str] = ("car", "bus")) -> Path:
    """images/, labels/ and data.yaml."""
    for seed, (name, boxes) in enumerate(labelled.items()):
        put_picture(root / "images" / split / f"{name}.png", seed)
        put_text(root / "labels" / split / f"{name}.txt", yolo_lines(boxes))
    put_text(root / "data.yaml", f"path: .\n{split}: images/{split}\nnames: [{', '.join(names)}]\n")
    return root


def put_coco(root: Path, labelled: Labelled, names: Mapping[int, str], split: str = "train") -> Path:
    """SPLIT/ and annotations/instances_SPLIT.json; class id n is the n-th of ``names`` (COCO id → name)."""
    ids = sorted(names)
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    for number, (name, boxes) in enumerate(labelled.items()):
        put_picture(root / split / f"{name}.png", number)
        images.append({"id": 10 + number, "file_name": f"{name}.png", "width": SIZE[0], "height": SIZE[1]})
        annotations += [
            {
                "id": len(annotations) + 1 + place,
                "image_id": 10 + number,
                "category_id": ids[kind],
                "bbox": [x1, y1, x2 - x1, y2 - y1],
                "area": (x2 - x1) * (y2 - y1),
                "iscrowd": 0,
            }
            for place, (kind, (x1, y1, x2, y2)) in enumerate(boxes)
        ]
    categories = [{"id": key, "name": name} for key, name in names.items()]
    put_json(
        root / "annotations" / f"instances_{split}.json",
        {"images": images, "annotations": annotations, "categories": categories},
    )
    return root


def as_pairs(boxes: NDArray[np.float32], ids: NDArray[np.int64]) -> list[tuple[int, Corners]]:
    """Boxes of a sample as plain lists."""
    return [
        (int(kind), (float(a), float(b), float(c), float(d))) for kind, (a, b, c, d) in zip(ids, boxes, strict=True)
    ]
