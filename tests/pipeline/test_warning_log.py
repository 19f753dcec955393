"""What programs see of warnings where they set up no logging: the text, without secrets."""

from __future__ import annotations

import subprocess
import sys

_PROGRAM = """
import logging
from pipeline.warning_log import WarningLog
kept = WarningLog()
kept.start()
logging.getLogger("sources.live").warning("%s is gone", "rtsp://anna:geheim88@camera/live")
kept.stop()
print(kept.texts())
"""


def test_a_program_without_logging_sees_warnings_but_no_password() -> None:
    done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, timeout=120, check=True)
    assert "rtsp://camera/live is gone" in done.stderr
    assert "rtsp://camera/live is gone" in done.stdout
    assert "geheim88" not in done.stderr + done.stdout
