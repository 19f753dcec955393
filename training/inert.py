"""The harmless things that stand for what a checkpoint names: shells, words, and values made by functions of ours.

Every function takes what a stranger's file says and raises TypeError or ValueError for what no program writes.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

LARGEST = 1 << 48
"""Elements, strides: far above any file, far below where arithmetic gets slow."""
_MOST_DIMENSIONS = 16
_LARGEST_KEY = 1 << 60  # integers above hash to the same values as smaller ones, thousands of which stall a dict
_FACTORIES = ("dict", "int", "list")
_NUMPY_CODES = frozenset(["b1", "f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"])


@dataclass(slots=True, eq=False)
class Shell:
    """What stands for an object of a class that is not ours: its class path and attributes, nothing to call."""

    path: str
    attributes: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<shell of {self.path}>"

    def fill(self, state: Any) -> None:
        """Takes over a state as pickles have it: a mapping of names, None, or a pair of these."""
        for part in state if type(state) is tuple and len(state) == 2 else (state,):
            if part is None:
                continue
            if type(part) not in (dict, OrderedDict) or not all(type(key) is str for key in part):
                raise TypeError("an object's state is not a mapping of names")
            self.attributes.update(part)


@dataclass(frozen=True, slots=True)
class Name:
    """A class or function that a file names; a word, not the thing itself."""

    path: str


@dataclass(frozen=True, slots=True, eq=False)
class Storage:
    """The memory of some tensors. values: one-dimensional, over ``memory``, which may still be filled."""

    memory: bytearray
    values: Tensor

    @classmethod
    def of(cls, memory: bytearray, dtype: torch.dtype) -> Storage:
        """A storage over memory that holds whole values."""
        return cls(memory, torch.frombuffer(memory, dtype=dtype) if memory else torch.empty(0, dtype=dtype))

    def of_dtype(self, dtype: torch.dtype) -> Storage:
        """Itself; a file that names the same storage with another dtype is damaged."""
        if self.values.dtype != dtype:
            raise TypeError("a storage of two kinds")
        return self


@dataclass(slots=True, eq=False)
class NumpyType:
    """A numpy dtype on its way: code first, byte order by BUILD."""

    code: str
    order: str = "="

    def numpy(self) -> np.dtype[Any]:
        """The dtype, of numbers only."""
        return np.dtype(self.order + self.code)

    def fill(self, state: Any) -> None:
        """Takes the byte order from a dtype's state."""
        if type(state) is not tuple or len(state) < 2 or state[1] not in ("<", ">", "|", "="):
            raise TypeError("a numpy type in an unknown form")
        self.order = state[1]


@dataclass(slots=True, eq=False)
class NumpyArray:
    """A numpy array on its way: made empty, filled by BUILD."""

    values: NDArray[Any] | None = None

    def fill(self, state: Any) -> None:
        """Takes (version, shape, dtype, whether in Fortran's order, bytes)."""
        _, shape, dtype, fortran, data = state
        if not isinstance(dtype, NumpyType) or type(data) is not bytes:
            raise TypeError("a numpy array without its bytes")
        order: Any = "F" if fortran is True else "C"
        self.values = np.frombuffer(data, dtype.numpy()).reshape(dimensions(shape), order=order)


def finished(value: Any) -> Any:
    """The value itself, with numpy arrays that are filled by now in the place of their stand-ins."""
    return value.values if isinstance(value, NumpyArray) else value


def key_of(value: Any) -> Any:
    """The value, where it may be a dict's key or a set's member: hashed in a moment, however it was nested."""
    parts = value if type(value) is tuple else (value,)
    if not all(_is_short_key(part) for part in parts):
        raise TypeError(f"a {type(value).__name__} is no key")
    return value


def _is_short_key(value: Any) -> bool:
    if type(value) is int:
        return -_LARGEST_KEY < value < _LARGEST_KEY
    return value is None or type(value) in (str, bool, float, bytes, torch.dtype, Name)


def dimensions(value: Any) -> tuple[int, ...]:
    """A size or strides: a short tuple of numbers from 0 on."""
    if type(value) not in (tuple, list) or len(value) > _MOST_DIMENSIONS:
        raise TypeError("a tensor's size is not a short tuple")
    if not all(type(entry) is int and 0 <= entry < LARGEST for entry in value):
        raise ValueError("a tensor's size or stride is out of range")
    return tuple(value)


def parameter(data: Any, requires_grad: Any, *_: Any) -> Tensor:
    """torch._utils._rebuild_parameter; hooks are dropped."""
    if not isinstance(data, Tensor):
        raise TypeError("a parameter without a tensor")
    return nn.Parameter(data, requires_grad=requires_grad is True and data.is_floating_point())


def ordered(pairs: Any = ()) -> OrderedDict[Any, Any]:
    """collections.OrderedDict."""
    if type(pairs) not in (tuple, list):
        raise TypeError("an ordered dict of no pairs")
    return OrderedDict((key_of(key), value) for key, value in pairs)


def counter(counts: Any = None) -> dict[Any, Any]:
    """collections.Counter, as a plain dict."""
    if counts is not None and type(counts) is not dict:
        raise TypeError("counts that are no mapping")
    return dict(counts or {})


def default(factory: Any = None) -> dict[Any, Any]:
    """collections.defaultdict, as a plain dict."""
    names = [Name(f"{module}.{kind}") for module in ("builtins", "__builtin__") for kind in _FACTORIES]
    if factory is not None and factory not in names:
        raise TypeError("a defaultdict of an unknown kind")
    return {}


def members(values: Any = ()) -> set[Any]:
    """Set."""
    if type(values) not in (tuple, list):
        raise TypeError("a set of no list")
    return {key_of(value) for value in values}


def frozen_members(values: Any = ()) -> frozenset[Any]:
    """Frozenset."""
    return frozenset(members(values))


def encoded(text: Any, encoding: Any) -> bytes:
    """_codecs.encode: how protocol 2 spells bytes."""
    if type(text) is not str or encoding != "latin1":
        raise TypeError("bytes in an unknown spelling")
    return text.encode("latin-1")


def no_bytes() -> bytes:
    """Bytes without arguments: how protocol 2 spells empty ones."""
    return b""


def device(kind: Any, index: Any = None) -> str:
    """torch.device, as its name."""
    if type(kind) is not str or not (index is None or (type(index) is int and -1 <= index < LARGEST)):
        raise TypeError("a device without a name")
    return kind if index is None else f"{kind}:{index}"


def numpy_type(code: Any, *_: Any) -> NumpyType:
    """numpy.dtype, of numbers only."""
    if type(code) is not str or code not in _NUMPY_CODES:
        raise TypeError("a numpy type that is no number")
    return NumpyType(code)


def numpy_number(dtype: Any, data: Any) -> Any:
    """Numpy's scalar, as Python's."""
    if not isinstance(dtype, NumpyType) or type(data) is not bytes:
        raise TypeError("a numpy number without its bytes")
    (value,) = np.frombuffer(data, dtype.numpy())
    return value.item()


def empty_array(kind: Any, *_: Any) -> NumpyArray:
    """Numpy's _reconstruct: an array that BUILD will fill."""
    if kind != Name("numpy.ndarray"):
        raise TypeError("an array of a class that is not numpy's")
    return NumpyArray()
