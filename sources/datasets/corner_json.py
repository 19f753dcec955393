"""JSON of one picture whose objects are given by their corners.

Read are the objects in the list ``shapes`` (labelme), ``objects``, ``annotations`` or ``labels``, or in the list that
the file is, or the one object that it is. An object has

- a class: ``label``, ``class``, ``category``, ``class_name``, ``category_name`` or ``name`` (a text; a number is an
  id), ``class_id`` or ``category_id`` (an id);
- corners: ``points``, ``corners``, ``quad``, ``polygon``, ``coordinates`` or ``vertices``: [[x, y], …],
  [{"x": x, "y": y}, …], [x, y, x, y, …] or named points {"top_left": [x, y], …}; or named points in the object itself
  (``top_left``, ``top_right``, ``bottom_right``, ``bottom_left``); or numbers ``x1``, ``y1``, ``x2``, ``y2`` and so on.

Two points are opposite corners of a box, except in labelme's ``circle`` (its middle and a point of it). Coordinates
are pixels; where none in the file is above 1 they are shares of the picture. ``imageWidth`` and ``imageHeight``, if
there, must be the picture's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.errors import SourceError
from contracts.validation import read_file

LISTS = ("shapes", "objects", "annotations", "labels")
NAMES = ("label", "class", "category", "class_name", "category_name", "name")
IDS = ("class_id", "category_id")
CORNERS = ("points", "corners", "quad", "polygon", "coordinates", "vertices")
NAMED = ("top_left", "top_right", "bottom_right", "bottom_left")
_LARGEST = 1e6
"""Of an id, and of a coordinate in pixels."""


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """label: class name or id. points: float64 (N, 2), x y in pixels, N at least 2."""

    label: str | int
    points: NDArray[np.float64]


def read_shapes(path: Path, width: int | None = None, height: int | None = None) -> list[Shape]:
    """The objects of a file; shares become pixels where the picture's size is given. Raises SourceError."""
    try:
        data = json.loads(read_file(path, "labels", SourceError))
        shapes = [_shape(part) for part in _objects(data)]
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as fault:
        raise SourceError(
            f"{path}: not objects with corners: {fault}", "see sources/datasets/corner_json.py"
        ) from fault
    if width is None or height is None:
        return shapes
    _require_size(data, path, width, height)
    if all((np.abs(shape.points) <= 1).all() for shape in shapes):
        return [replace(shape, points=shape.points * (width, height)) for shape in shapes]
    return shapes


def _require_size(data: Any, path: Path, width: int, height: int) -> None:
    said = (data.get("imageWidth"), data.get("imageHeight")) if isinstance(data, dict) else (None, None)
    if None not in said and said != (width, height):
        raise SourceError(f"{path} is for {said[0]}x{said[1]}, its picture is {width}x{height}", "label it again")


def _objects(data: Any) -> list[Mapping[str, Any]]:
    if isinstance(data, list):
        return data
    for name in LISTS:
        if isinstance(data.get(name), list):
            found: list[Mapping[str, Any]] = data[name]
            return found
    return [data]


def _shape(part: Mapping[str, Any]) -> Shape:
    """Raises ValueError, KeyError, TypeError."""
    label = next((part[key] for key in (*NAMES, *IDS) if part.get(key) is not None), None)
    if isinstance(label, bool) or not (isinstance(label, str) or (isinstance(label, int) and abs(label) <= _LARGEST)):
        raise ValueError(f"an object has none of {', '.join((*NAMES, *IDS))}")
    points = _points(_corners(part))
    if len(points) < 2 or not (np.abs(points) < _LARGEST).all():
        raise ValueError("an object has fewer than two points, or one that is in no picture")
    if part.get("shape_type") == "circle":
        radius = float(np.hypot(*(points[1] - points[0])))
        points = np.array([points[0] - radius, points[0] + radius])
    return Shape(label, points)


def _corners(part: Mapping[str, Any]) -> Any:
    """What the object says of its corners, still in its own form."""
    for name in CORNERS:
        if part.get(name):
            return part[name]
    named = [part[name] for name in NAMED if name in part]
    if named:
        return named
    numbers = [part[f"{axis}{number}"] for number in range(1, 100) if f"x{number}" in part for axis in "xy"]
    if not numbers:
        raise ValueError(f"an object has none of {', '.join(CORNERS)}")
    return numbers


def _points(corners: Any) -> NDArray[np.float64]:
    """float64 (N, 2) from any of the forms. Raises ValueError, KeyError, TypeError."""
    found = list(corners.values()) if isinstance(corners, dict) else list(corners)
    if found and isinstance(found[0], dict):
        found = [(point["x"], point["y"]) for point in found]
    points = np.array(found, np.float64)
    if points.ndim > 1 and points.shape[1:] != (2,):
        raise ValueError(f"a corner has {points[0].size} numbers, not x and y")
    return points.reshape(-1, 2)
