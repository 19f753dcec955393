"""What is refused before anything starts, and the names a file has on its way."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from contracts.config import RunConfig
from contracts.errors import OutputError, RoadStreamError, UsageError
from outputs.open import check_paths
from outputs.paths import Target
from tests.support.disks import make_read_only, small_disk

Prepare = Callable[[Path], object]


def check(folder: Path, outputs: dict[str, str], inputs: tuple[str, ...] = (), overwrite: bool = False) -> None:
    options = {option: str(folder / name) for option, name in outputs.items()}
    named = [name if "://" in name or name == "-" else str(folder / name) for name in inputs]
    check_paths(RunConfig.build({**options, "overwrite": overwrite}), named)


def nothing(_: Path) -> None:
    """A folder with nothing in it."""


def test_fresh_names_pass_and_leave_no_trace(tmp_path: Path) -> None:
    outputs = {"save": "out.mp4", "events": "out.jsonl", "stats": "out.json"}
    check(tmp_path, outputs, ("in.mp4", "rtsp://camera/1", "-", "synthetic:"))
    assert list(tmp_path.iterdir()) == []


def test_relative_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clip.mp4").touch()
    check_paths(RunConfig.build({"save": "out.mp4"}), ["clip.mp4"])
    with pytest.raises(UsageError, match="is the input"):
        check_paths(RunConfig.build({"save": "./clip.mp4", "overwrite": True}), ["clip.mp4"])


CASES: list[tuple[str, Prepare, dict[str, str], type[RoadStreamError], str]] = [
    ("exists", lambda f: (f / "out.mp4").touch(), {"save": "out.mp4"}, UsageError, "--overwrite"),
    ("events exist", lambda f: (f / "o.csv").touch(), {"events": "o.csv"}, UsageError, "--overwrite"),
    ("stats exist", lambda f: (f / "s.json").touch(), {"stats": "s.json"}, UsageError, "--overwrite"),
    ("dangling link", lambda f: (f / "o.mp4").symlink_to(f / "no"), {"save": "o.mp4"}, UsageError, "--overwrite"),
    ("twins", nothing, {"save": "a.mp4", "stats": "a.mp4"}, UsageError, "same name"),
    (
        "twins, other spelling",
        lambda f: (f / "d").mkdir(),
        {"save": "a.mp4", "stats": "d/../a.mp4"},
        UsageError,
        "same name",
    ),
    ("folder", lambda f: (f / "out.mp4").mkdir(), {"save": "out.mp4"}, OutputError, "is a folder"),
    ("pipe", lambda f: os.mkfifo(f / "out.mp4"), {"save": "out.mp4"}, OutputError, "not a plain file"),
    ("no parent", nothing, {"save": "no/out.mp4"}, OutputError, "mkdir -p"),
    ("no parent for a shell", nothing, {"save": "my drives/out.mp4"}, OutputError, "/my drives'"),
    ("file as parent", lambda f: (f / "x").touch(), {"save": "x/out.mp4"}, OutputError, "is a file"),
    ("file above", lambda f: (f / "x").touch(), {"events": "x/y/o.jsonl"}, OutputError, "does not exist"),
    ("long name", nothing, {"save": "x" * 250 + ".mp4"}, OutputError, "too long"),
    ("longer name", nothing, {"save": "x" * 400 + ".mp4"}, OutputError, "too long"),
    ("no ending", nothing, {"save": "out"}, UsageError, "write out.mp4"),
    ("other ending", nothing, {"save": "out.avi"}, UsageError, "write out.mp4"),
    ("events ending", nothing, {"events": "out.xml"}, UsageError, ".jsonl or .csv"),
]


@pytest.mark.parametrize(("prepare", "outputs", "kind", "says"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_refused(
    tmp_path: Path,
    prepare: Prepare,
    outputs: dict[str, str],
    kind: type[RoadStreamError],
    says: str,
) -> None:
    prepare(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(kind) as raised:
        check(tmp_path, outputs)
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", ["out.mp4", "O.MP4"])
def test_overwrite_allows_what_exists(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("old")
    check(tmp_path, {"save": name}, overwrite=True)
    assert (tmp_path / name).read_text() == "old", "nothing is touched before the run"


@pytest.mark.parametrize(
    ("link", "given"),
    [
        (lambda clip, out: out.symlink_to(clip), "clip.mp4"),
        (lambda clip, out: out.hardlink_to(clip), "clip.mp4"),
        (lambda clip, out: clip.rename(out), "out.mp4"),
        (lambda clip, out: clip.rename(out), "*.mp4"),
        (lambda clip, out: clip.rename(out), "../{folder}/out.mp4"),
    ],
    ids=["symbolic link", "hard link", "same", "wildcard", "roundabout"],
)
@pytest.mark.parametrize("overwrite", [False, True])
def test_an_input_is_never_an_output(
    tmp_path: Path, link: Callable[[Path, Path], object], given: str, overwrite: bool
) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_text("film")
    link(clip, tmp_path / "out.mp4")
    for option in ("save", "stats"):
        with pytest.raises(UsageError, match="is the input"):
            check(tmp_path, {option: "out.mp4"}, (given.format(folder=tmp_path.name),), overwrite)


@pytest.mark.parametrize("scheme", ["file:", "file://"])
def test_an_input_may_be_written_as_a_file_address(tmp_path: Path, scheme: str) -> None:
    (tmp_path / "out.mp4").touch()
    config = RunConfig.build({"save": str(tmp_path / "out.mp4"), "overwrite": True})
    with pytest.raises(UsageError, match="is the input"):
        check_paths(config, [f"{scheme}{tmp_path / 'out.mp4'}"])


def test_the_unfinished_recording_as_input(tmp_path: Path) -> None:
    """Somebody runs on what a killed run left: recording must not write over it."""
    (tmp_path / "out.part.mp4").write_text("film")
    with pytest.raises(UsageError, match="uses while recording"):
        check(tmp_path, {"save": "out.mp4"}, ("out.part.mp4",))
    check(tmp_path, {"save": "other.mp4"}, ("out.part.mp4",))


SEGMENTS = {"segment": "10m", "keep": "1GB"}


def test_earlier_segments_are_no_reason_to_refuse(tmp_path: Path) -> None:
    for name in ("out.mp4", "out-000001-20261127T190501Z.mp4", "out-000002.part.mp4"):
        (tmp_path / name).touch()
    before = sorted(tmp_path.iterdir())
    config = RunConfig.build({"save": str(tmp_path / "out.mp4"), **SEGMENTS})
    check_paths(config, ["rtsp://camera/1"])
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("out-000001-20261127T190501Z.mp4", "is a segment of the output"),
        ("out-*.mp4", "is a segment of the output"),
        ("../{folder}/out-000002.part.mp4", "is a segment of the output"),
        ("link.mp4", "is a segment of the output"),
        ("out.mp4", "is the input"),
    ],
)
def test_a_segment_as_input(tmp_path: Path, given: str, says: str) -> None:
    """It could be deleted while it is read."""
    for name in ("out.mp4", "out-000001-20261127T190501Z.mp4", "out-000002.part.mp4"):
        (tmp_path / name).write_text("film")
    (tmp_path / "link.mp4").symlink_to(tmp_path / "out-000002.part.mp4")
    config = RunConfig.build({"save": str(tmp_path / "out.mp4"), **SEGMENTS, "overwrite": True})
    with pytest.raises(UsageError, match=says):
        check_paths(config, [str(tmp_path / given.format(folder=tmp_path.name))])


@pytest.mark.parametrize(
    ("name", "says"), [("no/out.mp4", "mkdir -p"), ("x" * 225 + ".mp4", "too long")], ids=["no parent", "long name"]
)
def test_places_where_no_segment_can_be_written(tmp_path: Path, name: str, says: str) -> None:
    config = RunConfig.build({"save": str(tmp_path / name), **SEGMENTS})
    with pytest.raises(OutputError, match=says):
        check_paths(config, [])
    assert list(tmp_path.iterdir()) == []


def test_a_read_only_disk(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 100_000) as disk:
        make_read_only(disk)
        with pytest.raises(OutputError, match="read-only"):
            check(disk, {"save": "out.mp4"})


def test_leftovers_get_the_first_free_number(tmp_path: Path) -> None:
    target = Target(tmp_path / "out.mp4")
    assert (target.part.name, target.finishing.name) == ("out.part.mp4", "out.finishing.mp4")
    (tmp_path / "out.part-2.mp4").touch()
    target.claim().close()
    for expected in ("out.part-1.mp4", "out.part-3.mp4"):
        target.part.write_text(expected)
        target.claim().close()
        assert (tmp_path / expected).read_text() == expected
        assert target.part.read_text() == ""


def test_an_empty_leftover_is_not_worth_keeping(tmp_path: Path) -> None:
    for _ in range(2):
        Target(tmp_path / "out.mp4").claim().close()
    assert [file.name for file in tmp_path.iterdir()] == ["out.part.mp4"]


def test_two_runs_to_one_name(tmp_path: Path) -> None:
    """The second is refused; what the first records stays where it is."""
    target = Target(tmp_path / "out.mp4")
    with target.claim() as held:
        held.write(b"recording")
        with pytest.raises(OutputError, match="another run is writing"):
            target.claim()
        assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("out.part.mp4", "recording")]
    target.claim().close()
    assert (tmp_path / "out.part-1.mp4").read_text() == "recording"


def test_a_file_takes_its_name_in_one_step(tmp_path: Path) -> None:
    target = Target(tmp_path / "out.mp4")
    target.path.write_text("old")
    target.finishing.write_text("new")
    target.publish(target.finishing)
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("out.mp4", "new")]
