"""``run_stream.py bench SOURCE …``: a run's speed against what the hardware allows for that very work."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from commands.options import add_common_options, add_run_options, run_options
from commands.parser import Parser
from commands.terminal import answer, say

if TYPE_CHECKING:
    from pipeline.limit import Bench, Round

_EPILOG = """\
limit = effective cores / (D + I + E); D, I, E: CPU ms per frame of decoding alone, inference alone and, when the
run saves, encoding alone, measured in the same rounds on the same frames. ratio = throughput / limit.

example: run_stream.py bench drive.mp4 --engine yolov8n.onnx --save out.mp4 --preset ultrafast
"""


def parser() -> argparse.ArgumentParser:
    """Build the parser of ``bench``."""
    made = Parser(
        prog="run_stream.py bench",
        usage="run_stream.py bench SOURCE [options]",
        description="Measure a run against what the hardware allows. Takes every option of a run;\n"
        "--save measures encoding too (into a temporary folder); other outputs are left out.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    made.add_argument("--rounds", type=int, metavar="N", help="interleaved rounds (3)")
    made.add_argument("--json", metavar="FILE", help="write the figures as one object")
    add_run_options(made)
    add_common_options(made)
    return made


def main(arguments: Sequence[str]) -> int:
    """Measure and print; the table goes to stdout."""
    parsed = parser().parse_args(arguments)
    options, preset = run_options(parsed)

    from contracts.config import RunConfig
    from contracts.errors import UsageError
    from outputs.paths import check_targets
    from pipeline.limit import bench
    from pipeline.stats import write_statistics
    from sources.open import is_live

    rounds = getattr(parsed, "rounds", 3)
    if rounds < 1:
        raise UsageError(f"--rounds {rounds}: at least one", "leave it out for 3")
    config = RunConfig.build(options, preset)
    if len(config.sources) > 1:
        raise UsageError(f"bench measures one source, {len(config.sources)} given", "name one of them")
    if config.realtime or config.live:
        raise UsageError("bench measures full speed: --realtime and --live pace the source", "leave them out")
    if config.loop and config.max_frames is None and config.seconds is None:
        raise UsageError("bench needs an end: --loop has none", "add --max-frames N")
    if "-" in config.sources:
        raise UsageError("bench reads its source several times: standard input gives it once", "name a file")
    if any(is_live(uri) for uri in config.sources):
        raise UsageError("bench reads its source several times: a camera gives others each time", "record it first")
    json_file = getattr(parsed, "json", None)
    if json_file:
        check_targets([Path(json_file)], config.sources, config.overwrite)
    result = bench(config, rounds, _report)
    answer(_table(result))
    if json_file:
        write_statistics(Path(json_file), figures_of(result))
    return 0


def _report(number: int, done: Round) -> None:
    say(
        f"round {number}: {done.cores:.2f} cores · D {done.decode_ms:.1f} · I {done.infer_ms:.1f} ·"
        f" E {done.encode_ms:.1f} CPU-ms · limit {done.limit_fps:.1f} · {done.throughput_fps:.1f} FPS ·"
        f" ratio {done.ratio:.3f}"
    )


def _table(result: Bench) -> str:
    median = result.median
    lines = [
        f"rounds            {len(result.kept)} of {len(result.rounds)} counted, medians;"
        f" {median(lambda one: one.cores):.2f} of {result.named_cores} cores were to be had",
        f"D decode          {median(lambda one: one.decode_ms):8.2f} CPU-ms per frame",
        f"I inference       {median(lambda one: one.infer_ms):8.2f} CPU-ms per frame",
        f"E encode          {median(lambda one: one.encode_ms):8.2f} CPU-ms per frame",
        f"own overhead      {median(lambda one: one.own_cpu_ms):8.2f} CPU-ms per frame",
        f"limit             {median(lambda one: one.limit_fps):8.1f} FPS",
        f"throughput        {median(lambda one: one.throughput_fps):8.1f} FPS",
        f"ratio             {median(lambda one: one.ratio):8.3f}",
    ]
    return "\n".join(lines)


def figures_of(result: Bench) -> dict[str, Any]:
    """The ``--json`` object: the last counted run's statistics with the limit filled in, and every round."""
    median = result.median
    return {
        **result.kept[-1].statistics,
        "throughput_fps": round(median(lambda one: one.throughput_fps), 2),
        "limit_fps": round(median(lambda one: one.limit_fps), 2),
        "ratio": round(median(lambda one: one.ratio), 4),
        "own_cpu_ms": round(median(lambda one: one.own_cpu_ms), 3),
        "effective_cores": round(median(lambda one: one.cores), 3),
        "alone_cpu_ms": {
            "decode": round(median(lambda one: one.decode_ms), 3),
            "infer": round(median(lambda one: one.infer_ms), 3),
            "encode": round(median(lambda one: one.encode_ms), 3),
        },
        "rounds": [
            {
                "counted": one in result.kept,
                "effective_cores": round(one.cores, 3),
                "decode_cpu_ms": round(one.decode_ms, 3),
                "infer_cpu_ms": round(one.infer_ms, 3),
                "encode_cpu_ms": round(one.encode_ms, 3),
                "own_cpu_ms": round(one.own_cpu_ms, 3),
                "limit_fps": round(one.limit_fps, 2),
                "throughput_fps": one.throughput_fps,
                "ratio": round(one.ratio, 4),
            }
            for one in result.rounds
        ],
    }
