"""Write the JSON schema of a run's configuration: ``python -m configs.schema``. Editors complete presets with it."""

from __future__ import annotations

import json
from pathlib import Path

from contracts.config import RunConfig

FILE = Path(__file__).with_name("schema.json")


def schema() -> str:
    """The schema as text, ready to be written."""
    return json.dumps(RunConfig.model_json_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(schema(), encoding="utf-8")
