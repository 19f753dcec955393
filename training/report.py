"""What was found in a network file, a line each, for people."""

from __future__ import annotations

from contracts.card import Card, HeadCard

_MOST_NAMES = 6


def card_lines(card: Card, epoch: int | None) -> tuple[str, ...]:
    """Heads, input, epoch, origin and licence: what a card and a checkpoint say."""
    lines = [f"head {head.name}: {_head(head)}" for head in card.heads]
    size = f"{card.input.size[0]}×{card.input.size[1]}, " if card.input.size else ""
    lines.append(f"input: {size}{card.input.fit}, {card.input.colour.upper()}")
    if epoch is not None:
        lines.append(f"epoch: {epoch}")
    return (*lines, *(f"{what}: {text}" for what, text in (("from", card.origin), ("licence", card.licence)) if text))


def _head(head: HeadCard) -> str:
    texts = [_names(head.classes, "classes")]
    texts += [
        _names(names, what) for what, names in (("locations", head.locations), ("actions", head.actions)) if names
    ]
    return ", ".join([head.kind, *(text for text in texts if text)])


def _names(names: tuple[str, ...], what: str) -> str:
    text = ", ".join(name if name.isprintable() else ascii(name) for name in names[:_MOST_NAMES])
    if len(names) <= 1:
        return text
    text += " …" if len(names) > _MOST_NAMES else ""
    return f"{len(names)} {what} ({text})"
