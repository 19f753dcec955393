"""``models list``, ``show`` and ``card``: what people are told about network files."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from commands import models
from contracts.card import Card, HeadKind
from contracts.errors import EngineError
from engines import cards
from engines.releases import registered_cards
from roadstream import stream
from tests.engines.tiny import spec
from tests.support.networks import box_network, constant_network, mask_network
from tests.support.program import ROOT, run_here, run_stream

Captured = pytest.CaptureFixture[str]
YOLO = [spec("output0", 1, 84, 8400)]


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))


def test_every_registered_network_is_listed_with_what_can_be_done(tmp_path: Path, capsys: Captured) -> None:
    lying = tmp_path / "home" / "roadstream" / "networks" / "yolov10n.onnx"
    lying.parent.mkdir(parents=True)
    lying.write_bytes(b"")
    assert models.main(["list"]) == 0
    heading, *rows = capsys.readouterr().out.splitlines()
    assert heading.split() == ["name", "heads", "input", "size", "licence", "get"]
    gets = {row.split()[0]: row.split()[-1] for row in rows}
    assert gets == {
        card.name: str(lying) if card.name == "yolov10n" else "pull" if card.url else "-" for card in registered_cards()
    }
    assert any("640x384" in row and "MIT" in row and "0.5 MB" in row for row in rows)


def test_the_list_as_json_has_the_same_networks(capsys: Captured) -> None:
    assert models.main(["list", "--json"]) == 0
    listed = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert set(listed) == {card.name for card in registered_cards()}
    assert listed["yolop-640-640"]["heads"][0] == {"name": "boxes", "kind": "anchor_boxes", "classes": 1}
    assert (listed["yolop-640-640"]["input_size"], listed["yolop-640-640"]["bytes"]) == ([640, 640], 35902568)
    assert (listed["yolov8n-fp32"]["url"], listed["yolov8n-fp32"]["file"]) == (None, None)


def test_what_is_known_of_a_name(capsys: Captured) -> None:
    assert models.main(["show", "yolop-640-640"]) == 0
    text = capsys.readouterr().out
    for word in (
        "det_out",
        "vehicle",
        "mean 0.485 0.456 0.406",
        "MIT",
        "arXiv:2108.11250",
        "mAP50 76.5",
        "models pull",
    ):
        assert word in text


def test_what_is_known_of_a_file(tmp_path: Path, capsys: Captured) -> None:
    file = mask_network(tmp_path / "net.onnx", card=False)
    assert models.main(["show", str(file)]) == 0
    text = capsys.readouterr().out
    assert f"models card {file}" in text
    assert "takes      images float32 [1,3,48,64]" in text
    assert "gives      mask float32 [1,2,48,64]" in text
    mask_network(tmp_path / "net.onnx")
    assert models.main(["show", str(file)]) == 0
    text = capsys.readouterr().out
    assert "net.card.yaml, beside the file" in text
    assert "drivable: two_class_mask" in text
    assert "\nbut " not in text


def test_a_card_that_contradicts_its_file_is_shown_with_the_contradiction(tmp_path: Path, capsys: Captured) -> None:
    file = box_network(tmp_path / "net.onnx", classes="[car, bus, tram]")
    assert models.main(["show", str(file)]) == 0
    assert "but        head 'boxes' (yolo_boxes) wants [1,7,N] for 3 classes" in capsys.readouterr().out


def test_metadata_of_ultralytics_that_a_fork_left_behind_is_printed_with_what_does_not_fit(
    tmp_path: Path, capsys: Captured
) -> None:
    """As in road agents exported by their own program: two names for eleven scores."""
    file = constant_network(tmp_path / "net.onnx", {"o": _floats(1, 19, 64), "p": _floats(1, 4, 12, 16)})
    model = onnx.load(file)
    metadata = {"task": "segment", "names": "{0: 'Car', 1: 'Bus'}", "stride": "32", "imgsz": "[48, 64]"}
    onnx.helper.set_model_props(model, metadata | {"author": "Ultralytics"})
    onnx.save(model, file)
    assert models.main(["card", str(file)]) == 0
    text = capsys.readouterr().out
    (doubt,) = [line for line in text.splitlines() if line.startswith("# CHECK")]
    assert "[1,10,N]" in doubt
    assert "o float32 [1,19,64]" in doubt
    assert Card.from_yaml(text, "printed").heads[0].classes == ("Car", "Bus")


@pytest.mark.parametrize("where", ["beside", "explicit"])
def test_the_card_that_would_be_used_is_printed(tmp_path: Path, capsys: Captured, where: str) -> None:
    file = box_network(tmp_path / "net.onnx")
    if where == "beside":
        assert models.main(["card", str(file)]) == 0
        text = capsys.readouterr().out
        assert Card.from_yaml(text, "stdout") == Card.from_file(tmp_path / "net.card.yaml")
    else:
        (tmp_path / "net.card.yaml").rename(tmp_path / "mine.yaml")
        assert models.main(["show", str(file), "--card", str(tmp_path / "mine.yaml")]) == 0
        assert str(tmp_path / "mine.yaml") in capsys.readouterr().out


def test_a_file_without_a_card_gets_one_to_complete_that_runs(tmp_path: Path) -> None:
    """As the error tells people to do it: with the shell writing into the very card that is looked for."""
    file = mask_network(tmp_path / "net.onnx", card=False)
    arguments: list[str | Path] = [
        "synthetic:?seconds=1&size=64x64",
        "--engine",
        file,
        "--events",
        tmp_path / "out.jsonl",
    ]
    refused = run_stream(*arguments)
    assert refused.code == 4
    told = refused.err.partition("→ run_stream.py ")[2].partition(" writes one")[0]
    program = f"{sys.executable} -W error {ROOT / 'run_stream.py'}"
    done = subprocess.run(f"{program} {told}", shell=True, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "net.card.yaml").read_text()
    assert "# CHECK: fit, colours, scale" in text
    (head,) = Card.from_yaml(text, "made").heads
    assert (head.kind, head.outputs) == ("two_class_mask", ("mask",))
    again = run_stream(*arguments)
    assert again.code == 0, again.err
    assert (tmp_path / "out.jsonl").read_text()


def _floats(*shape: int) -> NDArray[np.float32]:
    return np.zeros(shape, np.float32)


@pytest.mark.parametrize(
    ("kind", "outputs", "remains"),
    [
        ("yolo_boxes", {"o": _floats(1, 6, 64)}, "names of its 2 classes"),
        ("yolo_boxes_end2end", {"o": _floats(1, 300, 6)}, "classes' names"),
        ("anchor_boxes", {"o": _floats(1, 192, 6)}, "names of its 1 classes"),
        ("yolo_instances", {"o": _floats(1, 10, 64), "p": _floats(1, 4, 12, 16)}, "names of its 2 classes"),
        ("road_agents", {"o": _floats(1, 19, 64), "p": _floats(1, 4, 12, 16)}, "what, where, lights"),
        ("two_class_mask", {"o": _floats(1, 2, 48, 64)}, "`role: drivable` or `role: lane`"),
        ("mask_ids", {"o": np.zeros((1, 48, 64), np.uint8)}, "`role: drivable` or `role: lane`"),
        ("class_map", {"o": _floats(1, 5, 6, 8)}, "names of its 5 classes"),
        ("classification", {"o": _floats(1, 10)}, "names of its 10 classes"),
    ],
)
def test_a_network_of_any_kind_is_refused_without_a_card_and_given_one_to_complete(
    tmp_path: Path, capsys: Captured, kind: str, outputs: dict[str, NDArray[Any]], remains: str
) -> None:
    file = constant_network(tmp_path / "net.onnx", outputs)
    with pytest.raises(EngineError, match="has no card") as refused:
        list(stream("synthetic:?seconds=1&size=64x64", engines=[file], max_frames=1))
    assert "\n" not in str(refused.value)
    assert f"models card {file} > {tmp_path / 'net.card.yaml'}" in refused.value.cure
    assert models.main(["card", str(file)]) == 0
    text = capsys.readouterr().out
    assert any(line.startswith("# CHECK") and remains in line for line in text.splitlines()), text
    assert ("# MAY ADD: texts:" in text) == (kind == "classification")
    (head,) = Card.from_yaml(text, "made").heads
    assert (head.kind, set(head.outputs)) == (kind, set(outputs))
    (tmp_path / "net.card.yaml").write_text(text, encoding="utf-8")
    (result,) = stream("synthetic:?seconds=1&size=64x64", engines=[file], max_frames=1)
    assert list(result.prediction) == [head.name]
    assert models.main(["show", str(file)]) == 0
    assert "\nbut " not in capsys.readouterr().out


def test_every_kind_has_its_test_above() -> None:
    marks = test_a_network_of_any_kind_is_refused_without_a_card_and_given_one_to_complete.pytestmark
    assert {case[0] for case in marks[0].args[1]} == set(get_args(HeadKind))


def test_where_nothing_can_be_guessed_that_is_said(tmp_path: Path) -> None:
    file = box_network(tmp_path / "net.onnx", card=False)
    with pytest.raises(EngineError, match="no card can be guessed") as caught:
        models.main(["card", str(file)])
    assert "boxes float32 [1,6,2]" in caught.value.message
    assert caught.value.cure


@pytest.mark.shared
def test_the_guess_for_real_files_is_their_card(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    """Files that are registered, read as if they were not: what the shapes tell agrees with what people wrote."""
    known = {card.name: card for card in registered_cards()}
    empty = tmp_path / "none"
    empty.mkdir()
    monkeypatch.setattr(cards, "REGISTERED", empty)
    monkeypatch.setattr(cards, "card_from_ultralytics", lambda *_: None)
    for name in ("yolov8n-fp32", "yolov8n-int8-ov", "yolov8n-seg-int8-320", "yolov10n-int8", "twinlitenetplus_small"):
        (file,) = (shared / "weights").glob(f"{name}.[ox][nm][nl]*")
        assert models.main(["card", str(file)]) == 0
        card = Card.from_yaml(capsys.readouterr().out, name)
        assert [(head.kind, head.outputs) for head in card.heads] == [
            (head.kind, head.outputs) for head in known[name].heads
        ]
        assert card.input.fit == known[name].input.fit
        if "v10" not in name:
            assert [head.classes for head in card.heads] == [head.classes for head in known[name].heads]


def test_the_documentation_knows_every_network_and_its_card_is_one() -> None:
    text = (ROOT / "docs" / "networks.md").read_text(encoding="utf-8")
    assert [card.name for card in registered_cards() if f"`{card.name}`" not in text] == []
    (block,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    card = Card.from_yaml(block, "docs/networks.md")
    assert set(card.model_dump(exclude_defaults=True)) == set(Card.model_fields) - {"reference"}


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["show", "yolop-640"], 2, "did you mean 'yolop-640-640'"),
        (["show", "no.onnx"], 4, "does not exist"),
        (["show", "there/no"], 4, "does not exist"),
        (["card", "no.onnx"], 4, "does not exist"),
        (["card", "text.onnx"], 4, "damaged"),
        (["card", "best.pt"], 4, "checkpoint"),
        (["pull", "yolop"], 2, "did you mean"),
        (["pull", "../yolop-640-640"], 2, "registered"),
        (["pull", "yolov8n-fp32"], 4, "not public"),
        (["list", "--jsno"], 2, "jsno"),
        ([], 2, "COMMAND"),
    ],
    ids=str,
)
def test_mistakes_end_in_one_line_with_a_cure(
    tmp_path: Path, capfd: Captured, words: list[str], code: int, says: str
) -> None:
    (tmp_path / "text.onnx").write_text("no network")
    (tmp_path / "best.pt").write_bytes(b"PK\x03\x04")
    words = [str(tmp_path / word) if word in ("text.onnx", "best.pt") else word for word in words]
    done = run_here(capfd, "models", *words)
    assert (done.code, done.out) == (code, ""), done.err
    assert len(done.err.splitlines()) == 1
    assert says in done.err
    assert "→" in done.err
