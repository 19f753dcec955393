"""What tests of the pipeline share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.networks import box_network


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """Boxes that are elsewhere in every frame."""
    return box_network(tmp_path / "boxes.onnx", drift=16)
