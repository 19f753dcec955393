"""What a checkpoint may name, and what it gets for it. Nothing here imports what a file names."""

from __future__ import annotations

import math
import re
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from contracts.errors import EngineError
from training import inert
from training.inert import LARGEST, Name, NumpyArray, NumpyType, Shell, Storage

_LONGEST_NAME = 200
_IDENTIFIERS = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
_SIZED = (str, bytes, list, tuple, dict, set, frozenset)
_SPARE_VALUES = 1 << 22  # how many values may be seen through overlapping views, beside four times those in the file

_CODE_BASES = (
    "__main__.",
    "argparse.Namespace",
    "lib.",
    "model.",
    "models.",
    "nets.",
    "torch.amp.grad_scaler.",
    "torch.cuda.amp.grad_scaler.",
    "torch.nn.modules.",
    "torch.nn.parallel.",
    "torch.optim.",
    "types.SimpleNamespace",
    "ultralytics.",
    "utils.",
)
"""Where the classes live of which objects are pickled; they become shells. Entries with a dot at the end: prefixes."""

_KEPT = frozenset(
    [
        *(f"datetime.{name}" for name in ("date", "datetime", "time", "timedelta", "timezone")),
        *(
            f"{module}.{kind}"
            for module in ("pathlib", "pathlib._local")
            for kind in ("Path", "PosixPath", "WindowsPath", "PurePath", "PurePosixPath", "PureWindowsPath")
        ),
    ]
)
"""Values that are made by a call; the call is not made, its arguments are kept in a shell."""

_WORDS = frozenset(
    ["numpy.ndarray", *(f"{place}.{name}" for place in ("builtins", "__builtin__") for name in ("dict", "int", "list"))]
)
"""Classes that are only ever arguments."""

_STORAGES = {
    "torch.BFloat16Storage": torch.bfloat16,
    "torch.BoolStorage": torch.bool,
    "torch.ByteStorage": torch.uint8,
    "torch.CharStorage": torch.int8,
    "torch.DoubleStorage": torch.float64,
    "torch.FloatStorage": torch.float32,
    "torch.HalfStorage": torch.float16,
    "torch.IntStorage": torch.int32,
    "torch.LongStorage": torch.int64,
    "torch.ShortStorage": torch.int16,
}
_DTYPES = {str(dtype): dtype for dtype in _STORAGES.values()}

_CALLS: dict[str, Callable[..., Any]] = {
    "collections.OrderedDict": inert.ordered,
    "collections.Counter": inert.counter,
    "collections.defaultdict": inert.default,
    "builtins.bytes": inert.no_bytes,
    "__builtin__.bytes": inert.no_bytes,
    "builtins.set": inert.members,
    "__builtin__.set": inert.members,
    "builtins.frozenset": inert.frozen_members,
    "__builtin__.frozenset": inert.frozen_members,
    "_codecs.encode": inert.encoded,
    "numpy.dtype": inert.numpy_type,
    "numpy.core.multiarray.scalar": inert.numpy_number,
    "numpy._core.multiarray.scalar": inert.numpy_number,
    "numpy.core.multiarray._reconstruct": inert.empty_array,
    "numpy._core.multiarray._reconstruct": inert.empty_array,
    "torch.Size": inert.dimensions,
    "torch.device": inert.device,
    "torch._utils._rebuild_parameter": inert.parameter,
}
"""What may be called → the function of ours that is called instead."""

_TENSORS = ("torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2")


class Interpreter:
    """Gives a pickle's names their meaning: a look-up, two ways to make an object, and one to fill it.

    Every method raises EngineError for what a checkpoint has no reason to want, and ValueError or TypeError for what
    is only damaged. values_in_file: an upper bound of the tensor values the file has room for.
    """

    def __init__(self, where: str, values_in_file: int) -> None:
        self._where = where
        self._values_left = self._work_left = 4 * values_in_file + _SPARE_VALUES

    def look_up(self, module: str, name: str) -> Any:
        """A word for what a file names (a real torch.dtype for one of those); raises EngineError unless it may."""
        self._spend(len(module) + len(name))
        path = f"{module}.{name}"
        if path in _DTYPES:
            return _DTYPES[path]
        known = path in _CALLS or path in _TENSORS or path in _STORAGES or path in _KEPT or path in _WORDS
        if known or _is_of_code_base(path):
            return Name(path)
        raise self._refusal(f"the file wants {_shown(path)}, which a checkpoint has no reason to name")

    def call(self, function: Any, arguments: Any) -> Any:
        """What REDUCE gives: one of a few values, made by functions of ours."""
        if not isinstance(function, Name) or type(arguments) is not tuple:
            raise self._refusal("the file wants to call something that is no function")
        self._spend(sum(len(argument) for argument in arguments if isinstance(argument, _SIZED)))
        if function.path in _CALLS:
            return _CALLS[function.path](*arguments)
        if function.path in _TENSORS:
            return self._tensor(*arguments)
        if function.path in _KEPT:
            return Shell(function.path, {"arguments": arguments})
        if function.path.endswith("Namespace") and not arguments:  # how SimpleNamespace and its like are pickled
            return self.new(function, arguments)
        raise self._refusal(f"the file wants to call {_shown(function.path)}, which reading weights never needs")

    def new(self, kind: Any, arguments: Any) -> Any:
        """What NEWOBJ gives: an empty shell; constructors with arguments are not for pickles."""
        if not isinstance(kind, Name) or not _is_of_code_base(kind.path):
            raise self._refusal("the file wants a new object of something that is no module's class")
        if type(arguments) is not tuple or arguments:
            raise self._refusal(f"the file wants {_shown(kind.path)} constructed with arguments")
        return Shell(kind.path)

    def build(self, target: Any, state: Any) -> None:
        """What BUILD does: attributes into a shell, values into a numpy array. Nothing of the target is called."""
        if isinstance(target, Shell | NumpyType | NumpyArray):
            parts = state if type(state) is tuple else (state,)
            self._spend(len(parts) + sum(len(part) for part in parts if isinstance(part, _SIZED)))
            target.fill(state)
        elif type(target) is not OrderedDict or type(state) is not dict:  # a state dict's own ``_metadata`` is dropped
            raise self._refusal(f"the file wants to change the insides of a {type(target).__name__}")

    def storage_dtype(self, kind: Any) -> torch.dtype:
        """The dtype of a storage class; raises EngineError for others."""
        if isinstance(kind, Name) and kind.path in _STORAGES:
            return _STORAGES[kind.path]
        raise self._refusal("the file keeps tensors in a kind of storage that road networks do not use")

    def _tensor(self, storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> Tensor:
        """A view into a storage that cannot reach outside it; hooks and metadata are dropped."""
        if not isinstance(storage, Storage):
            raise TypeError("a tensor without its storage")
        size, stride = inert.dimensions(size), inert.dimensions(stride)
        if type(offset) is not int or not 0 <= offset < LARGEST or len(size) != len(stride):
            raise ValueError("a tensor whose offset or strides do not fit")
        if math.prod(max(length, 1) for length in size) > LARGEST:
            raise ValueError("a tensor larger than any file")
        count = math.prod(size)
        last = offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True))
        if count and last >= storage.values.numel():
            raise ValueError("a tensor reaches outside its storage")
        self._values_left -= count
        if self._values_left < 0:
            raise self._refusal("the file shows the same values over and over, to fill the memory")
        return storage.values.as_strided(size, stride, offset) if count else storage.values.new_empty(size)

    def _spend(self, amount: int) -> None:
        """Copies are made of what a file recalls as often as it likes: together no more than the file has room for."""
        self._work_left -= amount
        if self._work_left < 0:
            raise self._refusal("the file uses the same values over and over, to fill the memory")

    def _refusal(self, message: str) -> EngineError:
        return EngineError(
            f"{self._where} refused: {message}; nothing was run",
            "take the checkpoint from its authors, or save the state dict alone: torch.save(model.state_dict(), …)",
        )


def _is_of_code_base(path: str) -> bool:
    if len(path) > _LONGEST_NAME or not _IDENTIFIERS.fullmatch(path):
        return False
    return any(path.startswith(entry) if entry.endswith(".") else path == entry for entry in _CODE_BASES)


def _shown(path: str) -> str:
    """A name of a stranger's choosing, fit for one line on a terminal."""
    shown = path if path.isprintable() else ascii(path)
    return shown if len(shown) <= _LONGEST_NAME else f"{shown[:_LONGEST_NAME]}…"
