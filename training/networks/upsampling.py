"""Exact rewrites behind a nearest upsample by two: work on its input, a quarter of the pixels, as far as one can."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.networks.csp_blocks import Bottleneck, NormedCrossStage
from training.networks.rewrites import SummedPointwise


def before_upsampling(convolution: nn.Conv2d) -> nn.Conv2d:
    """For a 3×3 convolution (padding 1) of a map upsampled by two: one of the map itself, with 4 × the outputs.

    Its outputs, (B, 4 × out, h, w), are the four pixels of each 2×2 cell: ``pixel_shuffle(…, 2)`` gives those of the
    original, (B, out, 2h, 2w). Of three pixels in a row two are copies of one, so their weights are added; the zeros
    around the upsampled map are those around the map. As many products, but 4 × the outputs side by side: worth it
    where outputs are so few (2) that they fill no vector register.
    """
    weight = convolution.weight.detach().double()
    outputs, inputs = weight.shape[:2]
    # [phase, tap on the map, tap on the upsampled map]: pixel 0 of a cell sees the cell before, and twice its own.
    copies = torch.tensor([[[1, 0, 0], [0, 1, 1], [0, 0, 0]], [[0, 0, 0], [1, 1, 0], [0, 0, 1]]], dtype=torch.float64)
    result = nn.Conv2d(inputs, 4 * outputs, 3, padding=1, bias=convolution.bias is not None)
    with torch.no_grad():
        phases = torch.einsum("pyk,qxl,oikl->opqiyx", copies, copies, weight)
        result.weight.copy_(phases.reshape(4 * outputs, inputs, 3, 3))
        if result.bias is not None and convolution.bias is not None:
            result.bias.copy_(convolution.bias.repeat_interleave(4))
    return result


class UpsampledStage(nn.Module):
    """A folded NormedCrossStage with one bottleneck, not residual, that follows an upsample: (B, in, h, w) → double.

    Everything in front of the bottleneck's 3×3 and all of the outer half is pointwise, so it comes before the upsample.
    """

    def __init__(self, stage: NormedCrossStage) -> None:
        super().__init__()
        bottleneck = stage.blocks[0]
        assert isinstance(bottleneck, Bottleneck)
        assert not bottleneck.residual
        self.small = nn.Sequential(stage.inner, bottleneck.reduce, nn.Upsample(scale_factor=2, mode="nearest"))
        self.inner = nn.Sequential(bottleneck.convolution, stage.inner_end, stage.activation)
        self.outer = nn.Sequential(stage.outer, stage.activation)
        half = stage.inner_end.out_channels
        self.join = SummedPointwise(stage.join.convolution, (half, half), (1, 2))
        self.activation = stage.join.activation

    def forward(self, features: Tensor) -> Tensor:
        """(B, in, h, w) → (B, out, 2h, 2w)."""
        result: Tensor = self.activation(self.join(self.inner(self.small(features)), self.outer(features)))
        return result
