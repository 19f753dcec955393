"""Signals find the stack they are handled on, whatever networks came and went."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT
from tests.engines import tiny

# Several opened, the first one let go before the last; then signals that Python handles, as Ctrl-C is.
PROGRAM = """
import faulthandler, os, signal, sys
from pathlib import Path
if sys.argv[2] == "faulthandler":
    faulthandler.enable()
handled = []
signal.signal(signal.SIGUSR1, lambda *_: handled.append(1))
from contracts.config import EngineConfig
from engines.openvino import OpenVinoEngine
engines = [OpenVinoEngine(EngineConfig(file=Path(sys.argv[1]))) for _ in range(3)]
while engines:
    engines.pop(0).close()
    os.kill(os.getpid(), signal.SIGUSR1)
print("handled", len(handled))
"""


def test_signals_are_handled_when_engines_have_come_and_gone(tmp_path: Path) -> None:
    file = tiny.with_card(tiny.slow(tmp_path / "net.onnx", layers=2))
    for stack in ("none", "faulthandler"):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(file), stack],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert (done.returncode, done.stdout.strip()) == (0, "handled 3"), done.stderr
