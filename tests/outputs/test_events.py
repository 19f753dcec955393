"""Events: the schema programs rely on, whole lines, names."""

from __future__ import annotations

import csv
import json
import math
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import OutputError, SourceError
from contracts.fit import Letterbox
from contracts.frame import Frame, SourceInfo
from contracts.picture import Picture
from contracts.prediction import Attributes, Classification, ClassMap, Detections, InstanceMasks, Mask, Part, Prediction
from contracts.protocols import Output
from contracts.result import Result, Timings
from contracts.sizes import SIZE_COLUMNS, Sizes
from contracts.space import Intrinsics
from outputs.events import CSV_COLUMNS, CsvEvents, JsonlEvents
from tests.support.disks import small_disk

INFO = SourceInfo("clip", "clip.mp4", 1280, 720, Fraction(25), Fraction(1, 12800))
SHOWN = Picture.from_bgr(np.zeros((2, 2, 3), np.uint8))


def nobody_draws(_: Result) -> Picture:
    raise AssertionError("events must not ask for a drawing")


def result(parts: dict[str, Part], index: int = 12, pts: Fraction = Fraction(12, 25)) -> Result:
    return Result(Frame(SHOWN, index, pts, 0, INFO), Prediction(parts), Timings(0), nobody_draws)


def detections(count: int = 1, tracks: bool = False, **changes: float) -> Detections:
    boxes = np.tile(np.array([10.123, 20, 110.5, 220.128], np.float32), (count, 1))
    scores = np.full(count, 0.87, np.float32)
    if "score" in changes:
        scores[0] = changes["score"]
    if "x1" in changes:
        boxes[0, 0] = changes["x1"]
    track_ids = np.arange(3, 3 + count) if tracks else None
    return Detections(boxes, scores, np.full(count, 2, np.int32), ("person", "bike", "car"), track_ids)


def mask() -> Mask:
    """1280×720 in 64×64: 14 rows of padding above and below; the upper half of the frame is set."""
    data = np.zeros((64, 64), np.uint8)
    data[:32] = 1
    return Mask(data, Letterbox(1280, 720, 64, 64), "drivable", "drivable")


def class_map() -> ClassMap:
    """1280×720 in 64×64, the padding full of class 3; of 36 rows 9 are road, 18 building in two ids, 9 without name."""
    ids = np.full((64, 64), 3, np.uint8)
    ids[14:23], ids[23:32], ids[32:41], ids[41:50] = 1, 2, 0, 7
    names = ("building", "road", "building", "sky")
    return ClassMap(ids, Letterbox(1280, 720, 64, 64), names, ((0, 0, 0),) * 4)


def measured() -> Detections:
    """A crack of which all is known, a box, and one without a size."""
    sizes = Sizes.unknown(3)
    sizes.box_widths[:2], sizes.box_heights[:2] = (412.5, 1843.25), (88.125, 1450.0)
    sizes.lengths[0], sizes.widths[0], sizes.mean_widths[0], sizes.max_widths[0] = 431.004, 3.2149, 3.5, 7.123
    return replace(detections(3), sizes=sizes)


def written(output: Output, path: Path, *results: Result) -> str:
    output.open([INFO])
    for one in results:
        output.write(one)
    output.close(None)
    return path.read_text(encoding="utf-8")


def test_one_object_per_frame_in_the_documented_schema(tmp_path: Path) -> None:
    top = Classification(np.array([4, 0], np.int32), np.array([0.6, 0.3], np.float32), ("a", "b"), ("do this",))
    parts: dict[str, Part] = {"boxes": detections(tracks=True), "drivable": mask(), "kind": top}
    path = tmp_path / "out.jsonl"
    text = written(JsonlEvents(path), path, result(parts), result({}, 13, Fraction(1001, 30000)))
    first, second = (json.loads(line) for line in text.splitlines())
    assert first == {
        "index": 12,
        "pts": 0.48,
        "source": "clip",
        "detections": [
            {
                "head": "boxes",
                "class": "car",
                "class_id": 2,
                "score": 0.87,
                "box": [10.12, 20.0, 110.5, 220.13],
                "track": 3,
            }
        ],
        "masks": {"drivable": {"share": 0.5}},
        "lanes": [],
        "class_maps": {},
        "classification": [
            {"head": "kind", "class": "4", "class_id": 4, "score": 0.6},
            {"head": "kind", "class": "a", "class_id": 0, "score": 0.3, "text": "do this"},
        ],
    }
    assert second == {
        "index": 13,
        "pts": 0.033367,
        "source": "clip",
        "detections": [],
        "masks": {},
        "lanes": [],
        "class_maps": {},
        "classification": [],
    }


def test_no_track_no_key(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    (found,) = json.loads(written(JsonlEvents(path), path, result({"boxes": detections()})))["detections"]
    assert "track" not in found


def test_a_class_map_is_the_share_of_every_class_that_is_there(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    (line,) = written(JsonlEvents(path), path, result({"scene": class_map()})).splitlines()
    assert json.loads(line)["class_maps"] == {"scene": {"building": 0.5, "road": 0.25, "7": 0.25}}


def test_lanes_are_polylines_of_all_heads(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    one = result({"lane": mask(), "more": mask()})
    left, right = (np.array([[x, 719.96], [x + 0.123, 400]], np.float32) for x in (10, 300))
    one.trace = lambda prediction: {"lane": (left, right), "more": (left,)} if "lane" in prediction else {}
    (line,) = written(JsonlEvents(path), path, one).splitlines()
    assert json.loads(line)["lanes"] == [
        [[10.0, 720.0], [10.1, 400.0]],
        [[300.0, 720.0], [300.1, 400.0]],
        [[10.0, 720.0], [10.1, 400.0]],
    ]


def test_csv_has_one_row_per_detection(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    parts: dict[str, Part] = {"boxes": detections(2, tracks=True), "more": detections(), "drivable": mask()}
    text = written(CsvEvents(path), path, result(parts), result({}, 13))
    rows = list(csv.reader(text.splitlines()))
    box = ["0.87", "10.12", "20.0", "110.5", "220.13"]
    assert rows == [
        list(CSV_COLUMNS),
        ["12", "0.48", "clip", "boxes", "car", "2", *box, "3", "", "", ""],
        ["12", "0.48", "clip", "boxes", "car", "2", *box, "4", "", "", ""],
        ["12", "0.48", "clip", "more", "car", "2", *box, "", "", "", ""],
    ]


def test_instances_say_the_area_of_their_masks(tmp_path: Path) -> None:
    masks = np.zeros((2, 3), np.uint8), np.eye(4, dtype=np.uint8)
    parts: dict[str, Part] = {"boxes": detections(), "seg": InstanceMasks(detections(2, tracks=True), masks)}
    jsonl, table = tmp_path / "out.jsonl", tmp_path / "out.csv"
    found = json.loads(written(JsonlEvents(jsonl), jsonl, result(parts)))["detections"]
    assert [(one["head"], one.get("track"), one.get("area")) for one in found] == [
        ("boxes", None, None),
        ("seg", 3, 0),
        ("seg", 4, 4),
    ]
    rows = list(csv.DictReader(written(CsvEvents(table), table, result(parts)).splitlines()))
    assert [(row["track"], row["area"]) for row in rows] == [("", ""), ("3", "0"), ("4", "4")]


def test_what_a_head_says_of_each_box_beyond_its_class(tmp_path: Path) -> None:
    answers: tuple[Attributes, ...] = (
        {"location": ("Jun",), "actions": ("Brake", 'the "left"')},
        {"location": ("道路",), "actions": ()},
        {},
    )
    parts: dict[str, Part] = {"agents": replace(detections(3), attributes=answers), "boxes": detections()}
    jsonl, table = tmp_path / "out.jsonl", tmp_path / "out.csv"
    found = json.loads(written(JsonlEvents(jsonl), jsonl, result(parts)))["detections"]
    wanted = [
        {"location": ["Jun"], "actions": ["Brake", 'the "left"']},
        {"location": ["道路"], "actions": []},
        None,
        None,
    ]
    assert [one.get("attributes") for one in found] == wanted
    rows = list(csv.DictReader(written(CsvEvents(table), table, result(parts)).splitlines()))
    assert [json.loads(row["attributes"]) if row["attributes"] else None for row in rows] == wanted
    assert CSV_COLUMNS[-2:] == ("attributes", "carried")


@pytest.mark.parametrize("name", ['car, "big"', "two\nlines", "道路", "\udce9 not UTF-8"])
def test_any_class_name_survives(tmp_path: Path, name: str) -> None:
    odd = Detections(np.zeros((1, 4), np.float32), np.ones(1, np.float32), np.zeros(1, np.int32), (name,))
    jsonl, table = tmp_path / "out.jsonl", tmp_path / "out.csv"
    text = written(JsonlEvents(jsonl), jsonl, result({"boxes": odd}))
    assert json.loads(text)["detections"][0]["class"] == name
    assert text.count("\n") == 1
    written(CsvEvents(table), table, result({"boxes": odd}))
    with table.open(newline="", encoding="utf-8") as file:
        found = list(csv.reader(file))[1][4]
    assert found == (name if name.isprintable() or "\n" in name else "\\udce9 not UTF-8")


@settings(max_examples=30, deadline=None)
@given(score=st.floats(width=32), x1=st.floats(width=32))
def test_numbers_that_are_not_finite_are_never_written(
    tmp_path_factory: pytest.TempPathFactory, score: float, x1: float
) -> None:
    folder = tmp_path_factory.mktemp("finite")
    wrong = not (math.isfinite(score) and math.isfinite(x1))
    for output, path in (
        (JsonlEvents(folder / "out.jsonl"), folder / "out.jsonl"),
        (CsvEvents(folder / "out.csv"), folder / "out.csv"),
    ):
        text = written(output, path, result({"boxes": detections(2, score=score, x1=x1)}))
        assert len(re.findall(r"\bcar\b", text)) == (1 if wrong else 2)
        assert "nan" not in text.lower()
        assert "inf" not in text.lower()


def test_what_is_not_finite_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bad = result({"boxes": detections(score=math.nan)})
    written(JsonlEvents(tmp_path / "out.jsonl"), tmp_path / "out.jsonl", bad, bad)
    assert caplog.text.count("not finite") == 1


@pytest.mark.parametrize(("kind", "name"), [(JsonlEvents, "out.jsonl"), (CsvEvents, "out.csv")])
def test_lines_are_on_the_disk_at_once_and_the_name_comes_last(
    tmp_path: Path, kind: type[JsonlEvents | CsvEvents], name: str
) -> None:
    output, part = kind(tmp_path / name), tmp_path / name.replace(".", ".part.")
    assert (output.name, output.wants_drawn) == ("events", False)
    output.open([INFO])
    for count in range(1, 4):
        output.write(result({"boxes": detections()}))
        assert len(re.findall(r"\bcar\b", part.read_text())) == count
    assert not (tmp_path / name).exists()
    output.close(KeyboardInterrupt())
    assert [file.name for file in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(("kind", "name"), [(JsonlEvents, "out.jsonl"), (CsvEvents, "out.csv")])
def test_no_frames_no_file(tmp_path: Path, kind: type[JsonlEvents | CsvEvents], name: str) -> None:
    output = kind(tmp_path / name)
    output.open([INFO])
    output.close(SourceError("nothing in it"))
    assert list(tmp_path.iterdir()) == []


def test_leftovers_are_kept(tmp_path: Path) -> None:
    (tmp_path / "out.part.jsonl").write_text("of a killed run")
    written(JsonlEvents(tmp_path / "out.jsonl"), tmp_path / "out.jsonl", result({}))
    assert (tmp_path / "out.part-1.jsonl").read_text() == "of a killed run"


def test_a_full_disk_leaves_whole_lines(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 64 * 1024) as disk:
        output = JsonlEvents(disk / "out.jsonl")
        output.open([INFO])
        error, count = _fill(output)
        assert error.exit_code == 5
        assert "disk full" in error.message
        assert "out.part.jsonl" in error.message
        output.close(error)
        assert [file.name for file in disk.iterdir()] == ["out.part.jsonl"]
        lines = (disk / "out.part.jsonl").read_text().splitlines(keepends=True)
        assert len(lines) == count
        assert all(json.loads(line)["index"] == 12 and line.endswith("\n") for line in lines)


def _fill(output: Output) -> tuple[OutputError, int]:
    for count in range(100_000):
        try:
            output.write(result({"boxes": detections(3)}))
        except OutputError as error:
            return error, count
    raise AssertionError("the disk never filled up")


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    output = JsonlEvents(tmp_path / "file" / "out.jsonl")
    with pytest.raises(OutputError, match=r"cannot write .*out\.jsonl: not a directory"):
        output.open([INFO])
    output.close(None)


def test_killed_every_line_but_the_last_is_whole(tmp_path: Path) -> None:
    script = tmp_path / "endless.py"
    script.write_text(
        "import sys\nfrom pathlib import Path\n"
        "from tests.outputs.test_events import INFO, JsonlEvents, detections, result\n"
        "output = JsonlEvents(Path(sys.argv[1]))\noutput.open([INFO])\n"
        "for index in range(10**9):\n"
        "    output.write(result({'boxes': detections(20)}, index))\n"
        "    if index % 100 == 0: print(index, flush=True)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    command = [sys.executable, str(script), str(tmp_path / "out.jsonl")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        said = [int(process.stdout.readline()) for _ in range(5)]
        process.send_signal(signal.SIGKILL)
    lines = (tmp_path / "out.part.jsonl").read_text().split("\n")
    assert [json.loads(line)["index"] for line in lines[:-1]] == list(range(len(lines) - 1))
    assert len(lines) - 1 > said[-1]
    assert not (tmp_path / "out.jsonl").exists()


SIZED = {
    "box_width_mm": 412.5,
    "box_height_mm": 88.12,
    "length_mm": 431.0,
    "width_mm": 3.21,
    "mean_width_mm": 3.5,
    "max_width_mm": 7.12,
}


def test_sizes_are_told_where_they_are_known(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    found = json.loads(written(JsonlEvents(path), path, result({"boxes": measured()})))["detections"]
    known = [{key: value for key, value in one.items() if key.endswith("_mm")} for one in found]
    assert known == [SIZED, {"box_width_mm": 1843.25, "box_height_mm": 1450.0}, {}]
    assert tuple(SIZED) == SIZE_COLUMNS


def test_csv_has_columns_of_sizes_for_a_camera_that_knows_its_intrinsics(tmp_path: Path) -> None:
    """From the first frame on, also where depth comes with a later one; without intrinsics the file is as ever."""
    path, plain = tmp_path / "out.csv", tmp_path / "plain.csv"
    seen = [result({"boxes": detections()}), result({"boxes": measured()})]
    first = replace(seen[0].frame, intrinsics=Intrinsics(1000, 1000, 640, 360))
    written(CsvEvents(path), path, Result(first, seen[0].prediction, Timings(0), nobody_draws), seen[1])
    with path.open(newline="") as file:
        lines = list(csv.reader(file))
    assert lines[0] == [*CSV_COLUMNS, *SIZE_COLUMNS]
    assert lines[1][-6:] == [""] * 6
    assert lines[2][-6:] == [str(value) for value in SIZED.values()]
    assert lines[3][-6:] == ["1843.25", "1450.0", "", "", "", ""]
    text = written(CsvEvents(plain), plain, *seen)
    assert text.splitlines()[0] == ",".join(CSV_COLUMNS)
    assert {line.count(",") for line in text.splitlines()} == {len(CSV_COLUMNS) - 1}
