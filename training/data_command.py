"""``python -m training data``: labelled sets checked, counted, split, converted, remapped, listed."""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Callable
from typing import Any

from contracts.errors import UsageError
from training.data_help import CHECK, CONVERT, DATA, LIST, REMAP, REPORT, SPLIT

NEAR = 10
"""Bits of 256 in which a copy differs that was scaled or compressed again, and neighbouring frames of a slow video."""


AddCommand = Callable[[Any, str, str, str], argparse.ArgumentParser]
"""``commands.parser.add_command``, which only the door may know."""


def add_data_command(commands: Any, add: AddCommand) -> None:
    """Adds ``data`` and its subcommands to ``commands``, what ``add_subparsers`` gave."""
    data = add(commands, "data", "check, count, split, convert and remap labelled pictures", DATA)
    below = data.add_subparsers(dest="data_command", required=True, metavar="COMMAND")

    check = _set_command(add, below, "check", "say what is wrong with a set, a line each", CHECK)
    check.add_argument("--near", type=int, default=NEAR, metavar="BITS", help=_NEAR)
    check.add_argument("--strict", action="store_true", help="exit code 3 where there are errors")
    check.add_argument("--most-lines", type=int, default=200, metavar="N", help="findings to print of a kind (200)")

    report = _set_command(add, below, "report", "write a page of figures: classes, places, sizes, per folder", REPORT)
    _output(report)

    split = _set_command(add, below, "split", "divide a set, neighbouring frames on the same side", SPLIT)
    _output(split)
    split.add_argument("--shares", default="7:2:1", metavar="A:B:C", help="of train, val and test (7:2:1)")
    split.add_argument("--keep", choices=("auto", "groups", "runs"), default="auto", help="what stays together (auto)")
    split.add_argument("--gap", type=float, metavar="N", help="a leap in the numbers that ends a run (10 usual steps)")
    split.add_argument("--blocks", type=int, metavar="N", help="cut runs into blocks of N frames (runs stay whole)")
    split.add_argument("--margin", type=int, default=10, metavar="N", help="frames left out where blocks part (10)")
    split.add_argument("--near", type=int, default=NEAR, metavar="BITS", help=_NEAR)
    split.add_argument("--seed", type=int, default=0, help="which way equal ones go (0)")
    split.add_argument("--files", choices=("lists", "link", "copy"), default="lists", help="what is written (lists)")

    convert = _set_command(add, below, "convert", "write the labels in another form", CONVERT)
    _output(convert)
    convert.add_argument("--to", required=True, choices=("yolo", "coco", "masks", "drive"), help="which form")
    convert.add_argument("--files", choices=("link", "copy"), default="link", help="how pictures get there (link)")
    convert.add_argument("--background", type=int, default=0, metavar="ID", help="of what no polygon covers (0)")

    remap = _set_command(add, below, "remap", "replace ids in the label files", REMAP)
    where = remap.add_mutually_exclusive_group(required=True)
    where.add_argument("--output", metavar="FOLDER", help="new folder for the label files")
    where.add_argument("--in-place", action="store_true", help="replace them where they are")

    listing = _set_command(add, below, "list", "write train.txt and so on, a picture per line", LIST)
    _output(listing)
    listing.add_argument("--labels", action="store_true", help="the label files behind the picture, in one line")


_NEAR = "pictures that differ in so few of 256 bits look the same; 0: do not compare them (10)"


def _set_command(add: AddCommand, below: Any, name: str, text: str, epilog: str) -> argparse.ArgumentParser:
    """A subcommand with everything that says which set is meant."""
    made = add(below, name, text, epilog)
    made.add_argument("path", metavar="SET", help="folder of the set, or its data.yaml or COCO file")
    made.add_argument("--layout", metavar="NAME", help="how it lies on disk (by what is in the folder)")
    made.add_argument("--splits", metavar="A,B", help="which of its splits (train, val and test, if there)")
    made.add_argument(
        "--classes", action="append", default=[], metavar="HEAD=A,B", help="class names in the order of their ids"
    )
    if name in ("split", "list"):  # they leave the label files as they are
        made.set_defaults(remap=[])
    else:
        made.add_argument(
            "--remap", action="append", default=[], metavar="HEAD:FOLDER:6=18,7=255", help="other ids; folder * is all"
        )
    made.add_argument("--most", type=int, metavar="N", help="only so many pictures of a split, evenly spread (all)")
    return made


def _output(command: argparse.ArgumentParser) -> None:
    command.add_argument("--output", metavar="FOLDER", required=True, help="new folder; nothing else is written to")


def run_data(parsed: argparse.Namespace, say: Callable[[str], None], answer: Callable[[str], None]) -> int:
    """Runs one of the subcommands; returns the exit code: 3 from a strict check that found errors.

    say: gets lines for people. answer: gets what was asked for. Raises UsageError, SourceError, OutputError.
    """
    for package in ("PIL", *(["matplotlib"] if parsed.data_command == "report" else [])):
        if importlib.util.find_spec(package) is None:
            cure = 'pip install -e ".[train]" in the checkout of roadstream'
            raise UsageError(f"this needs {package}, which is not installed", cure)

    from training.data.run import run

    return run(parsed, say, answer)
