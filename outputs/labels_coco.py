"""Labels as COCO has them: one JSON, put together when the run ends from a line per frame written while it runs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from contracts.errors import OutputError
from outputs.labels import Labelled, LabelsOutput, annotation_of
from outputs.whole_lines import WholeLines


class CocoLabels(LabelsOutput):
    """``images/NAME.jpg`` and ``annotations/instances.json``: images, categories (ids from 1) and annotations.

    Annotations also have their ``score`` and, of road agents, ``attributes``; COCO's readers pass over both. While the
    run goes on a frame is a line of ``annotations/instances.part.jsonl``; a killed run loses at most its last one, and
    the next run into the folder goes on behind it. Ids that ``instances.json`` has already, and whatever else is in
    it, stay.
    """

    layout = "COCO"

    def __init__(self, path: Path, *, overwrite: bool = False) -> None:
        super().__init__(path, overwrite=overwrite)
        self._json = path / "annotations" / "instances.json"
        self._part = path / "annotations" / "instances.part.jsonl"
        self._overwrite = overwrite
        self._names: tuple[str, ...] = ()
        self._known: set[str] = set()
        self._lines: WholeLines | None = None

    def wants(self, name: str) -> bool:
        """By the images that are known."""
        wanted = self._overwrite or f"{name}.jpg" not in self._known
        self.folder.left_alone += not wanted
        return wanted

    def begin(self, names: Sequence[str]) -> None:
        """Reads what there is and opens the lines. Raises OutputError."""
        self._names = tuple(names)
        self._known = {str(image["file_name"]) for image in self._whole()["images"]}
        try:
            self._part.parent.mkdir(exist_ok=True)
            file = self._part.open("ab+", buffering=0)
            file.seek(0)
            whole, _, cut_off = file.readall().rpartition(b"\n")  # what a killed run did not finish
            self._lines = WholeLines(file, file.tell() - len(cut_off))
            file.truncate(file.tell() - len(cut_off))
            self._known |= {json.loads(line)["image"]["file_name"] for line in whole.splitlines()}
        except OSError as fault:
            raise self.folder.fault(self._part, fault) from fault
        except (ValueError, KeyError, TypeError) as fault:
            raise OutputError(f"{self._part} is broken: {fault}", "remove it; its frames are labelled again") from fault

    def put(self, name: str, size: tuple[int, int], objects: Sequence[Labelled]) -> None:
        """Appends the line of one frame."""
        image = {"file_name": f"{name}.jpg", "width": size[0], "height": size[1]}
        record = {"image": image, "annotations": [annotation_of(one) for one in objects]}
        assert self._lines is not None
        try:
            self._lines.append(json.dumps(record, allow_nan=False) + "\n")
        except OSError as fault:
            raise self.folder.fault(self._part, fault) from fault

    def close(self, error: BaseException | None) -> None:
        """Puts the JSON together, also when the run ended early. Raises OutputError; the lines are kept then."""
        try:
            if self._lines is not None:
                self._lines.close()
                self._lines = None
                self._finish()
        finally:
            super().close(error)

    def _finish(self) -> None:
        records = list(self._records())
        if records or not self._json.exists():
            data = _merged(self._whole(), records)
            self.folder.put(self._json, json.dumps(data, allow_nan=False).encode(), replace=True)
        try:
            self._part.unlink()
        except OSError as fault:
            raise self.folder.fault(self._part, fault) from fault

    def _records(self) -> Iterator[dict[str, Any]]:
        try:
            with self._part.open("rb") as file:
                yield from map(json.loads, file)
        except OSError as fault:
            raise self.folder.fault(self._part, fault) from fault

    def _whole(self) -> dict[str, Any]:
        """The JSON there is, or an empty one. Raises OutputError."""
        categories = [{"id": number, "name": name} for number, name in enumerate(self._names, 1)]
        if not os.path.lexists(self._json):
            return {"images": [], "annotations": [], "categories": categories}
        try:
            data = json.loads(self._json.read_text(encoding="utf-8"))
            _ = [(image["file_name"], int(image["id"])) for image in data["images"]]
            _ = [(each["image_id"], int(each["id"])) for each in data["annotations"]]
            same = [(each["id"], each["name"]) for each in data["categories"]] == list(enumerate(self._names, 1))
        except (OSError, ValueError, KeyError, TypeError) as fault:
            raise OutputError(f"{self._json} cannot be read: {fault!r}", "mend it or give another folder") from fault
        if not same:
            raise OutputError(f"{self._json} has other categories than this run's classes", "give another folder")
        found: dict[str, Any] = data
        return found


def _merged(data: dict[str, Any], records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """``data`` with the frames of ``records`` behind it; a frame that comes again replaces its older self."""
    latest = {record["image"]["file_name"]: record for record in records}
    gone = {image["id"] for image in data["images"] if image["file_name"] in latest}
    images = [image for image in data["images"] if image["id"] not in gone]
    annotations = [each for each in data["annotations"] if each["image_id"] not in gone]
    image_ids = count(1 + max((int(image["id"]) for image in data["images"]), default=0))
    ids = count(1 + max((int(each["id"]) for each in data["annotations"]), default=0))
    for record, image_id in zip(latest.values(), image_ids, strict=False):
        images.append({"id": image_id, **record["image"]})
        annotations += [{"id": next(ids), "image_id": image_id, **each} for each in record["annotations"]]
    return {**data, "images": images, "annotations": annotations}
