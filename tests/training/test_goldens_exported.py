"""From a checkpoint to what a run sees: exported files against the original programs, in both runtimes."""

from __future__ import annotations

import math
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from contracts.card import Card
from contracts.config import EngineConfig
from contracts.fit import Fit
from contracts.picture import Picture
from contracts.prediction import Detections
from contracts.protocols import Tensors, Thresholds
from engines.heads.open import open_head
from engines.open import open_engine
from engines.prepare import Preparer, fit_of
from sources.open import open_source
from tests.training.goldens import Case, Golden
from training.checkpoints import open_subject
from training.export import export_checkpoint, torch_run
from training.networks.bilinear import resized
from training.onnx_files import inputs_of, read_onnx, write_onnx
from training.order import Order, card_of_export
from training.pictures import tensors
from training.runtimes import RUNTIMES
from training.subject import Subject
from training.tracing import traced

GOLDENS = [
    "agents-yolov10s-seg",
    "ayolom-n",
    "ayolom-n-gates",
    "ayolom-s",
    "ddrnet23-ydhong",
    "ddrnet23slim-chenjun",
    "ddrnet23slim-kcw",
    "ddrnet23slim-ydhong",
    "ddrnet39-ydhong",
    "twinlitenet",
    "twinlitenetplus-large",
    "twinlitenetplus-medium",
    "twinlitenetplus-nano",
    "twinlitenetplus-small",
    "yolop",
    "yolov5n",
]
ORIGINALS = {
    "agents": "pred",
    "boxes": "det",
    "classes": "main",
    "drivable": "da",
    "lane": "ll",
    "prototypes": "proto",
}
"""Our outputs, and what the goldens call them."""
SCORES_AXIS = {"yolo_boxes": 1, "road_agents": 1, "anchor_boxes": 2}
"""Head kind → the axis of its boxes' tensor along which centre, size and scores lie."""

PIXELS = 5e-3
SCORES = 1e-5
RELATIVE = 2e-5
"""Of what has no unit of its own (coefficients, prototypes): the share of the output's largest value."""
FLIPS = 1e-4
"""The share of a mask's pixels, rounded up to whole ones."""


@pytest.mark.shared
def test_every_golden_is_exported_here(shared: Path) -> None:
    assert sorted(file.name.removesuffix(".json.gz") for file in (shared / "goldens").glob("*.json.gz")) == GOLDENS


@pytest.mark.shared
@pytest.mark.parametrize("name", GOLDENS)
def test_exported_it_answers_as_the_original(shared: Path, tmp_path: Path, name: str) -> None:
    """The original's checkpoint, recognised, loaded, deployed and exported, gives what the original gave."""
    golden = Golden(shared, name)
    torch.save(golden.state(), tmp_path / "original.pt")
    subject = open_subject(tmp_path / "original.pt")
    case = min(golden.cases(), key=lambda case: case.images.numel())
    batch, _, height, width = case.images.shape
    heads = [head.name for head in subject.card.heads]
    file = tmp_path / "network.onnx"
    write_onnx(traced(subject.deployed(heads), (width, height), batch), file)
    ids = golden_ids(golden, case, subject)
    for runtime, opened in RUNTIMES.items():
        found = opened(file)(case.images.numpy())
        assert list(found) == [output for head in subject.card.heads for output in head.outputs]
        for head in subject.card.heads:
            for output in head.outputs:
                where = f"{output} in {runtime}"
                if head.kind == "mask_ids":
                    require_ids(found[output], ids[output], where)
                elif output == "prototypes":
                    assert golden.difference(case, ORIGINALS[output], found[output]) < RELATIVE, where
                else:
                    require_boxes(
                        golden, case, ORIGINALS[output], found[output], axis=SCORES_AXIS[head.kind], where=where
                    )


def golden_ids(golden: Golden, case: Case, subject: Subject) -> dict[str, NDArray[Any]]:
    """The original's arg-max for every mask, at the size of the input."""
    heads = [head.name for head in subject.card.heads if head.kind == "mask_ids"]
    if not heads:
        return {}
    ours = torch_run(subject.plain(heads))(case.images.numpy())
    return {name: _ids(golden, case, ORIGINALS[name], ours[name]) for name in heads}


def _ids(golden: Golden, case: Case, output: str, ours: NDArray[Any]) -> NDArray[Any]:
    """The golden's own arg-max where it is stored, else that of all its logits, enlarged as the deployed form does.

    Where it stores neither, that of the PyTorch network's scores, once they are those that it does store.
    """
    if golden.stores(case, f"{output}.argmax_packed"):
        return golden.foreground(case, output)
    stored = golden.array(case, output)
    if stored.ndim == 4:
        logits = torch.from_numpy(stored.astype(np.float32))
        return resized(logits, case.images, align_corners=False).argmax(1).numpy()
    assert golden.difference(case, output, ours) < RELATIVE
    return np.asarray(ours.argmax(1))


def require_ids(found: NDArray[Any], wanted: NDArray[Any], where: str) -> None:
    assert found.dtype == np.uint8, where
    assert found.shape == wanted.shape, where
    assert len(np.unique(wanted)) > 1, "a mask of one class is no proof"
    assert np.count_nonzero(found != wanted) <= math.ceil(FLIPS * wanted.size), where


def require_boxes(golden: Golden, case: Case, output: str, found: NDArray[Any], *, axis: int, where: str) -> None:
    """Centre and size in pixels, scores, and what follows them in road agents' rows: 32 raw coefficients."""
    away = np.moveaxis(golden.differences(case, output, found), axis, 0)
    scored = 4 + 11 if output == "pred" else len(away)
    for part in (away[:4], away[4:scored]):
        assert np.isfinite(part).any(), "the golden stores none of these values"
    assert np.nanmax(away[:4]) < PIXELS, where
    assert np.nanmax(away[4:scored]) < SCORES, where
    if output == "pred":
        largest = np.abs(np.moveaxis(found, axis, 0)[scored:]).max()
        assert np.nanmax(away[scored:]) < RELATIVE * largest, where


SIZE = (320, 192)


@pytest.mark.shared
def test_the_real_yolov5_exported_sees_what_pytorch_sees(shared: Path, tmp_path: Path) -> None:
    """Frame 40 of the street clip, prepared, run and decoded as a run does."""
    checkpoint, clip = shared / "weights/yolov5n.pt", str(shared / "clips/city_seattle_a.mp4")
    file = tmp_path / "yolov5n.onnx"
    export_checkpoint(checkpoint, file, Order(size=SIZE, sources=(clip,)), lambda _: None)
    with closing(open_source(clip)) as source:
        picture = next(frame.picture for frame in source.frames() if frame.index == 40)
    wanted = in_pytorch(open_subject(checkpoint), file, picture)
    assert len(wanted) >= 3, "too few to compare"
    for backend in RUNTIMES:
        found = in_engine(file, backend, picture)
        np.testing.assert_array_equal(found.class_ids, wanted.class_ids, err_msg=backend)
        np.testing.assert_allclose(found.boxes, wanted.boxes, rtol=0, atol=0.01, err_msg=backend)
        np.testing.assert_allclose(found.scores, wanted.scores, rtol=0, atol=1e-4, err_msg=backend)


def in_pytorch(subject: Subject, file: Path, picture: Picture) -> Detections:
    """What the network as its authors run it finds, fed as the exported file is."""
    fit = fit_of(subject.card, SIZE, (picture.width, picture.height))
    (images,) = tensors(card_of_export(subject.card, ["boxes"]), inputs_of(read_onnx(file)), iter([picture]))
    return decoded(subject.card, torch_run(subject.plain(["boxes"]))(images), fit, picture)


def in_engine(file: Path, backend: str, picture: Picture) -> Detections:
    config = EngineConfig.model_validate({"file": file, "backend": backend, "precision": "fp32"})
    with closing(open_engine(config)) as engine:
        prepared, fit = Preparer(engine).prepare(picture)
        with closing(engine.submit(prepared)) as ticket:
            return decoded(engine.card, ticket.result(60), fit, picture)


def decoded(card: Card, outputs: Tensors, fit: Fit, picture: Picture) -> Detections:
    (head,) = card.heads
    part = open_head(head).decode(outputs, fit, (picture.width, picture.height), Thresholds())
    assert isinstance(part, Detections)
    return part
