"""``run_stream.py SOURCE …``: the default command."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from commands.options import add_common_options, add_run_options, run_options
from commands.parser import Parser
from commands.terminal import answer, say

if TYPE_CHECKING:
    from contracts.config import RunConfig
    from pipeline.stream import Stream

_EPILOG = """examples:
  run_stream.py drive.mp4 --save out.mp4                      the network in the box: road users, road, lane lines
  run_stream.py drive.mp4 --engine twinlitenet.onnx --engine yolov8n.onnx --save out.mp4
  run_stream.py drive.mp4 --engine yolov8n.onnx --start 1:30 --seconds 20 --events out.jsonl
  run_stream.py synthetic:night --save night.mp4
  run_stream.py 'shots/*.jpg?fps=10' --save shots.mp4         pictures; a folder or one file will do as well
  run_stream.py 0 --save desk.mp4                             the first camera; camera:/dev/video2?size=1280x720
  run_stream.py 'dataset:data/road?split=val' --truth --save checked.mp4      labelled pictures, labels drawn too
  run_stream.py front.mp4 rear.mp4 --grid --save both.mp4     several at once; without --grid a video each
  ssh car cat drive.ts | run_stream.py - --save out.mp4       whatever FFmpeg reads from a pipe

other commands: bench (speed against what the hardware allows), eval (accuracy on labelled pictures),
models (networks that are known, accuracy of a file), doctor (what is here and what is missing); COMMAND --help
exit codes: 0 done, 2 usage, 3 source, 4 network, 5 output, 130 interrupted (outputs finished)
"""


def parser() -> argparse.ArgumentParser:
    """Build the parser of ``run``."""
    made = Parser(
        prog="run_stream.py",
        usage="run_stream.py SOURCE … [options]",
        description="Turn a road camera into understood video: frames in, networks look, annotated MP4 and facts out.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    add_run_options(made)
    add_common_options(made)
    made.add_argument("--dry-run", action="store_true", help="print the resolved configuration and stop")
    made.add_argument("--version", action="version", version=_version())
    return made


def _version() -> str:
    from importlib import metadata

    try:
        return f"roadstream {metadata.version('roadstream')}"
    except metadata.PackageNotFoundError:
        return "roadstream (not installed)"


def main(arguments: Sequence[str]) -> int:
    """Run sources through their networks."""
    parsed = parser().parse_args(arguments)
    options, preset = run_options(parsed)

    from contracts.config import RunConfig

    config = RunConfig.build(options, preset)
    if getattr(parsed, "dry_run", False):
        from contracts.secrets import redact
        from outputs.push_address import Address
        from pipeline.default_network import with_network

        config = with_network(config)
        if config.push is not None:  # RTMP's last part is whose channel it is
            config = config.model_copy(update={"push": Address.of(config.push).shown})
        answer(redact(config.model_dump_json(indent=2)))
        say(f"graph: {_graph(config)}")
        return 0
    return _run(config, quiet=getattr(parsed, "quiet", False))


def _graph(config: RunConfig) -> str:
    """What would run, as a line: ``clip.mp4 → prepare → twinlitenet, yolov8n → heads → draw → mp4, events``."""
    from outputs.open import for_grid, outputs_of

    engines = ", ".join(engine.file.stem for engine in config.engines)
    tracking = [config.track] if config.track is not None else []
    made = outputs_of(config)
    outputs = [output.name for output in made]
    if len(config.sources) > 1 and outputs_of(for_grid(config)):
        outputs.insert(0, "grid")
    drawing = ["draw"] if any(output.wants_drawn for output in made) else []
    sources = ", ".join(config.sources) or "no source"
    return " → ".join([sources, "prepare", engines, "heads", *tracking, *drawing, ", ".join(outputs) or "the summary"])


def _run(config: RunConfig, *, quiet: bool) -> int:
    from commands.progress import ProgressLine
    from contracts.errors import EXIT_INTERRUPTED, OutputError, SourceError
    from pipeline.stream import Stream

    run = Stream(config)
    interrupted = False
    try:
        with run:
            line = ProgressLine(run, quiet=quiet)
            line.start()
            try:
                for _ in run:
                    pass
            except KeyboardInterrupt:
                interrupted = True
            finally:
                line.end()
    except (SourceError, OutputError):
        if any("state" in source for source in run.statistics().get("sources", ())):
            _tell(run, quiet=quiet)  # given up after days perhaps, with everything finished
        raise
    lost = _tell(run, quiet=quiet)
    if interrupted:
        say("roadstream: interrupted; outputs are finished" if run.statistics() else "roadstream: interrupted")
        return EXIT_INTERRUPTED
    return SourceError.exit_code if run.failures or (lost and config.strict) else 0


def _tell(run: Stream, *, quiet: bool) -> int:
    """The summary of a run that is over; gives how many frames its sources lost."""
    from commands.progress import segment_text, summary_text
    from contracts.text import one_line
    from outputs.open import places_of

    figures = run.statistics()
    if not quiet and figures:
        say(summary_text(figures))
        for segments in segment_text(figures):
            say(f"written     {one_line(segments)}")
        for path in places_of(run.config, [source.name for source in run.sources]):
            if path.exists():
                say(f"written     {one_line(str(path))}")
    lost = [_say_what_is_missing(source, uri) for source, uri in _sources_of(run)]
    for name, failure in run.failures.items():
        say(f"roadstream: {name} was lost: {failure}")
    return sum(lost)


def _sources_of(run: Stream) -> list[tuple[dict[str, Any], str]]:
    """The facts and the URI of every source; none where nothing was opened."""
    return list(zip(run.statistics().get("sources", ()), run.config.sources, strict=False))


def _say_what_is_missing(source: dict[str, Any], uri: str) -> int:
    """How many frames of a source are."""
    from contracts.text import counted, one_line

    lost: int = source["frames"]["lost"]
    if lost:
        verbs = "was unreadable and is" if lost == 1 else "were unreadable and are"
        if "state" in source:
            verbs = f"came damaged or while it was away, and {'is' if lost == 1 else 'are'}"
        say(f"roadstream: {counted(lost, 'frame')} of {one_line(uri)} {verbs} missing")
    return lost
