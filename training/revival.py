"""Shells become PyTorch modules again, of classes that the caller vouches for. No constructor of theirs runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from contracts.errors import EngineError
from training.inert import Shell

_GROUPS = {"_parameters": nn.Parameter, "_buffers": Tensor, "_modules": nn.Module}
_PLAIN = (bool, int, float, str, bytes, Tensor, np.ndarray, torch.dtype)
_DEEPEST = 100
_MOST_VALUES = 100_000
_LONGEST_PATH = 4096


class Revival:
    """Makes the modules of one tree; what the tree shares stays shared.

    classes: class path → the class, which must not do anything by existing; raises EngineError for unknown ones.
    where: what the file is called in messages.
    """

    def __init__(self, classes: Callable[[str], type[nn.Module]], where: str) -> None:
        self._classes = classes
        self._where = where
        self._made: dict[int, Any] = {}
        self._sizes: dict[int, int] = {}  # of what is made: how many values it unfolds to

    def module(self, shell: Shell, depth: int = 0) -> nn.Module:
        """The module of a shell with all below it. Raises EngineError where it is not made as modules are."""
        if id(shell) in self._made:
            found: nn.Module = self._made[id(shell)]
            return found
        kind = self._classes(shell.path)
        module = kind.__new__(kind)
        nn.Module.__init__(module)
        self._made[id(shell)] = module
        module.__setstate__(self._state(shell, depth + 1))  # type: ignore[no-untyped-call]
        return module

    def _state(self, shell: Shell, depth: int) -> dict[str, Any]:
        """A module's attributes without hooks; parameters, buffers and children are what their names say."""
        state: dict[str, Any] = {}
        for name, value in shell.attributes.items():
            if name in _GROUPS:
                state[name] = self._group(value, _GROUPS[name], depth)
            elif "hook" not in name and not name.startswith("__"):
                state[name] = self._value(value, depth)
        return state

    def _group(self, held: Any, kind: type, depth: int) -> dict[str, Any]:
        if not isinstance(held, Mapping):
            raise self._refusal("a module without parts")
        made = {name: self._value(value, depth) for name, value in held.items()}
        if not all(type(name) is str and (value is None or isinstance(value, kind)) for name, value in made.items()):
            raise self._refusal(f"a {kind.__name__} that is none")
        return made

    def _value(self, value: Any, depth: int) -> Any:
        if value is None or isinstance(value, _PLAIN):
            return value
        if depth > _DEEPEST:
            raise self._refusal("things without end inside one another")
        if id(value) not in self._made:
            self._made[id(value)] = self._made_anew(value, depth + 1)
            self._require_bounded(value)
        return self._made[id(value)]

    def _require_bounded(self, value: Any) -> None:
        """What refers to one thing over and over is short in a file and without end for all who walk through it."""
        parts = value.values() if isinstance(value, Mapping) else () if isinstance(value, Shell) else value
        self._sizes[id(value)] = size = 1 + sum(self._sizes.get(id(part), 1) for part in parts)
        if size > _MOST_VALUES:
            raise self._refusal("things without end inside one another")

    def _made_anew(self, value: Any, depth: int) -> Any:
        if isinstance(value, Shell):
            return self._object(value, depth)
        if isinstance(value, Mapping):
            return {key: self._value(each, depth) for key, each in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return type(value)(self._value(each, depth) for each in value)
        raise self._refusal(f"a {type(value).__name__}")

    def _object(self, shell: Shell, depth: int) -> Any:
        if shell.path.startswith("pathlib."):
            return self._path(shell.attributes.get("arguments"))
        if shell.path.endswith("Namespace"):
            return SimpleNamespace(**{name: self._value(each, depth) for name, each in shell.attributes.items()})
        return self.module(shell, depth)

    def _path(self, parts: Any) -> str:
        if type(parts) is not tuple or not all(type(part) is str for part in parts):
            raise self._refusal("a path that is none")
        if sum(map(len, parts)) > _LONGEST_PATH:
            raise self._refusal("a path without end")
        return "/".join(parts)

    def _refusal(self, what: str) -> EngineError:
        return EngineError(
            f"{self._where} refused: its modules hold {what}; nothing was run", "take it from its authors"
        )
