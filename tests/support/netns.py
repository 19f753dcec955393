"""A network of two: this machine and a namespace behind a cable that a test can pull. Needs root and ``ip``."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest


@dataclass(frozen=True, slots=True)
class Cable:
    """The far side: run something there with ``within`` in front; it is reached at ``host``."""

    name: str
    host: str

    @property
    def within(self) -> list[str]:
        """The command in front of a command that is to run over there."""
        return ["ip", "netns", "exec", self.name]

    def pull(self) -> None:
        """No packet passes from now on, and nobody is told."""
        self._far("down")

    def plug(self) -> None:
        """Packets pass again."""
        self._far("up")

    def _far(self, state: str) -> None:
        _run("ip", "-n", self.name, "link", "set", f"{self.name}f", state)


@contextmanager
def cable() -> Iterator[Cable]:
    """A namespace of its own with one cable to it; the test is skipped, with the reason, where that cannot be made."""
    if shutil.which("ip") is None:
        pytest.skip("needs the program ip (iproute2)")
    number = os.getpid() % 16_000
    name, net = f"rs{number}", f"10.{200 + number // 256 % 50}.{number % 256}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, timeout=30, check=False)
    if made.returncode:
        pytest.skip(f"making a network namespace is not permitted here: {made.stderr.strip()}")
    try:
        _run("ip", "link", "add", f"{name}n", "type", "veth", "peer", "name", f"{name}f", "netns", name)
        _run("ip", "addr", "add", f"{net}.1/30", "dev", f"{name}n")
        _run("ip", "link", "set", f"{name}n", "up")
        _run("ip", "-n", name, "addr", "add", f"{net}.2/30", "dev", f"{name}f")
        _run("ip", "-n", name, "link", "set", "lo", "up")
        _run("ip", "-n", name, "link", "set", f"{name}f", "up")
        yield Cable(name, f"{net}.2")
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True, timeout=30)  # and the cable with it


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode:
        pytest.skip(f"a cable between network namespaces cannot be made here: {done.stderr.strip()}")
