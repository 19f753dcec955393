"""Every layout of labelled pictures. A new one is one file in this folder and a line here."""

from __future__ import annotations

from importlib import import_module

from contracts.errors import UsageError
from contracts.text import did_you_mean
from training.config import SetConfig
from training.data.fileset import MissingSplitError
from training.data.sample import SampleSet
from training.data.view import View, viewed

LAYOUTS = {
    "ayolom": "training.data.ayolom",
    "class_folders": "training.data.class_folders",
    "coco": "training.data.coco",
    "corners": "training.data.corners",
    "ddrnet": "training.data.ddrnet",
    "drive": "training.data.drive",
    "synthetic": "training.data.synthetic",
    "yolo": "training.data.yolo",
    "yolo_polygons": "training.data.yolo",
}
"""Name → module whose ``open_set(SetConfig)`` reads it as it lies on disk."""


def open_set(config: SetConfig) -> View:
    """The set as its layout has it, remapped and cut as configured. Raises UsageError, SourceError."""
    return viewed(open_layout(config), config)


def open_layout(config: SetConfig) -> SampleSet:
    """The set as it lies on disk: ids as in the files, all samples, at least one. Raises UsageError, SourceError."""
    if config.layout not in LAYOUTS:
        raise UsageError(f"no layout is called {config.layout!r}", did_you_mean(config.layout, LAYOUTS))
    found: SampleSet = import_module(LAYOUTS[config.layout]).open_set(config)
    if not len(found):
        raise MissingSplitError(f"{config.path} has no pictures for {config.split!r}", "check path and split")
    return found
