"""Events that a run wrote as lines of JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def events_of(file: Path) -> list[dict[str, Any]]:
    """One per frame, in their order."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
