"""The networks that RoadStream knows: one card each in ``configs/networks/``; some can be downloaded."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from contracts.card import Card
from contracts.errors import EngineError, UsageError
from contracts.text import did_you_mean
from engines import cards


@dataclass(frozen=True, slots=True)
class Release:
    """A public network file: where it is, what it must be, and the name it gets here.

    bytes, sha256: None where nobody verified them.
    """

    name: str
    url: str
    bytes: int | None
    sha256: str | None

    @property
    def file_name(self) -> str:
        """The card's name with the ending of the file (many are called ``best.onnx`` where they come from)."""
        return self.name + PurePosixPath(urlsplit(self.url).path).suffix


def registered_cards() -> tuple[Card, ...]:
    """Every registered card, by name. Raises EngineError where one cannot be read."""
    return tuple(Card.from_file(path) for path in sorted(cards.REGISTERED.glob("*.yaml")))


def card_path(name: str) -> Path:
    """Where the registered card of this name lies; raises UsageError with the nearest name where there is none."""
    known = {path.stem: path for path in cards.REGISTERED.glob("*.yaml")}
    if name not in known:
        raise UsageError(f"no network called {name!r} is registered", did_you_mean(name, known))
    return known[name]


def release_of(card: Card) -> Release | None:
    """The public file of a registered network, None where it has none."""
    if card.url is None:
        return None
    return Release(card.name, card.url, card.bytes, card.sha256[0] if card.sha256 else None)


def networks_folder() -> Path:
    """Where downloaded networks lie: ``$XDG_DATA_HOME/roadstream/networks``, else under ``~/.local/share``.

    Raises EngineError where this user has no home.
    """
    base = os.environ.get("XDG_DATA_HOME", "")
    try:
        root = Path(base) if Path(base).is_absolute() else Path.home() / ".local" / "share"
    except RuntimeError as fault:
        raise EngineError("this user has no home folder to keep networks in", "give --output DIR") from fault
    return root / "roadstream" / "networks"


def pulled_file(card: Card) -> Path | None:
    """The downloaded file of a registered network in ``networks_folder``, None where it is not there."""
    release = release_of(card)
    if release is None:
        return None
    with suppress(EngineError):  # no home folder: nothing lies there
        file = networks_folder() / release.file_name
        return file if file.is_file() else None
    return None
