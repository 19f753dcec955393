"""Generator networks, pixel by pixel against ONNX's own slow evaluator and plain NumPy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator

from contracts.errors import EngineError
from contracts.picture import Pixels
from engines.open import open_generator
from tests.support.generators import LATENT, generator
from tests.support.networks import mask_network


def latents(batch: int, seed: int = 3) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((batch, LATENT), np.float32)


def expected(file: Path, given: NDArray[np.float32], black: float, white: float) -> Pixels:
    """BGR, written out."""
    reference = ReferenceEvaluator(str(file))
    pictures = []
    for latent in given:
        shape = (
            (1, LATENT) if len(reference.proto_.graph.input[0].type.tensor_type.shape.dim) == 2 else (1, LATENT, 1, 1)
        )
        values = np.asarray(next(iter(reference.run(None, {"z": latent.reshape(shape)}))))
        red_green_blue = values[0] if values.shape[1] == 3 else np.stack([values[0, 0]] * 3)
        picture = np.zeros((values.shape[2], values.shape[3], 3), np.uint8)
        for channel in range(3):
            share = (red_green_blue[2 - channel].astype(np.float64) - black) / (white - black)
            picture[:, :, channel] = np.rint(np.clip(share, 0, 1) * 255)
        pictures.append(picture)
    return np.stack(pictures)


@pytest.mark.parametrize(
    ("options", "bounds"),
    [
        ({}, (-1, 1)),
        ({"last": "Sigmoid"}, (0, 1)),
        ({"last": "Clip"}, (0, 1)),
        ({"colours": 1}, (-1, 1)),
        ({"flat": True}, (-1, 1)),
        ({"batch": "N"}, (-1, 1)),
        ({"batch": "N", "flat": True, "last": "Sigmoid", "colours": 1}, (0, 1)),
    ],
    ids=str,
)
def test_pictures_are_those_of_the_reference(
    tmp_path: Path, options: dict[str, object], bounds: tuple[int, int]
) -> None:
    file = generator(tmp_path / "net.onnx", **options)  # type: ignore[arg-type]
    maker = open_generator(file)
    assert (maker.latent, maker.batch, maker.width, maker.height) == (LATENT, 1, 16, 16)
    given = latents(5)
    found = np.concatenate([maker.pictures(one[None]) for one in given])
    wanted = expected(file, given, *bounds)
    off = np.abs(found.astype(int) - wanted.astype(int))
    assert off.max() <= 1  # a number right between two greys may round either way
    assert (off == 0).mean() > 0.999
    assert wanted.std() > 10
    maker.close()
    maker.close()


def test_a_batch_that_the_file_fixes_is_made_at_once(tmp_path: Path) -> None:
    many = open_generator(generator(tmp_path / "many.onnx", batch=4))
    one = open_generator(generator(tmp_path / "one.onnx"))
    assert many.batch == 4
    given = latents(4)
    alone = np.concatenate([one.pictures(latent[None]) for latent in given])
    assert np.abs(many.pictures(given).astype(int) - alone.astype(int)).max() <= 1


@pytest.mark.parametrize(
    ("options", "bounds"),
    [
        ({"last": None, "gain": 0.2}, (-1, 1)),
        ({"last": "Relu", "gain": 0.2}, (0, 1)),
        ({"last": None, "gain": 0.08, "offset": 0.5}, (0, 1)),
        ({"last": "Relu", "gain": 20, "offset": 128}, (0, 255)),
    ],
    ids=str,
)
def test_a_range_that_nobody_says_is_guessed_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, options: dict[str, object], bounds: tuple[int, int]
) -> None:
    file = generator(tmp_path / "net.onnx", **options)  # type: ignore[arg-type]
    maker = open_generator(file)
    assert f"taken for {bounds[0]} … {bounds[1]}" in caplog.text
    given = latents(1)
    assert np.abs(maker.pictures(given).astype(int) - expected(file, given, *bounds).astype(int)).max() <= 1


def _text(path: Path) -> Path:
    path.write_text("no network")
    return path


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (mask_network, r"is no generator of pictures: its input is images float32 \[1,3,48,64\] → a generator has one"),
        (lambda path: generator(path, colours=2), r"its output is .*\[1,2,16,16\]"),
        (lambda path: generator(path, batch="N", latent="Z"), r"its input is z float32 \[\?,\?,1,1\]"),
        (lambda path: generator(path, last=None, gain=900), "is no brightness → end the network in Tanh"),
        (_text, "net.onnx"),
        (lambda path: path, "does not exist"),
    ],
)
def test_what_is_no_generator_is_said_in_one_line(tmp_path: Path, make: object, words: str) -> None:
    make(tmp_path / "net.onnx")  # type: ignore[operator]
    with pytest.raises(EngineError, match=words) as caught:
        open_generator(tmp_path / "net.onnx")
    assert "\n" not in str(caught.value)
    assert caught.value.cure


def test_numbers_that_are_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="NaN"):
        open_generator(generator(tmp_path / "nan.onnx", last=None, offset=np.nan))
    maker = open_generator(generator(tmp_path / "net.onnx"))
    with pytest.raises(EngineError, match=r"wants float32 \[1,12\]"):
        maker.pictures(np.zeros((1, 7), np.float32))
