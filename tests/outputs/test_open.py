"""Which outputs a configuration asks for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from contracts.config import RunConfig
from contracts.errors import UsageError
from contracts.protocols import Output
from outputs.events import CsvEvents, JsonlEvents
from outputs.events_parquet import ParquetEvents
from outputs.findings import FindingsOutput
from outputs.labels import YoloLabels
from outputs.labels_coco import CocoLabels
from outputs.masks import MasksOutput
from outputs.mp4 import Mp4Output
from outputs.open import check_paths, outputs_of
from outputs.pictures import PicturesOutput
from outputs.push import PushOutput
from outputs.report.output import ReportOutput
from outputs.segments import SegmentedMp4Output
from outputs.window import WindowOutput


@pytest.mark.parametrize(
    ("options", "kinds"),
    [
        ({}, []),
        ({"save": "out.mp4"}, [Mp4Output]),
        ({"save": "OUT.MP4"}, [Mp4Output]),
        ({"save": "out.mp4", "segment": "10m", "keep": "50GB"}, [SegmentedMp4Output]),
        ({"events": "out.jsonl"}, [JsonlEvents]),
        ({"events": "a.b.CSV"}, [CsvEvents]),
        ({"events": "out.parquet", "report": "out.html"}, [ParquetEvents, ReportOutput]),
        ({"findings": "a", "show": True}, [FindingsOutput, WindowOutput]),
        ({"pictures": "a", "masks": "b", "labels": "c"}, [PicturesOutput, MasksOutput, YoloLabels]),
        ({"labels": "c", "labels_format": "coco"}, [CocoLabels]),
        ({"push": "rtsp://host/cam", "show": True}, [PushOutput, WindowOutput]),
        ({"save": "out.mp4", "events": "out.csv", "stats": "out.json"}, [Mp4Output, CsvEvents]),
    ],
)
def test_outputs_of_a_run(options: dict[str, Any], kinds: list[type[Output]]) -> None:
    assert [type(output) for output in outputs_of(RunConfig.build(options))] == kinds


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"save": "out.mkv"}, "write out.mp4"),
        ({"save": "out.mkv", "segment": "10m"}, "write out.mp4"),
        ({"save": "mp4"}, "write mp4.mp4"),
        ({"events": "out.json"}, ".jsonl or .csv"),
        ({"save": "out.mp4", "preset": "veryfats"}, "veryfast"),
        ({"save": "out.mp4", "crf": 0}, "outside 1 … 51"),
        ({"push": "rtsp://host/cam", "crf": 0}, "outside 1 … 51"),
    ],
)
def test_refused_with_a_cure(options: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError) as raised:
        outputs_of(RunConfig.build(options))
    assert says in str(raised.value)
    assert raised.value.cure


@pytest.mark.parametrize("name", ["findings.csv", "frames.csv"])
def test_a_file_that_a_folder_would_have_as_well_is_refused(tmp_path: Path, name: str) -> None:
    """Whichever is finished last would replace the other."""
    for way in (tmp_path, tmp_path / ".." / tmp_path.name):
        config = RunConfig.build({"sources": ["synthetic:"], "findings": tmp_path, "events": way / name})
        with pytest.raises(UsageError, match=f"two outputs would write .*{name}"):
            check_paths(config, ["synthetic:"])
    config = RunConfig.build({"sources": ["synthetic:"], "labels": tmp_path, "stats": tmp_path / "roadstream.json"})
    with pytest.raises(UsageError, match=r"two outputs would write .*roadstream\.json"):
        check_paths(config, ["synthetic:"])
    check_paths(RunConfig.build({"sources": ["synthetic:"], "findings": tmp_path, "events": tmp_path / "e.csv"}), [])
