"""The accuracy gate on small networks that see the same in every picture, at the edges of every limit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from contracts.card import Card, HeadCard
from contracts.config import EngineConfig
from contracts.errors import EngineError
from contracts.picture import Picture
from engines.gate import check, gate_engine

SIZE = 64
BOXES = {"name": "boxes", "kind": "yolo_boxes", "outputs": ["boxes"], "classes": ["car", "person"]}
AREA = {"name": "road", "kind": "two_class_mask", "outputs": ["road"], "role": "drivable"}
LINES = {"name": "lines", "kind": "two_class_mask", "outputs": ["lines"], "role": "lane"}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Verdicts and compiled networks of one test only."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder / "roadstream" / "gate"


def network(path: Path, outputs: dict[str, NDArray[Any]], *heads: dict[str, Any], reference: str | None = None) -> Path:
    """A network that gives these outputs for any picture, and its card beside it."""
    path.parent.mkdir(exist_ok=True)
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
    ]
    constants = [numpy_helper.from_array(np.array(0, np.float32), "zero")]
    for name, array in outputs.items():
        constants.append(numpy_helper.from_array(array.astype(np.float32), f"{name}_constant"))
        nodes.append(helper.make_node("Add", [f"{name}_constant", "nothing"], [name]))
    graph = helper.make_graph(
        nodes,
        "fixed",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, SIZE, SIZE])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, array.shape) for name, array in outputs.items()],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="builder A")
    model.ir_version = 8
    onnx.save(model, path)
    card = Card(
        name=path.stem,
        input={"fit": "stretch"},  # type: ignore[arg-type]
        heads=tuple(HeadCard.model_validate(head) for head in heads),
        reference=reference,
    )
    path.with_suffix(".card.yaml").write_text(card.model_dump_json(), encoding="utf-8")  # JSON is YAML
    return path


def pictures(count: int = 1) -> Iterator[Picture]:
    return (Picture.from_bgr(np.full((SIZE, SIZE, 3), 40, np.uint8)) for _ in range(count))


def config(path: Path, **options: Any) -> EngineConfig:
    return EngineConfig(file=path, **{"backend": "onnxruntime", "precision": "fp32", "threads": 1, **options})


def boxes(count: int, **change: Any) -> NDArray[np.float32]:
    """``count`` boxes of 10×10 pixels on a grid, class car, score 0.9; ``change`` is applied to the first ``of``."""
    values = {"of": count, "height": 10.0, "score": 0.9, "class_id": 0, **change}
    rows = np.zeros((count, 6), np.float32)
    for index in range(count):
        changed = index < values["of"]
        left, top = 12 * (index % 5), 12 * (index // 5)
        height = values["height"] if changed else 10.0
        rows[index, :4] = left + 5, top + height / 2, 10, height
        rows[index, 4 + (values["class_id"] if changed else 0)] = values["score"] if changed else 0.9
    return np.ascontiguousarray(rows.T[None])


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
@pytest.mark.parametrize(
    ("reference", "candidate", "state", "figures"),
    [
        pytest.param(boxes(20), boxes(20), "accepted", (20, 20), id="the same"),
        pytest.param(boxes(20), boxes(20, of=2, score=0.1), "accepted", (18, 20), id="exactly 90 %"),
        pytest.param(boxes(20), boxes(20, of=3, score=0.1), "refused", (17, 20), id="below 90 %"),
        pytest.param(boxes(20), boxes(20, height=7.0), "accepted", (20, 20), id="IoU exactly 0.7"),
        pytest.param(boxes(20), boxes(20, height=6.9), "refused", (0, 20), id="IoU below 0.7"),
        pytest.param(boxes(20), boxes(20, class_id=1), "refused", (0, 20), id="another class"),
        pytest.param(boxes(20), boxes(20, score=0.26), "accepted", (20, 20), id="surer than 0.25"),
        pytest.param(boxes(20), boxes(20, score=0.25), "refused", (0, 20), id="not surer than 0.25"),
        pytest.param(boxes(20), boxes(20) * np.nan, "refused", (0, 20), id="not a number"),
        pytest.param(boxes(19), boxes(19), "no verdict", (19, 19), id="too few boxes"),
        pytest.param(boxes(19), boxes(19, score=0.1), "no verdict", (0, 19), id="too few boxes, all missed"),
        pytest.param(boxes(20, of=1, score=0.4), boxes(20), "no verdict", (19, 19), id="the reference unsure"),
        pytest.param(boxes(18), boxes(25), "no verdict", (18, 18), id="boxes the reference lacks do not count"),
    ],
)
def test_boxes(
    *,
    tmp_path: Path,
    backend: str,
    reference: NDArray[np.float32],
    candidate: NDArray[np.float32],
    state: str,
    figures: tuple[int, int],
) -> None:
    sure = network(tmp_path / "sure.onnx", {"boxes": reference}, BOXES)
    file = network(tmp_path / "file.onnx", {"boxes": candidate}, BOXES)
    verdict = check(config(file, backend=backend), config(sure), pictures())
    assert (verdict.state, verdict.frames, verdict.reference) == (state, 1, "sure.onnx")
    assert [(head.agreed, head.total) for head in verdict.figures] == [figures]


def mask(*spans: tuple[int, int]) -> NDArray[np.float32]:
    """Two channels of scores; the foreground wins from pixel to pixel of these spans (row by row)."""
    scores = np.zeros((2, SIZE * SIZE), np.float32)
    for start, end in spans:
        scores[1, start:end] = 1
    return scores.reshape(1, 2, SIZE, SIZE)


NOTHING, SPECK = mask(), mask((0, 4))


@pytest.mark.parametrize(
    ("head", "reference", "candidate", "state"),
    [
        pytest.param(AREA, mask((0, 1000)), mask((0, 1000)), "accepted", id="area: the same"),
        pytest.param(AREA, mask((0, 1000)), mask((0, 900)), "accepted", id="area: exactly 0.9"),
        pytest.param(AREA, mask((0, 1000)), mask((0, 899)), "refused", id="area: below 0.9"),
        pytest.param(AREA, mask((0, 900)), mask((0, 1001)), "refused", id="area: too much of it"),
        pytest.param({**AREA, "role": ""}, mask((0, 1000)), mask((0, 899)), "refused", id="no role is an area"),
        pytest.param(AREA, mask((0, 1000)), 1 - mask((0, 1000)), "refused", id="area: flipped"),
        pytest.param(AREA, mask((0, 1000)), NOTHING, "refused", id="area: not seen"),
        pytest.param(AREA, NOTHING, mask((0, 1000)), "refused", id="area: seen where none is"),
        pytest.param(AREA, NOTHING, NOTHING, "no verdict", id="area: none"),
        pytest.param(AREA, SPECK, NOTHING, "no verdict", id="area: a speck decides nothing"),
        pytest.param(LINES, mask((0, 100)), mask((0, 70)), "accepted", id="lines: exactly 0.7"),
        pytest.param(LINES, mask((0, 100)), mask((0, 69)), "refused", id="lines: below 0.7"),
    ],
)
def test_masks(
    tmp_path: Path, head: dict[str, Any], reference: NDArray[np.float32], candidate: NDArray[np.float32], state: str
) -> None:
    output = head["outputs"][0]
    sure = network(tmp_path / "sure.onnx", {output: reference}, head)
    file = network(tmp_path / "file.onnx", {output: candidate}, head)
    assert check(config(file), config(sure), pictures()).state == state


@pytest.mark.parametrize(
    ("count", "candidate_boxes", "candidate_area", "state", "said"),
    [
        (20, boxes(20), mask((0, 500)), "accepted", "20 of 20"),
        (20, boxes(20, score=0.1), mask((0, 500)), "refused", "boxes: 0 of 20 boxes found again (limit 90%)"),
        (20, boxes(20), NOTHING, "refused", "road: mask IoU 0.000 (limit 0.90)"),
        (5, boxes(5, score=0.1), mask((0, 500)), "accepted", "0 of 5 boxes found again (20 are needed to judge)"),
    ],
    ids=["both agree", "boxes do not", "area does not", "few boxes beside a mask"],
)
def test_each_head_is_judged_by_itself(
    *,
    tmp_path: Path,
    count: int,
    candidate_boxes: NDArray[np.float32],
    candidate_area: NDArray[np.float32],
    state: str,
    said: str,
) -> None:
    sure = network(tmp_path / "sure.onnx", {"boxes": boxes(count), "road": mask((0, 500))}, BOXES, AREA)
    file = network(tmp_path / "file.onnx", {"boxes": candidate_boxes, "road": candidate_area}, BOXES, AREA)
    verdict = check(config(file), config(sure), pictures())
    assert verdict.state == state
    assert said in verdict.reason
    assert "\n" not in verdict.reason
    assert [head.head for head in verdict.figures] == ["boxes", "road"]


def test_frames_add_up(tmp_path: Path) -> None:
    sure = network(tmp_path / "sure.onnx", {"boxes": boxes(7)}, BOXES)
    file = network(tmp_path / "file.onnx", {"boxes": boxes(7, of=1, score=0.1)}, BOXES)
    verdict = check(config(file), config(sure), pictures(3))
    assert (verdict.state, verdict.frames) == ("refused", 3)
    assert [(head.agreed, head.total) for head in verdict.figures] == [(18, 21)]


def test_without_frames_there_is_no_verdict(tmp_path: Path) -> None:
    sure = network(tmp_path / "sure.onnx", {"boxes": boxes(20)}, BOXES)
    verdict = check(config(sure), config(sure), pictures(0))
    assert (verdict.state, verdict.frames) == ("no verdict", 0)
    assert "no frame" in verdict.reason


def test_a_refusal_becomes_one_line_with_a_cure(tmp_path: Path) -> None:
    sure = network(tmp_path / "sure.onnx", {"boxes": boxes(20)}, BOXES)
    file = network(tmp_path / "file.onnx", {"boxes": boxes(20, score=0.1)}, BOXES)
    verdict = check(config(file), config(sure), pictures())
    error = verdict.error(file)
    assert isinstance(error, EngineError)
    assert str(file) in error.message
    assert "onnxruntime" in error.message
    assert "0 of 20" in error.message
    assert "--backend" in error.cure
    assert "sure.onnx" in error.cure
    assert verdict.report().splitlines()[0].startswith("refused")
    assert "0 of 20" in verdict.report().splitlines()[1]


@pytest.mark.parametrize(
    ("heads", "message"),
    [
        ([{**BOXES, "name": "cars"}], "cars against boxes"),
        ([BOXES, AREA], "boxes, road against boxes"),
        ([{**BOXES, "kind": "mask_ids"}], "mask_ids"),
        ([{**AREA, "name": "boxes"}], "gives Mask, the reference Detections"),
    ],
    ids=["another name", "one more", "a kind the network contradicts", "another kind"],
)
def test_heads_that_cannot_be_compared_are_an_error(tmp_path: Path, heads: list[dict[str, Any]], message: str) -> None:
    sure = network(tmp_path / "sure.onnx", {"boxes": boxes(20)}, BOXES)
    file = network(tmp_path / "file.onnx", {"boxes": boxes(20), "road": NOTHING}, *heads)
    with pytest.raises(EngineError, match=message):
        check(config(file), config(sure), pictures())


def gated(tmp_path: Path, candidate: NDArray[np.float32], reference: str | None = "sure.onnx") -> tuple[Path, Card]:
    """A network that names a reference, the reference beside it, and its card."""
    network(tmp_path / "sure.onnx", {"boxes": boxes(20)}, BOXES)
    file = network(tmp_path / "file.onnx", {"boxes": candidate}, BOXES, reference=reference)
    return file, Card.from_file(file.with_suffix(".card.yaml"))


def test_a_run_gates_itself_once_on_sixteen_frames(tmp_path: Path) -> None:
    file, card = gated(tmp_path, boxes(20))
    supply = pictures(100)
    first = gate_engine(config(file), card, supply)
    assert first is not None
    assert (first.state, first.frames) == ("accepted", 16)
    assert len([*supply]) == 84
    untouched = pictures(100)
    assert gate_engine(config(file), card, untouched) == first
    assert len([*untouched]) == 100


def test_a_refusal_is_remembered_too(tmp_path: Path) -> None:
    file, card = gated(tmp_path, boxes(20, score=0.1))
    first = gate_engine(config(file), card, pictures())
    assert first is not None
    assert first.state == "refused"
    assert gate_engine(config(file), card, pictures(0)) == first


def test_a_card_without_a_reference_asks_for_no_gate(tmp_path: Path) -> None:
    file, card = gated(tmp_path, boxes(20), reference=None)
    assert gate_engine(config(file), card, pictures()) is None


def test_a_file_is_not_compared_with_itself(tmp_path: Path) -> None:
    file, card = gated(tmp_path, boxes(20), reference="file.onnx")
    assert gate_engine(config(file), card, pictures()) is None


def test_an_absent_reference_is_no_verdict_and_said(tmp_path: Path) -> None:
    file, card = gated(tmp_path, boxes(20), reference="gone.onnx")
    verdict = gate_engine(config(file), card, pictures())
    assert verdict is not None
    assert verdict.state == "no verdict"
    assert "gone.onnx does not lie beside" in verdict.reason


def test_no_verdict_is_asked_again(tmp_path: Path) -> None:
    file, card = gated(tmp_path, boxes(20))
    for supply, state in ((pictures(0), "no verdict"), (pictures(1), "accepted")):
        verdict = gate_engine(config(file), card, supply)
        assert verdict is not None
        assert verdict.state == state
