"""``run_stream.py models check``: whether a network file is still the network it was."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from commands.options import Parser
from commands.terminal import answer

if TYPE_CHECKING:
    from contracts.picture import Picture

_EPILOG = """\
The file is accepted when at least 90 % of the reference's boxes above 0.4 are found again (same class, IoU 0.7)
and areas agree at IoU 0.9, lines at 0.7. Exit code 0: accepted (or too little to judge, which is said), 4: refused.

example: run_stream.py models check yolov8n-int8.onnx --reference yolov8n.onnx --frames drive.mp4
"""


def parser() -> argparse.ArgumentParser:
    """Build the parser of ``models``."""
    made = Parser(prog="run_stream.py models", description="What network files are worth.", allow_abbrev=False)
    commands = made.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=Parser)
    check = commands.add_parser(
        "check",
        help="compare a file with a reference of the same network on real frames",
        description="Compare a network file with a reference of the same network on real frames, as both run here.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    check.add_argument("file", metavar="FILE[?KEY=VALUE&…]", help="the file to check (keys as for run --engine)")
    check.add_argument("--reference", required=True, metavar="FILE", help="the same network, known to be right")
    check.add_argument("--frames", required=True, metavar="SOURCE", help="frames to compare on: a video, or synthetic:")
    check.add_argument("--max-frames", type=int, default=64, metavar="N", help="how many (64), spread over the source")
    check.add_argument("--backend", metavar="NAME", help="runtime of FILE: openvino or onnxruntime")
    check.add_argument("--precision", metavar="NAME", help="auto, fp32 or bf16")
    check.add_argument("--debug", action="store_true", help="log everything, show where an error came from")
    return made


def main(arguments: Sequence[str]) -> int:
    """Check one file; the verdict goes to stdout."""
    parsed = parser().parse_args(arguments)

    from contracts.config import EngineConfig
    from contracts.errors import UsageError
    from contracts.validation import validated
    from engines.gate import check

    if parsed.max_frames < 1:
        raise UsageError(f"--max-frames {parsed.max_frames}: at least one", "leave it out for 64")
    file = EngineConfig.parse(parsed.file)
    given = {key: getattr(parsed, key) for key in ("backend", "precision") if getattr(parsed, key) is not None}
    file = validated(EngineConfig, {**file.model_dump(exclude_none=True), **given}, "models check", UsageError)
    verdict = check(file, EngineConfig.parse(parsed.reference), _pictures(parsed.frames, parsed.max_frames))
    answer(verdict.report())
    if verdict.state == "refused":
        raise verdict.error(file.file)
    return 0


def _pictures(uri: str, count: int) -> Iterator[Picture]:
    """``count`` pictures spread evenly over a source (the first ones where its length is unknown)."""
    from sources.open import open_source

    source = open_source(uri)
    try:
        step = max(1, (source.info.frames or 0) // count)
        for frame in islice(source.frames(), 0, step * count, step):
            yield frame.picture
    finally:
        source.close()
