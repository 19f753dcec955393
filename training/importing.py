"""Import of files that are networks already: they lack nothing but a card."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from contracts.card import Card, HeadCard
from contracts.card_text import card_text
from contracts.errors import EngineError
from contracts.tensor import TensorSpec
from engines.cards import check_card, locate_card
from engines.contents import Contents, contents_of
from engines.guess import guess_card
from training.files import written
from training.onnx_files import read_onnx, with_card, write_onnx


@dataclass(frozen=True, slots=True)
class Found:
    """A network file's card. where: how it was come by. there: whether every run finds it by itself.

    assumed: one line each, what the file itself cannot say.
    """

    card: Card
    where: str
    there: bool = True
    assumed: tuple[str, ...] = ()


class UnclearError(EngineError):
    """What a file's outputs are, only a person can say. card: YAML to complete."""

    def __init__(self, message: str, cure: str, card: str) -> None:
        super().__init__(message, cure)
        self.card = card


def found_card(file: Path) -> Found:
    """The card a file has, or the one its tensors leave no doubt about.

    Raises EngineError where it is no network file and where its card does not fit, UnclearError where a person must
    say what its outputs are.
    """
    contents = contents_of(file)
    located = locate_card(file, None, contents.texts, contents.inputs)
    if located is not None:
        card, where = located
        check_card(card, contents.inputs, contents.outputs)
        return Found(card, where)
    guess = guess_card(file.stem, contents.inputs, contents.outputs)
    if guess.card is None:
        raise EngineError(f"no card can be made for {file}: {'; '.join(guess.doubts)}", "docs/networks.md says why")
    unclear = _unclear(guess.card, guess.unnamed, contents)
    if unclear:
        raise UnclearError(
            f"{file} does not say {'; nor '.join(unclear)}",
            f"complete the card above and save it as {file.with_suffix('.card.yaml')}",
            _commented(guess.card, guess.doubts),
        )
    return Found(guess.card, "recognised by its outputs", there=False, assumed=guess.doubts)


def write_card(found: Found, path: Path, *, overwrite: bool) -> None:
    """The card as a file, with what was assumed in comments. Raises OutputError, UsageError (it is there already)."""
    with written(path, overwrite=overwrite) as part:
        part.write_text(_commented(found.card, found.assumed), encoding="utf-8")


def write_copy(file: Path, card: Card, path: Path, *, overwrite: bool) -> None:
    """A copy of an ONNX file with its card inside. Raises EngineError, OutputError, UsageError (it exists)."""
    model = read_onnx(file)
    # Its bytes are others now, and what was published is not this file.
    with_card(model, card.model_copy(update={"sha256": (), "url": None, "bytes": None, "reference": None}))
    with written(path, overwrite=overwrite) as part:
        write_onnx(model, part)


def _unclear(card: Card, unnamed: Sequence[str], contents: Contents) -> list[str]:
    """What only a person can know: what a mask shows, how classes are called, what an output is for."""
    read = {name for head in card.heads for name in head.outputs}
    heads = [text for head in card.heads for text in _unclear_head(head, unnamed)]
    left: Sequence[TensorSpec] = [spec for spec in contents.outputs if read and spec.name not in read]
    return heads + [f"what output {spec} is for" for spec in left]


def _unclear_head(head: HeadCard, unnamed: Sequence[str]) -> list[str]:
    if head.kind in ("two_class_mask", "mask_ids"):
        return [] if head.role else [f"what the mask {head.name!r} shows"]
    return [f"how the classes of {head.name!r} are called"] if head.name in unnamed else []


def _commented(card: Card, doubts: Sequence[str]) -> str:
    return "".join(f"# ASSUMED: {' '.join(doubt.split())}\n" for doubt in doubts) + card_text(card)
