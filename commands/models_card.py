"""``models card``: the card of a file, or one to complete, as YAML."""

from __future__ import annotations

import argparse
from pathlib import Path

from commands.terminal import answer, say
from contracts.card import Card
from contracts.card_text import card_text
from contracts.errors import EngineError
from engines.cards import check_card, locate_card
from engines.contents import Contents, contents_of
from engines.guess import guess_card


def run(parsed: argparse.Namespace) -> int:
    """Print the card; what is found about it goes into comments, so that the whole is a card file."""
    file = Path(parsed.file)
    contents = contents_of(file)
    found = locate_card(file, None, contents.texts, contents.inputs)
    if found is not None:
        card, where = found
        answer("\n".join([f"# {_comment(where)}", *_contradictions(card, contents), card_text(card)]).rstrip())
        return 0
    guess = guess_card(file.stem, contents.inputs, contents.outputs)
    if guess.card is None:
        raise EngineError(
            f"no card can be guessed for {file}: {'; '.join(guess.doubts)}", "docs/networks.md says what heads can read"
        )
    has = [f"# it takes {spec}" for spec in contents.inputs] + [f"# it gives {spec}" for spec in contents.outputs]
    doubts = [f"# CHECK: {_comment(doubt)}" for doubt in guess.doubts]
    if any(head.kind == "classification" for head in guess.card.heads):
        doubts.append("# MAY ADD: texts: [a sentence per class, shown with the best one: which bin it goes into, say]")
    licence = "# ADD: licence and origin, for whoever gets the file from you"
    answer(
        "\n".join(
            ["# Guessed from the file's inputs and outputs.", *has, *doubts, licence, card_text(guess.card)]
        ).rstrip()
    )
    say(f"roadstream: {file.name} has no card; this one is guessed, see its comments")
    return 0


def _contradictions(card: Card, contents: Contents) -> list[str]:
    """What a run would refuse it for: another library's metadata may be of a network that was changed since."""
    try:
        check_card(card, contents.inputs, contents.outputs)
    except EngineError as error:
        return [f"# CHECK: {_comment(error.message)}"]
    return []


def _comment(text: str) -> str:
    return " ".join(text.split())
