"""The data commands as ``python -m training`` runs them, without a process of their own."""

from __future__ import annotations

from pathlib import Path

from commands.parser import Parser, add_command
from training.data_command import add_data_command, run_data


def data(*words: str | Path) -> tuple[int, list[str]]:
    """(exit code, lines of the answer). Raises what the command raises."""
    parser = Parser(prog="python -m training", allow_abbrev=False)
    add_data_command(parser.add_subparsers(dest="command", required=True, parser_class=Parser), add_command)
    lines: list[str] = []
    code = run_data(parser.parse_args(["data", *map(str, words)]), lambda _line: None, lines.append)
    return code, lines
