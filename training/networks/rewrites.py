"""Exact rewrites: the same answer with less work. Each is proven against what it replaces in its test.

What pays was measured on A-YOLOM n at 384×672, OpenVINO 2026.4 on a CPU with AMX, CPU time of one thread, as a share
of the plain network's: 1×1 convolutions in front of the upsampling 0.88 in bf16 and 0.87 in fp32; the masks at half
size as well 0.72 and 0.76. Splitting the 1×1 convolution over a concatenation of maps of equal size gained nothing
(± 1 %), and neither did doing without the split and the concatenation inside a C2f (1 to 3 %, nothing in int8): those
stay as they are. More than a third of what is left is SiLU.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import Tensor, nn
from torch.nn import functional

SILU_IS_ONE = 1.2784645427610738
"""Where SiLU is 1."""


def composed(first: nn.Conv2d, second: nn.Conv2d) -> nn.Conv2d:
    """One 1×1 convolution that does both, second(first(x)), where nothing lies between them.

    Raises ValueError where one is not a plain 1×1 convolution.
    """
    inner, outer = _matrix(first), _matrix(second)
    return _convolution((outer @ inner)[:, :, None, None], outer @ _bias(first) + _bias(second))


class SummedPointwise(nn.Module):
    """A 1×1 convolution over a concatenation, as a sum of one per map, each done before its map is upsampled.

    channels: of the maps, in the order of the concatenation. factors: by how much each is upsampled, 1 for not at all.
    mode: "nearest" or "bilinear" (without align_corners). Both give a pixel weights that add up to one, at the borders
    too, and the same weights in all channels: that is why a 1×1 convolution with its bias may come first.
    Raises ValueError where the convolution is not a plain 1×1 one.
    """

    def __init__(
        self, convolution: nn.Conv2d, channels: Sequence[int], factors: Sequence[int], mode: str = "nearest"
    ) -> None:
        super().__init__()
        weight = _matrix(convolution)[:, :, None, None]
        matrices = [weight[:, end - wide : end] for wide, end in zip(channels, accumulate(channels), strict=True)]
        coarsest = max(range(len(factors)), key=lambda index: factors[index])
        self.parts = nn.ModuleList(
            _convolution(matrix, _bias(convolution) if index == coarsest else None)
            for index, matrix in enumerate(matrices)
        )
        self.factors = tuple(factors)
        self.mode = mode

    def forward(self, *maps: Tensor) -> Tensor:
        """One map per part, (B, channels[i], H / factors[i], W / factors[i]) → (B, out, H, W)."""
        parts = zip(self.parts, maps, self.factors, strict=True)
        first, *others = (self._upsampled(part(features), factor) for part, features, factor in parts)
        return sum(others, first)

    def _upsampled(self, features: Tensor, factor: int) -> Tensor:
        if factor == 1:
            return features
        return functional.interpolate(features, scale_factor=factor, mode=self.mode)


class ArgmaxOfTwo(nn.Module):
    """Arg-max of two channels without softmax: (B, 2, H, W) → uint8 (B, H, W), ties and NaN to 0."""

    def forward(self, scores: Tensor) -> Tensor:
        """Scores in, ids out."""
        return (scores[:, 1] > scores[:, 0]).to(torch.uint8)


class HalfSizeMask(nn.Module):
    """A mask head that does all its work at half of the mask's size: (B, C, H/2, W/2) → uint8 (B, H, W).

    It stands for: enter (3×3), SiLU, upsample (transposed, 2×2, stride 2), refine (3×3), SiLU, scores (1×1, 2 out),
    SiLU, arg-max. Nothing lies between upsample and refine, so both are one convolution, linear in the small map:

    - A *node* is a corner where four small pixels meet; there are (H/2 + 1) × (W/2 + 1) of them, those on the border
      with pixels of the zero padding. The four mask pixels around a node see no other small pixels than its four. So
      one 2×2 convolution with a padding of one has, as channels of each node, those of its four mask pixels.
    - The transposed convolution's bias reaches a mask pixel from everywhere but the padding. So the small map gets
      one more channel, 1 everywhere (SiLU of SILU_IS_ONE) and 0 in the padding like all others, and the bias is that
      channel's weight. This is exact at the borders.

    From there on every mask pixel is a group of channels of its node, up to the last step, which brings them to their
    places and drops the ring that lies outside.
    """

    def __init__(self, enter: nn.Conv2d, upsample: nn.ConvTranspose2d, refine: nn.Conv2d, scores: nn.Conv2d) -> None:
        super().__init__()
        _require_mask_head(enter, upsample, refine, scores)
        self.enter = _with_ones(enter)
        weight = torch.cat([_at_nodes(refine, upsample.weight), _at_nodes(refine, _ones(upsample))], dim=1)
        self.nodes = _convolution(weight, _bias(refine).repeat(4), padding=1)
        self.scores = _per_mask_pixel(scores)

    def forward(self, features: Tensor) -> Tensor:
        """Features in, ids out."""
        small = functional.silu(self.enter(features))  # (B, 32 + 1, H/2, W/2)
        nodes = functional.silu(self.nodes(small))  # (B, 4 × 8, H/2 + 1, W/2 + 1)
        background, foreground = functional.silu(self.scores(nodes)).chunk(2, dim=1)  # 4 each: one per mask pixel
        # Moved to their places as floats: not every runtime can move bytes.
        mask = functional.pixel_shuffle((foreground > background).float(), 2)  # (B, 1, H + 2, W + 2)
        return mask[:, 0, 1:-1, 1:-1].to(torch.uint8)


def _require_mask_head(enter: nn.Conv2d, upsample: nn.ConvTranspose2d, refine: nn.Conv2d, scores: nn.Conv2d) -> None:
    """Raises ValueError for what HalfSizeMask does not stand for."""
    _matrix(scores)
    for one in (enter, refine):
        if (one.kernel_size, one.stride, one.padding, one.groups) != ((3, 3), (1, 1), (1, 1), 1):
            raise ValueError(f"not a plain 3×3 convolution: {one}")
    if (upsample.kernel_size, upsample.stride, upsample.padding, upsample.groups) != ((2, 2), (2, 2), (0, 0), 1):
        raise ValueError(f"not a plain doubling of the size: {upsample}")


def _with_ones(convolution: nn.Conv2d) -> nn.Conv2d:
    """One more output channel, which is 1 behind a SiLU."""
    weight = convolution.weight.detach().double()
    one = torch.tensor([SILU_IS_ONE], dtype=torch.float64)
    weight = torch.cat([weight, torch.zeros_like(weight[:1])])
    return _convolution(weight, torch.cat([_bias(convolution), one]), padding=convolution.kernel_size[0] // 2)


def _ones(upsample: nn.ConvTranspose2d) -> Tensor:
    """A transposed convolution's bias as the weight of an input that is 1: (1, out, 2, 2)."""
    return _bias(upsample)[None, :, None, None].expand(1, -1, 2, 2)


def _at_nodes(refine: nn.Conv2d, doubling: Tensor) -> Tensor:
    """A 3×3 convolution behind a doubling, (in, middle, 2, 2), as one at the nodes: (4 × out, in, 2, 2).

    Channels go by mask pixel (upper left, upper right, lower left, lower right of the node), then by its own.
    """
    taps, doubling = refine.weight.detach().double(), doubling.detach().double()
    result = torch.zeros(2, 2, taps.shape[0], doubling.shape[0], 2, 2, dtype=torch.float64)
    for row, column, down, right in torch.cartesian_prod(*map(torch.arange, (2, 2, 3, 3))).tolist():
        # Mask pixel (row, column) of a node lies at (1 + row, 1 + column) of the 4 × 4 that its small pixels make.
        y, x = row + down, column + right
        term = taps[:, :, down, right] @ doubling[:, :, y % 2, x % 2].T
        result[row, column, :, :, y // 2, x // 2] += term
    return result.flatten(0, 2)


def _per_mask_pixel(scores: nn.Conv2d) -> nn.Conv2d:
    """A 1×1 convolution to (background, foreground) for four pixels side by side: 4 backgrounds, then 4 foregrounds."""
    matrix = _matrix(scores)
    weight = torch.cat([torch.kron(torch.eye(4, dtype=matrix.dtype), row[None]) for row in matrix])
    return _convolution(weight[:, :, None, None], _bias(scores).repeat_interleave(4))


def _matrix(convolution: nn.Conv2d) -> Tensor:
    """A plain 1×1 convolution's weight in double precision: (out, in). Raises ValueError where it is none."""
    shape = (convolution.kernel_size, convolution.stride, convolution.padding, convolution.groups)
    if shape != ((1, 1), (1, 1), (0, 0), 1):
        raise ValueError(f"not a plain 1×1 convolution: {convolution}")
    return convolution.weight.detach().double().flatten(1)


def _bias(convolution: nn.Conv2d | nn.ConvTranspose2d) -> Tensor:
    """Its bias in double precision; zeros where it has none."""
    if convolution.bias is None:
        return torch.zeros(convolution.out_channels, dtype=torch.float64)
    return convolution.bias.detach().double()


def _convolution(weight: Tensor, bias: Tensor | None, padding: int = 0) -> nn.Conv2d:
    """A float32 convolution with these values; weight is (out, in, height, width)."""
    outputs, inputs, height, width = weight.shape
    result = nn.Conv2d(inputs, outputs, (height, width), padding=padding, bias=bias is not None)
    result.load_state_dict({"weight": weight.float()} | ({} if bias is None else {"bias": bias.float()}))
    return result.eval()
