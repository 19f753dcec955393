"""SGD or AdamW; norms and biases are not decayed."""

from __future__ import annotations

from torch import nn
from torch.optim import SGD, AdamW, Optimizer

from training.config import OptimizerConfig


def new_optimizer(network: nn.Module, config: OptimizerConfig) -> Optimizer:
    """For the parameters that are trained; those of one dimension or none (norms, biases, PReLU) are not decayed."""
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    groups = [
        {"params": [each for each in trained if each.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [each for each in trained if each.ndim <= 1], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    if config.name == "sgd":
        return SGD(groups, config.learning_rate, config.momentum, nesterov=config.momentum > 0)
    return AdamW(groups, config.learning_rate, (config.momentum, 0.999))
