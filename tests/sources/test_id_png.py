"""Maps of classes in PNG, against Pillow, which reads palettes by their numbers."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from PIL import Image

from contracts.errors import SourceError
from contracts.picture import Pixels
from sources.datasets.png import read_ids


def _png(ids: Pixels, mode: str, **options: int) -> bytes:
    made = Image.fromarray(ids, mode="L")
    if mode == "P":
        made.putpalette([(7 * place) % 256 for place in range(768)])
    elif mode == "1":
        made = made.convert("1", dither=Image.Dither.NONE)
    stream = io.BytesIO()
    made.save(stream, "png", **options)
    return stream.getvalue()


@pytest.mark.filterwarnings("ignore:'mode' parameter is deprecated")
@given(
    mode=some.sampled_from(["L", "P", "1"]),
    bits=some.sampled_from([1, 2, 4, 8]),
    size=some.tuples(some.integers(1, 40), some.integers(1, 40)),
    seed=some.integers(0, 1000),
)
def test_numbers_are_read_as_pillow_reads_them(
    tmp_path_factory: pytest.TempPathFactory, mode: str, bits: int, size: tuple[int, int], seed: int
) -> None:
    few = 2**bits if mode == "P" else 256
    ids = np.random.default_rng(seed).integers(0, few, size[::-1], np.uint8)
    data = _png(ids, mode, **({"bits": bits} if mode == "P" else {}))
    path = tmp_path_factory.getbasetemp() / "ids.png"
    path.write_bytes(data)
    found, palette = read_ids(path)
    with Image.open(path) as opened:
        assert np.array_equal(found, np.asarray(opened, np.uint8))
        assert palette == (opened.getpalette() if mode == "P" else [])
    if mode == "P":
        assert np.array_equal(found, ids)


def test_transparency_of_a_palette_changes_no_number(tmp_path: Path) -> None:
    ids = np.arange(256, dtype=np.uint8).reshape(16, 16)
    made = Image.fromarray(ids)
    made.putpalette(bytes(range(256)) * 3)
    made.save(tmp_path / "a.png", transparency=3)
    assert np.array_equal(read_ids(tmp_path / "a.png")[0], ids)


@pytest.mark.parametrize("cut", [0, 5, 20, 60, -13, -1])
def test_a_file_cut_off_anywhere_is_refused(tmp_path: Path, cut: int) -> None:
    ids = np.random.default_rng(1).integers(0, 256, (20, 20), np.uint8)
    (tmp_path / "a.png").write_bytes(cv2.imencode(".png", ids)[1].tobytes()[:cut])
    with pytest.raises(SourceError, match="cannot read"):
        read_ids(tmp_path / "a.png")


def test_a_changed_byte_is_noticed(tmp_path: Path) -> None:
    data = bytearray(cv2.imencode(".png", np.zeros((20, 20), np.uint8))[1].tobytes())
    data[45] ^= 1
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(SourceError, match="cannot read"):
        read_ids(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("pixels", "words"),
    [
        (np.zeros((4, 4, 3), np.uint8), "RGB"),
        (np.zeros((4, 4, 4), np.uint8), "RGB with alpha"),
        (np.zeros((4, 4), np.uint16), "16 bit"),
    ],
)
def test_what_is_no_map_of_classes_is_named(tmp_path: Path, pixels: Pixels, words: str) -> None:
    (tmp_path / "a.png").write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
    with pytest.raises(SourceError, match=words):
        read_ids(tmp_path / "a.png")
