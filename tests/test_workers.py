"""Tests in several processes say what they say in one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

ODD = r"""
import pytest

def test_that_prints_a_name_that_is_no_text(): print("caf\udce9")
def test_that_fails_over_one(): assert "caf\udce9" == "café"
def test_that_misses_something(): pytest.skip("no caf\udce9 on this machine")
@pytest.mark.skipif(True, reason="its twin runs here")
def test_for_other_machines(): pass
"""


@pytest.mark.parametrize("workers", ["0", "2"])
def test_failures_skips_and_odd_names_are_told(tmp_path: Path, workers: str) -> None:
    (tmp_path / "test_odd.py").write_text(ODD, encoding="utf-8")
    words = ["-q", "-p", "tests.conftest", "-p", "no:cacheprovider", "--no-skips", "-n", workers, str(tmp_path)]
    command = [sys.executable, "-m", "pytest", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, errors="replace", check=False)
    assert done.stdout.splitlines()[-1].startswith("2 failed, 1 passed, 1 skipped"), done.stdout + done.stderr
