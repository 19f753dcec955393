"""``run_stream.py doctor``: what this machine has for RoadStream, and how to get what is missing."""

from __future__ import annotations

import argparse
import io
import json
import shutil
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass
from functools import partial

from commands import doctor_machine as machine
from commands import doctor_software as software
from commands.doctor_finding import Finding, one_line
from commands.doctor_probe import Probes
from commands.parser import Parser
from commands.terminal import answer
from contracts.errors import EngineError, OutputError, RoadStreamError
from contracts.text import encodable

VERSION = 1
_DEADLINE_S = 30.0  # for everything together; the checks have shorter ones of their own
_EPILOG = """\
Every line is "ok", "missing" (what to do to get it stands behind it) or "warning" (there, but not as it should be).
Runtimes and encoders are tried out, not just looked for. Nothing is installed, changed or sent anywhere.

examples:
  run_stream.py doctor
  run_stream.py doctor --json > machine.json                  to send along with a question

exit codes: 0 a run works here (a runtime runs the network in the box, an encoder encodes); what else is missing is
optional. 4 no runtime, or a package every run needs; 5 no encoder. The last line says which.
"""


@dataclass(frozen=True, slots=True)
class _Check:
    """One thing to look at, and the line that stands for it where it does not answer."""

    section: str
    name: str
    look: Callable[[], Finding | Iterable[Finding]]


def parser() -> argparse.ArgumentParser:
    """Build the parser of ``doctor``."""
    made = Parser(
        prog="run_stream.py doctor",
        description="What this machine has for RoadStream, and how to get what is missing.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument("--json", action="store_true", help="one object on stdout, for scripts")
    made.add_argument("--debug", action="store_true", help="log everything, show where an error came from")
    return made


def main(arguments: Sequence[str]) -> int:
    """Look at everything and say what was found; raises EngineError or OutputError where no run can work."""
    parsed = parser().parse_args(arguments)
    with Probes() as probes:
        findings = _look(_checks(probes))
    fault = verdict(findings)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # an ASCII terminal has no arrow
    if parsed.json:
        answer(json.dumps(_object(findings, fault), indent=2))
    else:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        answer(encodable(page(findings, width)))
    if fault is not None:
        raise fault
    if not parsed.json:
        answer(f"\n{_summary(findings)}")
    return 0


def _checks(probes: Probes) -> list[_Check]:
    """Everything looked at, in the order of the page."""
    return [
        _Check("program", "roadstream", software.version),
        _Check("program", "python", software.python),
        _Check("machine", "processor", machine.processor),
        _Check("machine", "memory", machine.memory),
        _Check("machine", "gpu", partial(machine.gpu, probes)),
        _Check("machine", "cameras", machine.cameras),
        _Check("machine", "display", partial(machine.display, probes)),
        _Check("disk", "current folder", machine.current_folder),
        _Check("disk", "cache folder", machine.cache),
        *(_Check("packages", name, partial(software.library, probes, name)) for name in software.LIBRARIES),
        _Check("runtimes", "openvino", partial(software.openvino, probes)),
        _Check("runtimes", "onnxruntime", partial(software.onnxruntime, probes)),
        _Check("runtimes", "torch", partial(software.torch, probes)),
        _Check("runtimes", "tensorrt", partial(software.tensorrt, probes)),
        _Check("runtimes", "network in the box", partial(software.network, probes)),
        *(_Check("video", codec, partial(software.encoder, probes, codec)) for codec in ("h264", "hevc", "av1")),
        _Check("video", "decoders", partial(software.decoders, probes)),
        _Check("extras", "extras", software.extras),
    ]


def _look(checks: Sequence[_Check]) -> list[Finding]:
    """Findings of all checks, made side by side; one that hangs or fails becomes a line and holds nobody up."""
    futures: list[Future[list[Finding]]] = [Future() for _ in checks]
    for check, future in zip(checks, futures, strict=True):
        threading.Thread(target=_carry_out, args=(check, future), name=check.name, daemon=True).start()
    until = time.monotonic() + _DEADLINE_S
    return [found for check, future in zip(checks, futures, strict=True) for found in _result(check, future, until)]


def _carry_out(check: _Check, future: Future[list[Finding]]) -> None:
    try:
        found = check.look()
        future.set_result([found] if isinstance(found, Finding) else list(found))
    except Exception as fault:  # noqa: BLE001  # a thread's outermost frame: handed to the owner
        future.set_exception(fault)


def _result(check: _Check, future: Future[list[Finding]], until: float) -> list[Finding]:
    try:
        fault = future.exception(max(until - time.monotonic(), 0))
    except NotYet:
        said = f"no answer within {_DEADLINE_S:g} s"
        return [Finding(check.section, check.name, "warning", said, "a disk or a driver hangs: see the system's log")]
    if fault is None:
        return future.result()
    said = one_line(f"could not be looked at: {type(fault).__name__}: {fault}")
    return [Finding(check.section, check.name, "warning", said)]


def verdict(findings: Sequence[Finding]) -> RoadStreamError | None:
    """Why no run can work here; None where one can."""
    for found in findings:
        if found.section == "packages" and found.works is False:
            return EngineError(f"no run works here: {found.name}: {found.found}", found.cure)
    runtimes = [found for found in findings if found.section == "runtimes" and found.works is not None]
    if not any(found.works for found in runtimes):
        said = "; ".join(f"{found.name}: {found.found}" for found in runtimes)
        damaged = [found for found in findings if found.name == "network in the box" and found.state == "missing"]
        first = (damaged or runtimes)[0]
        return EngineError(f"no run works here, for want of a runtime that runs a network ({said})", first.cure)
    encoders = [found for found in findings if found.section == "video" and found.works is not None]
    if not any(found.works for found in encoders):
        said = encoders[0].found if encoders else "none answered"
        return OutputError(f"no video can be written here: {said}", encoders[0].cure if encoders else "")
    return None


def _summary(findings: Sequence[Finding]) -> str:
    """``Runs work here: openvino …``: who does the work, by default and where there is a choice."""
    names = {kind: [f.name for f in findings if f.section == kind and f.works] for kind in ("runtimes", "video")}
    return f"runs work here: networks on {' and '.join(names['runtimes'])}, video in {', '.join(names['video'])}"


def page(findings: Sequence[Finding], width: int | None) -> str:
    """The findings as text, one paragraph per section; width: columns of the terminal, None: a line each."""
    column = max(len(found.name) for found in findings)
    lines: list[str] = []
    section = ""
    for found in findings:
        if found.section != section:
            section = found.section
            lines += ["", section] if lines else [section]
        lines += _lines(found, column, width)
    return "\n".join(lines)


def _lines(found: Finding, column: int, width: int | None) -> list[str]:
    head = f"  {found.state:<7}  {found.name:<{column}}  "
    if width is None:
        return [head + found.found + (f" → {found.cure}" if found.cure else "")]
    inner = max(width - len(head), 20)
    texts = textwrap.wrap(found.found, inner, break_on_hyphens=False) or [""]
    if found.cure:
        texts += textwrap.wrap(f"→ {found.cure}", inner, subsequent_indent="  ", break_on_hyphens=False)
    return [head + texts[0], *(" " * len(head) + text for text in texts[1:])]


def _object(findings: Sequence[Finding], fault: RoadStreamError | None) -> dict[str, object]:
    """What ``--json`` prints (additions only)."""
    return {
        "version": VERSION,
        "ok": fault is None,
        "exit_code": 0 if fault is None else fault.exit_code,
        "summary": _summary(findings) if fault is None else encodable(fault.message),
        "checks": [
            {
                "section": found.section,
                "name": found.name,
                "state": found.state,
                "found": encodable(found.found),
                "cure": encodable(found.cure) or None,
            }
            for found in findings
        ],
    }
