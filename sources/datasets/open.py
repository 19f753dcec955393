"""Every layout of labelled pictures. A new one is one file in this folder and a line here."""

from __future__ import annotations

from importlib import import_module

from contracts.errors import UsageError
from contracts.text import did_you_mean
from sources.datasets.fileset import MissingSplitError
from sources.datasets.place import Where
from sources.datasets.sample import SampleSet

LAYOUTS = {
    "ayolom": "sources.datasets.ayolom",
    "class_folders": "sources.datasets.class_folders",
    "coco": "sources.datasets.coco",
    "corners": "sources.datasets.corners",
    "ddrnet": "sources.datasets.ddrnet",
    "drive": "sources.datasets.drive",
    "synthetic": "sources.datasets.synthetic",
    "yolo": "sources.datasets.yolo",
    "yolo_polygons": "sources.datasets.yolo",
}
"""Name → module whose ``open_set(Where)`` reads it as it lies on disk."""


def open_layout(where: Where) -> SampleSet:
    """The set as it lies on disk: ids as in the files, all samples, at least one. Raises UsageError, SourceError."""
    if where.layout not in LAYOUTS:
        raise UsageError(f"no layout is called {where.layout!r}", did_you_mean(where.layout, LAYOUTS))
    found: SampleSet = import_module(LAYOUTS[where.layout]).open_set(where)
    if not len(found):
        raise MissingSplitError(f"{where.path} has no pictures for {where.split!r}", "check path and split")
    return found
