"""OpenVINO itself: imported without its reports to the internet, and one Core for the whole process."""

from __future__ import annotations

import functools
import importlib
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any


def without_converter(module: str) -> Any:
    """Imports OpenVINO without its converter, whose import reports usage to the internet from a thread of its own."""
    converter = "openvino.tools.ovc"
    modules: dict[str, Any] = sys.modules
    blocked = modules.setdefault(converter, None) is None  # None: an ImportError, which openvino is prepared for
    try:
        return importlib.import_module(module)
    finally:
        if blocked:
            del modules[converter]


ov = without_converter("openvino")


@functools.cache
def core() -> Any:
    """The ``openvino.Core`` of this process; nobody makes another one.

    The CPU plugin, loaded by each Core at its first use, gives the thread it is loaded in another stack for signals
    and puts back the one before when the Core goes. Cores that go in another order than they came leave the thread
    with a stack that is no longer there, and the next Ctrl-C or ended child is a segmentation fault without a word.
    So there is one, never let go, and its plugin is loaded by a thread that ends: no other thread's stack is touched.
    """
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(_loaded).result()


def _loaded() -> Any:
    """A Core with the CPU plugin loaded."""
    made = ov.Core()
    made.get_versions("CPU")
    return made
