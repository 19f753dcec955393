"""What ``bench`` measures writes nothing of the user's."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.config import RunConfig
from outputs.open import files_of, folders_of, outputs_of
from pipeline.limit import _with_output

_PLACES = {
    "events": "e.jsonl",
    "stats": "s.json",
    "report": "r.html",
    "pictures": "pictures",
    "masks": "masks",
    "labels": "labels",
    "findings": "findings",
}


def test_every_place_is_in_the_table() -> None:
    """Place is what a file or folder of the user's is validated as; ``save`` is measured, ``card`` is read."""
    places = {name for name, field in RunConfig.model_fields.items() if "Path" in str(field.annotation)}
    assert places - {"save", "card"} == _PLACES.keys()


@pytest.mark.parametrize("saves", [True, False])
def test_a_measured_run_writes_its_own_video_and_nothing_else(tmp_path: Path, saves: bool) -> None:
    options: dict[str, object] = {name: tmp_path / file for name, file in _PLACES.items()}
    options |= {"push": "rtsp://localhost/x"}
    options |= {"save": tmp_path / "out.mp4", "segment": "10m", "keep": "50GB"} if saves else {}
    measured = _with_output(RunConfig.build({"sources": ["synthetic:"], **options}), tmp_path / "measured.mp4")
    assert [output.name for output in outputs_of(measured)] == ["mp4"] * saves
    assert files_of(measured) == [tmp_path / "measured.mp4"] * saves
    assert folders_of(measured) == []
