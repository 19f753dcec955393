"""Argparse as every command of this project has it."""

from __future__ import annotations

import argparse
from typing import Any


class Parser(argparse.ArgumentParser):
    """argparse with this project's one-line errors (exit code 2 as for every usage error)."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse's, but a command refuses by itself what it does not know, and so knows what was meant."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return found, unknown

    def error(self, message: str) -> Any:  # argparse's own prints the whole usage first
        """Refuse the arguments; raises UsageError."""
        from contracts.errors import UsageError
        from contracts.text import nearest

        unknown = message.removeprefix("unrecognized arguments: ").split()[0] if "unrecognized" in message else ""
        match = nearest(unknown, self._option_string_actions) if unknown else None
        raise UsageError(message, f"did you mean {match}?" if match else f"see {self.prog} --help")


def add_command(commands: Any, name: str, text: str, epilog: str = "") -> argparse.ArgumentParser:
    """A subcommand (``commands``: what ``add_subparsers`` gave): its help as given, and --debug like all others."""
    made: argparse.ArgumentParser = commands.add_parser(
        name,
        help=text,
        description=text[:1].upper() + text[1:] + ".",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument("--debug", action="store_true", help="log everything, show where an error came from")
    return made
