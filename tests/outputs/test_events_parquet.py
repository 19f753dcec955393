"""Events as Parquet: the same facts as the lines of the same results, for every reader, and nothing half-written."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from pyarrow import parquet

from contracts.config import RunConfig
from contracts.errors import OutputError, SourceError, UsageError
from contracts.frame import Frame
from contracts.prediction import Classification, Detections, InstanceMasks, Prediction
from contracts.result import Result, Timings
from contracts.sizes import SIZE_COLUMNS
from outputs import events_parquet
from outputs.events import JsonlEvents
from outputs.events_parquet import ParquetEvents
from outputs.open import check_paths
from tests.outputs.test_events import INFO, SHOWN, class_map, detections, mask, measured, nobody_draws, result
from tests.support.disks import small_disk
from tests.support.events import events_of


def results(count: int) -> list[Result]:
    """Frames with everything a prediction can hold, with little, and with nothing."""
    top = Classification(np.array([4, 0], np.int32), np.array([0.6, 0.3], np.float32), ("a", "b"), ("do this",))
    masks = np.zeros((2, 3), np.uint8), np.eye(4, dtype=np.uint8)
    line = np.array([[10, 719.5], [12.25, 400]], np.float32)
    made: list[Result] = []
    for index in range(count):
        several = Prediction({"boxes": detections(index % 5, tracks=index % 2 == 0), "lane": mask()}, {"lane": 2})
        seen = (
            Prediction({}),
            Prediction({"seg": InstanceMasks(detections(2), masks), "scene": class_map(), "kind": top}, {"seg": 1}),
            several,
        )[index % 3]
        frame = Frame(SHOWN, index * 2, Fraction(index, 30), 0, INFO)
        made.append(Result(frame, seen, Timings(0), nobody_draws, lambda seen: {"lane": (line,)} if seen else {}))
    return made


def both(folder: Path, made: list[Result]) -> tuple[list[dict[str, Any]], Path]:
    """The lines of JsonlEvents and the table, of the same results."""
    lines, table = JsonlEvents(folder / "lines.jsonl"), ParquetEvents(folder / "out.parquet")
    for output in (lines, table):
        output.open([INFO])
        for one in made:
            output.write(one)
        output.close(None)
    return events_of(folder / "lines.jsonl"), folder / "out.parquet"


def as_lines(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of the table put together as the lines have them; written from the README's words alone."""
    frames: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        frames[row["index"]].append(row)
    return [_as_line(rows) for rows in frames.values()]


def _as_line(rows: list[dict[str, Any]]) -> dict[str, Any]:
    first = rows[0]
    assert [row["row"] for row in rows] == list(range(len(rows)))
    assert all(row["masks"] is None and row["lanes"] is None for row in rows[1:])
    shares: dict[str, dict[str, float]] = defaultdict(dict)
    for each in first["class_maps"]:
        shares[each["head"]][each["class"]] = each["share"]
    record = {
        **{key: first[key] for key in ("index", "pts", "source")},
        "detections": [_as_detection(row) for row in rows if row["head"] is not None],
        "masks": {each["head"]: {"share": each["share"]} for each in first["masks"]},
        "lanes": [[[point["x"], point["y"]] for point in line] for line in first["lanes"]],
        "class_maps": shares,
        "classification": [
            {key: each[key] for key in each if each[key] is not None} for each in first["classification"]
        ],
    }
    carried = {each["head"]: each["frames"] for each in first["carried_heads"]}
    assert all(row["carried"] == carried.get(row["head"]) for row in rows)
    return {**record, "carried": carried} if carried else record


def _given(record: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if value is not None}


def _as_detection(row: dict[str, Any]) -> dict[str, Any]:
    found = {key: row[key] for key in ("head", "class", "class_id", "score", "track", "area") if row[key] is not None}
    return {**found, "box": [row[corner] for corner in ("x1", "y1", "x2", "y2")]}


def test_the_table_says_what_the_lines_say(tmp_path: Path) -> None:
    lines, table = both(tmp_path, results(60))
    assert as_lines(parquet.read_table(table).to_pylist()) == lines
    assert sorted(file.name for file in tmp_path.iterdir()) == ["lines.jsonl", "out.parquet"]


def test_another_reader_sees_the_same(tmp_path: Path) -> None:
    """DuckDB has a reader of its own."""
    lines, table = both(tmp_path, results(60))
    found = duckdb.connect().execute(f'select * from \'{table}\' order by "index", "row"')
    names = [column[0] for column in found.description or ()]
    assert as_lines([dict(zip(names, row, strict=True)) for row in found.fetchall()]) == lines
    (share,) = (
        duckdb.connect()
        .execute(f"""
        select count(*) filter ("class" = 'car') / count(*) from
        (select "index", max("class") as "class" from '{table}' group by "index")""")
        .fetchall()[0]
    )
    assert share == sum(any(one["class"] == "car" for one in line["detections"]) for line in lines) / 60


def test_attributes_and_regions_have_columns() -> None:
    empty: dict[str, Any] = {"masks": {}, "lanes": [], "class_maps": {}, "classification": []}
    record = {
        **empty,
        **dict(zip(("index", "pts", "source"), (0, 0.0, "clip"), strict=True)),
        "detections": [
            {"head": "b", "class": "c", "class_id": 1, "score": 0.5, "box": [0, 1, 2, 3], "attributes": {"at": ["x"]}}
        ],
        "regions": {"left": {"car": 2}, "right": {}},
    }
    (row,) = events_parquet._rows(record)
    assert row["attributes"] == [{"question": "at", "answers": ["x"]}]
    assert row["regions"] == [{"region": "left", "class": "car", "count": 2}]


def test_types_and_version(tmp_path: Path) -> None:
    _, table = both(tmp_path, results(3))
    schema = parquet.read_schema(table)
    assert schema.metadata[b"roadstream.events"] == b"1"
    types = {field.name: str(field.type) for field in schema}
    assert (types["index"], types["pts"], types["track"], types["score"]) == ("int64", "double", "int64", "double")
    assert [field.name for field in schema if not field.nullable] == ["index", "pts", "source", "row"]


def test_row_groups_are_bounded_and_no_frame_is_torn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events_parquet, "_GROUP", 10)
    lines, table = both(tmp_path, results(60))
    file = parquet.ParquetFile(table)
    assert file.num_row_groups > 5
    groups = [file.read_row_group(number).to_pylist() for number in range(file.num_row_groups)]
    assert all(len(group) <= 10 + 4 for group in groups)
    assert all(group[0]["row"] == 0 for group in groups if group)
    assert as_lines([row for group in groups for row in group]) == lines


@pytest.mark.parametrize("name", ['car, "big"', "two\nlines", "道路", "\udce9 not UTF-8"])
def test_any_class_name_survives(tmp_path: Path, name: str) -> None:
    odd = Detections(np.zeros((1, 4), np.float32), np.ones(1, np.float32), np.zeros(1, np.int32), (name,))
    frame = Frame(SHOWN, 0, Fraction(0), 0, INFO)
    _, table = both(tmp_path, [Result(frame, Prediction({"boxes": odd}), Timings(0), nobody_draws)])
    (row,) = parquet.read_table(table).to_pylist()
    assert row["class"] == name.encode("utf-8", "backslashreplace").decode()


def test_no_frames_no_file(tmp_path: Path) -> None:
    output = ParquetEvents(tmp_path / "out.parquet")
    output.open([INFO])
    output.close(SourceError("nothing in it"))
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_keeps_the_lines(tmp_path: Path) -> None:
    """Enough room for the lines, not for the table of them as well."""
    with small_disk(tmp_path / "disk", 128 * 1024) as disk:
        output = ParquetEvents(disk / "out.parquet")
        output.open([INFO])
        for one in results(60):
            output.write(one)
        (disk / "others").write_bytes(b"x" * (os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize))
        with pytest.raises(OutputError, match=r"disk full; the lines so far are kept as .*out\.part\.jsonl") as caught:
            output.close(None)
        assert caught.value.exit_code == 5
        assert sorted(file.name for file in disk.iterdir()) == ["others", "out.part.jsonl"]
        assert len((disk / "out.part.jsonl").read_text().splitlines()) == 60


def test_another_run_takes_nothing_away_while_the_table_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a day's events that takes minutes."""
    write = events_parquet._write

    def meanwhile(lines: Path, table: Path, sizes: Sequence[str], *, live: bool) -> None:
        other = ParquetEvents(tmp_path / "out.parquet")
        with pytest.raises(OutputError, match="another run is writing"):
            other.open([INFO])
        write(lines, table, sizes, live=live)

    monkeypatch.setattr(events_parquet, "_write", meanwhile)
    lines, table = both(tmp_path, results(6))
    assert as_lines(parquet.read_table(table).to_pylist()) == lines
    assert sorted(file.name for file in tmp_path.iterdir()) == ["lines.jsonl", "out.parquet"]


def test_killed_the_events_are_whole_lines_and_nothing_has_the_table_s_name(tmp_path: Path) -> None:
    script = tmp_path / "endless.py"
    script.write_text(
        "import itertools, sys\nfrom pathlib import Path\n"
        "from tests.outputs.test_events_parquet import INFO, ParquetEvents, results\n"
        "output = ParquetEvents(Path(sys.argv[1]))\noutput.open([INFO])\n"
        "for one in itertools.cycle(results(60)):\n"
        "    output.write(one)\n    print(one.frame.index, flush=True)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    command = [sys.executable, str(script), str(tmp_path / "out.parquet")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        for _ in range(150):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["endless.py", "out.part.jsonl"]
    whole = (tmp_path / "out.part.jsonl").read_text().split("\n")[:-1]
    assert len(whole) >= 150
    assert [json.loads(line)["index"] for line in whole[:60]] == list(range(0, 120, 2))


def test_without_the_library_a_run_is_refused_before_it_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    config = RunConfig.build({"sources": ["synthetic:"], "events": tmp_path / "out.parquet"})
    with pytest.raises(UsageError, match=r"pyarrow.* → pip install pyarrow"):
        check_paths(config, ["synthetic:"])
    check_paths(RunConfig.build({"sources": ["synthetic:"], "events": tmp_path / "out.csv"}), ["synthetic:"])


def test_sizes_are_columns_of_a_table_that_has_any(tmp_path: Path) -> None:
    """Also where the first frames knew none: the table is made of all of them."""
    sized = {"boxes": measured(), "more": detections()}
    _, table = both(tmp_path, [result({"boxes": detections(2)}), result(dict(sized), 13)])
    found = parquet.read_table(table)
    assert tuple(found.column_names[-6:]) == SIZE_COLUMNS
    assert found["width_mm"].to_pylist() == [None, None, 3.21, None, None, None]
    assert found["box_width_mm"].to_pylist() == [None, None, 412.5, 1843.25, None, None]
    (tmp_path / "none").mkdir()
    _, table = both(tmp_path / "none", [result({"boxes": detections(2)})])
    assert not set(SIZE_COLUMNS) & set(parquet.read_table(table).column_names)
