"""Events of live sources: the same lines and a little more; those of recorded ones are as they were."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from pyarrow import parquet

from contracts.frame import Frame
from contracts.live import Outage
from contracts.prediction import Prediction
from contracts.result import Result, Timings
from outputs.events import CSV_COLUMNS, CsvEvents, JsonlEvents
from outputs.events_parquet import ParquetEvents
from tests.outputs.test_events import INFO, SHOWN, detections, nobody_draws

LIVE = replace(INFO, id="cam", live=True)
OUTAGE = Outage(Fraction(12_3456, 10_000), 308, "the camera is gone")


def results(*, live: bool = True) -> list[Result]:
    """Two frames, an outage, two frames; two boxes in the first and the last one, none between."""
    made = []
    for index, (connection, outage) in enumerate(((0, None), (0, None), (1, OUTAGE), (1, None))):
        frame = Frame(SHOWN, index, Fraction(index, 25), 0, LIVE if live else INFO, None, connection, outage)
        parts = {"boxes": detections(2)} if index in (0, 3) else {}
        made.append(Result(frame, Prediction(parts), Timings(0), nobody_draws))
    return [result if live else replaced(result) for result in made]


def replaced(result: Result) -> Result:
    """As of a recorded stream that was cut: connections, but no outage."""
    return Result(replace(result.frame, outage=None), result.prediction, Timings(0), nobody_draws)


def written(output: JsonlEvents | CsvEvents, *, live: bool = True) -> str:
    output.open([LIVE if live else INFO])
    for one in results(live=live):
        output.write(one)
    output.close(None)
    return output.path.read_text(encoding="utf-8") if output.path.suffix != ".parquet" else ""


def test_lines_say_which_connection_and_once_what_was_between(tmp_path: Path) -> None:
    found = [json.loads(line) for line in written(JsonlEvents(tmp_path / "out.jsonl")).splitlines()]
    assert [line["connection"] for line in found] == [0, 0, 1, 1]
    assert [line.get("outage") for line in found] == [
        None,
        None,
        {"seconds": 12.346, "lost": 308, "reason": "the camera is gone"},
        None,
    ]
    plain = [json.loads(line) for line in written(JsonlEvents(tmp_path / "plain.jsonl"), live=False).splitlines()]
    for line in found:
        line |= {"source": "clip"}
        line.pop("connection")
        line.pop("outage", None)
    assert plain == found, "nothing else is different, and nothing more in a recorded one's"


@pytest.mark.parametrize("live", [True, False])
def test_a_table_has_a_last_column_for_a_live_source_only(tmp_path: Path, live: bool) -> None:
    heading, *rows = csv.reader(written(CsvEvents(tmp_path / "out.csv"), live=live).splitlines())
    assert heading == [*CSV_COLUMNS, *(["connection"] if live else [])]
    assert {len(row) for row in rows} == {len(heading)}
    if live:
        assert [row[-1] for row in rows] == ["0", "0", "1", "1"]


def test_a_parquet_table_has_the_same_facts(tmp_path: Path) -> None:
    written(ParquetEvents(tmp_path / "out.parquet"))
    rows = parquet.read_table(tmp_path / "out.parquet").to_pylist()
    assert [(row["index"], row["row"], row["connection"]) for row in rows] == [
        (0, 0, 0),
        (0, 1, 0),
        (1, 0, 0),
        (2, 0, 1),
        (3, 0, 1),
        (3, 1, 1),
    ]
    outages = [row["outage"] for row in rows]
    assert outages == [None, None, None, {"seconds": 12.346, "lost": 308, "reason": "the camera is gone"}, None, None]
    written(ParquetEvents(tmp_path / "plain.parquet"), live=False)
    assert not {"connection", "outage"} & set(parquet.read_schema(tmp_path / "plain.parquet").names)
