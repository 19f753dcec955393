"""Events as a table: Parquet, by the library pyarrow (Apache-2.0). The only file that imports it.

A Parquet file can be read only once its end is written, so a killed run would leave nothing. While the run goes on the
events are therefore lines, ``NAME.part.jsonl``, exactly those of ``JsonlEvents``; the table is made of them when the
run ends, a group of rows at a time, and takes its name when it is whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from contracts.errors import OutputError, UsageError
from contracts.sizes import SIZE_COLUMNS
from outputs.events import JsonlEvents
from outputs.paths import Target

VERSION = "1"
"""Version of the table, ``roadstream.events`` in the file's metadata; columns are only ever added."""
_GROUP = 4096  # rows held in memory, and of a row group: some MB


class ParquetEvents(JsonlEvents):
    """One row per detection; a frame without any has one row too, so ``"row" = 0`` are all frames.

    ``row``: number of the row in its frame, from 0. Columns of the detection (``head`` … ``attributes``) are null in
    a frame without one. Columns of the frame (``masks`` … ``carried_heads``) are given where ``row`` is 0 and null
    elsewhere, so means and sums over rows count every frame once. All numbers are those of the JSON lines. Columns of
    sizes (``SIZE_COLUMNS``) come last, in a table that has any; behind them, of a live source, ``connection`` (in every
    row) and ``outage`` (of the frame).
    """

    def __init__(self, path: Path) -> None:
        """Raises UsageError where pyarrow is missing."""
        super().__init__(path, lines=path.with_suffix(".jsonl"))
        _library()

    def _publish(self) -> None:
        table = Target(self.path)
        try:
            _write(self._target.part, table.finishing, SIZE_COLUMNS if self._sized else (), live=self._live)
            table.publish(table.finishing)
        except ValueError as fault:  # pyarrow's own errors
            raise OutputError(
                f"cannot make {self.path}: {fault}; the events are kept as {self._target.part}", "read them as lines"
            ) from fault
        finally:
            with suppress(OSError):  # it has its name, or the fault above is the one to tell
                table.finishing.unlink()
        self._target.part.unlink()


def _library() -> tuple[Any, Any]:
    """The library and its Parquet part; raises UsageError."""
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as fault:
        raise UsageError(
            f"events as Parquet need the library 'pyarrow', which cannot be imported: {fault}",
            "pip install pyarrow, or name a .jsonl or .csv file",
        ) from fault
    return pa, parquet


def _write(lines: Path, table: Path, sizes: Sequence[str], *, live: bool) -> None:
    """Makes the table of the lines. Raises OSError, and ValueError for what no table can hold."""
    pa, parquet = _library()
    schema = _schema(pa, sizes, live=live)
    with parquet.ParquetWriter(table, schema, compression="zstd") as writer:
        for rows in _groups(lines):
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))


def _groups(lines: Path) -> Iterator[list[dict[str, Any]]]:
    """Rows in groups; those of a frame stay together."""
    rows: list[dict[str, Any]] = []
    with lines.open(encoding="utf-8") as file:
        for line in file:
            record = json.loads(line)
            rows += _rows(_printable(record) if "\\ud" in line else record)  # an escaped half of a character
            if len(rows) >= _GROUP:
                yield rows
                rows = []
    yield rows


def _rows(record: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The rows of one frame."""
    where = {key: record.get(key) for key in ("index", "pts", "source", "connection")}
    carried = record.get("carried", {})
    frame = {
        "masks": [{"head": head, "share": mask["share"]} for head, mask in record["masks"].items()],
        "lanes": [[{"x": x, "y": y} for x, y in line] for line in record["lanes"]],
        "class_maps": _pairs(record["class_maps"], "head", "class", "share"),
        "classification": record["classification"],
        "regions": _pairs(record.get("regions", {}), "region", "class", "count"),
        "carried_heads": [{"head": head, "frames": frames} for head, frames in carried.items()],
        "outage": record.get("outage"),
    }
    for row, found in enumerate(record["detections"] or [None]):
        yield {**where, "row": row, **(_detection(found, carried) if found else {}), **(frame if row == 0 else {})}


def _detection(found: Mapping[str, Any], carried: Mapping[str, int]) -> dict[str, Any]:
    told = found.get("attributes")
    return {
        **{key: found.get(key) for key in ("head", "class", "class_id", "score", "track", "area", *SIZE_COLUMNS)},
        **dict(zip(("x1", "y1", "x2", "y2"), found["box"], strict=True)),
        "carried": carried.get(found["head"]),
        "attributes": None if told is None else [{"question": key, "answers": told[key]} for key in told],
    }


def _pairs(nested: Mapping[str, Mapping[str, Any]], outer: str, inner: str, value: str) -> list[dict[str, Any]]:
    return [{outer: one, inner: key, value: given} for one, inside in nested.items() for key, given in inside.items()]


def _printable(value: Any) -> Any:
    """The same with every text in UTF-8, which half characters (of a name that is no text) are not."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_printable(key): _printable(each) for key, each in value.items()}
    return [_printable(each) for each in value] if isinstance(value, list) else value


def _schema(pa: Any, sizes: Sequence[str], *, live: bool) -> Any:
    """The columns and the version of the table."""
    text, whole, small, number = pa.string(), pa.int64(), pa.int32(), pa.float64()
    name = pa.dictionary(small, text)

    def several(*fields: tuple[str, Any]) -> Any:
        return pa.list_(pa.struct(fields))

    columns = [
        pa.field("index", whole, nullable=False),
        pa.field("pts", number, nullable=False),
        pa.field("source", name, nullable=False),
        pa.field("row", small, nullable=False),
        *(("head", name), ("class", name), ("class_id", small), ("score", number)),
        *((corner, number) for corner in ("x1", "y1", "x2", "y2")),
        *(("track", whole), ("area", whole), ("carried", small)),
        ("attributes", several(("question", text), ("answers", pa.list_(text)))),
        ("masks", several(("head", text), ("share", number))),
        ("lanes", pa.list_(several(("x", number), ("y", number)))),
        ("class_maps", several(("head", text), ("class", text), ("share", number))),
        (
            "classification",
            several(("head", text), ("class", text), ("class_id", small), ("score", number), ("text", text)),
        ),
        ("regions", several(("region", text), ("class", text), ("count", whole))),
        ("carried_heads", several(("head", text), ("frames", small))),
        *((name, number) for name in sizes),
    ]
    if live:
        columns += [
            ("connection", small),
            ("outage", pa.struct([("seconds", number), ("lost", whole), ("reason", text)])),
        ]
    return pa.schema(columns, metadata={"roadstream.events": VERSION})
