"""Findings and lane lines of whole runs on real material, against the events of the same run."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import pytest

from roadstream import stream
from tests.support.events import events_of


def test_findings_are_the_detections_of_the_events(shared: Path, tmp_path: Path) -> None:
    clip = shared / "clips" / "highway720_300.mp4"
    network = shared / "weights" / "yolov8n-seg-int8-320.onnx"
    events, folder = tmp_path / "events.jsonl", tmp_path / "findings"
    for _ in stream(clip, engines=[network], track="sort", max_frames=40, events=events, findings=folder):
        pass
    lines = events_of(events)
    said = [(line["index"], *_facts(found)) for line in lines for found in line["detections"]]
    with (folder / "findings.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    told = [(int(row["index"]), *_facts_of_row(row)) for row in rows]
    assert told == said
    assert len(told) >= 40
    tracks = {row["track"] for row in rows if row["track"]}
    assert tracks
    crops = {row["crop"] for row in rows}
    assert len(crops) == len(tracks) + sum(not row["track"] for row in rows)
    assert {f"crops/{file.name}" for file in (folder / "crops").iterdir()} == crops
    assert all(cv2.imread(str(folder / crop)) is not None for crop in crops)
    for row in rows:  # no longer than around its box, no shorter than a mask that is as wide as the box is high
        width, height = float(row["x2"]) - float(row["x1"]), float(row["y2"]) - float(row["y1"])
        assert 0.5 * max(width, height) < float(row["length_px"]) < 2 * (width + height)
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["frames"] == 40
    assert sum(one["findings"] for one in summary["classes"]) == len(rows)


def _facts(found: dict[str, object]) -> tuple[object, ...]:
    return (found["class"], found["score"], found.get("track"), tuple(found["box"]), found["area"])  # type: ignore[arg-type]


def _facts_of_row(row: dict[str, str]) -> tuple[object, ...]:
    box = tuple(float(row[corner]) for corner in ("x1", "y1", "x2", "y2"))
    return (row["class"], float(row["score"]), int(row["track"]) if row["track"] else None, box, int(row["area_px"]))


@pytest.mark.parametrize("clip", ["country_curves", "rain_highway_audio"])
def test_the_lines_of_a_real_road(shared: Path, tmp_path: Path, clip: str) -> None:
    """Two or more in nearly every frame, each from below."""
    network, events = shared / "weights" / "twinlitenet.onnx", tmp_path / "events.jsonl"
    for _ in stream(shared / "clips" / f"{clip}.mp4", engines=[network], max_frames=20, events=events):
        pass
    frames = [json.loads(line)["lanes"] for line in events.read_text().splitlines()]
    assert sum(len(lines) >= 2 for lines in frames) >= 18
    for lines in frames:
        assert all(2 <= len(line) <= 20 for line in lines)
        assert all(line[0][1] >= line[-1][1] for line in lines)
