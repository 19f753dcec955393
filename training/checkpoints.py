"""Checkpoints of every origin: read without running them, recognised, proven to fit; and our own form of them."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from contracts.card import Card, InputCard
from contracts.errors import EngineError, UsageError
from contracts.validation import validated
from training.blueprint import PRETRAINED, Blueprint, Checkpoint
from training.containers import read_pickled
from training.contents import content_of, is_key, is_state, network_shell
from training.files import written
from training.foreign.content import Content
from training.networks.families import FAMILIES, FOREIGN, build, family
from training.networks.network import Network
from training.pickles import FAULTS, damaged
from training.report import card_lines
from training.subject import Subject
from training.ultralytics import LARGEST_SIDE, is_ultralytics, ultralytics_subject

_FORMAT = "roadstream"
_VERSION = 1
_DEEPEST = 8


def read_content(path: Path) -> Content:
    """What a checkpoint of any origin holds; nothing of it is run. Raises EngineError."""
    where = f"checkpoint {path}"
    with _reading(where):
        return content_of(read_pickled(path), where)


def read_checkpoint(path: Path) -> Checkpoint:
    """A checkpoint of ours or of a family we know, proven to load into that family's network. Raises EngineError."""
    where = f"checkpoint {path}"
    with _reading(where):
        value = read_pickled(path)
        if _is_ours(value):
            checkpoint = _ours(value, where)
        else:
            content = content_of(value, where)
            recognised = _recognised(content, where)
            if recognised is None:
                raise _unknown(content, where)
            checkpoint = recognised
        _loaded(checkpoint, where)
        return checkpoint


def open_subject(path: Path) -> Subject:
    """A checkpoint of ours, of a family we know or of ultralytics as a network for export. Raises EngineError."""
    where = f"checkpoint {path}"
    with _reading(where):
        value = read_pickled(path)
        if _is_ours(value):
            return _subject(_ours(value, where), path)
        content = content_of(value, where)
        checkpoint = _recognised(content, where)
        if checkpoint is not None:
            return _subject(checkpoint, path)
        shell = network_shell(value, where)
        if is_ultralytics(shell):
            return ultralytics_subject(shell, content, path)
        raise _unknown(content, where)


@contextmanager
def _reading(where: str) -> Iterator[None]:
    """What a stranger's values do to code that expects its own becomes an EngineError that names the file."""
    try:
        yield
    except FAULTS as fault:
        raise damaged(where, type(fault).__name__) from fault


def save_checkpoint(checkpoint: Checkpoint, path: Path, *, overwrite: bool = False) -> None:
    """Writes our own form: one dict of plain values and tensors, under its name only when it is whole.

    ``read_checkpoint`` reads it back, and so does ``torch.load(weights_only=True)``. Entries that a reader does not
    know are passed over. Raises OutputError where the file cannot be written, UsageError where it is there already.
    """
    blueprint = checkpoint.blueprint
    content = {
        _FORMAT: _VERSION,
        "family": blueprint.family,
        "variant": blueprint.variant,
        "classes": {head: list(names) for head, names in blueprint.classes.items()},
        "options": {option: value for option, value in blueprint.options.items() if option != PRETRAINED},
        "input": checkpoint.input.model_dump(),
        "origin": checkpoint.origin,
        "licence": checkpoint.licence,
        "epoch": checkpoint.epoch,
        "notes": list(checkpoint.notes),
        "state": {key: tensor.detach().cpu().clone() for key, tensor in checkpoint.state.items()},
    }
    memory = io.BytesIO()
    torch.save(content, memory)  # into memory first: a full disk is an OSError of ours, not a RuntimeError of torch's
    with written(path, overwrite=overwrite) as part:
        part.write_bytes(memory.getbuffer())


class _Ours(BaseModel):
    """What our own form must hold beside the tensors."""

    model_config = ConfigDict(strict=True)

    roadstream: int
    family: str
    variant: str
    classes: dict[str, list[str]]
    options: dict[str, bool | int | float | str]
    input: dict[str, Any]
    origin: str
    licence: str
    epoch: int | None
    notes: list[str]


_FACTS = tuple(_Ours.model_fields)
_MOST_FACTS = 100_000
_LONGEST_TEXT = 1_000
_LARGEST_NUMBER = 1 << 63


def _is_small(value: Any, left: list[int], depth: int) -> bool:
    """Whether all that a value unfolds to can be looked at and shown. left: how many more values may be looked at."""
    left[0] -= 1
    if left[0] < 0 or depth > _DEEPEST:
        return False
    if isinstance(value, str):
        return len(value) <= _LONGEST_TEXT
    if isinstance(value, int):
        return -_LARGEST_NUMBER < value < _LARGEST_NUMBER
    if isinstance(value, Mapping):
        return all(_is_small(each, left, depth + 1) for pair in value.items() for each in pair)
    if isinstance(value, list | tuple):
        return all(_is_small(each, left, depth + 1) for each in value)
    return value is None or isinstance(value, float)


def _is_ours(value: Any) -> bool:
    return isinstance(value, dict) and _FORMAT in value


def _recognised(content: Content, where: str) -> Checkpoint | None:
    """What the first family that knows these keys makes of them; raises EngineError where it finds them wrong."""
    for name in FOREIGN:
        try:
            found: Checkpoint | None = import_module(f"training.foreign.{name}").recognise(content)
        except EngineError as fault:
            raise EngineError(f"{where} is {fault.message}", fault.cure) from fault
        if found is not None:
            return found
    return None


def _ours(value: dict[Any, Any], where: str) -> Checkpoint:
    """A checkpoint from our own form. Raises EngineError where it is another version's, or made up."""
    version = value[_FORMAT]
    if type(version) is not int or version != _VERSION:
        raise EngineError(f"{where} is of another version of RoadStream's format", "update RoadStream")
    state, facts = value.get("state"), {name: value[name] for name in _FACTS if name in value}
    if not is_state(state) or not all(map(is_key, state)):
        raise damaged(where, "its state is not a mapping of names to tensors")
    if not _is_small(facts, [_MOST_FACTS], 0):
        raise damaged(where, "its facts are longer or larger than any network's")
    ours = validated(_Ours, facts, where, EngineError)
    picture = validated(InputCard, ours.input, f"{where}, input", EngineError)
    if picture.size is not None and max(picture.size) > LARGEST_SIDE:
        raise EngineError(f"{where}: its input is {picture.size[0]}×{picture.size[1]}", f"up to {LARGEST_SIDE} a side")
    return Checkpoint(
        blueprint=Blueprint(
            family=ours.family,
            variant=ours.variant,
            classes={head: tuple(names) for head, names in ours.classes.items()},
            # A checkpoint brings its weights; for a stranger's wish nothing is fetched.
            options={option: value for option, value in ours.options.items() if option != PRETRAINED},
        ),
        state=state,
        input=picture,
        origin=ours.origin,
        licence=ours.licence,
        epoch=ours.epoch,
        notes=tuple(ours.notes),
    )


def _loaded(checkpoint: Checkpoint, where: str) -> Network:
    """The checkpoint's network with its weights. Raises EngineError where they do not fit or are not numbers."""
    try:
        with torch.device("meta"):  # no memory: sizes are a stranger's until the tensors are seen to have them
            shapes = build(checkpoint.blueprint).state_dict()
    except UsageError as fault:
        raise EngineError(f"{where}: {fault.message}", fault.cure) from fault
    _require_fit(shapes, checkpoint.state, where)
    broken = [key for key, tensor in checkpoint.state.items() if not _is_finite(tensor)]
    if broken:
        raise EngineError(
            f"{where}: {len(broken)} of its tensors hold numbers that are not finite (first: {broken[0]})",
            "its training diverged or the file is damaged: take an earlier checkpoint",
        )
    network = build(checkpoint.blueprint)
    network.load_state_dict(dict(checkpoint.state))
    return network.eval()


def _is_finite(tensor: Tensor) -> bool:
    return not tensor.is_floating_point() or bool(torch.isfinite(tensor).all())


def _require_fit(wanted: Mapping[str, Tensor], found: Mapping[str, Tensor], where: str) -> None:
    """Raises EngineError unless both have the same keys and shapes, and numbers where numbers are wanted."""
    both = [key for key in wanted if key in found]
    complaints = {
        "missing": [key for key in wanted if key not in found],
        "unknown": [key for key in found if key not in wanted],
        "of another shape": [key for key in both if wanted[key].shape != found[key].shape],
        # Rounded to whole numbers the weights would load, and see nothing.
        "of whole numbers": [
            key for key in both if wanted[key].is_floating_point() and not found[key].is_floating_point()
        ],
    }
    for complaint, keys in complaints.items():
        if keys:
            raise EngineError(
                f"{where} does not fit its network, tensors {complaint}: {len(keys)}, first: {', '.join(keys[:3])}",
                "it is of another variant than it seems, or was changed",
            )


def _unknown(content: Content, where: str) -> EngineError:
    """What the file looks like, for those who know it better."""
    classes = list(dict.fromkeys(path.rpartition(".")[2] for path in content.modules.values()))
    of = f", modules {', '.join(classes[:4])}" if classes else ""
    keys = ", ".join(list(content.state)[:3]) or "none"
    titles = ", ".join(family(name).title for name in FAMILIES)
    return EngineError(
        f"{where} is of no family known here: {len(content.state)} tensors, first: {keys}{of}",
        f"known: {titles}, and ultralytics' own",
    )


def _subject(checkpoint: Checkpoint, path: Path) -> Subject:
    network = _loaded(checkpoint, f"checkpoint {path}")
    kind = family(checkpoint.blueprint.family)
    size = checkpoint.input.size or kind.input.size
    card = Card(
        name=path.stem,
        input=checkpoint.input.model_copy(update={"size": size}),
        heads=network.heads,
        licence=checkpoint.licence,
        origin=checkpoint.origin,
    )
    millions = sum(parameter.numel() for parameter in network.parameters()) / 1e6
    title = f"{kind.title} {checkpoint.blueprint.variant}, {millions:.2f} M parameters"
    return Subject(
        card=card,
        stride=network.stride,
        plain=network.plain,
        deployed=network.deployed,
        report=(title, *card_lines(card, checkpoint.epoch), *checkpoint.notes),
        checkpoint=checkpoint,
    )
