"""A labelled folder as a training opens it."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

from training.config import SetConfig
from training.data.open import open_set
from training.data.view import View


def opened(path: Path, layout: str, **more: Any) -> View:
    """The set, having travelled to another process."""
    made = open_set(SetConfig(path=str(path), layout=layout, **more))
    again = pickle.loads(pickle.dumps(made))
    assert isinstance(again, View)
    assert again.groups == made.groups
    return again
