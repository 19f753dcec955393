"""Finds the card of a network file, and holds it against the network it claims to describe."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from contracts.card import Card, HeadCard, HeadKind
from contracts.errors import EngineError
from contracts.tensor import TensorSpec
from engines.files import hashes_of
from engines.inputs import resolve_input
from engines.ultralytics_metadata import card_from_ultralytics

METADATA_KEY = "roadstream.card"
"""Where a card's YAML lies inside a file: ONNX metadata; in an IR rt_info roadstream → card."""
REGISTERED = Path(__file__).resolve().parent.parent / "configs" / "networks"
"""Cards of known files, found by hash."""


def find_card(file: Path, explicit: Path | None, metadata: Mapping[str, str], inputs: Sequence[TensorSpec]) -> Card:
    """The card of ``file``; the first of: ``explicit``, beside it, inside it, registered by hash, ultralytics' own.

    metadata: the file's own texts (ONNX metadata; an IR's rt_info). inputs: as the file has them, -1 where open.
    Raises EngineError for a card that cannot be read, and with instructions where there is none.
    """
    found = locate_card(file, explicit, metadata, inputs)
    if found is None:
        raise _no_card(file)
    return found[0]


def locate_card(
    file: Path, explicit: Path | None, metadata: Mapping[str, str], inputs: Sequence[TensorSpec]
) -> tuple[Card, str] | None:
    """As ``find_card``, with where the card was found in words; None where there is none."""
    beside = file.with_suffix(".card.yaml")
    if explicit is not None:
        return Card.from_file(explicit), str(explicit)
    if beside.is_file() and beside.stat().st_size:  # empty: a shell's `models card FILE > CARD` is about to fill it
        return Card.from_file(beside), f"{beside}, beside the file"
    if METADATA_KEY in metadata:
        return Card.from_yaml(metadata[METADATA_KEY], f"inside {file}"), "inside the file"
    card = registered_card(hashes_of(file))
    if card is not None:
        return card, "registered under the file's hash"
    card = card_from_ultralytics(file.stem, metadata, inputs)
    return None if card is None else (card, "made from ultralytics' metadata inside the file")


def registered_card(hashes: tuple[str, ...]) -> Card | None:
    """The card in ``configs/networks/`` that belongs to the file(s) of these hashes, None where there is none."""
    for path in sorted(REGISTERED.glob("*.yaml")):
        if hashes[0] in path.read_text(encoding="utf-8"):  # parsing them all would cost a second at every start
            card = Card.from_file(path)
            if card.sha256 == hashes:
                return card
    return None


def _no_card(file: Path) -> EngineError:
    namesake = REGISTERED / f"{file.stem}.yaml"
    hint = ""
    if namesake.is_file():
        hint = f" (there is one for a file of this name but with other bytes: --card {namesake} if it fits)"
    beside = file.with_suffix(".card.yaml")
    return EngineError(
        f"{file} has no card, so nobody knows what its inputs and outputs mean{hint}",
        f"run_stream.py models card {shlex.quote(str(file))} > {shlex.quote(str(beside))} writes one to complete;"
        " or give --card FILE",
    )


def check_card(card: Card, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> None:
    """Raises EngineError, naming both sides, where a card contradicts its network; -1 in a shape agrees with all."""
    resolve_input(card, inputs)
    check_heads(card, outputs)


def check_heads(card: Card, outputs: Sequence[TensorSpec]) -> None:
    """The half of ``check_card`` that looks at outputs."""
    for head in card.heads:
        specs = head_outputs(head, outputs)
        rule = _RULES.get(head.kind)
        if rule is not None:
            rule(head, specs)


def head_outputs(head: HeadCard, outputs: Sequence[TensorSpec]) -> tuple[TensorSpec, ...]:
    """The outputs a head reads, in its order; raises EngineError where the network lacks one or it is unclear."""
    by_name = {spec.name: spec for spec in outputs}
    has = ", ".join(map(str, outputs))
    missing = next((name for name in head.outputs if name not in by_name), None)
    if missing is not None:
        raise EngineError(
            f"head {head.name!r} reads output {missing!r}, but the network has: {has}", "mend `outputs:` in the card"
        )
    chosen = tuple(by_name[name] for name in head.outputs) or tuple(outputs)
    count = _OUTPUT_COUNT.get(head.kind)
    if count is not None and len(chosen) != count:
        raise EngineError(
            f"head {head.name!r} ({head.kind}) reads {count} output{'s' * (count > 1)}, but gets {len(chosen)}: "
            + ", ".join(map(str, chosen)),
            "name them in order under `outputs:` of that head in the card",
        )
    return chosen


def _fits(shape: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    """Whether a shape has these sizes (None: any), open ones (-1) agreeing with all."""
    pairs = zip(shape, wanted, strict=False)
    return len(shape) == len(wanted) and all(has == -1 or want is None or has == want for has, want in pairs)


def _contradiction(head: HeadCard, spec: TensorSpec, wants: str) -> EngineError:
    return EngineError(
        f"head {head.name!r} ({head.kind}) wants {wants}, but the network gives {spec}",
        "mend kind, classes or outputs of that head in the card",
    )


def _check_boxes(head: HeadCard, specs: tuple[TensorSpec, ...]) -> None:
    channels = 4 + len(head.classes) if head.classes else None
    spec = specs[0]
    if not _fits(spec.shape, (1, channels, None)):
        wants = f"[1,{channels or '4+classes'},N] for {len(head.classes)} classes"
        raise _contradiction(head, spec, wants)
    if channels is None and 0 <= spec.shape[1] < 5:
        raise _contradiction(head, spec, "[1,4+classes,N] with at least one class")


def _check_end2end(head: HeadCard, specs: tuple[TensorSpec, ...]) -> None:
    if not _fits(specs[0].shape, (1, None, 6)):
        raise _contradiction(head, specs[0], "[1,K,6] (x1, y1, x2, y2, score, class)")


def _check_anchor_boxes(head: HeadCard, specs: tuple[TensorSpec, ...]) -> None:
    channels = 5 + len(head.classes) if head.classes else None
    spec = specs[0]
    if not _fits(spec.shape, (1, None, channels)) or 0 <= spec.shape[2] < 6:
        wants = f"[1,N,{channels or '5+classes'}] for {len(head.classes) or 'any number of'} classes"
        raise _contradiction(head, spec, f"decoded boxes {wants} (raw levels with anchors are not read)")


def _check_instances(head: HeadCard, specs: tuple[TensorSpec, ...]) -> None:
    boxes, prototypes = sorted(specs, key=lambda spec: len(spec.shape))
    if not _fits(prototypes.shape, (1, None, None, None)):
        raise _contradiction(head, prototypes, "prototypes [1,M,H,W]")
    basis = prototypes.shape[1]
    channels = 4 + len(head.classes) + basis if head.classes and basis >= 0 else None
    columns = _fits(boxes.shape, (1, channels, None)) and not 0 <= boxes.shape[1] < 5 + max(basis, 1)
    if not columns and not _fits(boxes.shape, (1, None, 6 + basis if basis >= 0 else None)):
        raise _contradiction(head, boxes, f"[1,{channels or '4+classes+M'},N] or [1,K,6+M] beside {prototypes}")


def _check_agents(head: HeadCard, specs: tuple[TensorSpec, ...]) -> None:
    boxes, prototypes = sorted(specs, key=lambda spec: len(spec.shape))
    if not _fits(prototypes.shape, (1, None, None, None)):
        raise _contradiction(head, prototypes, "prototypes [1,M,H,W]")
    basis = prototypes.shape[1]
    scores = len(head.classes) + len(head.locations) + len(head.actions)
    if not _fits(boxes.shape, (1, 4 + scores + basis if basis >= 0 else None, None)):
        asked = f"{len(head.classes)} classes, {len(head.locations)} locations and {len(head.actions)} actions"
        raise _contradiction(head, boxes, f"[1,4+{scores}+M,N] for {asked} beside {prototypes}")


def _check_two_class(head: HeadCard, specs: tuple[TensorSpec, ...]) -> None:
    shape = specs[0].shape
    if not (_fits(shape, (1, 2, None, None)) or _fits(shape, (1, 1, None, None))):
        raise _contradiction(head, specs[0], "[1,2,H,W] or [1,1,H,W]")


def _check_ids(head: HeadCard, specs: tuple[TensorSpec, ...]) -> None:
    spec = specs[0]
    shaped = _fits(spec.shape, (1, None, None)) or _fits(spec.shape, (1, 1, None, None))
    if not shaped or not spec.dtype.startswith(("uint", "int")):
        raise _contradiction(head, spec, "whole numbers [1,H,W] or [1,1,H,W]")


def _check_classification(head: HeadCard, specs: tuple[TensorSpec, ...]) -> None:
    if not _fits(specs[0].shape, (1, len(head.classes) or None)):
        raise _contradiction(head, specs[0], f"[1,{len(head.classes) or 'classes'}]")


_RULES: dict[HeadKind, Callable[[HeadCard, tuple[TensorSpec, ...]], None]] = {
    "yolo_boxes": _check_boxes,
    "yolo_boxes_end2end": _check_end2end,
    "anchor_boxes": _check_anchor_boxes,
    "yolo_instances": _check_instances,
    "road_agents": _check_agents,
    "two_class_mask": _check_two_class,
    "mask_ids": _check_ids,
    "classification": _check_classification,
}
_OUTPUT_COUNT: dict[HeadKind, int] = {
    "yolo_boxes": 1,
    "yolo_boxes_end2end": 1,
    "anchor_boxes": 1,
    "yolo_instances": 2,
    "road_agents": 2,
    "two_class_mask": 1,
    "mask_ids": 1,
    "class_map": 1,
    "classification": 1,
}
