"""Writes a card as the YAML that ``Card.from_yaml`` reads back."""

from __future__ import annotations

from typing import Any

import yaml

from contracts.card import Card

_LINE_BREAKS = frozenset("\x85\u2028\u2029\ufeff")
"""What PyYAML writes as a letter and reads as the end of a line (or of nothing)."""


class _PlainDumper(yaml.SafeDumper):
    """SafeDumper without anchors and aliases, which the reader refuses."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        """Write a repeated value out again."""
        return True


def card_text(card: Card) -> str:
    """YAML text of a card: ``Card.from_yaml(card_text(card), …) == card``.

    The input is written in full, so that the text keeps its meaning should a default ever change.
    """
    data = card.model_dump(mode="json", exclude_defaults=True)
    data["input"] = card.input.model_dump(mode="json", exclude_none=True)
    ordered = {key: data[key] for key in Card.model_fields if key in data}
    text = _dumped(ordered, letters=True)
    return text if _LINE_BREAKS.isdisjoint(text) else _dumped(ordered, letters=False)


def _dumped(data: dict[str, Any], *, letters: bool) -> str:
    """letters: as they are, else everything beyond ASCII escaped."""
    text: str = yaml.dump(data, Dumper=_PlainDumper, sort_keys=False, allow_unicode=letters, width=110)
    return text
