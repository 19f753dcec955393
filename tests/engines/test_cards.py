"""Which card a file gets, what is understood without one, and what contradicts a network."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from onnx import helper, numpy_helper

from contracts.card import Card
from contracts.errors import EngineError
from contracts.tensor import TensorSpec
from engines import cards
from engines.cards import METADATA_KEY, check_card, find_card, registered_card
from engines.files import hashes_of, parts_of
from engines.open import open_engine
from engines.openvino_runtime import core
from engines.openvino_runtime import ov as openvino
from engines.ultralytics_metadata import card_from_ultralytics
from tests.engines import tiny
from tests.engines.tiny import spec

IMAGES = [spec("images", 1, 3, 48, 64)]
ULTRALYTICS = {"task": "detect", "names": "{0: 'car', 1: 'bus'}", "imgsz": "[48, 64]", "end2end": "False"}


def named(name: str, **more: Any) -> str:
    """A card that is known again by its name."""
    return yaml.safe_dump({"name": name, "heads": [{"name": "boxes", "kind": "yolo_boxes"}], **more})


@pytest.fixture
def registered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in the place of ``configs/networks``."""
    folder = tmp_path / "networks"
    folder.mkdir()
    monkeypatch.setattr(cards, "REGISTERED", folder)
    return folder


@pytest.mark.parametrize(
    ("present", "found"),
    [
        ({"explicit", "beside", "inside", "hash", "ultralytics"}, "explicit"),
        ({"beside", "inside", "hash", "ultralytics"}, "beside"),
        ({"inside", "hash", "ultralytics"}, "inside"),
        ({"hash", "ultralytics"}, "hash"),
        ({"ultralytics"}, "net"),
        ({"explicit"}, "explicit"),
        ({"hash"}, "hash"),
    ],
)
def test_the_first_of_five_places_wins(tmp_path: Path, registered: Path, present: set[str], found: str) -> None:
    file = tmp_path / "net.onnx"
    file.write_bytes(b"network")
    explicit = tmp_path / "mine.yaml"
    explicit.write_text(named("explicit"))
    metadata = dict(ULTRALYTICS) if "ultralytics" in present else {}
    if "beside" in present:
        (tmp_path / "net.card.yaml").write_text(named("beside"))
    if "inside" in present:
        metadata[METADATA_KEY] = named("inside")
    if "hash" in present:
        (registered / "other-name.yaml").write_text(named("hash", sha256=list(hashes_of(file))))
    (registered / "net.yaml").write_text(named("namesake", sha256=["0" * 64]))
    card = find_card(file, explicit if "explicit" in present else None, metadata, IMAGES)
    assert card.name == found


def test_without_a_card_the_error_names_the_command_that_writes_one(tmp_path: Path, registered: Path) -> None:
    file = tmp_path / "net.onnx"
    file.write_bytes(b"network")
    with pytest.raises(EngineError, match="has no card") as caught:
        find_card(file, None, {}, IMAGES)
    assert f"models card {file} > {tmp_path / 'net.card.yaml'}" in caught.value.cure
    namesake = registered / "net.yaml"
    namesake.write_text(named("namesake"))
    with pytest.raises(EngineError, match="has no card") as caught:
        find_card(file, None, {}, IMAGES)
    assert f"--card {namesake}" in caught.value.message


@pytest.mark.parametrize("place", ["explicit", "beside", "inside"])
def test_a_bad_card_is_an_error_and_never_skipped(tmp_path: Path, registered: Path, place: str) -> None:
    file, metadata = tmp_path / "net.onnx", dict(ULTRALYTICS)
    file.write_bytes(b"network")
    bad = "name: x\nheads: [{name: a, kind: yolo_boxs}]"
    explicit = tmp_path / ("net.card.yaml" if place == "beside" else "mine.yaml")
    if place == "inside":
        metadata[METADATA_KEY] = bad
    else:
        explicit.write_text(bad)
    with pytest.raises(EngineError, match=r"heads\.0\.kind"):
        find_card(file, explicit if place == "explicit" else None, metadata, IMAGES)


def test_a_file_that_changes_is_hashed_again(tmp_path: Path) -> None:
    file = tmp_path / "net.onnx"
    file.write_bytes(b"one")
    first = hashes_of(file)
    file.write_bytes(b"other")
    assert hashes_of(file) != first


def test_both_halves_of_an_ir_must_match(tmp_path: Path, registered: Path) -> None:
    file = tmp_path / "net.xml"
    file.write_bytes(b"<net/>")
    file.with_suffix(".bin").write_bytes(b"weights")
    (registered / "net.yaml").write_text(named("ir", sha256=list(hashes_of(file))))
    assert registered_card(hashes_of(file)) is not None
    file.with_suffix(".bin").write_bytes(b"other weights")
    assert registered_card(hashes_of(file)) is None


@pytest.mark.parametrize("suffix", [".onnx", ".xml"])
@pytest.mark.parametrize(
    "metadata", [{METADATA_KEY: named("inside", input={"scale": 1})}, ULTRALYTICS], ids=["card", "u"]
)
def test_real_files_carry_their_cards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, metadata: dict[str, str]
) -> None:
    """ONNX metadata, and what becomes of it when OpenVINO converts the file."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], axes=[1]),
        helper.make_node("Expand", ["mean", "shape"], ["wide"]),
        helper.make_node("Reshape", ["wide", "flat"], ["out"]),
    ]
    constants = [
        numpy_helper.from_array(np.array([1, 6, 48, 64]), "shape"),
        numpy_helper.from_array(np.array([1, 6, 3072]), "flat"),
    ]
    file = tiny.save(
        tmp_path / "net.onnx", nodes, {"out": (1, 6, 3072)}, {"images": (1, 3, 48, 64)}, constants, metadata=metadata
    )
    if suffix == ".xml":
        openvino.save_model(core().read_model(file), file.with_suffix(".xml"))
    for backend in ["openvino"] + ["onnxruntime"] * (suffix == ".onnx"):
        engine = open_engine(tiny.config(file.with_suffix(suffix), backend))
        if METADATA_KEY in metadata:
            assert (engine.card.name, engine.card.input.scale) == ("inside", 1)
        else:
            assert (engine.card.name, engine.card.heads[0].classes) == ("net", ("car", "bus"))
        engine.close()


def test_a_card_in_an_ir_written_by_openvino_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    model = core().read_model(tiny.echo(tmp_path / "echo.onnx"))
    text = yaml.safe_dump({"name": "in the IR", "heads": [tiny.SEEN]})
    model.set_rt_info(text, ["roadstream", "card"])
    openvino.save_model(model, tmp_path / "net.xml")
    engine = open_engine(tiny.config(tmp_path / "net.xml"))
    assert engine.card.name == "in the IR"
    engine.close()


@pytest.mark.parametrize(
    ("changes", "kind", "head"),
    [
        ({}, "yolo_boxes", "boxes"),
        ({"end2end": "True"}, "yolo_boxes_end2end", "boxes"),
        ({"args": "{'nms': True}"}, "yolo_boxes_end2end", "boxes"),
        ({"args": "{'nms': None}"}, "yolo_boxes", "boxes"),
        ({"task": "segment"}, "yolo_instances", "boxes"),
        ({"task": "segment", "end2end": "True"}, "yolo_instances", "boxes"),
        ({"task": "classify"}, "classification", "classification"),
        ({"names": "['car', 'bus']"}, "yolo_boxes", "boxes"),
        ({"names": "{1: 'bus', 0: 'car'}"}, "yolo_boxes", "boxes"),
    ],
)
def test_ultralytics_metadata_becomes_a_card(changes: dict[str, str], kind: str, head: str) -> None:
    card = card_from_ultralytics("net", ULTRALYTICS | changes, IMAGES)
    assert card is not None
    assert (card.heads[0].kind, card.heads[0].name, card.heads[0].classes) == (kind, head, ("car", "bus"))
    assert (card.input.pad, card.input.colour, card.input.scale) == (114, "rgb", 255)
    assert card.input.size is None


@pytest.mark.parametrize(
    ("imgsz", "size"), [("[48, 64]", (64, 48)), ("64", (64, 64)), ("", None), ("[1, 2, 3]", None), ("x", None)]
)
def test_the_size_of_an_open_network_comes_from_its_metadata(imgsz: str, size: tuple[int, int] | None) -> None:
    card = card_from_ultralytics("net", ULTRALYTICS | {"imgsz": imgsz}, [spec("images", -1, 3, -1, -1)])
    assert card is not None
    assert card.input.size == size


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": "pose"}, "task 'pose'"),
        ({"task": "classify", "end2end": "True"}, "task 'classify' with suppression inside"),
        ({"names": "{0: 'car', 2: 'bus'}"}, "not numbered"),
        ({"names": "{'car'}"}, "not numbered"),
        ({"names": "{0: __import__('os').system('touch pwned')}"}, "not numbered"),
        ({"names": "(" * 20000}, "not numbered"),
        ({"names": "{" + "0: 'x'," * 200000 + "}"}, "not numbered"),
        ({"imgsz": "[0, -5]"}, "damaged"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_strange_metadata_is_refused_and_never_evaluated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(EngineError, match=message) as caught:
        card_from_ultralytics("net", ULTRALYTICS | changes, [spec("images", 1, 3, -1, -1)])
    assert "--card" in caught.value.cure
    assert not list(tmp_path.iterdir())


def test_other_metadata_is_no_card() -> None:
    assert card_from_ultralytics("net", {"author": "somebody"}, IMAGES) is None
    assert card_from_ultralytics("net", {"names": "{0: 'a'}", "stride": "32"}, IMAGES) is None  # YOLOv5's own exporter


def card(*heads: dict[str, Any], **given: Any) -> Card:
    """A card from plain values."""
    return Card.model_validate({"name": "c", "heads": heads, "input": given})


BOXES = {"name": "boxes", "kind": "yolo_boxes", "classes": ["car", "bus"]}
END2END = {"name": "boxes", "kind": "yolo_boxes_end2end"}
MASK = {"name": "lane", "kind": "two_class_mask", "outputs": ["ll"]}
IDS = {"name": "ids", "kind": "mask_ids"}
SEG = {"name": "seg", "kind": "yolo_instances"}


@pytest.mark.parametrize(
    ("given", "inputs", "outputs"),
    [
        (card(BOXES), IMAGES, [spec("o", 1, 6, 100)]),
        (card(BOXES), IMAGES, [spec("o", -1, -1, -1)]),
        (card({**BOXES, "classes": []}), IMAGES, [spec("o", 1, 84, 8400)]),
        (card(END2END), IMAGES, [spec("o", 1, 300, 6)]),
        (card(MASK), IMAGES, [spec("da", 1, 9), spec("ll", 1, 2, 48, 64)]),
        (card(MASK), IMAGES, [spec("ll", 1, 1, 48, 64)]),
        (card(IDS), IMAGES, [spec("o", 1, 48, 64, dtype="uint8")]),
        (card(IDS), IMAGES, [spec("o", 1, 1, 48, 64, dtype="int64")]),
        (card(SEG), IMAGES, [spec("a", 1, 38, 10), spec("b", 1, 32, 12, 16)]),
        (card({**SEG, "classes": ["car", "bus"]}), IMAGES, [spec("b", 1, 32, 12, 16), spec("a", 1, 38, 10)]),
        (card({**SEG, "classes": ["car", "bus"]}), IMAGES, [spec("a", 1, 300, 38), spec("b", 1, 32, 12, 16)]),
        (card({**SEG, "classes": ["car", "bus"]}), IMAGES, [spec("a", 1, -1, -1), spec("b", 1, -1, -1, -1)]),
        (card(BOXES, size=[64, 48]), [spec("images", -1, 3, -1, -1)], [spec("o", 1, 6, 1)]),
        (card(BOXES, size=[64, 48]), [spec("images", 1, 48, 64, 3)], [spec("o", 1, 6, 1)]),
        (card(BOXES, name="images"), IMAGES, [spec("o", 1, 6, 1)]),
        (card(BOXES, scale=1), [spec("images", 1, 3, 48, 64, dtype="uint8")], [spec("o", 1, 6, 1)]),
        (card(BOXES), [TensorSpec("images", (1, 48, 64, 3), "uint8", "NHWC")], [spec("o", 1, 6, 1)]),
    ],
)
def test_cards_that_fit_pass(given: Card, inputs: list[TensorSpec], outputs: list[TensorSpec]) -> None:
    check_card(given, inputs, outputs)


@pytest.mark.parametrize(
    ("given", "inputs", "outputs", "message"),
    [
        (
            card(BOXES),
            IMAGES,
            [spec("o", 1, 84, 8400)],
            r"wants \[1,6,N\] for 2 classes.*gives o float32 \[1,84,8400\]",
        ),
        (card(BOXES), IMAGES, [spec("o", 1, 100, 6)], r"\[1,6,N\].*\[1,100,6\]"),
        (card(BOXES), IMAGES, [spec("o", 2, 6, 100)], r"\[1,6,N\].*\[2,6,100\]"),
        (card(BOXES), IMAGES, [spec("o", 1, 6)], r"\[1,6,N\].*\[1,6\]"),
        (card({**BOXES, "classes": []}), IMAGES, [spec("o", 1, 4, 10)], "at least one class"),
        (card(END2END), IMAGES, [spec("o", 1, 84, 8400)], r"\[1,K,6\].*\[1,84,8400\]"),
        (card(MASK), IMAGES, [spec("ll", 1, 3, 4, 4)], r"\[1,2,H,W\].*\[1,3,4,4\]"),
        (card(MASK), IMAGES, [spec("da", 1, 2, 4, 4)], r"reads output 'll', but the network has: da"),
        (card(IDS), IMAGES, [spec("o", 1, 4, 4)], "whole numbers.*float32"),
        (card(IDS), IMAGES, [spec("o", 1, 2, 4, 4, dtype="uint8")], r"\[1,1,H,W\].*\[1,2,4,4\]"),
        (card(BOXES), IMAGES, [spec("a", 1, 6, 1), spec("b", 1, 6, 1)], "reads 1 output, but gets 2: a.*b"),
        (card(SEG), IMAGES, [spec("a", 1, 6, 1)], "reads 2 outputs, but gets 1"),
        (card(SEG), IMAGES, [spec("a", 1, 38, 10), spec("b", 1, 38, 10)], r"prototypes \[1,M,H,W\]"),
        (card(SEG), IMAGES, [spec("a", 1, 36, 10), spec("b", 1, 32, 12, 16)], r"\[1,4\+classes\+M,N\].*\[1,36,10\]"),
        (
            card({**SEG, "classes": ["car"]}),
            IMAGES,
            [spec("a", 1, 38, 10), spec("b", 1, 32, 12, 16)],
            r"wants \[1,37,N\] or \[1,K,6\+M\].*a float32 \[1,38,10\]",
        ),
        (card(BOXES, size=[48, 64]), IMAGES, [spec("o", 1, 6, 1)], r"size 48x64 .*\[1,3,48,64\]"),
        (card(BOXES, name="x"), IMAGES, [spec("o", 1, 6, 1)], "names the input 'x', but the network's is 'images'"),
        (card(BOXES), [*IMAGES, spec("mask", 1, 1, 4, 4)], [spec("o", 1, 6, 1)], "2 inputs: images.*mask"),
        (card(BOXES), [], [spec("o", 1, 6, 1)], "0 inputs: none"),
        (card(BOXES), [spec("i", 1, 3, -1, 64)], [spec("o", 1, 6, 1)], "gives no input size.*leaves it open"),
        (card(BOXES), [spec("i", 4, 3, 48, 64)], [spec("o", 1, 6, 1)], r"one picture.*\[4,3,48,64\]"),
        (card(BOXES), [spec("i", 1, 1, 48, 64)], [spec("o", 1, 6, 1)], r"3 channels.*\[1,1,48,64\]"),
        (card(BOXES), [spec("i", 1, 3)], [spec("o", 1, 6, 1)], r"\[1,3\]"),
        (card(BOXES), [spec("i", 1, 3, 8, 8, dtype="int64")], [spec("o", 1, 6, 1)], "neither a float nor uint8"),
        (card(BOXES), [spec("i", 1, 3, 8, 8, dtype="uint8")], [spec("o", 1, 6, 1)], "scale 255.*takes raw bytes"),
    ],
)
def test_cards_that_contradict_their_network_are_refused(
    given: Card, inputs: list[TensorSpec], outputs: list[TensorSpec], message: str
) -> None:
    with pytest.raises(EngineError, match=message) as caught:
        check_card(given, inputs, outputs)
    assert caught.value.cure


@pytest.mark.parametrize("backend", ["openvino", "onnxruntime"])
@pytest.mark.parametrize(
    ("heads", "given", "message"),
    [
        ([{"name": "b", "kind": "yolo_boxes"}], {}, r"\[1,4\+classes,N\]"),
        ([{**tiny.SEEN, "outputs": ["x"]}], {}, "the network has: seen"),
        ([tiny.SEEN], {"size": [12, 16]}, "12x16"),
        ([tiny.SEEN], {"name": "x"}, "'x'"),
    ],
)
def test_opening_checks_the_card(
    tmp_path: Path, backend: str, heads: list[dict[str, Any]], given: dict[str, Any], message: str
) -> None:
    file = tiny.with_card(tiny.echo(tmp_path / "echo.onnx"), heads, **given)
    with pytest.raises(EngineError, match=message):
        open_engine(tiny.config(file, backend))


@pytest.mark.parametrize("backend", ["openvino", "onnxruntime"])
def test_outputs_of_open_shape_are_checked_by_what_really_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    nodes = [
        helper.make_node("NonZero", ["images"], ["places"]),
        helper.make_node("Cast", ["places"], ["floats"], to=1),
        helper.make_node("Transpose", ["floats"], ["rows"], perm=[1, 0]),
        helper.make_node("Unsqueeze", ["rows", "first"], ["seen"]),
    ]
    first = numpy_helper.from_array(np.array([0]), "first")
    file = tiny.save(tmp_path / "n.onnx", nodes, {"seen": (1, "a", "b")}, {"images": (1, 3, 12, 16)}, [first])
    tiny.with_card(file, [{"name": "b", "kind": "yolo_boxes", "classes": ["car"]}], pad=114)
    with pytest.raises(EngineError, match=r"wants \[1,5,N\]"):
        open_engine(tiny.config(file, backend))


REGISTERED = sorted(cards.REGISTERED.glob("*.yaml"))


@pytest.mark.parametrize("path", REGISTERED, ids=lambda path: path.stem)
def test_registered_cards_are_whole(path: Path) -> None:
    found = Card.from_file(path)
    assert found.name == path.stem
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in found.sha256)
    assert found.sha256 or found.url
    assert found.licence
    assert found.origin


@pytest.mark.shared
def test_every_known_file_has_its_card(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Found by hash alone, under another name, and in agreement with the network (opening checks it)."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    found = set()
    for file in sorted([*(shared / "weights").glob("*.onnx"), *(shared / "weights").glob("*.xml")]):
        other = tmp_path / f"other{file.suffix}"
        for part, copy in zip(parts_of(file), parts_of(other), strict=True):
            copy.unlink(missing_ok=True)
            copy.symlink_to(part)
        engine = open_engine(tiny.config(other, "openvino" if file.suffix == ".xml" else "onnxruntime"))
        assert engine.card.name == file.stem
        assert engine.card.reference is None or (file.parent / engine.card.reference).is_file()
        found.add(engine.card.name)
        engine.close()
    public = {path.stem for path in REGISTERED if Card.from_file(path).url is not None}
    assert found | public == {path.stem for path in REGISTERED}


@pytest.mark.shared
def test_ultralytics_own_words_give_the_card_that_is_registered(
    shared: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    registered = {path.stem: Card.from_file(path) for path in REGISTERED}
    monkeypatch.setattr(cards, "REGISTERED", tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def same(card: Card) -> Any:
        """All but the size, which these files fix themselves."""
        return card.input.model_copy(update={"size": None}), [(h.kind, h.name, h.classes) for h in card.heads]

    for name in ("yolov8n-fp32.onnx", "yolov10n-int8.onnx", "yolov8n-seg-int8-320.onnx", "yolov8n-int8-ov.xml"):
        file = shared / "weights" / name
        engine = open_engine(tiny.config(file, "openvino" if file.suffix == ".xml" else "onnxruntime"))
        assert same(engine.card) == same(registered[file.stem])
        engine.close()
