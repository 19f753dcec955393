"""Finds the network in what a checkpoint file holds: a state dict or a module, under one of the names people use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeGuard

import numpy as np
import torch
from torch import Tensor

from contracts.errors import EngineError
from training.foreign.content import Content
from training.inert import Shell

_AVERAGED = ("ema", "ema_state_dict", "state_dict_ema", "model_ema")
_USUAL = ("model", "state_dict", "model_state_dict", "model_state", "net", "network", "weights", "params")
_WRAPPER = "module."
_MOST_MODULES = 20_000
_DEEPEST = 64
_MOST_FACTS = 1_000_000
_MOST_PARTS = 1_000_000  # tensors and other entries of all modules, as often as they occur
_MOST_REPEATED = 1 << 24  # values that stand under a second name
_LONGEST_KEY = 256


def content_of(value: Any, where: str) -> Content:
    """The content of a file's value, as ``training.containers`` reads it. Raises EngineError where no network is."""
    name, network, notes = _network(value, where)
    rest = {key: each for key, each in value.items() if key != name} if name is not None else {}
    left = [_MOST_FACTS]
    facts = {key: plain for key, each in rest.items() if type(key) is str and (plain := _plain(each, left)) is not None}
    tree = _Tree(where)
    if isinstance(network, Shell):
        module = _unwrapped(network)
        tree.walk(module)
        return Content(tree.state, _attributes(module), facts, tree.modules, tuple(notes))
    for key, tensor in network.items():
        tree.add(key, tensor)
    return Content(_without_wrapper(tree.state), {}, facts, {}, tuple(notes))


def network_shell(value: Any, where: str) -> Shell | None:
    """The pickled module that ``content_of`` reads; None where the file holds only tensors. Raises EngineError."""
    _, network, _ = _network(value, where)
    return _unwrapped(network) if isinstance(network, Shell) else None


def _network(value: Any, where: str) -> tuple[str | None, Any, list[str]]:
    """(name in the file or None for the whole of it, a module's shell or a state dict, notes)."""
    if _is_module(value) or is_state(value):
        return None, value, []
    if isinstance(value, Mapping):
        each = {id(held): _is_module(held) or is_state(held) for held in {id(h): h for h in value.values()}.values()}
        found = [name for name, held in value.items() if each[id(held)]]
        ranked = [name for name in (*_AVERAGED, *_USUAL) if name in found] or (found if len(found) == 1 else [])
        modules = [name for name in ranked if _is_module(value[name])]
        for name in modules or ranked:
            return name, value[name], _choice(name, ranked)
    raise EngineError(
        f"{where} holds no network: {_described(value)}", "give a checkpoint with a model or a state dict"
    )


def _choice(taken: str, ranked: list[str]) -> list[str]:
    """What is to be said where a file holds averaged weights and others; a module tells more than bare tensors do."""
    if taken in _AVERAGED and len(ranked) > 1:
        return ["the averaged weights (ema) were taken"]
    if ranked[0] in _AVERAGED and taken not in _AVERAGED:
        return [
            f"the weights of {taken!r} were taken: the averaged ones ({ranked[0]}) are tensors without their modules"
        ]
    return []


def _is_module(value: Any) -> bool:
    return isinstance(value, Shell) and isinstance(value.attributes.get("_modules"), Mapping)


def is_state(value: Any) -> TypeGuard[Mapping[str, Tensor]]:
    """A mapping of names to tensors and nothing else."""
    if not isinstance(value, Mapping) or not value:
        return False
    return all(type(key) is str for key in value) and all(isinstance(each, Tensor) for each in value.values())


def _described(value: Any) -> str:
    if isinstance(value, Mapping):
        names = [str(name)[:40] for name in list(value)[:8]]
        return f"a dict of {len(value)} entries ({', '.join(map(ascii, names))}…)" if names else "an empty dict"
    return f"an object of {value.path}" if isinstance(value, Shell) else f"a {type(value).__name__}"


@dataclass(slots=True)
class _Tree:
    """A module tree on the way to a state dict, in the order in which PyTorch lists it."""

    where: str
    state: dict[str, Tensor] = field(default_factory=dict)
    modules: dict[str, str] = field(default_factory=dict)
    parts: int = 0
    repeated: int = 0
    widened: dict[Any, Tensor] = field(default_factory=dict)

    def walk(self, module: Shell, prefix: str = "", depth: int = 0) -> None:
        """Adds a module and everything below it; raises EngineError for trees that no program has built."""
        self.parts += sum(len(_held(module, group)) for group in _GROUPS)
        if depth > _DEEPEST or len(self.modules) > _MOST_MODULES or self.parts > _MOST_PARTS:
            raise EngineError(f"{self.where} refused: its modules contain one another", "save the state dict alone")
        self.modules[self._named(prefix.removesuffix("."))] = module.path
        hidden = module.attributes.get("_non_persistent_buffers_set")
        hidden = hidden if isinstance(hidden, set | frozenset) else ()
        for name, tensor in _children(module, "_parameters"):
            self.add(prefix + name, tensor)
        for name, tensor in _children(module, "_buffers"):
            if name not in hidden:
                self.add(prefix + name, tensor)
        for name, child in _children(module, "_modules"):
            if isinstance(child, Shell):
                self.walk(child, f"{prefix}{name}.", depth + 1)

    def add(self, key: str, tensor: Any) -> None:
        """Adds a tensor under its key, which messages will show; raises EngineError where a terminal cannot."""
        if isinstance(tensor, Tensor):
            self.state[self._named(key)] = self._widened(tensor)

    def _named(self, key: str) -> str:
        if not is_key(key):
            raise EngineError(f"{self.where} refused: a tensor is called {key[:80]!a}", "no program names it so")
        return key

    def _widened(self, tensor: Tensor) -> Tensor:
        """Halves as float32; the same memory under a second name stays the same memory."""
        tensor = tensor.detach()
        place = (tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride())
        if place in self.widened:
            self.repeated += tensor.numel()
            if self.repeated > _MOST_REPEATED:
                raise EngineError(f"{self.where} refused: it holds the same tensors over and over", "save it again")
        else:
            self.widened[place] = (tensor.float() if tensor.is_floating_point() else tensor).contiguous()
        return self.widened[place]


def is_key(key: str) -> bool:
    """Whether a tensor may be called so: messages show it, rules take it apart."""
    return len(key) <= _LONGEST_KEY and key.isprintable()


_GROUPS = ("_parameters", "_buffers", "_modules")


def _held(module: Shell, group: str) -> Mapping[Any, Any]:
    held = module.attributes.get(group)
    return held if isinstance(held, Mapping) else {}


def _children(module: Shell, group: str) -> Iterator[tuple[str, Any]]:
    yield from ((name, value) for name, value in _held(module, group).items() if type(name) is str)


def _unwrapped(module: Shell) -> Shell:
    """The module inside DataParallel and its like."""
    for _ in range(_DEEPEST):
        held = module.attributes.get("_modules")
        if not isinstance(held, Mapping) or list(held) != ["module"] or not isinstance(held["module"], Shell):
            break
        module = held["module"]
    return module


def _without_wrapper(state: dict[str, Tensor]) -> dict[str, Tensor]:
    while state and all(key.startswith(_WRAPPER) for key in state):
        state = {key.removeprefix(_WRAPPER): tensor for key, tensor in state.items()}
    return state


def _attributes(module: Shell) -> dict[str, Any]:
    """A module's own attributes, without what PyTorch keeps in every module."""
    return {name: value for name, value in module.attributes.items() if not name.startswith("_")}


def _plain(value: Any, left: list[int]) -> Any:
    """The value where it is made of plain things only (namespaces become dicts), else None."""
    if isinstance(value, Shell) and value.path.endswith("Namespace"):
        value = value.attributes
    return value if _is_plain(value, left, 0) else None


def _is_plain(value: Any, left: list[int], depth: int) -> bool:
    """left: how many more values may be looked at; a nest of references to one another unfolds without end."""
    left[0] -= 1
    if left[0] < 0 or depth > _DEEPEST:
        return False
    if isinstance(value, Mapping):
        return all(_is_plain(each, left, depth + 1) for each in value.values())
    if isinstance(value, list | tuple | set | frozenset):
        return all(_is_plain(each, left, depth + 1) for each in value)
    return value is None or isinstance(value, bool | int | float | str | bytes | np.ndarray | torch.dtype)
