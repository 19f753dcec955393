"""The accuracy gate on real networks and real frames: a file that is right in one place and blind in another."""

from __future__ import annotations

import itertools
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import av
import pytest

from contracts.config import EngineConfig
from contracts.picture import Picture
from engines.gate import check
from engines.verdicts import Verdict


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiled networks of one test only: those of another instruction set must not be found."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def check_real(shared: Path, file: str, **options: str) -> Verdict:
    """A file of YOLOv8n against the float one, on frames spread over a city clip."""
    with av.open(str(shared / "clips" / "city_seattle_a.mp4")) as clip:
        spread = itertools.islice(clip.decode(video=0), 0, None, 12)
        return check(
            EngineConfig.model_validate({"file": shared / "weights" / file, **options}),
            EngineConfig(file=shared / "weights" / "yolov8n-fp32.onnx"),
            (Picture.from_av(frame) for frame in itertools.islice(spread, 8)),
        )


@pytest.mark.shared
@pytest.mark.parametrize(
    ("file", "backend"), [("yolov8n-int8-qdq.onnx", "onnxruntime"), ("yolov8n-int8-ov.xml", "openvino")]
)
def test_real_quantised_files_are_accepted_where_they_are_right(shared: Path, file: str, backend: str) -> None:
    verdict = check_real(shared, file, backend=backend)
    assert verdict.state == "accepted", verdict.report()
    assert verdict.figures[0].total > 40


@pytest.mark.shared
@pytest.mark.skipif(platform.machine() not in {"x86_64", "AMD64"}, reason="oneDNN's instruction sets are x86's")
@pytest.mark.parametrize("instructions", ["AVX2", "AVX512_CORE_VNNI"])
def test_a_real_file_is_refused_where_it_is_silently_blind(shared: Path, instructions: str) -> None:
    """Signed-int8 activations are right in OpenVINO on processors with AMX and see nothing on all others.

    oneDNN reads the limit of its instruction sets once, so the question is put in a process of its own.
    """
    options = {"file": "yolov8n-int8-qdq.onnx", "backend": "openvino", "precision": "fp32"}
    script = f"import pathlib, test_gate_real as t; print(t.check_real(pathlib.{shared!r}, **{options}).report())"
    told = subprocess.run(
        [sys.executable, "-c", script],
        env={
            **os.environ,
            "ONEDNN_MAX_CPU_ISA": instructions,
            "PYTHONPATH": os.pathsep.join(map(str, (Path(__file__).parent, Path(__file__).parents[2]))),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    ).stdout
    assert told.startswith("refused")
    assert re.search(r"boxes: 0 of [4-9]\d boxes found again", told)
