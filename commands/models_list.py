"""``models list``: the registered networks as a table."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from commands.terminal import answer
from contracts.card import Card
from engines.releases import pulled_file, registered_cards


def run(parsed: argparse.Namespace) -> int:
    """Print every registered network."""
    cards = [(card, pulled_file(card)) for card in registered_cards()]
    if parsed.json:
        answer(json.dumps([_facts(card, file) for card, file in cards], indent=2, ensure_ascii=False))
    else:
        answer(_table([("name", "heads", "input", "size", "licence", "get"), *(_row(*entry) for entry in cards)]))
    return 0


def _facts(card: Card, file: Path | None) -> dict[str, Any]:
    heads = [{"name": head.name, "kind": head.kind, "classes": len(head.classes)} for head in card.heads]
    size = None if card.input.size is None else list(card.input.size)
    return {
        "name": card.name,
        "heads": heads,
        "input_size": size,
        "licence": card.licence,
        "bytes": card.bytes,
        "sha256": list(card.sha256),
        "url": card.url,
        "file": None if file is None else str(file),
    }


def _row(card: Card, file: Path | None) -> tuple[str, ...]:
    heads = ", ".join(head.name for head in card.heads)
    size = "" if card.input.size is None else f"{card.input.size[0]}x{card.input.size[1]}"
    how = "-" if card.url is None else "pull"
    licence = card.licence.partition(" (")[0]  # who says so is for `models show`
    return card.name, heads, size, readable_bytes(card.bytes), licence, how if file is None else str(file)


def readable_bytes(count: int | None) -> str:
    """``35.9 MB``; "" where nobody knows."""
    return "" if count is None else f"{count / 1e6:.1f} MB"


def _table(rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell; the last one is left as it is."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
