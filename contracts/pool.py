"""Pool: big arrays used again instead of allocated per frame, and safe to hand to others.

A pool never gives out memory that somebody still looks at: every array is a view on a lease, and the memory comes
back when the last view of it is gone (CPython counts references, so at once).
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


class _Lease:
    """Owner object below the arrays given out; NumPy keeps it alive for as long as any view exists."""

    __slots__ = ("__array_interface__", "_memory", "_pool")

    def __init__(self, memory: NDArray[Any], pool: Pool) -> None:
        self._memory = memory
        self._pool = pool
        self.__array_interface__ = memory.__array_interface__

    def __del__(self) -> None:
        self._pool._give_back(self._memory)


class Pool:
    """Arrays of one shape and dtype. ``keep``: how many idle ones are kept; more are freed."""

    def __init__(self, shape: tuple[int, ...], dtype: DTypeLike = np.uint8, keep: int = 8) -> None:
        self.shape = shape
        self.dtype = np.dtype(dtype)
        self._keep = keep
        self._idle: list[NDArray[Any]] = []
        self._lock = threading.RLock()  # a lease may die, and call back, while this thread holds the lock

    def take(self) -> NDArray[Any]:
        """A writable array with whatever was in it before; it returns by itself when no view is left."""
        with self._lock:
            memory = self._idle.pop() if self._idle else np.empty(self.shape, self.dtype)
        return np.asarray(_Lease(memory, self))

    def _give_back(self, memory: NDArray[Any]) -> None:
        with self._lock:
            if len(self._idle) < self._keep:
                self._idle.append(memory)
