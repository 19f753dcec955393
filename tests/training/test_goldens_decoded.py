"""From the goldens' weights to the picture: exported, run as a run does, decoded and drawn, against slow references.

The weights are drawn at random, so only the numbers mean something.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from contracts.card import HeadCard
from contracts.config import EngineConfig
from contracts.fit import Fit
from contracts.picture import Picture
from contracts.prediction import ClassMap, Detections, InstanceMasks, Mask, Part, Prediction
from contracts.protocols import Tensors, Thresholds
from engines.heads.open import open_head
from engines.open import open_engine
from engines.prepare import Preparer
from outputs.draw.colours import PALETTES, class_colour, to_yuv
from tests.outputs.scenes import grey, painter, result_of
from tests.support.agents import slow_agents, slow_iou
from tests.support.boxes import unlike_boxes
from tests.support.instances import on_frame
from tests.training.goldens import Case, Golden
from training.checkpoints import open_subject
from training.export import torch_run
from training.onnx_files import with_card, write_onnx
from training.order import card_of_export
from training.subject import Subject
from training.tracing import traced

pytestmark = pytest.mark.shared
BACKENDS = ("openvino", "onnxruntime")
FLIPS = 1e-4
"""The share of a mask's pixels, rounded up to whole ones."""
OKABE = PALETTES["okabe-ito"]


@dataclass(frozen=True)
class Made:
    """A golden, its smallest case, and the file exported from its weights at that size, its card inside."""

    golden: Golden
    case: Case
    subject: Subject
    file: Path


@cache
def made_of(shared: Path, name: str, folder: Path) -> Made:
    """Made once for all tests of a network."""
    golden = Golden(shared, name)
    torch.save(golden.state(), folder / f"{name}.pt")
    subject = open_subject(folder / f"{name}.pt")
    case = golden.cases()[0]
    _, _, height, width = case.images.shape
    heads = [head.name for head in subject.card.heads]
    model = traced(subject.deployed(heads), (width, height), 1)
    with_card(model, card_of_export(subject.card, heads))
    write_onnx(model, folder / f"{name}.onnx")
    return Made(golden, case, subject, folder / f"{name}.onnx")


@pytest.fixture(scope="module")
def network(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Made]:
    return partial(made_of, shared, folder=tmp_path_factory.mktemp("goldens"))


@dataclass(frozen=True)
class Seen:
    """What one backend gave for a picture, and what the heads made of it."""

    heads: dict[str, HeadCard]
    outputs: Tensors
    fit: Fit
    parts: dict[str, Part]


def seen(file: Path, backend: str, picture: Picture, thresholds: Thresholds) -> Seen:
    config = EngineConfig.model_validate({"file": file, "backend": backend, "precision": "fp32"})
    with closing(open_engine(config)) as engine:
        prepared, fit = Preparer(engine).prepare(picture)
        with closing(engine.submit(prepared)) as ticket:
            outputs = {name: np.array(array) for name, array in ticket.result(60).items()}
        heads = {head.name: head for head in engine.card.heads}
    size = (picture.width, picture.height)
    parts = {name: open_head(head).decode(outputs, fit, size, thresholds) for name, head in heads.items()}
    return Seen(heads, outputs, fit, parts)


def picture_of(case: Case) -> Picture:
    return Picture.from_bgr(np.ascontiguousarray(case.pixels[0, :, :, ::-1]))


def odd_picture() -> Picture:
    """Of another shape than any input, so that it is letterboxed."""
    return Picture.from_bgr(np.random.default_rng(3).integers(0, 256, (150, 230, 3), np.uint8))


# YOLOP


@pytest.mark.parametrize("backend", BACKENDS)
def test_yolop(network: Callable[[str], Made], backend: str) -> None:
    made, thresholds = network("yolop"), Thresholds(score=0.25, iou=0.45)
    found = seen(made.file, backend, picture_of(made.case), thresholds)
    theirs = made.golden.array(made.case, "nms_conf0.25_iou0.45_item0")
    (boxes,) = [found.outputs[name] for name in found.heads["boxes"].outputs]
    assert unlike_boxes(boxes, found.heads["boxes"].classes, theirs) == 0
    require_boxes(found, thresholds)
    for name, output in (("drivable", "da"), ("lane", "ll")):
        mask = found.parts[name]
        assert isinstance(mask, Mask)
        assert mask.role == name
        wanted = made.golden.foreground(made.case, output)[0]
        assert 0 < wanted.mean() < 1
        assert np.count_nonzero(mask.data != wanted) <= math.ceil(FLIPS * wanted.size)
    require_drawn(found.parts, made.case)


@pytest.mark.parametrize("backend", BACKENDS)
def test_yolop_on_a_picture_that_is_letterboxed(network: Callable[[str], Made], backend: str) -> None:
    thresholds = Thresholds(score=0.3, iou=0.6)
    require_boxes(seen(network("yolop").file, backend, odd_picture(), thresholds), thresholds)


def require_boxes(found: Seen, thresholds: Thresholds) -> None:
    """The boxes are those of a loop over the rows of the very tensor that the engine gave."""
    part = found.parts["boxes"]
    assert isinstance(part, Detections)
    (rows,) = [found.outputs[name][0] for name in found.heads["boxes"].outputs]
    wanted = list(slow_anchors(rows, found.fit, thresholds))
    assert len(wanted) > 50
    assert part.scores.tolist() == [score for score, _ in wanted]
    np.testing.assert_allclose(part.boxes, [box for _, box in wanted], atol=2e-3)


def slow_anchors(rows: NDArray[np.float32], fit: Fit, thresholds: Thresholds) -> Iterator[tuple[float, list[float]]]:
    """Score and box in the frame of what stays of (N, 6), one class; row by row."""
    scored = [(float(row[4] * row[5]), row[:4].astype(float).tolist()) for row in rows]
    kept: list[list[float]] = []
    for score, (cx, cy, w, h) in sorted(scored, key=lambda pair: -pair[0]):
        box = [cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2]
        corners = fit.to_frame(np.array(box).reshape(2, 2))
        x1, y1, x2, y2 = np.clip(corners, 0, [fit.frame_width, fit.frame_height]).astype(np.float32).ravel().tolist()
        alone = all(slow_iou(box, each) <= thresholds.iou for each in kept)
        if score > thresholds.score and x2 > x1 and y2 > y1 and alone:
            kept.append(box)
            yield score, [x1, y1, x2, y2]
        if len(kept) == thresholds.max_detections:
            return


# Road agents


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("letterboxed", [False, True])
def test_road_agents(network: Callable[[str], Made], backend: str, letterboxed: bool) -> None:
    made, thresholds = network("agents-yolov10s-seg"), Thresholds(score=0.25, iou=0.5)
    found = seen(made.file, backend, odd_picture() if letterboxed else picture_of(made.case), thresholds)
    head, part = found.heads["agents"], found.parts["agents"]
    assert isinstance(part, InstanceMasks)
    boxes, prototypes = (found.outputs[name][0] for name in head.outputs)
    wanted = slow_agents(head, boxes, prototypes, found.fit, thresholds)
    assert len(wanted) > 20
    ours = part.detections
    assert [ours.name(index) for index in range(len(ours))] == [one.agent for one in wanted]
    assert list(ours.attributes or ()) == [{"location": (one.location,), "actions": one.actions} for one in wanted]
    assert len({answers["actions"] for answers in ours.attributes or ()}) > 4
    for index, one in enumerate(wanted):
        assert ours.scores[index] == one.score
        np.testing.assert_allclose(ours.boxes[index], one.box, atol=2e-3)
        np.testing.assert_array_equal(on_frame(part, index, found.fit)[one.sure], one.mask[one.sure])
        assert np.count_nonzero(one.sure) > 0.9 * np.count_nonzero(one.sure | one.mask)
    if not letterboxed:
        require_drawn(found.parts, made.case)
        require_signs(part, made.case)


def require_signs(part: InstanceMasks, case: Case) -> None:
    """Every label that finds a place says more with its answers than without."""
    height, width = case.pixels.shape[1:3]
    best = part.chosen(np.arange(1))
    bare = Prediction({"agents": replace(best.detections, attributes=None)})
    large = (8 * width, 8 * height)
    pictures = [
        painter("labels").paint(result_of(grey(*large), prediction), None).planes[0]
        for prediction in (bare, Prediction({"agents": best}))
    ]
    label, both = (np.count_nonzero(luma != 100) for luma in pictures)
    assert both > 1.3 * label > 0


# DDRNet


@pytest.mark.parametrize("backend", BACKENDS)
def test_ddrnet_class_map(network: Callable[[str], Made], backend: str) -> None:
    made = network("ddrnet23slim-kcw")
    found = seen(made.file, backend, picture_of(made.case), Thresholds())
    part = found.parts["classes"]
    assert isinstance(part, ClassMap)
    scores = torch_run(made.subject.plain(["classes"]))(made.case.images.numpy())["classes"]
    assert made.golden.difference(made.case, "main", scores) < 2e-5
    wanted = slow_classes(scores[0])
    assert len(np.unique(wanted)) > 3
    assert part.ids.shape == wanted.shape
    assert np.count_nonzero(part.ids != wanted) <= math.ceil(FLIPS * wanted.size)
    require_drawn(found.parts, made.case)


def slow_classes(scores: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(C, H, W) → the best class of each pixel, one after the other."""
    classes, height, width = scores.shape
    ids = np.zeros((height, width), np.uint8)
    for row in range(height):
        for column in range(width):
            pixel = scores[:, row, column].tolist()
            ids[row, column] = max(range(classes), key=pixel.__getitem__)
    return ids


# Drawn


def require_drawn(parts: dict[str, Part], case: Case) -> None:
    """On grey, in full strength, the luma of every pixel is what painting one thing over the other gives.

    Edges of areas and lines are smoothed; there nothing is said.
    """
    height, width = case.pixels.shape[1:3]
    whole = np.ones((height, width), bool)
    inner = whole.copy()
    for part in parts.values():
        if isinstance(part, Mask):
            inner &= far_from_edges(part.data)
    assert inner.mean() > 0.15
    areas, boxes = slow_areas(parts, width, height), slow_boxes(parts, width, height)
    for layers, wanted, sure in ((("drivable", "lanes"), areas, inner), (("boxes",), boxes, whole)):
        drawn = painter(*layers, alpha=1.0).paint(result_of(grey(width, height), Prediction(parts)), None).planes[0]
        np.testing.assert_array_equal(drawn[sure], wanted[sure])
    assert (areas != 100).any() or (boxes != 100).any()


def far_from_edges(mask: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Where a pixel and its eight neighbours are alike."""
    height, width = mask.shape
    around = np.pad(mask, 1, mode="edge")
    shifted = [around[row : row + height, column : column + width] for row in range(3) for column in range(3)]
    return np.asarray(np.min(shifted, axis=0) == np.max(shifted, axis=0))


def slow_areas(parts: dict[str, Part], width: int, height: int) -> NDArray[np.uint8]:
    """Class maps below, then the drivable area, then lane lines."""
    luma = np.full((height, width), 100, np.uint8)
    for part in parts.values():
        if isinstance(part, ClassMap):
            for row, column in np.ndindex(height, width):
                blue, green, red = part.palette[part.ids[row, column]]
                luma[row, column] = to_yuv((red, green, blue), "bt709").y
    for role, colour in (("drivable", OKABE.drivable), ("lane", OKABE.lane)):
        for part in parts.values():
            if isinstance(part, Mask) and part.role == role:
                luma[part.data == 1] = to_yuv(colour, "bt709").y
    return luma


def slow_boxes(parts: dict[str, Part], width: int, height: int) -> NDArray[np.uint8]:
    """Masks of instances, then the lines of all boxes, the best on top."""
    luma = np.full((height, width), 100, np.uint8)
    for part in parts.values():
        if isinstance(part, InstanceMasks):
            for index in reversed(range(len(part.masks))):
                window, mask = part.window(index), part.masks[index]
                inside = luma[window.top : window.top + window.height, window.left : window.left + window.width]
                inside[mask == 1] = to_yuv(class_colour(part.detections.name(index), OKABE), "bt709").y
    for found in Prediction(parts).detections().values():
        for index in reversed(range(len(found))):
            outline(luma, found.boxes[index].tolist(), to_yuv(class_colour(found.name(index), OKABE), "bt709").y)
    return luma


def outline(luma: NDArray[np.uint8], box: list[float], value: int) -> None:
    """A line of two pixels inside the even pixels around ``box``."""
    height, width = luma.shape
    x1, y1 = (min(2 * math.floor(low / 2), limit - 2) for low, limit in zip(box[:2], (width, height), strict=True))
    x2, y2 = max(2 * math.ceil(box[2] / 2), x1 + 2), max(2 * math.ceil(box[3] / 2), y1 + 2)
    for row in range(y1, y2):
        for column in range(x1, x2):
            if row - y1 < 2 or y2 - row <= 2 or column - x1 < 2 or x2 - column <= 2:
                luma[row, column] = value
