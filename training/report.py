"""What was found in a network file, a line each, for people."""

from __future__ import annotations

from contracts.card import Card, HeadCard
from engines.heads.open import HEADS

_MOST_NAMES = 6


def card_lines(card: Card, epoch: int | None) -> tuple[str, ...]:
    """Heads, input, epoch, origin and licence: what a card and a checkpoint say."""
    lines = [f"head {head.name}: {_head(head)}" for head in card.heads]
    size = f"{card.input.size[0]}×{card.input.size[1]}, " if card.input.size else ""
    lines.append(f"input: {size}{card.input.fit}, {card.input.colour.upper()}")
    if epoch is not None:
        lines.append(f"epoch: {epoch}")
    return (*lines, *(f"{what}: {text}" for what, text in (("from", card.origin), ("licence", card.licence)) if text))


def undecoded_lines(card: Card) -> tuple[str, ...]:
    """What a run will not take: heads of kinds that this version exports and does not decode."""
    return tuple(
        f"head {head.name}: this version does not decode {head.kind}; a run refuses the file unless its card leaves"
        " the head out"
        for head in card.heads
        if head.kind not in HEADS
    )


def _head(head: HeadCard) -> str:
    names = ", ".join(name if name.isprintable() else ascii(name) for name in head.classes[:_MOST_NAMES])
    if len(head.classes) <= 1:
        return f"{head.kind}, {names}" if names else head.kind
    names += " …" if len(head.classes) > _MOST_NAMES else ""
    return f"{head.kind}, {len(head.classes)} classes ({names})"
