"""The training room is tested where torch is installed: `make test TRAIN=1`."""

from __future__ import annotations

import importlib.util
from pathlib import Path

HAS_TORCH = importlib.util.find_spec("torch") is not None

if HAS_TORCH:
    import torch

    torch.set_num_threads(1)  # threads that wait for one another cost more than they bring on a busy machine


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Without torch none of these files can be imported."""
    return None if HAS_TORCH or not collection_path.name.startswith("test_") else True


def pytest_report_header() -> str | None:
    """Says what is left out."""
    return None if HAS_TORCH else "training room: not tested, torch is not installed (make test TRAIN=1)"
