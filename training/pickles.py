"""Reads one pickle as data: a small machine of its own, so that no class, no function and no import is ever reached.

Python's unpickler calls what a file names; an allow-list in front of it still leaves everything that the allowed
things can be made to do. This machine knows the instructions that PyTorch's files consist of and refuses the rest; an
object of a foreign class is a ``Shell`` of attributes, and the few calls there are go to functions of
``training.interpreter``. Time and memory are bounded by the length of the file.
"""

from __future__ import annotations

import pickletools
import struct
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import IO, Any

from contracts.errors import EngineError
from training.inert import finished, key_of
from training.interpreter import Interpreter

_MOST_INSTRUCTIONS = 3_000_000  # an unstripped checkpoint of the largest networks has some 300,000

_ARGUMENTS = frozenset(
    [
        "BININT",
        "BININT1",
        "BININT2",
        "LONG1",
        "LONG4",
        "BINFLOAT",
        "BINUNICODE",
        "SHORT_BINUNICODE",
        "BINUNICODE8",
        "BINSTRING",
        "SHORT_BINSTRING",
        "BINBYTES",
        "SHORT_BINBYTES",
        "BINBYTES8",
    ]
)
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_FRESH: dict[str, Callable[[], Any]] = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple, "EMPTY_SET": set}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
FAULTS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    MemoryError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What code raises that meets values of a stranger's making where it expects its own."""
_DAMAGE = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError, struct.error)


def read_pickle(stream: IO[bytes], where: str, interpreter: Interpreter, persistent: Callable[[Any], Any]) -> Any:
    """The value of the pickle that starts at the stream's position; the stream is left behind its end.

    where: what the file is called in messages. persistent: gives the value for a persistent id (a storage). Raises
    EngineError for a file that is damaged, or that wants what no checkpoint needs.
    """
    machine = _Machine(where, interpreter, persistent)
    try:
        return machine.run(stream)
    except _DAMAGE as fault:
        raise damaged(where, str(fault)) from fault


def damaged(where: str, why: str) -> EngineError:
    """The error for a file that is not, or no longer, what torch.save writes."""
    shown = why if why.isprintable() and len(why) <= 100 else ascii(why)[:100]
    return EngineError(f"{where} is damaged, cut off or no checkpoint ({shown})", "copy or download it again")


class _Machine:
    """The pickle machine: a stack, a memo, and one method per instruction that needs more than a table."""

    def __init__(self, where: str, interpreter: Interpreter, persistent: Callable[[Any], Any]) -> None:
        self._where = where
        self._interpreter = interpreter
        self._persistent = persistent
        self._stack: list[Any] = []
        self._below: list[list[Any]] = []  # the stacks under the open marks: nothing reaches across a mark
        self._memo: dict[int, Any] = {}
        self._methods: dict[str, Callable[[Any], None]] = {
            "MARK": self._mark,
            "POP": lambda _: self._drop(),
            "POP_MARK": lambda _: self._drop_to_mark(),
            "TUPLE": lambda _: self._push(tuple(map(finished, self._since_mark()))),
            "APPEND": lambda _: self._append(self._taken(1)),
            "APPENDS": lambda _: self._append(self._since_mark()),
            "SETITEM": lambda _: self._set_items(self._taken(2)),
            "SETITEMS": lambda _: self._set_items(self._since_mark()),
            "ADDITEMS": lambda _: self._add_members(self._since_mark()),
            "FROZENSET": lambda _: self._push(frozenset(map(key_of, self._since_mark()))),
            "BINPUT": self._remember,
            "LONG_BINPUT": self._remember,
            "MEMOIZE": lambda _: self._remember(len(self._memo)),
            "BINGET": self._recall,
            "LONG_BINGET": self._recall,
            "GLOBAL": lambda words: self._name(*words.split(" ", 1)),
            "STACK_GLOBAL": lambda _: self._name(*self._taken(2)),
            "REDUCE": lambda _: self._push(self._interpreter.call(*self._taken(2))),
            "NEWOBJ": lambda _: self._push(self._interpreter.new(*self._taken(2))),
            "BUILD": self._build,
            "BINPERSID": lambda _: self._push(self._persistent(*self._taken(1))),
        }

    def run(self, stream: IO[bytes]) -> Any:
        """The value on top when the pickle says it is done."""
        for count, (instruction, argument) in enumerate(_instructions(stream)):
            if count >= _MOST_INSTRUCTIONS:
                raise EngineError(
                    f"{self._where} refused: its pickle has over {_MOST_INSTRUCTIONS} instructions",
                    "a checkpoint of a road network has a tenth of that",
                )
            if instruction.name == "STOP":
                break
            self._step(instruction.name, argument)
        if len(self._stack) != 1 or self._below:
            raise ValueError("its pickle ends in the middle")
        return finished(self._stack[0])

    def _step(self, instruction: str, argument: Any) -> None:
        if instruction in self._methods:
            self._methods[instruction](argument)
        elif instruction in _ARGUMENTS:
            self._push(argument)
        elif instruction in _CONSTANTS:
            self._push(_CONSTANTS[instruction])
        elif instruction in _FRESH:
            self._push(_FRESH[instruction]())
        elif instruction in _TUPLES:
            self._push(tuple(map(finished, self._taken(_TUPLES[instruction]))))
        elif instruction not in ("PROTO", "FRAME"):
            raise EngineError(
                f"{self._where} refused: its pickle uses the instruction {instruction}, which PyTorch does not write; "
                "nothing was run",
                "save it with torch.save's own settings",
            )

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _taken(self, count: int) -> list[Any]:
        if len(self._stack) < count:
            raise ValueError("its pickle takes more than it has")
        values = self._stack[-count:]
        del self._stack[-count:]
        return values

    def _mark(self, _: Any) -> None:
        self._below.append(self._stack)
        self._stack = []

    def _since_mark(self) -> list[Any]:
        values, self._stack = self._stack, self._below.pop()
        return values

    def _drop(self) -> None:
        if self._stack:
            self._stack.pop()
        else:
            self._drop_to_mark()

    def _drop_to_mark(self) -> None:
        self._since_mark()

    def _remember(self, index: int) -> None:
        self._memo[index] = self._stack[-1]

    def _recall(self, index: int) -> None:
        if index not in self._memo:
            raise ValueError("its pickle recalls what it never had")
        self._push(self._memo[index])

    def _append(self, values: list[Any]) -> None:
        target = self._stack[-1]
        if type(target) is not list:
            raise TypeError(f"its pickle appends to a {type(target).__name__}")
        target.extend(map(finished, values))

    def _set_items(self, values: list[Any]) -> None:
        target = self._stack[-1]
        if type(target) not in (dict, OrderedDict) or len(values) % 2:
            raise TypeError(f"its pickle sets items of a {type(target).__name__}")
        for key, value in zip(values[::2], values[1::2], strict=True):
            target[key_of(key)] = finished(value)

    def _add_members(self, values: list[Any]) -> None:
        target = self._stack[-1]
        if type(target) is not set:
            raise TypeError(f"its pickle adds members to a {type(target).__name__}")
        target.update(map(key_of, values))

    def _name(self, module: Any, name: Any) -> None:
        if type(module) is not str or type(name) is not str:
            raise TypeError("its pickle names something without a name")
        self._push(self._interpreter.look_up(module, name))

    def _build(self, _: Any) -> None:
        (state,) = self._taken(1)
        self._interpreter.build(self._stack[-1], state)


def _instructions(stream: IO[bytes]) -> Iterator[tuple[pickletools.OpcodeInfo, Any]]:
    """What pickletools reads, one after the other, without its warning of odd escapes in a text: those are refused."""
    reader = pickletools.genops(stream)
    while True:
        with warnings.catch_warnings():
            warnings.simplefilter("error", DeprecationWarning)
            try:
                found = next(reader, None)
            except DeprecationWarning as odd:
                raise ValueError(f"a text in its pickle is damaged: {odd}") from odd
        if found is None:
            return
        yield found[0], found[1]
