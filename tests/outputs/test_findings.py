"""Findings: the table, the crops, the statistics; started again, killed, refused."""

from __future__ import annotations

import csv
import json
import tracemalloc
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from contracts.errors import OutputError
from contracts.frame import Frame, SourceInfo
from contracts.picture import Picture
from contracts.prediction import Detections, InstanceMasks, Mask, Part, Prediction
from contracts.result import Result, Timings
from contracts.sizes import SIZE_COLUMNS, Sizes
from contracts.space import Intrinsics
from outputs.findings import FindingsOutput
from outputs.findings_tables import FINDING
from tests.outputs.test_events import mask as area_mask
from tests.outputs.test_events import nobody_draws
from tests.support.disks import small_disk

INFO = SourceInfo("road", "road.mp4", 320, 180, Fraction(25), Fraction(1, 25))
NAMES = ("crack", "pothole")
Box = tuple[float, float, float, float]


def picture(index: int) -> Picture:
    """Red says the column, green the row, blue the frame."""
    pixels = np.zeros((180, 320, 3), np.uint8)
    pixels[..., 2], pixels[..., 1], pixels[..., 0] = np.arange(320) // 2, np.arange(180)[:, None], index % 256
    return Picture.from_bgr(pixels)


def boxes(*found: tuple[Box, float, int], tracks: Sequence[int] | None = None) -> Detections:
    """(box, score, class id) each."""
    return Detections(
        np.array([box for box, _, _ in found], np.float32).reshape(-1, 4),
        np.array([score for _, score, _ in found], np.float32),
        np.array([class_id for _, _, class_id in found], np.int32),
        NAMES,
        None if tracks is None else np.array(tracks),
    )


def crack(length: int, width: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    shape = np.zeros((width + 4, length), np.uint8)
    shape[2 : 2 + width] = 1
    return shape


def result(
    index: int, parts: Mapping[str, Part], info: SourceInfo = INFO, carried: Mapping[str, int] | None = None
) -> Result:
    frame = Frame(picture(index), index, Fraction(index, 25), 0, info)
    return Result(frame, Prediction(parts, carried or {}), Timings(0), nobody_draws)


def run(folder: Path, *results: Result, info: SourceInfo = INFO, overwrite: bool = False) -> None:
    output = FindingsOutput(folder, overwrite=overwrite)
    assert (output.name, output.wants_drawn) == ("findings", False)
    output.open([info])
    try:
        for one in results:
            output.write(one)
    except BaseException as error:
        output.close(error)
        raise
    output.close(None)


def rows(folder: Path, name: str = "findings.csv") -> list[dict[str, str]]:
    with (folder / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def summary(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "summary.json").read_text())
    return found


SMALL, LARGE = ((10.0, 20.0, 40.0, 40.0), 0.5, 1), ((100.0, 50.0, 300.0, 150.0), 0.9, 1)


def test_a_row_per_finding_with_area_length_width(tmp_path: Path) -> None:
    detections = boxes(((50, 60, 150, 67), 0.8, 0), ((10, 20, 40, 40), 0.5, 1))
    instances = InstanceMasks(detections, (crack(100, 3), np.zeros((20, 30), np.uint8)))
    run(tmp_path / "f", result(1505, {"seg": instances, "boxes": boxes(LARGE)}))
    found = rows(tmp_path / "f")
    assert list(found[0]) == list(FINDING)
    where = {"source": "road", "index": "1505", "pts": "60.2", "time": "0:01:00.200"}
    assert found[0] == {
        **where,
        "head": "seg",
        "class": "crack",
        "class_id": "0",
        "score": "0.8",
        "track": "",
        "x1": "50.0",
        "y1": "60.0",
        "x2": "150.0",
        "y2": "67.0",
        "shape": "mask",
        "area_px": "300",
        "length_px": "100.0",
        "width_px": "3.0",
        "crop": "crops/road-001505-1.jpg",
    }
    measures = [[row[name] for name in ("shape", "area_px", "length_px", "width_px")] for row in found]
    assert measures[1:] == [["mask", "0", "", ""], ["box", "20000", "", ""]]
    assert all((tmp_path / "f" / row["crop"]).is_file() for row in found)


@pytest.mark.parametrize(
    ("box", "window"),
    [
        ((100, 50, 160, 90), (92, 42, 168, 98)),  # eight pixels around
        ((100, 50, 250, 90), (85, 35, 265, 105)),  # a tenth of the longer side
        ((-5, -5, 12.5, 10.2), (0, 0, 21, 19)),
        ((310, 170, 330, 190), (302, 162, 320, 180)),
        ((319.5, 179.5, 400, 400), (297, 157, 320, 180)),
    ],
)
def test_a_crop_shows_the_box_and_some_of_its_surroundings(
    tmp_path: Path, box: Box, window: tuple[int, int, int, int]
) -> None:
    run(tmp_path / "f", result(7, {"boxes": boxes((box, 0.5, 1))}))
    crop = cv2.imread(str(tmp_path / "f" / "crops" / "road-000007-1.jpg"))
    assert crop is not None
    x1, y1, x2, y2 = window
    assert crop.shape[:2] == (y2 - y1, x2 - x1)
    assert np.abs(crop.astype(int) - picture(7).bgr()[y1:y2, x1:x2]).max() <= 6


def test_a_track_has_one_crop_that_of_its_best_score(tmp_path: Path) -> None:
    scores = (0.4, 0.9, 0.6)
    frames = [result(index, {"boxes": boxes((SMALL[0], score, 0), tracks=[3])}) for index, score in enumerate(scores)]
    run(tmp_path / "f", *frames)
    assert [row["crop"] for row in rows(tmp_path / "f")] == ["crops/road-boxes-track0003.jpg"] * 3
    (crop,) = (tmp_path / "f" / "crops").iterdir()
    pixels = cv2.imread(str(crop))
    assert pixels is not None
    assert round(float(pixels[..., 0].mean())) == 1  # blue: the second frame
    assert summary(tmp_path / "f")["classes"][0]["best_crop"] == "crops/road-boxes-track0003.jpg"


def test_the_summary(tmp_path: Path) -> None:
    def seen(index: int, length: int, score: float, track: int) -> Result:
        detections = boxes(((50, 60, 50 + length, 67), score, 0), tracks=[track])
        return result(index, {"seg": InstanceMasks(detections, (crack(length, 3),))})

    empty = [result(index, {"seg": InstanceMasks(boxes(tracks=[]), ())}) for index in range(3, 8)]
    run(tmp_path / "f", seen(0, 100, 0.5, 1), seen(1, 120, 0.8, 1), seen(2, 60, 0.7, 2), *empty)
    found = summary(tmp_path / "f")
    (one,) = found.pop("classes")
    shares = {"frames": 8, "frames_with_findings": 3, "share_of_frames": 0.375}
    assert found == {"version": 1, "unit": "px", **shares, "sources": {"road": shares}}
    assert {key: one[key] for key in ("head", "class", "findings", "frames", "share_of_frames", "tracks")} == {
        "head": "seg",
        "class": "crack",
        "findings": 3,
        "frames": 3,
        "share_of_frames": 0.375,
        "tracks": 2,
    }
    assert (one["best_score"], one["best_crop"]) == (0.8, "crops/road-seg-track0001.jpg")
    assert one["area_px"] == {"sum": 840.0, "mean": 280.0, "p95": 354.0, "max": 360.0}
    assert one["length_px"]["sum"] == pytest.approx(280, abs=1)
    assert one["of_tracks"]["length_px"]["sum"] == pytest.approx(180, abs=1)  # 120 and 60: each thing once
    assert one["width_px"]["mean"] == pytest.approx(3, abs=0.1)


def test_frames_a_network_skipped_are_none(tmp_path: Path) -> None:
    part = {"a": boxes(SMALL), "b": boxes(LARGE)}
    frames = [result(0, part), result(1, part, carried={"a": 1}), result(2, part, carried={"a": 2, "b": 1})]
    run(tmp_path / "f", *frames)
    assert [(row["index"], row["head"]) for row in rows(tmp_path / "f")] == [("0", "a"), ("0", "b"), ("1", "b")]
    assert [row["heads"] for row in rows(tmp_path / "f", "frames.csv")] == ["a|b", "b"]
    shares = {one["head"]: (one["frames"], one["share_of_frames"]) for one in summary(tmp_path / "f")["classes"]}
    assert shares == {"a": (1, 1.0), "b": (2, 1.0)}


def frames(count: int, tracks: bool = False) -> list[Result]:
    ids = [4] if tracks else None
    parts = [boxes((SMALL[0], 0.3 + 0.01 * (index % 7), 1), tracks=ids) for index in range(count)]
    return [
        result(index, {"boxes": part if index % 4 else boxes(tracks=[] if tracks else None)})
        for index, part in enumerate(parts)
    ]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize("tracks", [False, True])
@pytest.mark.parametrize("torn", ["", "row", "frame"])
def test_started_again_after_a_kill_it_is_as_if_nothing_had_happened(tmp_path: Path, torn: str, tracks: bool) -> None:
    """A kill leaves a part of a row, or rows of a frame whose own line is missing, and no summary."""
    run(tmp_path / "whole", *frames(20, tracks))
    run(tmp_path / "again", *frames(11, tracks))
    (tmp_path / "again" / "summary.json").unlink()
    if torn:
        rest = (tmp_path / "whole" / "findings.csv").read_text().splitlines(keepends=True)[9]
        with (tmp_path / "again" / "findings.csv").open("a") as file:
            file.write(rest if torn == "frame" else rest[:25])
    run(tmp_path / "again", *frames(20, tracks))
    assert contents(tmp_path / "again") == contents(tmp_path / "whole")


def test_several_sources_share_a_folder(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    other = SourceInfo("ring", "ring.mp4", 320, 180, Fraction(25), Fraction(1, 25))
    run(tmp_path, *frames(4))
    run(tmp_path, result(0, {"boxes": boxes(LARGE)}, other), info=other)
    run(tmp_path, *frames(4))
    assert "left alone" in caplog.text
    assert {source: told["frames"] for source, told in summary(tmp_path)["sources"].items()} == {"road": 4, "ring": 1}
    assert len(rows(tmp_path)) == 4


def test_overwrite_replaces_what_is_of_this_source_and_nothing_else(tmp_path: Path) -> None:
    other = SourceInfo("ring", "ring.mp4", 320, 180, Fraction(25), Fraction(1, 25))
    run(tmp_path, *frames(6))
    run(tmp_path, result(0, {"boxes": boxes(LARGE)}, other), info=other)
    (tmp_path / "crops" / "mine.txt").write_text("")
    run(tmp_path, result(2, {"boxes": boxes(LARGE)}), overwrite=True)
    assert sorted(row["crop"] for row in rows(tmp_path)) == ["crops/ring-000000-1.jpg", "crops/road-000002-1.jpg"]
    names = sorted(file.name for file in (tmp_path / "crops").iterdir())
    assert names == ["mine.txt", "ring-000000-1.jpg", "road-000002-1.jpg"]


def test_what_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="no network of this run gives boxes"):
        run(tmp_path / "a", result(0, {"drivable": area_mask()}))
    assert not (tmp_path / "a").exists()
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "findings.csv").write_text("mine")
    with pytest.raises(OutputError, match="files of somebody else"):
        run(tmp_path / "b", *frames(2))
    assert (tmp_path / "b" / "findings.csv").read_text() == "mine"
    run(tmp_path / "c", *frames(2))
    with pytest.raises(OutputError, match="other heads"):
        run(tmp_path / "c", result(5, {"others": boxes(SMALL)}))
    live = SourceInfo("cam", "camera:0", 320, 180, Fraction(25), Fraction(1, 25), live=True)
    run(tmp_path / "d", result(0, {"boxes": boxes(SMALL)}, live), info=live)
    with pytest.raises(OutputError, match=r"another run of 'cam' → give each run a folder"):
        run(tmp_path / "d", result(0, {"boxes": boxes(SMALL)}, live), info=live)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("frames.csv", "road,1,", "road,many,"),
        ("frames.csv", "road,1,", "road,-1,"),
        ("frames.csv", "road,1,0.04,1,boxes\n", "road\n"),
        ("frames.csv", ",heads\n", ",heads,mine\n"),
        ("findings.csv", ",0.31,", ",,"),
        ("findings.csv", ",0.31,", ',"0,31",'),
        ("findings.csv", ",0.31,4,", ",0.31,4.0,"),
        ("findings.csv", ",0.31,4,", ",0.31,4,4,"),
        ("findings.csv", ",600,", ",nan,"),
    ],
)
def test_a_table_that_somebody_has_changed_is_refused_and_stays(tmp_path: Path, name: str, old: str, new: str) -> None:
    run(tmp_path, *frames(3, tracks=True))
    text = (tmp_path / name).read_text()
    assert old in text
    (tmp_path / name).write_text(text.replace(old, new))
    before = contents(tmp_path)
    with pytest.raises(OutputError, match=rf"{name} is not as it was written → mend it"):
        run(tmp_path, *frames(4, tracks=True))
    assert contents(tmp_path) == before


def test_a_letter_that_was_torn_is_taken_back(tmp_path: Path) -> None:
    run(tmp_path, *frames(3))
    before = contents(tmp_path)
    with (tmp_path / "findings.csv").open("ab") as file:
        file.write("road,9,0.36,0:00:00.360,boxes,Längsriss".encode()[:-8])
    run(tmp_path, *frames(3))
    assert contents(tmp_path) == before


def test_memory_does_not_grow_with_the_tables(tmp_path: Path) -> None:
    """A day's findings are millions."""
    run(tmp_path, *frames(2))
    (row,) = (tmp_path / "findings.csv").read_text().splitlines()[1:]
    with (tmp_path / "findings.csv").open("a") as findings, (tmp_path / "frames.csv").open("a") as table:
        for index in range(2, 22):
            findings.write(f"{row.replace('road,1,', f'road,{index},', 1)}\n" * 200)
            table.write(f"road,{index},0,200,boxes\n")
    tracemalloc.start()
    run(tmp_path, *frames(2))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2_000_000
    (one,) = summary(tmp_path)["classes"]
    assert (one["findings"], one["frames"]) == (4001, 21)


def test_a_spreadsheet_takes_no_name_for_a_formula_and_no_row_is_torn(tmp_path: Path) -> None:
    names = ('=HYPERLINK("http://x")', "two\nlines", "-1", "Längsriss, 道路")
    given = [
        Detections(np.array([SMALL[0]], np.float32), np.ones(1, np.float32), np.full(1, i, np.int32), names)
        for i in range(4)
    ]
    run(tmp_path, *(result(index, {"boxes": one}) for index, one in enumerate(given)))
    found = [row["class"] for row in rows(tmp_path)]
    assert found == ['\'=HYPERLINK("http://x")', "two lines", "'-1", "Längsriss, 道路"]
    assert len((tmp_path / "findings.csv").read_text().splitlines()) == 5


def test_what_is_not_finite_is_left_out_and_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bad = boxes(((np.nan, 0, 5, 5), 0.5, 0), ((5, 5, 5, 9), 0.5, 0), SMALL)
    run(tmp_path, result(0, {"boxes": bad}), result(1, {"boxes": bad}))
    assert len(rows(tmp_path)) == 2
    assert caplog.text.count("left out") == 1


def test_a_full_disk_leaves_whole_rows(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 128 * 1024) as disk:
        with pytest.raises(OutputError, match="disk full"):
            run(disk / "f", *frames(300))
        known = {row["index"] for row in rows(disk / "f", "frames.csv")}
        assert len(known) > 10
        for row in rows(disk / "f"):
            if row["index"] in known:
                assert set(row) == set(FINDING)
                assert (disk / "f" / row["crop"]).is_file()


def test_a_huge_finding_is_scaled_down(tmp_path: Path) -> None:
    wide = SourceInfo("wide", "wide.mp4", 4000, 500, Fraction(25), Fraction(1, 25))
    frame = Frame(Picture.from_bgr(np.zeros((500, 4000, 3), np.uint8)), 0, Fraction(0), 0, wide)
    found = Prediction({"boxes": boxes(((0, 0, 4000, 500), 0.5, 0))})
    run(tmp_path, Result(frame, found, Timings(0), nobody_draws), info=wide)
    crop = cv2.imread(str(tmp_path / "crops" / "wide-000000-1.jpg"))
    assert crop is not None
    assert crop.shape == (160, 1280, 3)


def test_masks_of_areas_are_no_findings(tmp_path: Path) -> None:
    area = area_mask()
    assert isinstance(area, Mask)
    run(tmp_path, result(0, {"boxes": boxes(SMALL), "drivable": area}))
    assert [row["head"] for row in rows(tmp_path)] == ["boxes"]


def sized_result(index: int, width: float | None, info: SourceInfo = INFO, track: int | None = None) -> Result:
    """A crack of that width in mm, or unknown, of a camera that knows its intrinsics."""
    found = boxes(((50, 60, 150, 67), 0.8, 0), tracks=None if track is None else [track])
    sizes = Sizes.unknown(1)
    if width is not None:
        sizes.lengths[:], sizes.widths[:], sizes.mean_widths[:], sizes.max_widths[:] = 400, width, width, 2 * width
    one = result(index, {"boxes": InstanceMasks(replace(found, sizes=sizes), (crack(100, 3),))}, info)
    return replace(one, frame=replace(one.frame, intrinsics=Intrinsics(300, 300, 160, 90)))


def test_millimetres_stand_beside_pixels(tmp_path: Path) -> None:
    run(tmp_path, sized_result(0, None, track=1), sized_result(1, 3.0, track=1), sized_result(2, 5.0, track=2))
    found = rows(tmp_path)
    assert list(found[0]) == [*FINDING, *SIZE_COLUMNS]
    assert [row["width_mm"] for row in found] == ["", "3.0", "5.0"]
    assert [row["length_mm"] for row in found] == ["", "400.0", "400.0"]
    (one,) = summary(tmp_path)["classes"]
    assert one["width_mm"] == {"mean": 4.0, "p95": 4.9, "max": 5.0}
    assert one["max_width_mm"]["max"] == 10.0
    assert one["length_mm"]["sum"] == 800.0
    assert one["of_tracks"]["length_mm"]["sum"] == 400.0  # of the first, the best score is where none was known
    assert one["length_px"]["sum"] == 300.0


def test_a_table_gets_columns_of_sizes_with_the_first_run_that_has_them_and_keeps_them(tmp_path: Path) -> None:
    others = [SourceInfo(name, name, 320, 180, Fraction(25), Fraction(1, 25)) for name in ("glasses", "later")]
    run(tmp_path, *frames(2))
    before = rows(tmp_path)
    assert list(before[0]) == list(FINDING)
    run(tmp_path, sized_result(0, 3.0, others[0]), info=others[0])
    run(tmp_path, *(replace(one, frame=replace(one.frame, source=others[1])) for one in frames(2)), info=others[1])
    found = rows(tmp_path)
    assert all(list(row) == [*FINDING, *SIZE_COLUMNS] for row in found)
    assert [{name: row[name] for name in FINDING} for row in found[: len(before)]] == before
    assert [row["width_mm"] for row in found] == [""] * len(before) + ["3.0"] + [""] * len(before)
    assert {one["class"]: "width_mm" in one for one in summary(tmp_path)["classes"]} == {
        "crack": True,
        "pothole": False,
    }
