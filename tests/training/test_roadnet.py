"""RoadNet: what is deployed says what was trained; boxes and masks lie where the labels are."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from contracts.fit import Letterbox
from contracts.prediction import Detections, Mask
from contracts.protocols import Thresholds
from engines.heads.open import open_head
from training.blueprint import Blueprint
from training.networks.families import build
from training.networks.network import Network
from training.networks.roadnet import BOX_STRIDE, Raw, RoadNet, decoded_corners
from training.recipes.roadnet import area_loss

CLASSES = ("person", "car")
HEADS = ("boxes", "drivable", "lane")


def drawn_network(variant: str = "n") -> Network:
    torch.manual_seed(3)
    network = build(Blueprint("roadnet", variant, {"boxes": CLASSES}))
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):  # as after training: no norm is the identity
            module.running_mean = torch.randn(module.num_features) * 0.1
            module.running_var = torch.rand(module.num_features) + 0.5
    return network.eval()


@torch.no_grad()
def test_the_deployed_network_says_what_the_trained_one_says() -> None:
    network, images = drawn_network(), torch.rand(2, 3, 96, 160)
    raw = network(images)
    plain = dict(zip(HEADS, network.plain(HEADS)(images), strict=True))
    deployed = dict(zip(HEADS, network.deployed(HEADS)(images), strict=True))
    corners = decoded_corners(raw.boxes)
    centre, size = (corners[..., :2] + corners[..., 2:]) / 2, corners[..., 2:] - corners[..., :2]
    expected = torch.cat([centre, size, raw.boxes[:, 4:].flatten(2).transpose(1, 2).sigmoid()], dim=2).transpose(1, 2)
    torch.testing.assert_close(plain["boxes"], expected)
    torch.testing.assert_close(deployed["boxes"], expected, rtol=1e-4, atol=1e-3)
    for head in ("drivable", "lane"):
        assert deployed[head].dtype == torch.uint8
        assert deployed[head].shape == (2, 48, 80)
        assert (deployed[head] != plain[head].argmax(1)).float().mean() < 1e-3
        against, in_favour = plain[head].split(1, dim=1)
        assert min(against.min(), in_favour.min()) >= 0  # so that a logit near 0 can be told from a small one
        torch.testing.assert_close(in_favour - against, getattr(raw, head), rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_only_the_heads_that_are_wanted_are_deployed() -> None:
    network = drawn_network()
    deployed = network.deployed(("lane",))
    assert deployed.names == ("lane",)
    assert len(deployed(torch.rand(1, 3, 64, 64))) == 1


class _Given(RoadNet):
    """A RoadNet whose raw outputs are made by hand."""

    def __init__(self, raw: Raw) -> None:
        super().__init__(Blueprint("roadnet", "n", {"boxes": CLASSES}))
        self.boxes = _Fixed(raw.boxes)  # type: ignore[assignment]
        self.masks = nn.ModuleDict({"drivable": _Fixed(raw.drivable), "lane": _Fixed(raw.lane)})


class _Fixed(nn.Module):
    def __init__(self, value: torch.Tensor) -> None:
        super().__init__()
        self.value = value

    def forward(self, _features: torch.Tensor) -> torch.Tensor:
        return self.value


def test_a_box_and_a_mask_land_on_the_frame_where_the_network_saw_them() -> None:
    """A 640 × 320 frame in a 320 × 192 input: half the size, 16 rows above and below."""
    boxes = torch.full((1, 6, 24, 40), -9.0)
    boxes[0, :4, 12, 10] = torch.tensor([1.0, 2.0, 3.0, 1.5]).log()  # cells left, up, right, down of (10.5, 12.5)
    boxes[0, 5, 12, 10] = 4.0
    mask = torch.full((1, 1, 96, 160), -1.0)
    mask[0, 0, 8 + 40 : 8 + 80, 20:60] = 1.0  # padding above is 8 rows of the mask
    network = _Given(Raw(boxes, mask, mask)).eval()
    outputs = network.deployed(HEADS)(torch.zeros(1, 3, 192, 320))
    arrays = {name: np.asarray(array) for name, array in zip(HEADS, outputs, strict=True)}
    fit = Letterbox(640, 320, 320, 192)
    parts = {
        card.name: open_head(card).decode(arrays, fit, (640, 320), Thresholds(score=0.5)) for card in network.heads
    }
    found = parts["boxes"]
    assert isinstance(found, Detections)
    s = BOX_STRIDE
    expected = [9.5 * s * 2, (10.5 * s - 16) * 2, 13.5 * s * 2, (14 * s - 16) * 2]
    np.testing.assert_allclose(found.boxes, [expected], atol=1e-3)
    assert found.name(0) == "car"
    area = parts["drivable"]
    assert isinstance(area, Mask)
    rows, columns = np.nonzero(area.on_frame())
    assert (rows.min(), rows.max() + 1, columns.min(), columns.max() + 1) == (160, 320, 80, 240)


@given(st.integers(0, 2**32 - 1), st.floats(1.0, 6.0))
def test_the_area_loss_is_the_sum_over_cells_that_count(seed: int, foreground: float) -> None:
    generator = np.random.default_rng(seed)
    mask = generator.choice(np.array([0, 1, 255], np.uint8), (1, 4, 6), p=[0.4, 0.3, 0.3])
    logits = generator.normal(0, 2, (1, 1, 2, 3)).astype(np.float32)
    entropy = inner = seen = wanted = counted = 0.0
    for row in range(2):
        for column in range(3):
            cell = mask[0, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
            if (cell == 255).all():
                continue
            share = (cell == 1).sum() / (cell != 255).sum()
            chance = 1 / (1 + np.exp(-float(logits[0, 0, row, column])))
            one = -(share * np.log(chance) + (1 - share) * np.log(1 - chance))
            entropy += one * (1 + (foreground - 1) * share)
            inner, seen, wanted, counted = inner + chance * share, seen + chance, wanted + share, counted + 1
    expected = entropy / max(counted, 1) + 1 - (2 * inner + 1) / (seen + wanted + 1)
    got = area_loss(torch.from_numpy(logits), torch.from_numpy(mask), foreground)
    np.testing.assert_allclose(float(got), expected, rtol=1e-4, atol=1e-5)
