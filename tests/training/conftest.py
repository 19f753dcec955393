"""The training room is tested where torch is installed: `make test TRAIN=1`."""

from __future__ import annotations

import importlib.util
from pathlib import Path

HAS_TORCH = importlib.util.find_spec("torch") is not None


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Without torch none of these files can be imported."""
    return None if HAS_TORCH or collection_path.name == "test_without_torch.py" else True
