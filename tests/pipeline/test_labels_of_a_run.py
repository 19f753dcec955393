"""Labels written by a run: judged against the run itself, killed and gone on with. (Read back: a file of its own.)"""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from contracts.errors import OutputError, UsageError
from contracts.prediction import Detections, Prediction
from roadstream import stream
from tests.support.program import command, run_here, run_stream

NAMES = ("person", "car", "bus", "truck", "two_wheeler")
DRIVE = "synthetic:city?size=640x360&seconds=10&fps=5"
FRAMES = 12


@dataclass(frozen=True, slots=True)
class Labelled:
    """A folder of labels and what the run that wrote it gave, by file name without ending."""

    folder: Path
    seen: dict[str, Prediction]

    def boxes(self) -> list[tuple[str, Detections]]:
        return [(name, prediction.detections()["boxes"]) for name, prediction in self.seen.items()]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Labelled]:
    """One run per layout, made when first asked for."""
    made: dict[str, Labelled] = {}

    def labelled(layout: str) -> Labelled:
        if layout not in made:
            folder = tmp_path_factory.mktemp("labels") / layout
            results = stream(DRIVE, max_frames=FRAMES, labels=folder, labels_format=layout)
            seen = {f"synthetic-{result.frame.index:06d}": result.prediction for result in results}
            assert sum(len(prediction.detections()["boxes"]) for prediction in seen.values()) > FRAMES
            made[layout] = Labelled(folder, seen)
        return made[layout]

    return labelled


def test_coco_reads_it_and_the_run_is_perfect_against_it(run: Callable[[str], Labelled]) -> None:
    coco = pytest.importorskip("faster_coco_eval")
    labels = run("coco")
    truth = coco.COCO(str(labels.folder / "annotations" / "instances.json"))
    assert [each["name"] for each in truth.loadCats(truth.getCatIds())] == list(NAMES)
    ids = {image["file_name"]: image["id"] for image in truth.loadImgs(truth.getImgIds())}
    assert set(ids) == {f"{name}.jpg" for name in labels.seen}
    found: list[dict[str, Any]] = []
    for name, boxes in labels.boxes():
        for (x1, y1, x2, y2), score, class_id in zip(boxes.boxes.tolist(), boxes.scores, boxes.class_ids, strict=True):
            place = {"image_id": ids[f"{name}.jpg"], "bbox": [x1, y1, x2 - x1, y2 - y1]}
            found.append({**place, "category_id": int(class_id) + 1, "score": float(score)})
    evaluation = coco.COCOeval_faster(truth, truth.loadRes(found), "bbox", print_function=lambda *_: None)
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    assert evaluation.stats[0] == pytest.approx(1.0)


@pytest.mark.parametrize("layout", ["yolo", "coco"])
def test_our_own_judge_finds_the_run_perfect(run: Callable[[str], Labelled], layout: str) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("faster_coco_eval")
    from contracts.card import HeadCard
    from training.config import SetConfig
    from training.data.open import open_set
    from training.metrics.judge import Judge

    labels = run(layout)
    data = open_set(SetConfig.model_validate({"layout": layout, "path": str(labels.folder)}))
    judge = Judge(data.classes, [HeadCard(name="boxes", kind="yolo_boxes", classes=NAMES)])
    for index in range(len(data)):
        sample = data[index]
        judge.add(sample, labels.seen[Path(sample.name).name])
    assert len(data) == FRAMES
    assert judge.figures()["boxes"]["map50_95"] == pytest.approx(1.0)


@pytest.mark.parametrize("layout", ["yolo", "coco"])
def test_killed_and_gone_on_with_nothing_is_missing_or_twice(
    run: Callable[[str], Labelled], tmp_path: Path, layout: str
) -> None:
    folder = tmp_path / "out"
    words = (DRIVE, "--max-frames", str(FRAMES), "--labels", folder, "--labels-format", layout, "--quiet")
    with subprocess.Popen(command(*words, "--realtime"), stderr=subprocess.DEVNULL) as process:
        until = time.monotonic() + 100
        while len(list(folder.glob("images/*.jpg"))) < 3:
            assert process.poll() is None, "ended before it could be killed"
            assert time.monotonic() < until
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    before = _contents(folder)
    done = run_stream(*words)
    assert (done.code, done.out) == (0, "")
    after = _contents(folder)
    kept = {name for name in before if name.endswith((".jpg", ".txt", ".yaml", "roadstream.json"))}
    assert len(kept) >= 4
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}
    whole = _contents(run(layout).folder)
    assert set(after) == {name for name in whole if not name.endswith(".cache")}
    if layout == "coco":
        data = json.loads(after["annotations/instances.json"])
        names = [image["file_name"] for image in data["images"]]
        assert len(set(names)) == len(names) == FRAMES


def _contents(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize("option", ["labels", "pictures", "masks"])
def test_a_place_that_cannot_be_is_said_before_the_run(tmp_path: Path, option: str) -> None:
    (tmp_path / "file").write_text("of a person")
    for place, why in ((tmp_path / "file", "it is a file, not a folder"), (tmp_path / "no" / "such", "does not exist")):
        with pytest.raises(OutputError, match=why):
            stream(DRIVE, **{option: place})  # type: ignore[arg-type]
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_outputs_that_would_mix_are_refused(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    for pictures in (tmp_path / "out", tmp_path / "out" / "images"):
        with pytest.raises(UsageError, match="two outputs would write into"):
            stream(DRIVE, labels=tmp_path / "out", pictures=pictures)
    with pytest.raises(UsageError, match="is an input"):
        stream(str(tmp_path), pictures=tmp_path)


@pytest.mark.parametrize("written", ["{0}", "{0}?fps=10", "{0}/*.png", "{0}/*.png?fps=10"])
def test_a_folder_of_pictures_is_no_output_however_it_is_named(tmp_path: Path, written: str) -> None:
    shots = tmp_path / "shots"
    shots.mkdir()
    cv2.imwrite(str(shots / "a.png"), np.zeros((48, 64, 3), np.uint8))
    for option in ("labels", "pictures", "masks"):
        with pytest.raises(UsageError, match="is an input"):
            stream(written.format(shots), **{option: shots})  # type: ignore[arg-type]
    (shots / "x.mp4").symlink_to(shots / "a.png")
    with pytest.raises(UsageError, match="is the input"):
        stream(written.format(shots), save=shots / "x.mp4", overwrite=True)
    assert sorted(file.name for file in shots.iterdir()) == ["a.png", "x.mp4"]


def test_labels_of_another_hand_survive_a_run(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "data.yaml").write_text("names: [cat]\n")
    done = run_here(capfd, DRIVE, "--max-frames", "1", "--labels", tmp_path, "--quiet")
    assert (done.code, done.err.count("\n")) == (5, 1), done.err
    assert "holds files of somebody else (data.yaml) → give another folder" in done.err
    assert _contents(tmp_path) == {"data.yaml": b"names: [cat]\n"}


def test_all_folders_at_once_and_the_summary_names_them(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folders = ("labels", "pictures", "masks", "findings")
    places = [word for name in folders for word in (f"--{name}", tmp_path / name)]
    done = run_here(capfd, DRIVE, "--max-frames", "2", *places)
    assert done.code == 0, done.err
    assert all(f"written     {tmp_path / name}" in done.err for name in folders)
    assert len(list((tmp_path / "pictures").glob("*.jpg"))) == 2
    assert sorted(folder.name for folder in (tmp_path / "masks").iterdir() if folder.is_dir()) == ["drivable", "lane"]
