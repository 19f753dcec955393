"""Reads YAML and turns pydantic's findings into one line with a cure."""

from __future__ import annotations

import reprlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from contracts.errors import RoadStreamError
from contracts.text import did_you_mean

Model = TypeVar("Model", bound=BaseModel)
ErrorMaker = Callable[[str, str], RoadStreamError]

_LONGEST = 1_000_000


class _PlainLoader(yaml.SafeLoader):
    """SafeLoader without aliases: with them a card of a few lines, from a stranger's file, grows to gigabytes."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Refuse an alias where a value is expected."""
        if self.check_event(yaml.events.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "aliases (*name) are not allowed", mark)
        return super().compose_node(parent, index)


def read_yaml(text: str, where: str, error: ErrorMaker) -> dict[str, Any]:
    """A YAML mapping from text; raises ``error(message, cure)`` naming ``where`` when it is not one."""
    if len(text) > _LONGEST:
        raise error(f"{where} is longer than {_LONGEST} characters", "a card or preset is a short YAML file")
    try:
        data = yaml.load(text, _PlainLoader)  # noqa: S506  # a SafeLoader
    except (yaml.YAMLError, RecursionError) as fault:
        mark = getattr(fault, "problem_mark", None)
        line = f" line {mark.line + 1}" if mark else ""
        raise error(f"{where}{line} is not YAML: {getattr(fault, 'problem', fault)}", "mend that line") from fault
    if data is None:
        return {}
    if not isinstance(data, dict) or not all(isinstance(key, str) for key in data):
        raise error(f"{where} is not a YAML mapping of names to values", "write `name: value` lines")
    return data


def read_file(path: Path, what: str, error: ErrorMaker, *, names: bool = False) -> str:
    """The text of a UTF-8 file without the mark (BOM) that some editors put first; raises ``error`` when it cannot.

    names: it lists files, whose names may be no UTF-8: bytes that are none become what ``os.fsdecode`` makes of them.
    """
    try:
        return path.read_text(encoding="utf-8-sig", errors="surrogateescape" if names else "strict")
    except (OSError, UnicodeDecodeError) as fault:
        reason = fault.strerror if isinstance(fault, OSError) else "not UTF-8 text"
        raise error(f"cannot read {what} {path}: {reason}", "check the path") from fault


def validated(model: type[Model], data: dict[str, Any], where: str, error: ErrorMaker) -> Model:
    """``model`` from untrusted data; the first finding becomes ``error(message, cure)``."""
    try:
        return model.model_validate(data)
    except ValidationError as fault:
        finding = fault.errors()[0]
        place = ".".join(str(step) for step in finding["loc"])
        if finding["type"] == "extra_forbidden":
            raise error(f"{where}: unknown key {place!r}", _cure(model, finding["loc"])) from fault
        message = finding["msg"].removeprefix("Value error, ").replace("a valid tuple", "a list")
        if finding["type"] == "missing":
            raise error(f"{where}: {place!r} is missing", f"add `{finding['loc'][-1]}: …`") from fault
        at = f" {place}:" if place else ""
        message, _, cure = message.partition(" → ")  # validators of ours may bring the cure along
        given = f"given: {reprlib.repr(finding['input'])}" if place else ""
        raise error(f"{where}:{at} {message}", cure or given) from fault


def _cure(model: type[BaseModel], location: tuple[int | str, ...]) -> str:
    """The nearest known key, searched in the nested model the unknown key stands in."""
    fields = model.model_fields
    for step in location[:-1]:
        if isinstance(step, int) or step not in fields:
            continue
        nested = _model_in(fields[step].annotation)
        if nested is not None:
            fields = nested.model_fields
    return did_you_mean(str(location[-1]), fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The pydantic model inside an annotation such as ``tuple[Model, ...]``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _model_in(argument)
        if found is not None:
            return found
    return None
