"""``run_stream.py eval ENGINE …``: how good networks are, on labelled pictures."""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from commands.parser import Parser
from commands.status import StatusLine
from commands.terminal import answer, say

if TYPE_CHECKING:
    from contracts.config import EngineConfig
    from sources.datasets.sample import SampleSet
    from training.evaluation.evaluate import Terms
    from training.evaluation.results import Evaluation

_EPILOG = """\
A network file runs as a run runs it (.onnx, OpenVINO .xml); a checkpoint (.pt, .pth) in torch, in its deployed form.
Only heads that are labelled and classes that both sides know are judged; what was left out is said.

examples:
  run_stream.py eval best.onnx best-int8.onnx --data data/road --layout drive --report report.html
  run_stream.py eval 'yolov8n.onnx?precision=fp32' --data data/road --layout drive --min-box 8 \\
      --merge vehicle=car,bus,truck --group camvid='camvid_*' --group true='kitti_*,bdd100k_*' --json figures.json
  run_stream.py eval best.pt --data data/yolo --layout yolo --classes boxes=car,bus --remap 'boxes:*:7=0'

--classes and --remap are those of python -m training data: names where the files do not say them, and id 7 of the
files means 0 (255: does not count) in every folder, or in the one named instead of *.
"""


def parser() -> argparse.ArgumentParser:
    """Build the parser of ``eval``."""
    made = Parser(
        prog="run_stream.py eval",
        usage="run_stream.py eval ENGINE [ENGINE …] --data PATH --layout NAME [options]",
        description="Judge networks on labelled pictures, several side by side.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument("engines", nargs="+", metavar="ENGINE", help="FILE[?KEY=VALUE&…], keys as for run --engine")
    data = made.add_argument_group("pictures")
    data.add_argument("--data", required=True, metavar="PATH", help="the labelled set: a folder or file")
    data.add_argument("--layout", required=True, metavar="NAME", help="how it lies on disk (drive …)")
    data.add_argument("--split", default="val", metavar="NAME", help="train, val or test (val)")
    data.add_argument(
        "--classes", action="append", default=[], metavar="HEAD=A,B", help="class names in the order of their ids"
    )
    data.add_argument(
        "--remap", action="append", default=[], metavar="HEAD:FOLDER:6=18,7=255", help="other ids; folder * is all"
    )
    data.add_argument("--most", type=int, metavar="N", help="only so many pictures, spread evenly")
    judged = made.add_argument_group("what counts")
    judged.add_argument(
        "--score", type=float, metavar="S", help="least score of a box in a run (the card's, else 0.25)"
    )
    judged.add_argument("--iou", type=float, metavar="S", help="overlap above which boxes are one (card's, else 0.45)")
    judged.add_argument(
        "--merge", action="append", default=[], metavar="NAME=A,B", help="call classes A and B NAME, on both sides"
    )
    judged.add_argument(
        "--min-box", type=float, default=0.0, metavar="PX", help="labelled boxes with a shorter side do not count (0)"
    )
    judged.add_argument(
        "--group", action="append", default=[], metavar="NAME=GLOB,…", help="figures of these pictures too, by name"
    )
    judged.add_argument("--by-group", action="store_true", help="figures of each drive or folder of the set too")
    _add_outputs(made.add_argument_group("outputs"))
    made.add_argument("--quiet", action="store_true", help="no progress")
    made.add_argument("--debug", action="store_true", help="log everything, show where an error came from")
    return made


def _add_outputs(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--json", metavar="FILE", help="every figure as one object")
    group.add_argument(
        "--report", metavar="FILE.html", help="a page: tables, curves, the pictures that were seen worst"
    )
    group.add_argument("--worst", type=int, default=8, metavar="N", help="how many of those per head (8)")
    group.add_argument("--overwrite", action="store_true", help="replace outputs that exist")


def main(arguments: Sequence[str]) -> int:
    """Judge and print; the table goes to stdout."""
    parsed = parser().parse_args(arguments)
    outputs = {option: Path(path) for option, path in (("--json", parsed.json), ("--report", parsed.report)) if path}

    from contracts.config import EngineConfig
    from contracts.errors import UsageError
    from contracts.validation import validated

    try:
        from training.config import SetConfig
        from training.data.open import open_set
        from training.data.orders import parsed_classes, parsed_remaps
        from training.evaluation.looking import check_engine
        from training.evaluation.table import table

        terms = _terms(parsed)
    except ModuleNotFoundError as fault:
        raise UsageError(
            f"eval needs {fault.name}, which is not installed",
            'pip install -e ".[train]" in the checkout of roadstream',
        ) from fault
    _check(parsed, outputs)
    configs = [EngineConfig.parse(text) for text in parsed.engines]
    for config in configs:
        check_engine(config)
    asked: dict[str, object] = {key: getattr(parsed, key) for key in ("layout", "split", "most")}
    asked |= {"path": parsed.data, "classes": parsed_classes(parsed.classes), "remap": parsed_remaps(parsed.remap)}
    with _cured_by_options():
        data = open_set(validated(SetConfig, asked, "eval", UsageError))
        terms.grouping.check(data.groups)
        found = _evaluated(parsed, configs, data, terms)
    answer(table(found))
    _write(outputs, found, overwrite=parsed.overwrite)
    return 0


@contextmanager
def _cured_by_options() -> Iterator[None]:
    """Faults of a set whose cure is a key of its configuration: here that is an option."""
    from contracts.errors import SourceError, UsageError

    try:
        yield
    except (SourceError, UsageError) as fault:
        ways = {"classes:": "--classes boxes=car,bus", "remap:": "--remap 'boxes:*:7=0'"}
        here = [way for key, way in ways.items() if key in fault.cure and way.split()[0] not in fault.cure]
        if not here:
            raise
        raise type(fault)(fault.message, f"{fault.cure}; here: {', '.join(here)}") from fault


def _check(parsed: argparse.Namespace, outputs: Mapping[str, Path]) -> None:
    """Fails before the work where an option is wrong or an output could not be written afterwards."""
    from contracts.errors import UsageError
    from training.files import check_output

    if parsed.worst < 0:
        raise UsageError("--worst: not below 0", "leave it out for the default")
    if not 0 <= parsed.min_box < math.inf:  # NaN is no length either
        raise UsageError(f"--min-box {parsed.min_box:g}: not a length in pixels", "leave it out for the default")
    if parsed.report and Path(parsed.report).suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"--report {parsed.report}: the name does not end in .html", "choose such a name")
    if len(set(outputs.values())) < len(outputs):
        raise UsageError(f"--json and --report are one file, {parsed.json}", "choose two names")
    inputs = [Path(parsed.data), *(Path(text.partition("?")[0]) for text in parsed.engines)]
    for option, output in outputs.items():
        check_output(output, inputs, overwrite=parsed.overwrite, option=option)


def _terms(parsed: argparse.Namespace) -> Terms:
    from contracts.config import RunConfig
    from training.evaluation.evaluate import Terms
    from training.evaluation.groups import grouping, merging

    given = {key: value for key in ("score", "iou") if (value := getattr(parsed, key)) is not None}
    return Terms(
        RunConfig.build(given),
        merge=merging(parsed.merge),
        min_side=parsed.min_box,
        grouping=grouping(parsed.group, by_set=parsed.by_group),
        worst=parsed.worst,
        draw=parsed.report is not None,
    )


def _evaluated(
    parsed: argparse.Namespace, configs: Sequence[EngineConfig], data: SampleSet, terms: Terms
) -> Evaluation:
    """Every engine in turn, on the same pictures."""
    from training.evaluation.evaluate import evaluate
    from training.evaluation.looking import name_of
    from training.evaluation.results import EngineResult, Evaluation

    engines: list[EngineResult] = []
    line = _Line(quiet=parsed.quiet)
    for config in configs:
        name = name_of(config.file, (engine.name for engine in engines))
        engines.append(evaluate(name, config, data, terms, partial(line.update, name, len(data))))
        line.end()
    facts = {"path": parsed.data, "layout": parsed.layout, "split": parsed.split, "pictures": len(data)}
    facts |= {key: given for key in ("classes", "remap") if (given := getattr(parsed, key))}
    asked = {"merge": dict(terms.merge), "min_box": terms.min_side, "groups": dict(terms.grouping.patterns)}
    return Evaluation(facts, asked | {"score": terms.run.score, "iou": terms.run.iou}, tuple(engines))


def _write(outputs: Mapping[str, Path], found: Evaluation, *, overwrite: bool) -> None:
    from training.evaluation.page import page
    from training.files import written

    texts: dict[str, Callable[[], str]] = {
        "--json": lambda: json.dumps(found.as_json(), indent=1, ensure_ascii=False, allow_nan=False) + "\n",
        "--report": lambda: page(found),
    }
    for option, path in outputs.items():
        with written(path, overwrite=overwrite, option=option) as part:
            part.write_text(texts[option](), encoding="utf-8")
        say(f"wrote {path}")


class _Line(StatusLine):
    """``yolov8n  120/241 pictures · 31.2 a second``."""

    def __init__(self, *, quiet: bool) -> None:
        super().__init__(quiet=quiet)
        self._start = self._shown = time.monotonic()
        self._name = ""

    def update(self, name: str, total: int, done: int) -> None:
        """Print when it is time."""
        now = time.monotonic()
        if name != self._name:
            self._name, self._start, self._shown = name, now, now
        if self._quiet or now - self._shown < self._every:
            return
        self._shown = now
        speed = done / max(now - self._start, 1e-3)
        self._write(f"{name}  {done}/{total} pictures · {speed:.1f} a second")
