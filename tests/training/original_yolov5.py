"""YOLOv5 as its configuration files list it, run from its own keys: the slow way to what the network should give."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from training.foreign.content import Content

SIZES = {"n": (0.33, 0.25), "s": (0.33, 0.5), "m": (0.67, 0.75), "l": (1.0, 1.0), "x": (1.33, 1.25)}
_HEAD = [
    ("conv", -1, 512, 1, 1), ("up", -1), ("cat", 6), ("c3", -1, 512, 3, False),
    ("conv", -1, 256, 1, 1), ("up", -1), ("cat", 4), ("c3", -1, 256, 3, False),
    ("conv", -1, 256, 3, 2), ("cat", 14), ("c3", -1, 512, 3, False),
    ("conv", -1, 512, 3, 2), ("cat", 10), ("c3", -1, 1024, 3, False),
]  # fmt: skip
LAYERS = {
    "6.0": [
        ("conv", -1, 64, 6, 2), ("conv", -1, 128, 3, 2), ("c3", -1, 128, 3, True), ("conv", -1, 256, 3, 2),
        ("c3", -1, 256, 6, True), ("conv", -1, 512, 3, 2), ("c3", -1, 512, 9, True), ("conv", -1, 1024, 3, 2),
        ("c3", -1, 1024, 3, True), ("spp", -1, 1024), *_HEAD,
    ],
    "5.0": [
        ("focus", -1, 64), ("conv", -1, 128, 3, 2), ("c3", -1, 128, 3, True), ("conv", -1, 256, 3, 2),
        ("c3", -1, 256, 9, True), ("conv", -1, 512, 3, 2), ("c3", -1, 512, 9, True), ("conv", -1, 1024, 3, 2),
        ("spp", -1, 1024), ("c3", -1, 1024, 3, False), *_HEAD,
    ],
}  # fmt: skip
"""Kind, where from, channels, then kernel and stride, or repeats and shortcut."""


class Original:
    """One network of that code base. Weights are drawn when they are first needed; ``state`` has them all then."""

    def __init__(self, size: str = "n", classes: int = 4, release: str = "6.0") -> None:
        self.depth, self.width = SIZES[size]
        self.classes = classes
        self.layers: Sequence[tuple[object, ...]] = LAYERS[release]
        self.state: dict[str, Tensor] = {}
        self._generator = torch.Generator().manual_seed(0)
        anchors = torch.rand(3, 3, 2, generator=self._generator) * 4 + 0.5  # a training's own
        self.state["model.24.anchors"] = anchors
        if release == "5.0":
            pixels = anchors * torch.tensor([8, 16, 32]).reshape(3, 1, 1)
            self.state["model.24.anchor_grid"] = pixels.reshape(3, 1, 3, 1, 1, 2)
        self(torch.zeros(1, 3, 32, 32))

    def content(self, **facts: object) -> Content:
        """As a checkpoint reader gives it."""
        return Content(dict(self.state), {"names": [f"thing {n}" for n in range(self.classes)]}, facts, {})

    def __call__(self, images: Tensor) -> list[Tensor]:
        """Images → raw (B, 3, h, w, 5 + C) of the three levels."""
        seen: list[Tensor] = []
        features = images
        for number, (kind, source, *given) in enumerate(self.layers):
            key = f"model.{number}"
            if kind == "cat":
                features = torch.cat([features, seen[int(str(source))]], 1)
            elif kind == "up":
                features = features.repeat_interleave(2, 2).repeat_interleave(2, 3)
            else:
                features = getattr(self, f"_{kind}")(key, features, *given)
            seen.append(features)
        return [self._detect(level, seen[number]) for level, number in enumerate((17, 20, 23))]

    def _channels(self, full: int) -> int:
        return -(-int(full * self.width) // 8) * 8

    def _conv(self, key: str, features: Tensor, full: int, kernel: int, stride: int) -> Tensor:
        return self._unit(key, features, self._channels(full), kernel, stride)

    def _focus(self, key: str, image: Tensor, full: int) -> Tensor:
        cells = [image[..., ::2, ::2], image[..., 1::2, ::2], image[..., ::2, 1::2], image[..., 1::2, 1::2]]
        return self._unit(f"{key}.conv", torch.cat(cells, 1), self._channels(full), 3, 1)

    def _c3(self, key: str, features: Tensor, full: int, repeats: int, shortcut: bool) -> Tensor:
        channels = self._channels(full)
        inner = self._unit(f"{key}.cv1", features, channels // 2)
        for number in range(max(round(repeats * self.depth), 1)):
            seen = self._unit(f"{key}.m.{number}.cv1", inner, channels // 2)
            seen = self._unit(f"{key}.m.{number}.cv2", seen, channels // 2, 3)
            inner = inner + seen if shortcut else seen
        return self._unit(
            f"{key}.cv3", torch.cat([inner, self._unit(f"{key}.cv2", features, channels // 2)], 1), channels
        )

    def _spp(self, key: str, features: Tensor, full: int) -> Tensor:
        channels = self._channels(full)
        reduced = self._unit(f"{key}.cv1", features, channels // 2)
        pooled = [functional.max_pool2d(reduced, size, 1, size // 2) for size in (5, 9, 13)]
        return self._unit(f"{key}.cv2", torch.cat([reduced, *pooled], 1), channels)

    def _detect(self, level: int, features: Tensor) -> Tensor:
        values = 5 + self.classes
        weight = self._weight(f"model.24.m.{level}.weight", (3 * values, features.shape[1], 1, 1))
        raw = functional.conv2d(features, weight, self._weight(f"model.24.m.{level}.bias", (3 * values,)))
        batch, _, height, width = raw.shape
        return raw.reshape(batch, 3, values, height, width).permute(0, 1, 3, 4, 2)

    def _unit(self, key: str, features: Tensor, channels: int, kernel: int = 1, stride: int = 1) -> Tensor:
        weight = self._weight(f"{key}.conv.weight", (channels, features.shape[1], kernel, kernel))
        padding = 2 if kernel == 6 else kernel // 2
        linear = functional.conv2d(features, weight, None, stride, padding)
        names = ("running_mean", "running_var", "weight", "bias")
        mean, variance, scale, bias = (self._weight(f"{key}.bn.{name}", (channels,)) for name in names)
        self.state.setdefault(f"{key}.bn.num_batches_tracked", torch.tensor(7))
        return functional.silu(functional.batch_norm(linear, mean, variance, scale, bias, eps=1e-3))

    def _weight(self, key: str, shape: tuple[int, ...]) -> Tensor:
        if key not in self.state:
            drawn = torch.rand(shape, generator=self._generator)
            spread = (6 / max(1, drawn[0].numel())) ** 0.5 if len(shape) == 4 else 0.2
            centre = 1.0 if key.endswith(("bn.running_var", "bn.weight")) else 0.0
            self.state[key] = centre + (drawn * 2 - 1) * spread
        return self.state[key]
