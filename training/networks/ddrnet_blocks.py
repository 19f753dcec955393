"""What DDRNet is made of, apart from its pyramid pooling: Hong et al. 2021, arXiv:2101.06085, Fig. 2 and 3.

Residual blocks end without a ReLU wherever a branch is tapped; whoever uses such features rectifies them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

from training.networks.bilinear import resized


def conv_norm(channels_in: int, channels_out: int, kernel: int, stride: int = 1, *, bias: bool) -> nn.Sequential:
    """Convolution that keeps the size (divided by the stride) → batch norm."""
    convolution = nn.Conv2d(channels_in, channels_out, kernel, stride, padding=kernel // 2, bias=bias)
    return nn.Sequential(OrderedDict(convolution=convolution, norm=nn.BatchNorm2d(channels_out)))


def rectified(name: str, modules: Iterable[nn.Module]) -> nn.Sequential:
    """A chain NAME1 → ReLU → NAME2 → …, with none behind the last."""
    chain: OrderedDict[str, nn.Module] = OrderedDict()
    for number, module in enumerate(modules, 1):
        if chain:
            chain[f"relu{number - 1}"] = nn.ReLU()
        chain[f"{name}{number}"] = module
    return nn.Sequential(chain)


class Residual(nn.Module):
    """A chain of convolutions plus a shortcut: (B, in, H, W) → (B, out, H / stride, W / stride).

    layers: (channels, kernel, stride) of each convolution.
    """

    def __init__(self, channels: int, layers: Sequence[tuple[int, int, int]], *, bias: bool) -> None:
        super().__init__()
        widths = [channels, *(layer[0] for layer in layers)]
        self.body = rectified(
            "layer", (conv_norm(width, *layer, bias=bias) for width, layer in zip(widths[:-1], layers, strict=True))
        )
        stride = max(layer[2] for layer in layers)
        same = stride == 1 and channels == widths[-1]
        self.shortcut = nn.Identity() if same else conv_norm(channels, widths[-1], 1, stride, bias=bias)

    def forward(self, features: Tensor) -> Tensor:
        """Features in, features out."""
        result: Tensor = self.body(features) + self.shortcut(features)
        return result


def basic_blocks(channels_in: int, channels: int, count: int, stride: int = 1, *, bias: bool) -> nn.Sequential:
    """``count`` residual blocks of two 3×3 convolutions; the first one strides."""
    first = Residual(channels_in, ((channels, 3, stride), (channels, 3, 1)), bias=bias)
    rest = (Residual(channels, ((channels, 3, 1), (channels, 3, 1)), bias=bias) for _ in range(count - 1))
    return rectified("block", (first, *rest))


def bottleneck(channels: int, stride: int = 1, *, bias: bool) -> Residual:
    """1×1, 3×3, and a 1×1 that doubles the channels."""
    return Residual(channels, ((channels, 1, 1), (channels, 3, stride), (2 * channels, 1, 1)), bias=bias)


class BilateralStage(nn.Module):
    """One stage of both branches, after which each gets the other's features added.

    context: (channels in, channels out, stride). detail: its channels, in and out. halvings: how many strides of 2 the
    context is behind the detail when it leaves. forward: context (B, c, h, w) and detail (B, d, H, W), neither of them
    rectified → the same.
    """

    def __init__(
        self, context: tuple[int, int, int], detail: int, blocks: int, halvings: int, *, bias: bool, align_corners: bool
    ) -> None:
        super().__init__()
        self.align_corners = align_corners
        channels_in, channels, stride = context
        self.context = basic_blocks(channels_in, channels, blocks, stride, bias=bias)
        self.detail = basic_blocks(detail, detail, blocks, bias=bias)
        widths = [detail * 2**step for step in range(halvings + 1)]  # the last one is ``channels``
        self.down = rectified("layer", (conv_norm(fine, coarse, 3, 2, bias=bias) for fine, coarse in pairwise(widths)))
        self.compression = conv_norm(channels, detail, 1, bias=bias)

    def forward(self, context: Tensor, detail: Tensor) -> tuple[Tensor, Tensor]:
        """Both branches in, both out."""
        context = self.context(functional.relu(context))
        detail = self.detail(functional.relu(detail))
        compressed = self.compression(functional.relu(context))  # (B, d, h, w)
        return (
            context + self.down(functional.relu(detail)),
            detail + resized(compressed, detail, align_corners=self.align_corners),
        )


def segmentation_head(channels_in: int, channels: int, classes: int, *, bias: bool) -> nn.Sequential:
    """(B, in, h, w) → logits (B, classes, h, w); its second norm stands behind a convolution and can be folded."""
    return nn.Sequential(
        OrderedDict(
            norm1=nn.BatchNorm2d(channels_in),
            relu1=nn.ReLU(),
            convolution=nn.Conv2d(channels_in, channels, 3, padding=1, bias=bias),
            norm2=nn.BatchNorm2d(channels),
            relu2=nn.ReLU(),
            classifier=nn.Conv2d(channels, classes, 1),
        )
    )
