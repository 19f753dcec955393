"""DDRNets for tests: what the goldens are, networks with random weights, and their state dicts as others write them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.blueprint import Blueprint, Checkpoint, Option
from training.foreign.content import Content
from training.foreign.ddrnet import recognise
from training.networks.ddrnet import DDRNet
from training.networks.families import build

Options = dict[str, Option]
BIASED: Options = {"convolution_bias": True, "align_corners": True, "output_stride": 1}
AUXILIARY: Options = {"auxiliary": True}
GOLDENS: list[tuple[str, str, Options, int]] = [
    ("ddrnet23slim-ydhong", "23-slim", {}, 5_695_987),
    ("ddrnet23slim-chenjun", "23-slim", AUXILIARY, 5_734_342),
    ("ddrnet23slim-kcw", "23-slim", BIASED | AUXILIARY, 5_739_910),
    ("ddrnet23-ydhong", "23", {}, 20_148_947),
    ("ddrnet39-ydhong", "39", AUXILIARY, 32_660_838),
]


def content(state: dict[str, Tensor], **facts: object) -> Content:
    return Content(state, {}, facts, {})


def recognised(state: dict[str, Tensor], **facts: object) -> Checkpoint:
    found = recognise(content(state, **facts))
    assert found is not None
    return found


def loaded(checkpoint: Checkpoint) -> DDRNet:
    network = build(checkpoint.blueprint)
    network.load_state_dict(dict(checkpoint.state))
    assert isinstance(network, DDRNet)
    return network.eval()


def images(height: int, width: int, batch: int = 1) -> Tensor:
    """Soft waves with noise: neighbouring pixels have something in common, as in a picture."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    waves = torch.sin(x / 17) + torch.cos(y / 11)
    return waves + 0.3 * torch.randn(batch, 3, height, width, generator=torch.Generator().manual_seed(height))


def random_network(classes: int = 19, options: Options | None = None) -> DDRNet:
    """DDRNet-23-slim in eval mode, with batch norms that do something and classes that are about equally frequent."""
    torch.manual_seed(1)
    names = tuple(f"class {index}" for index in range(classes))
    network = build(Blueprint("ddrnet", "23-slim", {"classes": names}, options or {})).eval()
    assert isinstance(network, DDRNet)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                module.weight.normal_(0, module.weight[0].numel() ** -0.5)
            elif isinstance(module, nn.BatchNorm2d):
                module.running_mean = torch.randn(module.num_features) * 0.1
                module.running_var = torch.rand(module.num_features) + 0.5
                module.weight.uniform_(0.8, 1.2)
                module.bias.normal_(0, 0.1)
        classifier = network.head[-1]
        assert isinstance(classifier, nn.Conv2d)
        assert classifier.bias is not None
        classifier.bias -= network(images(64, 128)).main.mean((0, 2, 3))
    return network


class Theirs:
    """The state dict of the three code bases, written down from their structure: an oracle without their files."""

    def __init__(self, variant: str, *, bias: bool = False, auxiliary: bool = False, classes: int = 19) -> None:
        self.state: dict[str, Tensor] = {}
        self._bias = bias
        width, head = {"23-slim": (32, 64), "23": (64, 128), "39": (64, 256)}[variant]
        deep = variant == "39"
        self._conv("conv1.0", 3, width, 3, bias=True)
        self._norm("conv1.1", width)
        self._conv("conv1.3", width, width, 3, bias=True)
        self._norm("conv1.4", width)
        self._blocks("layer1", width, width, 3 if deep else 2)
        self._blocks("layer2", width, 2 * width, 4 if deep else 2, strided=True)
        stages = [("3_1", 2, 4), ("3_2", 4, 4), ("4", 4, 8)] if deep else [("3", 2, 4), ("4", 4, 8)]
        for name, before, after in stages:
            self._blocks(f"layer{name}", before * width, after * width, 3 if deep else 2, strided=after > before)
            self._blocks(f"layer{name}_", 2 * width, 2 * width, 3 if deep else 2)
            self._conv(f"compression{name}.0", after * width, 2 * width, 1)
            self._norm(f"compression{name}.1", 2 * width)
            for index, channels in ((0, 2 * width), (3, 4 * width))[: 2 if after == 8 else 1]:
                self._conv(f"down{name}.{index}", channels, 2 * channels, 3)
                self._norm(f"down{name}.{index + 1}", 2 * channels)
        self._bottleneck("layer5", 8 * width)
        self._bottleneck("layer5_", 2 * width)
        self._pyramid(16 * width, 128, 4 * width)
        self._head("final_layer", 4 * width, head, classes)
        if auxiliary:
            self._head("seghead_extra", 2 * width, head, classes)

    def _conv(self, name: str, inputs: int, outputs: int, kernel: int, bias: bool | None = None) -> None:
        self.state[f"{name}.weight"] = torch.zeros(outputs, inputs, kernel, kernel)
        if self._bias if bias is None else bias:
            self.state[f"{name}.bias"] = torch.zeros(outputs)

    def _norm(self, name: str, channels: int) -> None:
        for leaf in ("weight", "bias", "running_mean", "running_var"):
            self.state[f"{name}.{leaf}"] = torch.zeros(channels)
        self.state[f"{name}.num_batches_tracked"] = torch.tensor(0)

    def _blocks(self, name: str, before: int, after: int, count: int, strided: bool = False) -> None:
        for index in range(count):
            self._conv(f"{name}.{index}.conv1", after if index else before, after, 3)
            self._norm(f"{name}.{index}.bn1", after)
            self._conv(f"{name}.{index}.conv2", after, after, 3)
            self._norm(f"{name}.{index}.bn2", after)
            if strided and not index:
                self._conv(f"{name}.0.downsample.0", before, after, 1)
                self._norm(f"{name}.0.downsample.1", after)

    def _bottleneck(self, name: str, channels: int) -> None:
        shapes = (("1", channels, channels, 1), ("2", channels, channels, 3), ("3", channels, 2 * channels, 1))
        for number, before, after, kernel in shapes:
            self._conv(f"{name}.0.conv{number}", before, after, kernel)
            self._norm(f"{name}.0.bn{number}", after)
        self._conv(f"{name}.0.downsample.0", channels, 2 * channels, 1)
        self._norm(f"{name}.0.downsample.1", 2 * channels)

    def _pyramid(self, before: int, inner: int, after: int) -> None:
        places = [(f"scale{n}", min(n, 1), before, inner, 1) for n in range(5)]
        places += [(f"process{n}", 0, inner, inner, 3) for n in range(1, 5)]
        places += [("compression", 0, 5 * inner, after, 1), ("shortcut", 0, before, after, 1)]
        for name, index, inputs, outputs, kernel in places:
            self._norm(f"spp.{name}.{index}", inputs)
            self._conv(f"spp.{name}.{index + 2}", inputs, outputs, kernel, bias=False)

    def _head(self, name: str, before: int, inner: int, classes: int) -> None:
        self._norm(f"{name}.bn1", before)
        self._conv(f"{name}.conv1", before, inner, 3)
        self._norm(f"{name}.bn2", inner)
        self._conv(f"{name}.conv2", inner, classes, 1, bias=True)
