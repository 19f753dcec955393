"""A label folder that already has other labels: what is in it stays as it is, to the byte."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from run_stream import main
from tests.support.clips import write_clip
from tests.support.networks import box_network
from tests.support.program import Finished


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.fixture
def label(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Finished]:
    """A run into the folder ``labels``: clip, classes of its network, layout, more words."""

    def run(clip: Path, classes: str, layout: str, *words: str) -> Finished:
        network = box_network(tmp_path / f"{len(classes)}.onnx", classes=classes)
        options = ["--labels", str(tmp_path / "labels"), "--labels-format", layout, "--quiet"]
        code = main([str(clip), "--engine", str(network), *options, *words])
        return Finished(code, *capsys.readouterr())

    return run


@pytest.mark.parametrize("layout", ["yolo", "coco"])
@pytest.mark.parametrize("words", [(), ("--overwrite",)])
def test_labels_of_other_classes_are_refused(
    label: Callable[..., Finished], tmp_path: Path, layout: str, words: tuple[str, ...]
) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 3)
    assert label(clip, "[car, bus]", layout).code == 0
    before = contents(tmp_path / "labels")
    done = label(write_clip(tmp_path / "other.mp4", 4), "[tree, house]", layout, *words)
    assert done.code == 5
    assert done.err.count("\n") == 1
    assert "labels of other classes: car, bus, not tree, house" in done.err
    assert contents(tmp_path / "labels") == before


@pytest.mark.parametrize("layout", ["yolo", "coco"])
def test_labels_of_another_hand_stay(label: Callable[..., Finished], tmp_path: Path, layout: str) -> None:
    """Nobody knows what their numbers mean: nothing is added to them."""
    folder = tmp_path / "labels"
    theirs = {"images/a.jpg": b"a picture", "labels/a.txt": b"0 0.5 0.5 1 1\n", "data.yaml": b"names: [tree]\n"}
    if layout == "coco":
        theirs = {"images/a.jpg": b"a picture", "annotations/instances.json": b'{"images": [], "annotations": []}'}
    for name, data in theirs.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    done = label(write_clip(tmp_path / "clip.mp4", 3), "[car, bus]", layout)
    assert (done.code, done.err.count("\n")) == (5, 1), done.err
    assert "→" in done.err
    assert contents(folder) == theirs


def test_labels_of_another_clip_of_the_same_name_stay(label: Callable[..., Finished], tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    assert label(write_clip(one / "clip.mp4", 3), "[car, bus]", "yolo").code == 0
    before = contents(tmp_path / "labels")
    done = label(write_clip(other / "clip.mp4", 5), "[car, bus]", "yolo")
    assert (done.code, done.err.count("\n")) == (5, 1)
    assert "another 'clip'" in done.err
    assert contents(tmp_path / "labels") == before


def test_labels_of_another_clip_are_added(label: Callable[..., Finished], tmp_path: Path) -> None:
    assert label(write_clip(tmp_path / "one.mp4", 3), "[car, bus]", "yolo").code == 0
    before = contents(tmp_path / "labels")
    done = label(write_clip(tmp_path / "other.mp4", 4), "[car, bus]", "yolo")
    assert (done.code, done.err) == (0, "")
    after = contents(tmp_path / "labels")
    del before["roadstream.json"]  # knows both now
    assert before.items() <= after.items()
    assert len(after) == len(before) + 1 + 2 * 4
