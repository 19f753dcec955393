"""A labelled set as a training wants it; how its layout is read is ``sources.datasets``."""

from __future__ import annotations

from sources.datasets.open import open_layout
from training.config import SetConfig
from training.data.view import View, viewed


def open_set(config: SetConfig) -> View:
    """The set as its layout has it, remapped and cut as configured. Raises UsageError, SourceError."""
    return viewed(open_layout(config), config)
