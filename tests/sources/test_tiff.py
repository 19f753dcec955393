"""Pages of TIFF files: counted, and said where they are left out."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sources.open import open_source
from sources.tiff import pages


def page(level: int) -> np.ndarray:
    return np.full((8, 12, 3), level, np.uint8)


def tiff(sign: str, big: bool, kinds: list[int]) -> bytes:
    """The chain of directories of a TIFF, one entry each: the kind of the page."""
    head = {"<": b"II", ">": b"MM"}[sign]
    data = head + (struct.pack(f"{sign}HHHQ", 43, 8, 0, 16) if big else struct.pack(f"{sign}HI", 42, 8))
    for number, kind in enumerate(kinds):
        size = 8 + 20 + 8 if big else 2 + 12 + 4
        following = len(data) + size if number + 1 < len(kinds) else 0
        layout = f"{sign}QHHQIIQ" if big else f"{sign}HHHIII"
        values = (1, 254, 4, 1, kind, 0, following) if big else (1, 254, 4, 1, kind, following)
        data += struct.pack(layout, *values)
    return data


@pytest.mark.parametrize("sign", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
@given(kinds=st.lists(st.sampled_from([0, 1, 2, 3]), min_size=1, max_size=20))
def test_pages_are_counted_without_smaller_copies(sign: str, big: bool, kinds: list[int]) -> None:
    assert pages(tiff(sign, big, kinds)) == max(1, sum(not kind & 1 for kind in kinds))


def test_pages_that_lie_over_one_another_are_not_followed() -> None:
    entries = 500
    data = (
        struct.pack("<2sHIHH", b"II", 42, 8, entries, entries) + bytes(12 * entries - 2) + struct.pack("<III", 10, 0, 0)
    )
    assert pages(data) == 1


@given(st.binary(max_size=200), st.sampled_from([b"", b"II*\0", b"MM\0*", b"II+\0\x08\0\0\0"]))
def test_whatever_the_bytes_it_is_a_number(data: bytes, head: bytes) -> None:
    assert pages(head + data) >= 1


@pytest.mark.parametrize("count", [1, 2, 5])
def test_what_is_left_out_of_a_file_is_said(tmp_path: Path, count: int, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "scan.TIFF"
    written, data = cv2.imencodemulti(".tiff", [page(20 * number) for number in range(count)])
    assert written
    file.write_bytes(data.tobytes())
    frames = list(open_source(str(file)).frames())
    assert len(frames) == 1
    assert int(frames[0].picture.bgr().max()) == 0
    said = [record.getMessage() for record in caplog.records]
    assert said == ([] if count == 1 else [f"{file} has {count} pages: only the first is taken"])
