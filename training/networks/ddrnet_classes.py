"""The class sets DDRNet is published or used with, in the order of their ids."""

from __future__ import annotations

from contracts import class_sets

CITYSCAPES = class_sets.CITYSCAPES
"""The 19 training classes of Cityscapes, and the colours of its figures."""
ETRI = tuple(class_sets.ETRI)
"""The 19 classes of ETRI's road data set."""


def palette(classes: tuple[str, ...]) -> tuple[str, ...]:
    """The colours people know for a class set; empty where it has none."""
    return tuple(CITYSCAPES.values()) if classes == tuple(CITYSCAPES) else ()
