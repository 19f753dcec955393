"""TwinLiteNet+: its widths, its attention on a grid, and what the published weights see on a real road."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from contracts.config import EngineConfig
from contracts.errors import EngineError
from contracts.picture import Picture
from contracts.prediction import Mask
from contracts.protocols import Thresholds
from engines.heads.open import open_head
from engines.open import open_engine
from engines.prepare import Preparer
from sources.open import open_source
from tests.training.twinlitenets import HEADS, random_network, recognised, theirs
from training.checkpoints import open_subject
from training.networks.twinlitenetplus import BINS, GridAttention, cut, joined
from training.onnx_files import with_card
from training.order import card_of_export
from training.tracing import traced


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 2), st.integers(1, 3), st.integers(1, 4), st.integers(1, 3))
def test_cells_are_cut_out_and_put_back(batch: int, channels: int, cell_height: int, cell_width: int) -> None:
    rows, columns = BINS
    features = torch.randn(batch, channels, rows * cell_height, columns * cell_width)
    cells = cut(features)
    for row in range(rows):
        for column in range(columns):
            top, left = row * cell_height, column * cell_width
            cell = features[:, :, top : top + cell_height, left : left + cell_width]
            assert torch.equal(cells[:, row * columns + column], cell.flatten(2).transpose(1, 2))
    assert torch.equal(joined(cells, rows * cell_height, columns * cell_width), features)


def test_the_attention_is_what_its_definition_says() -> None:
    torch.manual_seed(3)
    attention = GridAttention(8).eval()
    features = torch.randn(2, 8, 6, 8)
    with torch.inference_mode():
        found = attention(features)
        for picture in range(2):
            expected = _attention(attention, features[picture])
            torch.testing.assert_close(found[picture], expected, rtol=0, atol=1e-5)


def _attention(attention: GridAttention, features: torch.Tensor) -> torch.Tensor:
    """One picture (C, H, W), cell by cell, pixel by pixel."""
    channels, height, width = features.shape
    maps = attention.classify(features[None])[0]
    cells = [
        (slice(row * height // 2, (row + 1) * height // 2), slice(column * width // 4, (column + 1) * width // 4))
        for row in range(2)
        for column in range(4)
    ]
    centres = torch.zeros(8, channels, channels)
    for index, (rows, columns) in enumerate(cells):
        pixels, likeness = features[:, rows, columns].flatten(1), maps[:, rows, columns].flatten(1)
        for label in range(channels):
            weights = torch.softmax(likeness[label], 0)
            centres[index, label] = (pixels * weights).sum(1) * torch.sigmoid(likeness[label].mean())
    exchanged = torch.einsum("ij,jkc->ikc", attention.exchange.weight.flatten(1), centres) + centres
    slopes = attention.exchange_activation.weight.reshape(8, 1, 1)
    centres = torch.where(exchanged > 0, exchanged, slopes * exchanged) @ attention.mix.weight.T
    assert attention.fuse.bias is not None
    whole = torch.einsum("i,ikc->kc", attention.fuse.weight.flatten(), centres) + attention.fuse.bias
    values = attention.value(torch.where(whole > 0, whole, attention.fuse_activation.weight * whole))
    taken = torch.zeros(values.shape[1], height, width)
    for index, (rows, columns) in enumerate(cells):
        keys = attention.key(centres[index])
        for y in range(rows.start, rows.stop):
            for x in range(columns.start, columns.stop):
                weights = torch.softmax(keys @ attention.query(features[:, y, x]), 0)
                taken[:, y, x] = weights @ values
    expanded: torch.Tensor = features + attention.expand(taken[None])[0]
    return expanded


class TestWidths:
    """The variant is in the shapes, never in the file's name."""

    def test_a_small_one_with_tensors_of_a_medium_one_is_refused(self) -> None:
        state, medium = theirs(random_network("small")), theirs(random_network("medium"))
        state.update({key: medium[key] for key in state if key.startswith("encoder.level3_0.")})
        with pytest.raises(EngineError, match=r"of TwinLiteNet\+ small, but 11 tensors are of another shape"):
            recognised(state)

    def test_more_blocks_than_the_variant_has_are_refused(self) -> None:
        state = theirs(random_network("nano"))
        state.update({key.replace("level2.0", "level2.1"): value for key, value in state.items() if "level2.0" in key})
        with pytest.raises(EngineError, match=r"of TwinLiteNet\+ nano, but 18 tensors are unknown, first: enc"):
            recognised(state)

    def test_widths_that_nobody_knows_are_named(self) -> None:
        state = {key: value.repeat_interleave(3, 0) if value.dim() else value for key, value in _nano().items()}
        with pytest.raises(
            EngineError, match=r"none of its variants: its widths are 12, 24, 48, 24 → known: nano 4, 8"
        ):
            recognised(state)

    def test_widths_that_cannot_be_seen_are_unknown(self) -> None:
        state = {key: value.repeat_interleave(3, 0) if value.dim() else value for key, value in _nano().items()}
        del state["encoder.level1.conv.weight"]
        with pytest.raises(EngineError, match="its widths are unknown, 24, 48, 24"):
            recognised(state)


def _nano() -> dict[str, torch.Tensor]:
    return theirs(random_network("nano"))


@pytest.mark.shared
@pytest.mark.parametrize(("backend", "step"), [("openvino", 1), ("onnxruntime", 10)])
@pytest.mark.parametrize("name", ["twinlitenet", "twinlitenetplus_small"])
def test_published_weights_see_what_the_published_files_see(
    shared: Path, tmp_path: Path, name: str, backend: str, step: int
) -> None:
    """Imported, exported, run as a run does: IoU ≥ 0.999 over all frames of a clip.

    Every tenth frame in ONNX Runtime, which takes most of a second for one of the published TwinLiteNet.
    """
    subject = open_subject(shared / f"weights/{name}.pth")
    assert subject.card.input.size is not None
    model = traced(subject.deployed(HEADS), subject.card.input.size)
    with_card(model, card_of_export(subject.card, HEADS))
    ours = tmp_path / f"{name}.onnx"
    ours.write_bytes(model.SerializeToString())
    both, either = np.zeros(2, np.int64), np.zeros(2, np.int64)
    with ExitStack() as stack:
        source = stack.enter_context(closing(open_source(str(shared / "clips/udacity_solidWhiteRight.mp4"))))
        looks = [stack.enter_context(_looking(file, backend)) for file in (ours, shared / f"weights/{name}.onnx")]
        pictures = [frame.picture for frame in source.frames() if frame.index % step == 0]
        for picture in pictures:
            found, published = (look(picture) for look in looks)
            both += [np.count_nonzero(a & b) for a, b in zip(found, published, strict=True)]
            either += [np.count_nonzero(a | b) for a, b in zip(found, published, strict=True)]
    assert len(pictures) == len(range(0, 221, step))
    assert (either > 1000 * len(pictures)).all(), "the clip shows neither road nor lines"
    assert (both / either >= 0.999).all(), dict(zip(HEADS, both / either, strict=True))


@contextmanager
def _looking(file: Path, backend: str) -> Iterator[Callable[[Picture], list[NDArray[np.uint8]]]]:
    """From a picture to the masks of both heads, the whole network input high and wide."""
    config = EngineConfig.model_validate({"file": file, "backend": backend, "precision": "fp32"})
    with closing(open_engine(config)) as engine:
        preparer, heads = Preparer(engine), [open_head(card) for card in engine.card.heads]

        def look(picture: Picture) -> list[NDArray[np.uint8]]:
            tensors, fit = preparer.prepare(picture)
            with closing(engine.submit(tensors)) as ticket:
                outputs, size = ticket.result(60), (picture.width, picture.height)
                masks = [head.decode(outputs, fit, size, Thresholds()) for head in heads]
            assert all(isinstance(mask, Mask) for mask in masks)
            return [mask.data for mask in masks if isinstance(mask, Mask)]

        yield look
