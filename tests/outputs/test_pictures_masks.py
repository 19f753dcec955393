"""Annotated pictures and masks: names, values, what is there already, and what cannot be written."""

from __future__ import annotations

import logging
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from contracts.errors import OutputError
from contracts.fit import Letterbox, Stretch
from contracts.frame import Frame, SourceInfo
from contracts.picture import Picture
from contracts.prediction import ClassMap, Mask, Part, Prediction
from contracts.result import Result, Timings
from outputs.frame_folder import MEMORY
from outputs.masks import MasksOutput
from outputs.pictures import PicturesOutput
from outputs.png import png
from tests.support.disks import make_read_only, small_disk

INFO = SourceInfo("clip", "clip.mp4", 65, 41, Fraction(25), Fraction(1, 25))
PALETTE = ((0, 0, 255), (0, 255, 0), (255, 0, 0))


def result(index: int, parts: dict[str, Part] | None = None, *, grey: int = 90, info: SourceInfo = INFO) -> Result:
    """What is drawn is the frame, one column and row larger as for an encoder, 100 brighter."""

    def paint(_: Result) -> Picture:
        return Picture.from_bgr(np.full((info.height + 1, info.width + 1, 3), grey + 100, np.uint8))

    shown = Picture.from_bgr(np.full((info.height, info.width, 3), grey, np.uint8))
    return Result(Frame(shown, index, Fraction(index, 25), 0, info), Prediction(parts or {}), Timings(0), paint)


def mask(seed: int = 0) -> Mask:
    data = np.random.default_rng(seed).integers(0, 2, (32, 32)).astype(np.uint8)
    return Mask(data, Letterbox(65, 41, 64, 64), "drivable", "drivable")


def class_map() -> ClassMap:
    ids = np.random.default_rng(3).integers(0, 3, (10, 13)).astype(np.uint8)
    return ClassMap(ids, Stretch(65, 41, 13, 10), ("sky", "road", "car"), PALETTE)


def pictures(folder: Path, *results: Result, overwrite: bool = False) -> None:
    output = PicturesOutput(folder, overwrite=overwrite)
    output.open([results[0].frame.source if results else INFO])
    try:
        for one in results:
            output.write(one)
    finally:
        output.close(None)


def test_a_picture_per_frame_at_the_frames_size(tmp_path: Path) -> None:
    pictures(tmp_path / "out", result(0), result(12))
    files = sorted(file.name for file in (tmp_path / "out").iterdir())
    assert files == ["clip-000000.jpg", "clip-000012.jpg", MEMORY]
    seen = cv2.imread(str(tmp_path / "out" / "clip-000012.jpg"))
    assert seen is not None
    assert seen.shape == (41, 65, 3)
    assert abs(float(seen.mean()) - 190) < 1


def test_what_exists_is_left_alone_unless_overwritten(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pictures(tmp_path / "out", result(0), result(1))
    (tmp_path / "out" / "notes.txt").write_text("of a person")
    before = {file: file.read_bytes() for file in (tmp_path / "out").iterdir()}
    with caplog.at_level(logging.WARNING):
        pictures(tmp_path / "out", result(0, grey=20), result(1, grey=20), result(2, grey=20))
    assert "left alone what was there already: 2 files" in caplog.text
    assert {file: file.read_bytes() for file in before} == before
    assert (tmp_path / "out" / "clip-000002.jpg").exists()
    pictures(tmp_path / "out", result(0, grey=20), overwrite=True)
    changed = {file.name for file, data in before.items() if file.read_bytes() != data}
    assert changed == {"clip-000000.jpg"}


def test_another_clip_of_the_same_name_is_refused(tmp_path: Path) -> None:
    pictures(tmp_path / "out", result(0))
    before = {file: file.read_bytes() for file in (tmp_path / "out").iterdir()}
    later = replace(INFO, start=Fraction(3))
    with pytest.raises(OutputError, match=r"frames of another 'clip' \(another start\)"):
        pictures(tmp_path / "out", result(0, info=later))
    with pytest.raises(OutputError, match="holds annotated pictures, not masks"):
        MasksOutput(tmp_path / "out").open([INFO])
    assert {file: file.read_bytes() for file in (tmp_path / "out").iterdir()} == before


@pytest.mark.parametrize(("before", "now"), [(None, (32, 20)), ((32, 20), None), ((32, 20), (64, 40))])
def test_pictures_of_another_size_are_refused_before_one_is_written(
    tmp_path: Path, before: tuple[int, int] | None, now: tuple[int, int] | None
) -> None:
    folder = tmp_path / "out"
    for size in (before, before):
        output = PicturesOutput(folder, size=size)
        output.open([INFO])
        output.write(result(0))
        output.close(None)
    there = {file.name: file.read_bytes() for file in folder.iterdir()}
    output = PicturesOutput(folder, size=now)
    output.open([INFO])
    with pytest.raises(OutputError, match=r"annotated pictures of other output_size: (none given|32x20), not"):
        output.write(result(1))
    output.close(None)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == there


def test_a_live_source_goes_on_behind_the_last_number(tmp_path: Path) -> None:
    live = replace(INFO, id="camera", live=True)
    pictures(tmp_path / "out", result(0, info=live), result(4, info=live))
    pictures(tmp_path / "out", result(0, info=live))
    files = sorted(file.stem for file in (tmp_path / "out").glob("*.jpg"))
    assert files == ["camera-000000", "camera-000004", "camera-000005"]


@pytest.mark.parametrize("name", ["道路", "a/b: c?", "x" * 250, "\udce9"])
def test_any_id_is_a_file_name(tmp_path: Path, name: str) -> None:
    pictures(tmp_path / "out", result(3, info=replace(INFO, id=name)))
    (file,) = (tmp_path / "out").glob("*-000003.jpg")
    assert file.stat().st_size > 0


def test_a_clip_may_move_but_not_change(tmp_path: Path) -> None:
    def of(folder: str, data: bytes) -> Result:
        file = tmp_path / folder / "clip.mp4"
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(data)
        return result(0, info=replace(INFO, uri=str(file)))

    pictures(tmp_path / "out", of("here", b"1234"))
    pictures(tmp_path / "out", of("there", b"1234"))
    with pytest.raises(OutputError, match=r"another 'clip' \(another bytes\)"):
        pictures(tmp_path / "out", of("monday", b"12345"))
    pictures(tmp_path / "far", result(0, info=replace(INFO, uri="https://host/" + "x" * 3000)))


def test_no_frames_no_folder(tmp_path: Path) -> None:
    pictures(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_two_runs_at_once_are_refused(tmp_path: Path) -> None:
    first = PicturesOutput(tmp_path / "out")
    first.open([INFO])
    with pytest.raises(OutputError, match="another run is writing into"):
        pictures(tmp_path / "out", result(0))
    first.close(None)
    pictures(tmp_path / "out", result(0))


def test_a_picture_too_large_for_jpeg(tmp_path: Path) -> None:
    wide = replace(INFO, width=65600, height=1)
    with pytest.raises(OutputError, match="65600x1 cannot be written as JPEG"):
        pictures(tmp_path / "out", result(0, info=wide))


def test_masks_come_back(tmp_path: Path) -> None:
    parts: dict[str, Part] = {"drivable": mask(), "net.lane": mask(1), "map": class_map()}
    output = MasksOutput(tmp_path / "out")
    output.open([INFO])
    output.write(result(7, parts))
    output.close(None)
    for head in ("drivable", "net.lane"):
        seen = cv2.imread(str(tmp_path / "out" / head / "clip-000007.png"), cv2.IMREAD_UNCHANGED)
        wanted = parts[head]
        assert isinstance(wanted, Mask)
        np.testing.assert_array_equal(seen, wanted.on_frame() * 255)
    image = pytest.importorskip("PIL.Image").open(tmp_path / "out" / "map" / "clip-000007.png")
    ids, wanted_ids = np.asarray(image), class_map().ids
    assert (image.mode, image.size) == ("P", (65, 41))
    assert image.getpalette()[:9] == [255, 0, 0, 0, 255, 0, 0, 0, 255]  # RGB there, BGR here
    for row, column in np.ndindex(41, 65):
        assert ids[row, column] == wanted_ids[int((row + 0.5) * 10 / 41), int((column + 0.5) * 13 / 65)]


def test_png_with_and_without_palette_is_read_by_opencv(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 3, (5, 7)).astype(np.uint8)
    grey = cv2.imdecode(np.frombuffer(png(values), np.uint8), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(grey, values)
    coloured = cv2.imdecode(np.frombuffer(png(values, PALETTE), np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(coloured, np.array(PALETTE, np.uint8)[values])


def test_no_masks_are_an_error_not_an_empty_folder(tmp_path: Path) -> None:
    output = MasksOutput(tmp_path / "out")
    output.open([INFO])
    with pytest.raises(OutputError, match="no network of this run gives masks"):
        output.write(result(0))
    output.close(None)
    assert not (tmp_path / "out").exists()


def test_a_full_disk_leaves_whole_pictures(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 64 * 1024) as disk:
        noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)
        many = [replace(result(index), paint=lambda _: Picture.from_bgr(noise)) for index in range(100)]
        with pytest.raises(OutputError, match="disk full; the files so far are whole") as raised:
            pictures(disk / "out", *many)
        assert raised.value.cure
        assert not list((disk / "out").glob("*.part"))
        sizes = {cv2.imread(str(file)).shape for file in (disk / "out").glob("*.jpg")}  # type: ignore[union-attr]
        assert sizes == {(41, 65, 3)}


def test_a_disk_that_turns_read_only(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1024 * 1024) as disk:
        pictures(disk / "out", result(0))
        make_read_only(disk)
        with pytest.raises(OutputError, match="read-only"):
            pictures(disk / "out", result(1))
        with pytest.raises(OutputError, match="read-only"):
            pictures(disk / "other", result(1))


def test_a_file_in_the_folders_place(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("of a person")
    with pytest.raises(OutputError, match="cannot write"):
        pictures(tmp_path / "out", result(0))
    assert (tmp_path / "out").read_text() == "of a person"
