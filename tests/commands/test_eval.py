"""``eval``: figures worked out by hand, what is refused, and a page that needs nothing but itself."""

from __future__ import annotations

import base64
import importlib.util
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from commands import eval as command
from contracts.errors import EngineError, RoadStreamError, SourceError, UsageError
from tests.support.networks import SIZE, box_network, mask_network
from tests.support.program import ROOT, run_stream

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("faster_coco_eval") is None, reason="eval is part of the training room"
)
Captured = pytest.CaptureFixture[str]
WIDTH, HEIGHT = SIZE
CAR, BUS = (16, 16, 20, 12), (48, 24, 16, 16)
"""What ``box_network`` sees in every picture, with scores 0.9 and 0.6: centre x, y, width, height."""
SMALL = (40, 40, 6, 6)


def _labelled(
    root: Path, name: str, boxes: tuple[tuple[int, tuple[int, ...]], ...] | None, red: int = 0, labelled: int = 0
) -> None:
    """One picture in the layout ``drive``, red from the left up to a column, and labelled so up to another."""
    for folder in ("images", "boxes", "drivable"):
        (root / folder / "val").mkdir(parents=True, exist_ok=True)
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    picture[:, :red, 2] = 255
    cv2.imwrite(str(root / f"images/val/{name}.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 100])
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[:, :labelled] = 1
    cv2.imwrite(str(root / f"drivable/val/{name}.png"), mask)
    if boxes is not None:
        lines = [f"{kind} {x / WIDTH} {y / HEIGHT} {w / WIDTH} {h / HEIGHT} 0.9" for kind, (x, y, w, h) in boxes]
        (root / f"boxes/val/{name}.txt").write_text("\n".join(lines))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three pictures: a car and a bus are there; a car and something small; nobody looked for boxes."""
    root = tmp_path / "data"
    _labelled(root, "city_1", ((1, CAR), (2, BUS)), red=32, labelled=32)
    _labelled(root, "city_2", ((1, CAR), (1, SMALL)), red=32, labelled=16)
    _labelled(root, "night_1", None, red=0, labelled=16)
    return root


def _eval(data: Path, *words: str | Path) -> int:
    return command.main([*map(str, words), "--data", str(data), "--layout", "drive", "--quiet"])


def _figures(data: Path, *words: str | Path) -> dict[str, Any]:
    """The JSON object of one engine."""
    file = data.parent / "figures.json"
    assert _eval(data, *words, "--json", file, "--overwrite") == 0
    (engine,) = json.loads(file.read_text())["engines"]
    assert isinstance(engine, dict)
    return engine


def test_figures_of_boxes(data: Path, tmp_path: Path, capsys: Captured) -> None:
    boxes = _figures(data, box_network(tmp_path / "two.onnx"))["heads"]["boxes"]
    # Four predictions in the two labelled pictures, three of them right; the small car is missed.
    assert boxes["figures"]["precision"] == 0.75
    assert boxes["figures"]["recall"] == 0.75
    assert (boxes["figures"]["boxes"], boxes["figures"]["pictures"], boxes["figures"]["success"]) == (4, 2, 1)
    assert boxes["per_class"]["car"]["recall"] == pytest.approx(2 / 3, abs=1e-6)
    assert boxes["per_class"]["bus"]["precision"] == 0.5
    assert boxes["confusion"]["counts"] == [[2, 0, 1], [0, 1, 0], [0, 1, 0]]
    assert boxes["classes"] == ["car", "bus"]
    assert (boxes["curve"]["recall"][-1], boxes["curve"]["precision"][-1]) == (0.75, 0.75)
    out = capsys.readouterr().out
    assert re.search(r"^  recall +0\.750$", out, re.MULTILINE)
    assert "labelled but unknown to the network, not judged: person, truck, two_wheeler" in out


def test_small_boxes_and_higher_scores(data: Path, tmp_path: Path) -> None:
    network = box_network(tmp_path / "two.onnx")
    figures = _figures(data, network, "--min-box", "8", "--score", "0.7")["heads"]["boxes"]["figures"]
    assert (figures["boxes"], figures["precision"]) == (3, 1)
    assert figures["recall"] == pytest.approx(2 / 3, abs=1e-6)  # the bus has 0.6; AP ranks it all the same
    assert figures["map50"] > 0.7
    own = _figures(data, f"{network}?score=0.95")["heads"]["boxes"]
    assert (own["figures"]["recall"], own["figures"]["precision"], own["figures"]["success"]) == (0, None, 0)
    assert own["blank"] == ["val/city_1", "val/city_2"]


def test_merged_classes(data: Path, tmp_path: Path) -> None:
    network = box_network(tmp_path / "two.onnx", classes="[automobile, coach]")
    merge = "vehicle=car,bus,truck,automobile,coach"
    boxes = _figures(data, network, "--merge", merge, "--min-box", "8")["heads"]["boxes"]
    assert boxes["classes"] == ["vehicle"]
    assert boxes["confusion"]["counts"] == [[3, 0], [1, 0]]


def test_a_mistyped_name_is_told(data: Path, tmp_path: Path) -> None:
    words = ("--merge", "vehicle=car,buss", "--group", "camvid=camvid_*", "--group", "town=city_*")
    notes = _figures(data, box_network(tmp_path / "two.onnx"), *words)["notes"]
    assert "--merge: no class of the labels or of this network is called buss" in notes
    assert "--group: no picture belongs to camvid" in notes


def test_labels_are_never_written_over(data: Path, tmp_path: Path) -> None:
    labels = tmp_path / "instances.json"
    labels.write_text("{}")
    network = box_network(tmp_path / "two.onnx")
    with pytest.raises(UsageError, match=r"is the input.*choose another name with --json"):
        command.main([str(network), "--data", str(labels), "--layout", "coco", "--json", str(labels), "--overwrite"])
    assert labels.read_text() == "{}"


def _in_yolo_form(root: Path) -> Path:
    """One picture as ``box_network`` sees it, with ids 7 and 1, and no file that names classes."""
    (root / "images/val").mkdir(parents=True)
    (root / "labels/val").mkdir(parents=True)
    cv2.imwrite(str(root / "images/val/one.jpg"), np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    rows = [f"{kind} {x / WIDTH} {y / HEIGHT} {w / WIDTH} {h / HEIGHT}" for kind, (x, y, w, h) in ((7, CAR), (1, BUS))]
    (root / "labels/val/one.txt").write_text("\n".join(rows))
    return root


def test_classes_and_other_ids_are_given_as_to_the_data_commands(tmp_path: Path) -> None:
    data, network, file = _in_yolo_form(tmp_path / "yolo"), box_network(tmp_path / "two.onnx"), tmp_path / "found.json"
    words = [str(network), "--data", str(data), "--layout", "yolo", "--quiet"]
    with pytest.raises(UsageError, match=r"does not name its classes.*give --classes boxes=car,bus"):
        command.main(words)
    words += ["--classes", "boxes=car,bus"]
    with pytest.raises(SourceError, match=r"class 7.*here: .*--remap 'boxes:\*:7=0'"):
        command.main(words)
    with pytest.raises(UsageError, match="--remap boxes:7=0: not HEAD:FOLDER:OLD=NEW"):
        command.main([*words, "--remap", "boxes:7=0"])
    report = tmp_path / "report.html"
    assert command.main([*words, "--remap", "boxes:*:7=0", "--json", str(file), "--report", str(report)]) == 0
    found = json.loads(file.read_text())
    figures = found["engines"][0]["heads"]["boxes"]["figures"]
    assert (figures["boxes"], figures["precision"], figures["recall"]) == (2, 1, 1)
    assert (found["data"]["classes"], found["data"]["remap"]) == (["boxes=car,bus"], ["boxes:*:7=0"])
    assert "remap: boxes:*:7=0" in report.read_text("utf-8")


@pytest.mark.parametrize(("option", "ending"), [("--json", ".json"), ("--report", ".html")])
def test_an_output_that_cannot_be_is_cured_with_its_own_option(
    data: Path, tmp_path: Path, option: str, ending: str
) -> None:
    network = box_network(tmp_path / "two.onnx")
    there = tmp_path / f"there{ending}"
    there.touch()
    (tmp_path / f"folder{ending}").mkdir()
    for output in (there, tmp_path / "no" / f"new{ending}", tmp_path / f"folder{ending}"):
        with pytest.raises(RoadStreamError) as caught:
            _eval(data, network, option, output)
        assert option in caught.value.cure
        assert "--output" not in caught.value.cure


def test_groups(data: Path, tmp_path: Path) -> None:
    network = mask_network(tmp_path / "red.onnx")
    head = _figures(data, network, "--group", "town=city_*", "--by-group")["heads"]["drivable"]
    rows = {group: figures["iou"] for group, figures in head["groups"].items()}
    shares = (32 * 2, 32 * 2 + 16)  # labelled as 32 and 16 columns, seen as 32 each; nothing seen of the third's 16
    assert rows == pytest.approx({"town": 48 / 64, "others": 0, "city": 48 / 64, "night": 0}, abs=0.02)
    assert head["figures"]["iou"] == pytest.approx(48 / shares[1], abs=0.02)
    assert next(scene["name"] for scene in head["worst"]) == "val/night_1"


def test_engines_stand_side_by_side(data: Path, tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "other").mkdir()
    one, other = box_network(tmp_path / "net.onnx"), box_network(tmp_path / "other" / "net.onnx")
    assert _eval(data, one, f"{other}?score=0.7", mask_network(tmp_path / "red.onnx")) == 0
    blocks = capsys.readouterr().out.split("\n\n")
    heading, *rows = blocks[0].splitlines()
    assert re.split(r" {2,}", heading) == ["boxes", "net", "net (2)"]
    assert next(row.split() for row in rows if "recall" in row) == ["recall", "0.750", "0.500"]
    assert blocks[1].splitlines()[0].split() == ["drivable", "red"]


class _Outside(HTMLParser):
    """Everything a page would fetch or run."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.pictures: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given: Mapping[str, str | None] = dict(attrs)
        source = given.get("src") or ""
        if tag == "img" and source.startswith("data:image/jpeg;base64,"):
            self.pictures.append(source.partition(",")[2])
        elif source or tag in ("script", "link", "iframe", "object", "base"):
            self.found.append(f"{tag} {source}")
        self.found += [name for name in given if name.startswith("on")]
        if not (given.get("href") or "#").startswith("#"):
            self.found.append(f"{tag} {given['href']}")


def test_the_page_is_whole_by_itself(data: Path, tmp_path: Path) -> None:
    odd = tmp_path / "<b>.onnx"
    box_network(odd)
    report = tmp_path / "report.html"
    assert _eval(data, odd, mask_network(tmp_path / "red.onnx"), "--report", report, "--worst", "2") == 0
    text = report.read_text("utf-8")
    outside = _Outside()
    outside.feed(text)
    assert outside.found == []
    assert "url(" not in text
    assert "@import" not in text
    assert "&lt;b&gt;" in text
    assert len(outside.pictures) == 4
    for picture in outside.pictures:
        shown = cv2.imdecode(np.frombuffer(base64.b64decode(picture), np.uint8), cv2.IMREAD_COLOR)
        assert shown is not None
        assert shown.shape[:2] == (450, 1206)
    for word in ("Precision over recall", "taken for what", "Seen worst by red", "best_f1_score"):
        assert word in text


def test_a_network_that_skips_frames_is_not_judged(data: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="every=2 is for runs"):
        _eval(data, f"{mask_network(tmp_path / 'red.onnx')}?every=2")


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        (["--split", "nowhere"], SourceError, "no pictures"),
        (["--layout", "driv"], UsageError, "did you mean 'drive'"),
        (["--merge", "vehicle"], UsageError, "NAME=A,B"),
        (["--group", "a=x", "--group", "a=y"], UsageError, "twice"),
        (["--group", "others=x"], UsageError, "another name"),
        (["--score", "2"], UsageError, "score"),
        (["--most", "0"], UsageError, "most"),
        (["--min-box", "-1"], UsageError, "--min-box"),
        (["--min-box", "nan"], UsageError, "--min-box"),
        (["--min-box", "inf"], UsageError, "--min-box"),
        (["--merge", "vehicle=car,bus", "--merge", "big=bus"], UsageError, "'bus'"),
        (["--by-group", "--group", "city=night_*"], UsageError, "'city'"),
        (["--report", "page.txt"], UsageError, ".html"),
        (["--json", "{data}/there.json"], UsageError, "exists"),
        (["--merge", "x=car,bus"], EngineError, "none of its heads can be judged"),
    ],
)
def test_what_is_refused(
    data: Path, tmp_path: Path, words: list[str], error: type[RoadStreamError], message: str
) -> None:
    (data / "there.json").touch()
    network = box_network(tmp_path / "two.onnx", classes="[cat, dog]")
    with pytest.raises(error, match=re.escape(message)):
        command.main(
            [str(network), "--data", str(data), "--layout", "drive", "--quiet"]
            + [word.replace("{data}", str(data)) for word in words]
        )


@pytest.mark.parametrize(
    ("engine", "error", "message"),
    [
        ("absent.onnx", EngineError, "absent.onnx"),
        ("absent.pt", EngineError, "absent.pt"),
        ("two.pt?backend=openvino", UsageError, "without backend"),
        ("two.onnx?colour=red", UsageError, "colour"),
    ],
)
def test_engines_that_cannot_run_are_refused_before_anything_is_judged(
    data: Path, engine: str, error: type[RoadStreamError], message: str
) -> None:
    unlabelled = box_network(data.parent / "two.onnx", classes="[cat, dog]")  # would be refused for that in its turn
    (data.parent / "two.pt").touch()
    with pytest.raises(error, match=re.escape(message)):
        _eval(data, unlabelled, data.parent / engine)


def test_it_is_a_command_of_the_program(data: Path, tmp_path: Path) -> None:
    done = run_stream("eval", mask_network(tmp_path / "red.onnx"), "--data", data, "--layout", "drive")
    assert done.code == 0, done.err
    assert re.search(r"^  iou +0\.\d{3}$", done.out, re.MULTILINE)
    wrong = run_stream("eval", tmp_path / "red.onnx", "--data", data, "--layout", "nothing", "--quiet")
    assert (wrong.code, wrong.err.count("\n")) == (2, 1)


def test_it_runs_without_torch_and_says_what_is_missing(data: Path, tmp_path: Path) -> None:
    network = mask_network(tmp_path / "red.onnx")
    for absent, code in (("torch", 0), ("faster_coco_eval", 2)):
        program = f"import sys; sys.modules[{absent!r}] = None; import run_stream; sys.exit(run_stream.main())"
        words = ["eval", str(network), "--data", str(data), "--layout", "drive", "--quiet"]
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", program, *words],
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=False,
        )
        assert done.returncode == code, done.stderr
        assert not code or f"eval needs {absent}" in done.stderr


def _part_of_drive(shared: Path, root: Path, count: int) -> Path:
    """Some pictures of the shared drive's val split."""
    names = sorted(path.stem for path in (shared / "drive/images/val").glob("*.jpg"))[:: 241 // count][:count]
    for folder in ("images", "boxes", "drivable", "lane"):
        (root / folder / "val").mkdir(parents=True)
        for name in names:
            (source,) = (shared / "drive" / folder / "val").glob(f"{name}.*")
            shutil.copy(source, root / folder / "val")
    return root


@pytest.mark.shared
def test_real_networks_on_real_roads(shared: Path, tmp_path: Path) -> None:
    data = _part_of_drive(shared, tmp_path / "part", 12)
    lanes = _figures(data, f"{shared}/weights/twinlitenet.onnx?precision=fp32")["heads"]
    assert lanes["drivable"]["figures"]["iou"] > 0.85
    assert lanes["lane"]["figures"]["tolerant_iou"] > 0.75
    merge = ("--merge", "vehicle=car,bus,truck", "--merge", "two_wheeler=motorcycle,bicycle", "--min-box", "8")
    boxes = _figures(data, shared / "weights/yolov8n-fp32.onnx", *merge)["heads"]["boxes"]
    assert boxes["classes"] == ["person", "vehicle", "two_wheeler"]
    assert boxes["per_class"]["vehicle"]["ap50"] > 0.7


@pytest.mark.shared
@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="a checkpoint runs in torch")
def test_a_checkpoint_is_judged_as_its_network_file(shared: Path, tmp_path: Path) -> None:
    data = _part_of_drive(shared, tmp_path / "part", 3)
    found = [
        _figures(data, f"{shared}/weights/{file}")["heads"]
        for file in ("twinlitenet.pth", "twinlitenet.onnx?backend=onnxruntime&precision=fp32")
    ]
    for head in ("drivable", "lane"):
        assert found[0][head]["figures"] == pytest.approx(found[1][head]["figures"], abs=2e-3)
