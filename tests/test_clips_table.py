"""The table of all clips: made again as docs/ has it, and held against the clips' own README and what must be so."""

from __future__ import annotations

import re
from difflib import unified_diff
from fractions import Fraction
from pathlib import Path

import pytest

from tests.clips_table import Row, main, page, run_on_all
from tests.support.clips import write_clip

pytestmark = pytest.mark.timeout(900)  # half a minute on two idle cores

PAGE = Path(__file__).parents[1] / "docs" / "clips.md"
LOST = {"truncated.mp4": 21, "corrupt_middle.mp4": 2}
"""Frames announced less frames decodable, by the README's notes on these two."""
ENTRY = re.compile(r"\| (\S+\.\w+) \| [\d,]+ \| ([\d-]+) \| (?:(\d+)x(\d+)|-) \|")
"""A file's line in the clips' README: name, bytes, frames, size as stored."""
OUTPUTS = ("out.json", "out.jsonl", "out.mp4")


@pytest.fixture(scope="module")
def rows(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    return run_on_all(shared / "clips", tmp_path_factory.mktemp("clips"))


@pytest.fixture(scope="module")
def stated(shared: Path) -> dict[str, tuple[int, tuple[int, int] | None]]:
    """Name → frames (0: no picture in it) and size as stored, by the clips' README."""
    found = ENTRY.findall((shared / "clips" / "README.md").read_text(encoding="utf-8"))
    return {
        name: (int(frames.replace("-", "0")), (int(width), int(height)) if width else None)
        for name, frames, width, height in found
    }


@pytest.mark.shared
def test_the_page_in_docs_says_what_happens(rows: list[Row]) -> None:
    pages = (PAGE.read_text(encoding="utf-8").splitlines(), page(rows).splitlines())
    assert list(unified_diff(*pages, "docs/clips.md", "now", n=0, lineterm="")) == []


@pytest.mark.shared
def test_no_clip_is_missing(rows: list[Row], stated: dict[str, tuple[int, tuple[int, int] | None]]) -> None:
    assert sorted(row.name for row in rows) == sorted(stated)


@pytest.mark.shared
def test_files_with_pictures_end_well_and_others_with_a_source_error(
    rows: list[Row], stated: dict[str, tuple[int, tuple[int, int] | None]]
) -> None:
    assert {row.name: row.code for row in rows} == {name: 0 if frames else 3 for name, (frames, _) in stated.items()}
    for row in rows:
        if row.code:
            assert len(row.said) == 1, "one line for people"
            assert "→" in row.said[0], "with the cure"
            assert row.name in row.said[0]
            assert row.left == ()


@pytest.mark.shared
def test_every_decodable_frame_comes_out_at_its_own_time(
    rows: list[Row], stated: dict[str, tuple[int, tuple[int, int] | None]]
) -> None:
    for row in rows:
        if row.code:
            continue
        frames, size = stated[row.name]
        assert len(row.made.times) == len(row.given.times) == row.events == row.written == frames, row.name
        assert row.given.sizes[0] == size
        assert row.deviation <= row.made.tick / 2 <= Fraction(1, 180_000), row.name
        assert row.lost == LOST.get(row.name, 0)
        assert row.left == OUTPUTS
        assert bool(row.said) == (row.name in LOST or len(row.given.sizes) > 1), "said, and only where there is a cause"
        assert all(str(lost) in row.said[-1] for name, lost in LOST.items() if name == row.name)


@pytest.mark.shared
def test_pictures_keep_their_size_turned_upright_and_made_even(rows: list[Row]) -> None:
    for row in rows:
        if row.code:
            continue
        width, height = row.given.sizes[0] if row.given.turned % 180 == 0 else reversed(row.given.sizes[0])
        assert row.made.sizes == ((width + width % 2, height + height % 2),), row.name
        assert row.made.pixels == row.given.pixels.replace("yuv420p10le", "yuv420p").replace("full", "limited")


@pytest.mark.shared
def test_sound_is_kept_as_it_is_as_long_as_the_pictures(rows: list[Row]) -> None:
    heard = [row for row in rows if row.given.sound and not row.code]
    assert len(heard) == 3
    for row in heard:
        given, made = row.given.sound, row.made.sound
        assert given is not None
        assert made is not None
        assert row.sound_is_copied
        length = row.made.times[-1] + Fraction(1, 25)
        packet = given.seconds / len(given.packets)
        assert made.seconds >= min(given.seconds, length) - 2 * packet
    assert all(row.made.sound is None for row in rows if row not in heard)


def test_the_script_makes_a_page_of_any_folder(tmp_path: Path) -> None:
    folder, target = tmp_path / "clips", tmp_path / "clips.md"
    folder.mkdir()
    write_clip(folder / "beep.mp4", 10, size=(64, 48), beep_at=0.1)
    (folder / "text.mp4").write_text("no video", encoding="utf-8")
    (folder / "README.md").write_text("not a clip", encoding="utf-8")
    main(folder, target)
    lines = [line.split(" | ") for line in target.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    assert len({len(line) for line in lines}) == 1
    good, bad = lines[2:]
    assert good[0] == "| beep.mp4"
    assert good[5] == "10"
    assert good[9:11] == ["10 / 10 / 10", "0.000"]
    assert good[11].endswith(", copied")
    assert good[12:14] == ["0", "0"]
    assert bad[0] == "| text.mp4"
    assert bad[13] == "3"
