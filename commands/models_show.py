"""``models show``: everything known about one network."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from commands.models_list import readable_bytes
from commands.terminal import answer
from contracts.card import Card, HeadCard
from contracts.errors import EngineError
from engines.cards import check_card, locate_card
from engines.contents import Contents, contents_of
from engines.files import hashes_of, parts_of
from engines.releases import card_path, networks_folder, pulled_file

_MOST_NAMES = 12


def run(parsed: argparse.Namespace) -> int:
    """Print what is known about a file, or about a registered network."""
    given = Path(parsed.network)
    explicit = None if parsed.card is None else Path(parsed.card)
    if given.is_file() or given.suffix or len(given.parts) > 1:
        answer("\n".join(_file_lines(given, explicit)))
        return 0
    path = card_path(parsed.network)
    card = Card.from_file(explicit or path)
    file = pulled_file(card)
    lines = list(_card_lines(card, f"registered: {explicit or path}"))
    if file is not None:
        lines += _tensor_lines(contents_of(file), card, file)
    elif card.url is not None:
        lines.append(f"file       not here; run_stream.py models pull {card.name} → {networks_folder()}")
    answer("\n".join(lines))
    return 0


def _file_lines(file: Path, explicit: Path | None) -> Iterator[str]:
    contents = contents_of(file)
    found = locate_card(file, explicit, contents.texts, contents.inputs)
    if found is None:
        yield f"name       {file.stem}"
        yield f"card       none; run_stream.py models card {shlex.quote(str(file))} prints one to complete"
    else:
        yield from _card_lines(*found)
    yield from _tensor_lines(contents, found[0] if found else None, file)


def _card_lines(card: Card, where: str) -> Iterator[str]:
    """One fact a line, those that are known."""
    yield f"name       {card.name}"
    yield f"card       {where}"
    for head in card.heads:
        yield f"head       {_head_text(head)}"
    given = card.input
    size = "" if given.size is None else f"{given.size[0]}x{given.size[1]}, "
    padding = f" (padded with {given.pad})" if given.fit == "letterbox" else ""
    yield f"input      {size}{given.fit}{padding}, {given.colour.upper()}, / {given.scale:g}"
    if any(given.mean) or given.std != (1.0, 1.0, 1.0):
        yield f"           mean {_numbers(given.mean)}, std {_numbers(given.std)}"
    facts = {"licence": card.licence, "origin": card.origin, "paper": card.paper, "reference": card.reference}
    facts |= {"url": card.url, "size": readable_bytes(card.bytes), "sha256": ", ".join(card.sha256)}
    yield from (f"{name:<10} {value}" for name, value in facts.items() if value)
    yield from (f"published  {figure}" for figure in card.figures)


def _head_text(head: HeadCard) -> str:
    """``boxes: yolo_boxes, 80 classes: person, bicycle …``."""
    text = f"{head.name}: {head.kind}" + (f", from {', '.join(head.outputs)}" if head.outputs else "")
    if not head.classes:
        return text
    more = " …" if len(head.classes) > _MOST_NAMES else ""
    count = f"{len(head.classes)} class" + "es" * (len(head.classes) > 1)
    asked = "".join(
        f"; {what}: {', '.join(names[:_MOST_NAMES])}{' …' if len(names) > _MOST_NAMES else ''}"
        for what, names in (("locations", head.locations), ("actions", head.actions))
        if names
    )
    return f"{text}, {count}: {', '.join(head.classes[:_MOST_NAMES])}{more}{asked}"


def _numbers(values: Sequence[float]) -> str:
    return " ".join(f"{value:g}" for value in values)


def _tensor_lines(contents: Contents, card: Card | None, file: Path) -> Iterator[str]:
    """What the file has, and whether the card agrees with it."""
    yield f"file       {file}, {readable_bytes(sum(part.stat().st_size for part in parts_of(file)))}"
    yield from (f"           sha256 {digest}" for digest in hashes_of(file))
    yield from (f"takes      {spec}" for spec in contents.inputs)
    yield from (f"gives      {spec}" for spec in contents.outputs)
    if card is not None:
        try:
            check_card(card, contents.inputs, contents.outputs)
        except EngineError as error:
            yield f"but        {error}"
