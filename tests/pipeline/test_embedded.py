"""The network in the box: a run without a network has one, and it is what its notice says it is."""

from __future__ import annotations

import json
import logging
import os
import platform
import shutil
from pathlib import Path

import numpy as np
import pytest

from contracts.config import EngineConfig, RunConfig
from contracts.errors import EngineError
from contracts.prediction import Detections, Mask
from engines.embedded import FLOAT, INT8, embedded_engine
from engines.gate import check
from pipeline.default_network import with_checked_network, with_network
from roadstream import stream
from sources.synthetic import SyntheticSource
from tests.support.networks import mask_network
from tests.support.program import run_stream

WEIGHTS = FLOAT.parent
BLINK = "synthetic:city?size=640x360&seconds=0.2&fps=10"


def test_it_weighs_at_most_10_mb_and_its_terms_stand_beside_it() -> None:
    assert sum(file.stat().st_size for file in WEIGHTS.iterdir()) <= 10_000_000
    assert "trying and judging" in (WEIGHTS / "NOTICE.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("backend", ["openvino", "onnxruntime"])
def test_a_run_without_a_network_sees_road_users_road_and_lane_lines(backend: str) -> None:
    seen = {"boxes": 0.0, "drivable": 0.0, "lane": 0.0}
    for result in stream("synthetic:highway?size=640x360&seconds=1&fps=10", backend=backend):
        for head, part in result.prediction.items():
            truth = result.frame.truth
            assert truth is not None
            if isinstance(part, Mask):
                wanted = truth[head]
                assert isinstance(wanted, Mask)
                own, true = part.on_frame() > 0, wanted.data > 0
                seen[head] += float(np.sum(own & true) / max(int(np.sum(own | true)), 1)) / 10
            else:
                assert isinstance(part, Detections)
                seen[head] += len(part) / 10
    assert seen["boxes"] >= 1
    assert seen["drivable"] >= 0.8
    assert seen["lane"] >= 0.4


def test_int8_sees_what_fp32_sees() -> None:
    pictures = (frame.picture for frame in SyntheticSource("synthetic:city?size=640x360&seconds=8&fps=4").frames())
    verdict = check(embedded_engine(None, None), EngineConfig(file=FLOAT), pictures)
    assert verdict.state == "accepted", verdict.report()


def test_a_network_that_is_named_is_taken_instead(tmp_path: Path) -> None:
    named = RunConfig.build({"engines": [str(mask_network(tmp_path / "mask.onnx"))]})
    assert with_network(named) is named
    assert [engine.file for engine in with_network(RunConfig.build({})).engines] == [INT8]
    assert [engine.file for engine in with_network(RunConfig.build({"backend": "onnxruntime"})).engines] == [FLOAT]


def test_its_int8_never_runs_beside_bf16_unless_asked() -> None:
    assert embedded_engine("auto", "auto").precision == "fp32"
    assert embedded_engine("openvino", "bf16").precision == "bf16"


@pytest.fixture
def damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation whose int8 file is cut off, and that has no verdict on it yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    cut = tmp_path / INT8.name
    cut.write_bytes(INT8.read_bytes()[:20_000])
    shutil.copy(INT8.with_suffix(".bin"), tmp_path)
    monkeypatch.setattr("engines.embedded.INT8", cut)
    return cut


def test_the_float_file_is_run_where_the_int8_file_cannot(damaged: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), stream(BLINK) as run:
        seen = [len(result.prediction) for result in run]
    assert seen == [3, 3]
    (network,) = run.statistics()["engines"]
    assert (network["file"], network["precision"]) == (str(FLOAT), "fp32")
    (said,) = [record.getMessage() for record in caplog.records if record.name == "pipeline.default_network"]
    assert str(damaged) in said
    assert "\n" not in said


def test_a_network_that_is_named_never_falls_back(damaged: Path) -> None:
    named = RunConfig.build({"engines": [str(damaged)]})
    assert with_checked_network(named) is named
    with pytest.raises(EngineError, match="cut off"):
        next(iter(stream(BLINK, engines=[str(damaged)])))


@pytest.mark.usefixtures("damaged")
def test_what_the_float_file_cannot_do_either_is_an_error() -> None:
    with pytest.raises(EngineError, match="device 'cuda'"):
        next(iter(stream(BLINK, device="cuda")))


@pytest.mark.skipif(platform.machine() not in {"x86_64", "AMD64"}, reason="oneDNN's instruction sets are x86's")
def test_the_float_file_is_run_where_the_gate_refuses_the_int8_file(tmp_path: Path) -> None:
    """Float layers in bf16 beside int8 ones see nothing in OpenVINO where AVX2 is the best there is."""
    environment = {**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2", "XDG_CACHE_HOME": str(tmp_path / "cache")}
    words = (BLINK, "--precision", "bf16", "--quiet", "--overwrite", "--stats", tmp_path / "stats.json")
    for _ in range(2):  # the second time by the verdict that is remembered
        done = run_stream(*words, environment=environment, timeout=300)
        assert done.code == 0, done.err
        assert len(done.err.splitlines()) == 1, done.err
        assert "the float one" in done.err
        (network,) = json.loads((tmp_path / "stats.json").read_text(encoding="utf-8"))["engines"]
        assert (network["file"], network["precision"]) == (str(FLOAT), "fp32")


def test_its_cards_name_no_reference_so_that_no_road_of_a_users_refuses_it() -> None:
    for file in (INT8, FLOAT):
        assert b"reference: " not in file.read_bytes()
