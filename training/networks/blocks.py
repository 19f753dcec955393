"""The block nearly every road network is made of, and its deployed form."""

from __future__ import annotations

import copy
from typing import TypeVar

from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

Module = TypeVar("Module", bound=nn.Module)


class ConvNorm(nn.Module):
    """Convolution without bias → batch norm → activation: (B, in, H, W) → (B, out, H / stride, W / stride).

    kernel is odd and padded to keep the size. eps: the YOLO families use 1e-3. activation: one module, shared
    or fresh; None: none.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int = 1,
        stride: int = 1,
        *,
        activation: nn.Module | None = None,
        eps: float = 1e-3,
        groups: int = 1,
    ) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(
            channels_in, channels_out, kernel, stride, padding=kernel // 2, groups=groups, bias=False
        )
        self.norm: nn.Module = nn.BatchNorm2d(channels_out, eps=eps)
        self.activation: nn.Module = activation if activation is not None else nn.Identity()

    def forward(self, features: Tensor) -> Tensor:
        """Features in, features out."""
        result: Tensor = self.activation(self.norm(self.convolution(features)))
        return result


def folded(network: Module) -> Module:
    """A copy in eval mode in which every batch norm directly behind a convolution is part of that convolution.

    Looked for in ConvNorm and in neighbours of an nn.Sequential (Conv2d or ConvTranspose2d, then BatchNorm2d). Exact
    up to float rounding.
    """
    result = copy.deepcopy(network).eval()
    for module in result.modules():
        if isinstance(module, ConvNorm) and isinstance(module.norm, nn.BatchNorm2d):
            module.convolution = fuse_conv_bn_eval(module.convolution, module.norm)
            module.norm = nn.Identity()
        elif isinstance(module, nn.Sequential):
            _fold_neighbours(module)
    return result


def _fold_neighbours(chain: nn.Sequential) -> None:
    for index in range(len(chain) - 1):
        first, second = chain[index], chain[index + 1]
        if isinstance(first, nn.Conv2d | nn.ConvTranspose2d) and isinstance(second, nn.BatchNorm2d):
            chain[index] = fuse_conv_bn_eval(first, second, isinstance(first, nn.ConvTranspose2d))
            chain[index + 1] = nn.Identity()
