"""Road agents in a whole run: what each box says reaches the picture, events and labels, tracked and carried on too."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from roadstream import stream
from tests.support.networks import agents_network

DRIVE = "synthetic:?size=640x480&seconds=1"
CAR = {"location": ("VehLane",), "actions": ("Brake",)}
BUS = {"location": ("Parking",), "actions": ()}


@pytest.mark.parametrize("backend", ["openvino", "onnxruntime"])
def test_answers_stay_with_their_boxes_when_tracked_and_carried_on(tmp_path: Path, backend: str) -> None:
    pytest.importorskip("trackers")
    network = agents_network(tmp_path / "net.onnx")
    engine = {"file": network, "backend": backend, "every": 3}
    seen = []
    for result in stream(DRIVE, engines=[engine], track="bytetrack", max_frames=8):
        (part,) = result.prediction.instances().values()
        found = part.detections
        assert found.attributes == (CAR, BUS)
        assert found.track_ids is not None
        assert [found.name(index) for index in range(2)] == ["Car", "Bus"]
        assert [part.area(index) for index in range(2)] == [200 * 120, 160 * 160]
        seen.append((result.prediction.carried.get("agents", 0), found.track_ids.tolist()))
    assert [age for age, _ in seen] == [0, 1, 2, 0, 1, 2, 0, 1]
    assert seen[-1][1] == [1, 2]


def test_outputs_have_them(tmp_path: Path) -> None:
    network, events, table = agents_network(tmp_path / "net.onnx"), tmp_path / "out.jsonl", tmp_path / "out.csv"
    for path in (events, table):
        list(stream(DRIVE, engines=[network], max_frames=2, events=path))
    list(stream(DRIVE, engines=[network], max_frames=2, labels=tmp_path / "labels", labels_format="coco"))
    wanted = [{key: list(value) for key, value in answers.items()} for answers in (CAR, BUS)]
    for line in events.read_text(encoding="utf-8").splitlines():
        assert [one["attributes"] for one in json.loads(line)["detections"]] == wanted
    with table.open(newline="", encoding="utf-8") as file:
        assert [json.loads(row["attributes"]) for row in csv.DictReader(file)] == wanted * 2
    data = json.loads((tmp_path / "labels" / "annotations" / "instances.json").read_text(encoding="utf-8"))
    assert [one["attributes"] for one in data["annotations"]] == wanted * 2


def test_the_picture_shows_red_lamps_and_the_parking_sign(tmp_path: Path) -> None:
    network = agents_network(tmp_path / "net.onnx")
    (result,) = stream(DRIVE, engines=[network], max_frames=1, layers=("labels",))
    before, after = (picture.bgr().astype(int) for picture in (result.frame.picture, result.drawn()))
    drawn = np.abs(after - before).max(axis=2) > 8
    blue, green, red = np.moveaxis(after, -1, 0)
    assert np.count_nonzero(drawn & (red > 150) & (green < 110) & (blue < 110)) > 10
    assert np.count_nonzero(drawn & (blue > 150) & (green < 150) & (red < 90)) > 30
