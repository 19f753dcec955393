"""The sheet of all looks: written by its script, and the one in docs/ small enough to keep."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest

from tests.outputs import sheet

LOOKS = ["boxes", "areas", "cityscapes", "etri", "classification", "agents", "regions", "truth", "everything"]


def test_the_script_draws_every_look_at_both_sizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheet, "SIZES", ((320, 180), (640, 360)))
    sheet.main(tmp_path / "looks.jpg", tmp_path / "single")
    written = cv2.imread(str(tmp_path / "looks.jpg"))
    assert written is not None
    assert written.shape == (len(LOOKS) * 360, 2 * 640, 3)
    names = [f"{look}-{width}.png" for look in LOOKS for width in (320, 640)]
    assert sorted(path.name for path in (tmp_path / "single").iterdir()) == sorted(names)
    single = [(tmp_path / "single" / name).read_bytes() for name in names]
    assert len(set(single)) == len(names), "no look is like another"


def test_the_sheet_in_docs_is_small() -> None:
    assert (Path(__file__).parents[2] / "docs" / "looks.jpg").stat().st_size < 250_000
