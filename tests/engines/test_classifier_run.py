"""A small generated classifier that looks at colours: run in both runtimes, decoded and drawn, against plain loops."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from contracts.prediction import Classification, Prediction
from outputs.draw.colours import PALETTES, class_colour, to_yuv
from roadstream import stream
from tests.engines.tiny import save, with_card
from tests.outputs.scenes import grey, painter, result_of

CLASSES = ("car", "truck", "bus", "person", "bicycle", "motorcycle", "train")  # each has a colour of its own
TEXTS = [f"Mind the {name}." for name in CLASSES]
WIDTH, HEIGHT = 96, 64
RNG = np.random.default_rng(5)
KERNELS = RNG.normal(0, 0.6, (4, 3, 3, 3)).astype(np.float32)
WEIGHTS = RNG.normal(0, 3, (4, len(CLASSES))).astype(np.float32)
BIAS = RNG.normal(0, 0.5, len(CLASSES)).astype(np.float32)


def classifier(path: Path) -> Path:
    """3 × 3 convolutions, ReLU, the mean of all pixels, a matrix: logits."""
    nodes = [
        helper.make_node("Conv", ["images", "kernels"], ["maps"]),
        helper.make_node("Relu", ["maps"], ["positive"]),
        helper.make_node("ReduceMean", ["positive"], ["features"], axes=[2, 3], keepdims=0),
        helper.make_node("Gemm", ["features", "weights", "bias"], ["scores"]),
    ]
    arrays = {"kernels": KERNELS, "weights": WEIGHTS, "bias": BIAS}
    constants: list[onnx.TensorProto] = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    save(path, nodes, {"scores": (1, len(CLASSES))}, {"images": (1, 3, HEIGHT, WIDTH)}, constants)
    head = {"name": "ahead", "kind": "classification", "classes": list(CLASSES), "texts": TEXTS}
    return with_card(path, [head], fit="stretch")


def slowly(pixels: NDArray[np.uint8]) -> list[tuple[float, str]]:
    """BGR (64, 96, 3) → probability and name of the five best, best first; sums written out."""
    rgb = pixels[:, :, ::-1].astype(np.float64) / 255
    logits = BIAS.astype(np.float64).copy()
    for kernel, weights in zip(KERNELS.astype(np.float64), WEIGHTS.astype(np.float64), strict=True):
        total = 0.0
        for row in range(HEIGHT - 2):
            for column in range(WIDTH - 2):
                patch = rgb[row : row + 3, column : column + 3]
                total += max(0.0, float(np.sum(patch * kernel.transpose(1, 2, 0))))
        logits += weights * total / ((HEIGHT - 2) * (WIDTH - 2))
    shares = [math.exp(logit) for logit in logits]
    return sorted(((share / sum(shares), name) for share, name in zip(shares, CLASSES, strict=True)), reverse=True)[:5]


@pytest.mark.parametrize("backend", ["openvino", "onnxruntime"])
def test_the_five_best_are_right_and_their_bars_as_long_as_they_are_sure(tmp_path: Path, backend: str) -> None:
    network = classifier(tmp_path / "ahead.onnx")
    engine = {"file": network, "backend": backend, "precision": "fp32"}
    sure = []
    for place in ("city", "highway", "night", "rain"):
        drive = f"synthetic:{place}?size={WIDTH}x{HEIGHT}&seconds=2"
        for result in stream(drive, engines=[engine], max_frames=1):
            (part,) = result.prediction.classifications().values()
            wanted = slowly(result.frame.picture.bgr())
            assert [part.name(index) for index in range(5)] == [name for _, name in wanted]
            np.testing.assert_allclose(part.scores, [share for share, _ in wanted], atol=2e-4)
            assert part.text(0) == f"Mind the {wanted[0][1]}."
            sure.append(wanted[0][0])
            require_bars(part)
    assert max(sure) - min(sure) > 0.1, "all drives look the same to it"


def require_bars(part: Classification) -> None:
    """Bars of the classes' colours, longest first, as long as scores have it."""
    drawn = painter("labels").paint(result_of(grey(1280, 720), Prediction({"ahead": part})), None)
    luma, u, v = drawn.planes
    lengths = []
    for index in range(len(part)):
        shade = to_yuv(class_colour(part.name(index), PALETTES["okabe-ito"]), "bt709")
        bar = (luma[::2, ::2] == shade.y) & (u == shade.u) & (v == shade.v)
        lengths.append(2 * int(bar.sum(axis=1).max()))
    best = float(part.scores[0])
    for length, score in zip(lengths, part.scores.tolist(), strict=True):
        assert abs(length - lengths[0] * score / best) <= 4, lengths
