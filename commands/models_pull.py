"""``models pull``: downloads a public network file."""

from __future__ import annotations

import argparse
from pathlib import Path

from commands.terminal import answer, say
from commands.transfer import TransferLine
from contracts.card import Card
from contracts.errors import EngineError, OutputError
from engines.cards import check_card
from engines.contents import contents_of
from engines.download import download
from engines.releases import Release, card_path, networks_folder, release_of


def run(parsed: argparse.Namespace) -> int:
    """Download one file; its path goes to stdout."""
    path = card_path(parsed.name)
    card = Card.from_file(path)
    release = release_of(card)
    if release is None:
        raise EngineError(
            f"{card.name} is not public in this form, so it cannot be downloaded",
            f"RoadStream knows the file when you have it; made from: {card.origin}",
        )
    folder = Path(parsed.output) if parsed.output else networks_folder()
    _say_what_comes(card, release)
    line = TransferLine(card.name, quiet=parsed.quiet)
    try:
        fetched = download(release, folder, line.update, accept=lambda file: _accept(card, release, file))
    except KeyboardInterrupt:
        say(f"roadstream: what came lies in {folder}; the same command again resumes it")
        raise
    finally:
        line.end()
    if release.sha256 is None:
        _place_card(path, fetched.path)
    if not fetched.new:
        say(f"roadstream: {fetched.path} was there already")
    answer(str(fetched.path))
    return 0


def _say_what_comes(card: Card, release: Release) -> None:
    say(f"roadstream: {card.name} from {release.url}; its licence: {card.licence}")
    if release.sha256 is None:
        say("roadstream: checksum unknown: nobody verified this file; it is only held against its card")


def _accept(card: Card, release: Release, file: Path) -> None:
    """Refuses a file nobody verified that does not even fit its card; raises EngineError."""
    if release.sha256 is not None:
        return
    try:
        contents = contents_of(file)
        check_card(card, contents.inputs, contents.outputs)
    except EngineError as error:
        raise EngineError(
            f"{release.url} is not the network that its card describes: {error.message}",
            "nothing was kept; download it by other means and write a card for it",
        ) from error


def _place_card(card: Path, file: Path) -> None:
    """A file without a known hash is not found in the register, so its card goes beside it."""
    beside = file.with_suffix(".card.yaml")
    try:
        with beside.open("xb") as stream:
            stream.write(card.read_bytes())
    except FileExistsError:
        return  # somebody's own
    except OSError as fault:
        raise OutputError(f"cannot write {beside}: {fault.strerror}", f"copy {card} there") from fault
