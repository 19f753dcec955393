"""Configuration and cards: what is understood, what is refused, and with which words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from contracts.card import Card
from contracts.config import EngineConfig, RunConfig
from contracts.errors import EngineError, UsageError


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("1:30", 90), ("0:01:30.5", 90.5), (12.25, 12.25), ("1:00:00", 3600)]
)
def test_times_as_people_write_them(text: Any, seconds: float) -> None:
    assert RunConfig.build({"start": text}).start == seconds


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"scor": 0.3}, ["'scor'", "did you mean 'score'"]),
        ({"score": 1.5}, ["score", "1.5"]),
        ({"score": float("nan")}, ["score"]),
        ({"start": "1:xx"}, ["start", "1:xx"]),
        ({"start": -1}, ["start"]),
        ({"start": float("inf")}, ["start"]),
        ({"max_frames": 0}, ["max_frames"]),
        ({"reconnect": "often"}, ["reconnect: 'often' is no number of tries", "0, 1, 2 … or forever"]),
        ({"reconnect": "-1"}, ["reconnect: '-1' is no number of tries", "0, 1, 2 … or forever"]),
        ({"reconnect": True}, ["reconnect: True is no number of tries"]),
        ({"realtime": True, "live": True}, ["realtime and live"]),
        ({"layers": "boxes,lane"}, ["layers", "lane"]),
        ({"engines": ["x.onnx?scor=0.4"]}, ["scor", "did you mean 'score'"]),
        ({"engines": ["x.onnx?"]}, ["x.onnx?"]),
        ({"engines": ["x.onnx?score=0.3&score=0.4"]}, ["KEY=VALUE"]),
        ({"engines": ["x.onnx?score"]}, ["KEY=VALUE"]),
        ({"engines": 7}, ["engines", "7"]),
        ({"engines": [{"file": "x.onnx", "scores": 1}]}, ["scores", "did you mean 'score'"]),
        ({"engines": ["a.onnx", "b.onnx"], "card": "c.yaml"}, ["card belongs to one engine"]),
        ({"ignore": 5}, ["ignore: Input should be a list", "given: 5"]),
        ({"labels": ""}, ["labels: the path is empty", "give a name, or leave the option out"]),
        ({"findings": ""}, ["findings: the path is empty"]),
        ({"save": ""}, ["save: the path is empty"]),
    ],
)
def test_what_is_refused_and_the_cure(options: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        RunConfig.build(options)
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_plain_yes_to_tracking_is_what_the_bare_option_is() -> None:
    assert RunConfig.build({"track": True}).track == "bytetrack"
    assert RunConfig.build({"track": False}).track is None


def test_the_command_line_wins_over_the_preset(tmp_path: Path) -> None:
    preset = tmp_path / "preset.yaml"
    preset.write_text("score: 0.3\niou: 0.6\nclasses: [car]\n", encoding="utf-8")
    config = RunConfig.build({"score": 0.5, "classes": "car, truck"}, preset)
    assert (config.score, config.iou, config.classes) == (0.5, 0.6, ("car", "truck"))


def test_an_unknown_key_in_a_preset_names_the_file(tmp_path: Path) -> None:
    preset = tmp_path / "preset.yaml"
    preset.write_text("egines: [x.onnx]\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"preset.yaml.*'egines'.*did you mean 'engines'"):
        RunConfig.build({}, preset)


def test_thresholds_come_from_the_engine_then_the_run_then_the_card() -> None:
    config = RunConfig.build({"engines": ["a.onnx?score=0.6", "b.onnx"], "iou": 0.5})
    first, second = config.engine_configs()
    assert config.thresholds(first, 0.1, 0.2).score == 0.6
    assert config.thresholds(second, 0.1, 0.2).score == 0.1
    assert config.thresholds(second, None, 0.2).score == 0.25
    assert config.thresholds(second, None, 0.2).iou == 0.5


def test_options_of_the_run_are_the_defaults_of_every_engine() -> None:
    config = RunConfig.build({"engines": ["a.onnx?backend=onnxruntime", "b.onnx"], "threads": 2, "precision": "fp32"})
    first, second = config.engine_configs()
    assert (first.backend, first.threads, first.precision) == ("onnxruntime", 2, "fp32")
    assert (second.backend, second.threads, second.precision) == ("auto", 2, "fp32")


def test_one_engine_alone_is_a_list_of_one() -> None:
    assert [engine.file.name for engine in RunConfig.build({"engines": "x.onnx"}).engines] == ["x.onnx"]


def test_an_engine_option_keeps_special_characters_of_its_value() -> None:
    config = EngineConfig.parse("my net.onnx?card=a%20b+c.yaml&score=0.4")
    assert (config.file, config.card, config.score) == (Path("my net.onnx"), Path("a b+c.yaml"), 0.4)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name: x", ["heads"]),
        ("name: x\nheads: []", ["heads"]),
        ("name: x\nheads: [{name: a, kind: yolo_boxs}]", ["heads.0.kind"]),
        ("name: x\nheads: [{name: a, kind: yolo_boxes, clases: [car]}]", ["clases", "did you mean 'classes'"]),
        ("name: x\nheads: [{name: a, kind: mask_ids}, {name: a, kind: mask_ids}]", ["share a name"]),
        ("name: x\ninput: {scale: 0}\nheads: [{name: a, kind: mask_ids}]", ["scale"]),
        ("- 1", ["not a YAML mapping"]),
        ("a: [", ["not YAML"]),
        ("name: &a x\nlicence: *a\nheads: [{name: a, kind: mask_ids}]", ["aliases"]),
        ("name: x\nreference: ../y.onnx\nheads: [{name: a, kind: mask_ids}]", ["../y.onnx", "beside"]),
        ("name: x\nheads: " + "[" * 3000, ["YAML"]),
        ("#" * 2_000_000, ["longer"]),
        ("!!python/object/apply:os.system ['true']", ["not YAML"]),
    ],
)
def test_cards_that_are_refused(text: str, words: list[str]) -> None:
    with pytest.raises(EngineError) as caught:
        Card.from_yaml(text, "x.card.yaml")
    for word in ("x.card.yaml", *words):
        assert word in str(caught.value)
