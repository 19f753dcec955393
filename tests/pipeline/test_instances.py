"""A network of instances in a whole run, by its own metadata alone: found, drawn, written down."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from roadstream import stream
from tests.support.events import events_of


@pytest.mark.shared
def test_a_run_draws_the_masks_and_writes_their_areas(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    network = tmp_path / "any-name.onnx"
    model = onnx.load(shared / "weights" / "yolov8n-seg-int8-320.onnx")
    model.producer_version = "another"  # other bytes, so no registered card is found: ultralytics' metadata must do
    onnx.save(model, network)
    events = tmp_path / "out.jsonl"
    areas = []
    clip = shared / "clips" / "city_seattle_a.mp4"
    for result in stream(clip, engines=[network], max_frames=2, layers=("boxes",), events=events):
        (part,) = result.prediction.instances().values()
        areas.append([part.area(index) for index in range(len(part.masks))])
        assert sum(area > 100 for area in areas[-1]) >= 3
        drawn, plain = result.drawn().bgr().astype(int), result.frame.picture.bgr().astype(int)
        for index, mask in enumerate(part.masks):
            window = part.window(index)
            place = slice(window.top, window.top + window.height), slice(window.left, window.left + window.width)
            tinted = np.abs(drawn[place] - plain[place]).max(axis=2) > 8
            assert np.count_nonzero(tinted & (mask == 1)) >= 0.9 * np.count_nonzero(mask)
    lines = events_of(events)
    assert [[one["area"] for one in line["detections"]] for line in lines] == areas
