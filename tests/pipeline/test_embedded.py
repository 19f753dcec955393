"""The network in the box: a run without a network has one, and it is what its notice says it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from contracts.config import EngineConfig, RunConfig
from contracts.prediction import Detections, Mask
from engines.embedded import FLOAT, INT8, embedded_engine
from engines.gate import check
from pipeline.session import with_network
from roadstream import stream
from sources.synthetic import SyntheticSource
from tests.support.networks import mask_network

WEIGHTS = FLOAT.parent


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
