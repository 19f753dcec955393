"""``run_stream.py models``: what is known about network files, and where to get some."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from importlib import import_module

from commands.parser import Parser, add_command

_LIST = """\
Networks that RoadStream knows by their hash: such a file needs no card. What "get" says: "pull" is a public file that
`models pull NAME` downloads, a path is where it lies already, "-" is a file that is not public in this form.
"""
_CARD = """\
Prints the card of a file as YAML, or, where it has none, one to complete: guessed from its inputs and outputs, with a
comment on everything that is a guess.

example: run_stream.py models card best.onnx > best.card.yaml
"""
_CHECK = """\
The file is accepted when at least 90 % of the reference's boxes above 0.4 are found again (same class, IoU 0.7)
and areas agree at IoU 0.9, lines at 0.7, and classifications in the class of 90 % of the frames
that the reference is sure of (at least 10). Exit code 0: accepted (or too little to judge, which is said), 4: refused.

example: run_stream.py models check yolov8n-int8.onnx --reference yolov8n.onnx --frames drive.mp4
"""
_PULL = """\
Prints the path of the file, so that this works: run_stream.py drive.mp4 --engine "$(run_stream.py models pull NAME)"
An interrupted download is resumed; the file is checked before it gets its name. Proxies: HTTPS_PROXY, NO_PROXY.
Exit code 3: the network is at fault, trying again may help; 4: it is not the file that was published.
"""


def parser() -> argparse.ArgumentParser:
    """Build the parser of ``models``."""
    made = Parser(
        prog="run_stream.py models", description="Network files: known ones, cards, checks.", allow_abbrev=False
    )
    commands = made.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=Parser)

    add = partial(add_command, commands)
    listed = add("list", "networks known here, and which can be downloaded", _LIST)
    listed.add_argument("--json", action="store_true", help="as JSON")
    show = add("show", "everything known about a network")
    show.add_argument("network", metavar="NAME|FILE", help="a name from `models list`, or a network file")
    show.add_argument("--card", metavar="FILE", help="its card, where it is not found by itself")
    card = add("card", "print the card of a file, or one to complete", _CARD)
    card.add_argument("file", metavar="FILE", help="a network file (.onnx or OpenVINO .xml)")
    _add_check_options(add("check", "compare a file with a reference of the same network on real frames", _CHECK))
    pull = add("pull", "download a public network file", _PULL)
    pull.add_argument("name", metavar="NAME", help="a name from `models list`")
    pull.add_argument("--output", metavar="DIR", help="where to (~/.local/share/roadstream/networks)")
    pull.add_argument("--quiet", action="store_true", help="no progress line")
    return made


def _add_check_options(check: argparse.ArgumentParser) -> None:
    check.add_argument("file", metavar="FILE[?KEY=VALUE&…]", help="the file to check (keys as for run --engine)")
    check.add_argument("--reference", required=True, metavar="FILE", help="the same network, known to be right")
    check.add_argument("--frames", required=True, metavar="SOURCE", help="frames to compare on: a video, or synthetic:")
    check.add_argument("--max-frames", type=int, default=64, metavar="N", help="how many (64), spread over the source")
    check.add_argument("--backend", metavar="NAME", help="runtime of FILE: openvino or onnxruntime")
    check.add_argument("--precision", metavar="NAME", help="auto, fp32 or bf16")


def main(arguments: Sequence[str]) -> int:
    """Run one of the commands; returns the exit code."""
    parsed = parser().parse_args(arguments)
    code: int = import_module(f"commands.models_{parsed.command}").run(parsed)
    return code
