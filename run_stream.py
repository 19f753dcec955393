#!/usr/bin/env python3
"""The door for people: picks a command, nothing else."""

from __future__ import annotations

import sys
from collections.abc import Sequence

COMMANDS = {
    "run": "annotate a source (the default: `run_stream.py SOURCE`)",
    "bench": "measure a run against what the hardware allows",
    "eval": "judge networks on labelled pictures",
    "models": "networks: which there are, their cards, downloads, checks",
    "doctor": "what this machine has for RoadStream, and how to get what is missing",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command the arguments name; returns the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    command = words.pop(0) if words and words[0] in COMMANDS else "run"
    from importlib import import_module

    from commands.terminal import guarded

    return guarded(import_module(f"commands.{command}").main, words)


if __name__ == "__main__":
    sys.exit(main())
