"""What is too small to matter in float32: dust among the weights, channels that are dead.

Weight decay without a gradient shrinks whole channels towards zero; published checkpoints hold thousands of weights of
1e-40. Such subnormal numbers change no result, but a CPU computes with them many times slower than with others.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

NEGLIGIBLE = 2.0**-48
"""Of a feature of size one. float32 keeps 2^-24 of a number: even features of 2^24 lose this in their rounding."""

Convolution = nn.Conv2d | nn.ConvTranspose2d
_LAYERS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear, nn.BatchNorm2d, nn.PReLU)


def without_dust(network: nn.Module) -> None:
    """Sets negligible weights of convolutions, linear layers, norms and PReLUs to zero, in place; for eval mode.

    Other parameters stay: what a bare factor is multiplied with may be of any size.
    """
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, _LAYERS):
                for values in (*layer.parameters(recurse=False), *layer.buffers(recurse=False)):
                    if values.is_floating_point():
                        values[values.abs() <= NEGLIGIBLE] = 0


def without_dead_channels(producer: Convolution, activation: nn.PReLU, consumer: Convolution) -> None:
    """Removes the channels between two convolutions that carry next to nothing, in place.

    producer: with a bias (a norm behind it is folded); activation: one slope per channel; consumer: the only one to
    read it. A channel is dead when inputs of size one can make no more of it than ``NEGLIGIBLE``. One is always kept.
    """
    assert producer.bias is not None  # a norm was folded into it
    outputs = 1 if isinstance(producer, nn.ConvTranspose2d) else 0
    inputs = 0 if isinstance(consumer, nn.ConvTranspose2d) else 1
    others = [axis for axis in range(4) if axis != outputs]
    reach = producer.weight.abs().sum(others) + producer.bias.abs()
    alive = torch.nonzero(reach * activation.weight.abs().clamp(min=1) > NEGLIGIBLE).flatten()
    if not len(alive):
        alive = torch.zeros(1, dtype=torch.int64)
    producer.weight, producer.bias = _kept(producer.weight, outputs, alive), _kept(producer.bias, 0, alive)
    activation.weight = _kept(activation.weight, 0, alive)
    consumer.weight = _kept(consumer.weight, inputs, alive)
    producer.out_channels = activation.num_parameters = consumer.in_channels = len(alive)


def _kept(values: Tensor, axis: int, indices: Tensor) -> nn.Parameter:
    return nn.Parameter(values.detach().index_select(axis, indices), requires_grad=False)
