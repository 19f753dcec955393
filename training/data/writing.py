"""Small files that the data commands write."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from PIL import Image

from contracts.errors import OutputError
from contracts.picture import Pixels
from training.files import written


def put_text(path: Path, text: str, *, overwrite: bool = False) -> None:
    """UTF-8; names of files that are none keep their bytes.

    Raises OutputError; UsageError where it exists and may not be overwritten.
    """
    _make(path.parent)
    with written(path, overwrite=overwrite) as part:
        part.write_text(text, encoding="utf-8", errors="surrogateescape")


def put_bytes(path: Path, data: bytes) -> None:
    """As ``put_text``."""
    _make(path.parent)
    with written(path, overwrite=False) as part:
        part.write_bytes(data)


def put_json(path: Path, data: Any) -> None:
    """As ``put_text``."""
    put_text(path, json.dumps(data, ensure_ascii=False) + "\n")


def put_data_yaml(path: Path, places: Mapping[str, str], names: Sequence[str]) -> None:
    """What YOLO's programs want to know of a set; splits relative to the file's folder."""
    facts = {"path": str(path.parent.resolve()), **places, "names": dict(enumerate(names))}
    put_text(path, yaml.safe_dump(facts, sort_keys=False, allow_unicode=True))


def put_mask(path: Path, mask: Pixels, palette: Sequence[int] = (), *, overwrite: bool = False) -> None:
    """A PNG of class ids, with its palette where it has one. Raises OutputError."""
    _make(path.parent)
    with written(path, overwrite=overwrite) as part:
        image = Image.fromarray(mask)
        if palette:
            image.putpalette(list(palette))
        image.save(part)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise OutputError(f"cannot make {folder}: {fault.strerror}", "choose another --output") from fault
