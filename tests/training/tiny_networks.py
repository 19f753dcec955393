"""A network of a few filters with a box head and two mask heads, whose export takes a second."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from contracts.card import Card, HeadCard, InputCard
from training.blueprint import Blueprint
from training.networks.blocks import ConvNorm, folded
from training.networks.network import Deployed, Network
from training.subject import Subject

SIZE = (96, 64)
HEADS = (
    HeadCard(name="boxes", kind="yolo_boxes", outputs=("boxes",), classes=("car", "bus")),
    HeadCard(name="drivable", kind="mask_ids", outputs=("drivable",), classes=("other", "drivable"), role="drivable"),
    HeadCard(name="lane", kind="mask_ids", outputs=("lane",), classes=("other", "lane"), role="lane"),
)


class TinyNetwork(Network):
    """Pixels → features at 1/2 → boxes (B, 6, N) and two masks. ``fault`` makes its deployed form wrong."""

    stride = (2, 2)

    def __init__(self, fault: str = "", seed: int = 3) -> None:
        super().__init__(Blueprint("tiny", "t", {}))
        torch.manual_seed(seed)
        self.fault = fault
        self.body = nn.Sequential(ConvNorm(3, 8, 3, 2, activation=nn.SiLU()), ConvNorm(8, 8, 3, activation=nn.SiLU()))
        self.boxes = nn.Conv2d(8, 6, 1)
        self.drivable = nn.Conv2d(8, 2, 1)
        self.lane = nn.Conv2d(8, 2, 1)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.running_mean, -0.2, 0.2)  # type: ignore[arg-type]
                nn.init.uniform_(module.running_var, 0.5, 1.5)  # type: ignore[arg-type]
            if isinstance(module, nn.Conv2d) and module.bias is not None:
                nn.init.zeros_(module.bias)

    @property
    def heads(self) -> tuple[HeadCard, ...]:
        return HEADS

    def plain(self, heads: Sequence[str]) -> Deployed:
        return _Tiny(copy.deepcopy(self).eval(), heads, ids=False)

    def deployed(self, heads: Sequence[str]) -> Deployed:
        return _Tiny(folded(self), heads, ids=True)


class _Tiny(Deployed):
    def __init__(self, network: TinyNetwork, heads: Sequence[str], *, ids: bool) -> None:
        super().__init__()
        self.network, self.ids = network, ids
        self.names = tuple(head.name for head in HEADS if head.name in heads)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        features = self.network.body(images)
        return tuple(self._boxes(features) if name == "boxes" else self._mask(name, features) for name in self.names)

    def _boxes(self, features: Tensor) -> Tensor:
        """Offsets of up to 4 pixels on a grid of 2, scores after sigmoid."""
        raw = self.network.boxes(features)
        height, width = features.shape[2:]
        rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        grid = torch.stack([columns, rows, torch.ones_like(rows), torch.ones_like(rows)]).float() * 2
        boxes = grid + raw[:, :4].tanh() * (8 if self.ids and self.network.fault == "boxes" else 4)
        return torch.cat([boxes, raw[:, 4:].sigmoid()], 1).flatten(2)

    def _mask(self, name: str, features: Tensor) -> Tensor:
        scores = nn.functional.interpolate(self.network.get_submodule(name)(features), scale_factor=2.0)
        if not self.ids:
            return scores
        if self.network.fault == name:
            scores = scores.flip(1)
        return (scores[:, 1] > scores[:, 0]).to(torch.uint8)


def subject(fault: str = "", network: Network | None = None, **given: Any) -> Subject:
    made = network or TinyNetwork(fault)
    card = Card(name="tiny", input=InputCard(size=SIZE, fit="stretch"), heads=HEADS, licence="MIT", origin="a test")
    return Subject(card.model_copy(update=given), made.stride, made.plain, made.deployed, ("tiny",))
