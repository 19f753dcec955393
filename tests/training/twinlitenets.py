"""TwinLiteNets for tests: what the goldens are, networks with random weights, state dicts under the authors' names."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.blueprint import Blueprint, Checkpoint
from training.foreign import twinlitenet, twinlitenetplus
from training.foreign.content import Content
from training.foreign.esp import Table, their_key
from training.networks.esp import CLASSES
from training.networks.families import build
from training.networks.network import Network
from training.networks.twinlitenetplus import VARIANTS

torch.set_num_threads(1)  # small maps: more threads mostly wait for each other
HEADS = ("drivable", "lane")
GOLDENS = [
    ("twinlitenet", "standard", 439_633, 183),
    ("twinlitenetplus-nano", "nano", 33_379, 228),
    ("twinlitenetplus-small", "small", 121_552, 282),
    ("twinlitenetplus-medium", "medium", 478_876, 336),
    ("twinlitenetplus-large", "large", 1_943_911, 408),
]
"""Golden, variant, parameters and state entries, as the facts have them."""
TOLERANCE = {"standard": 2e-5, **dict.fromkeys(VARIANTS, 2e-4)}
"""Largest difference allowed, relative to the largest output (the attention of TwinLiteNet+ multiplies rounding)."""


def random_network(variant: str, seed: int = 3) -> Network:
    """A network whose norms, slopes and gains all do something, and whose masks have both classes; in eval mode."""
    torch.manual_seed(seed)
    network = build(blueprint(variant)).eval()
    with torch.no_grad():
        for name, module in network.named_modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean = torch.randn(module.num_features) * 0.1
                module.running_var = torch.rand(module.num_features) + 0.5
                module.weight.uniform_(0.8, 1.2)
                module.bias.normal_(0, 0.1)
            elif isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                read = module.weight[0].numel() if isinstance(module, nn.Conv2d) else module.weight.shape[0]
                module.weight.normal_(0, 0.75 * (2 / read) ** 0.5)  # (He et al. 2015), a little less for the sums
            elif isinstance(module, nn.PReLU):
                module.weight.uniform_(0.1, 0.4)
            elif name.startswith("attention.") and hasattr(module, "gain"):
                module.gain.fill_(0.4)
    return network


def blueprint(variant: str) -> Blueprint:
    return Blueprint("twinlitenet" if variant == "standard" else "twinlitenetplus", variant, CLASSES)


def theirs(network: Network) -> dict[str, Tensor]:
    """Its weights under the names of the code base it comes from."""
    variant = network.blueprint.variant
    table: Table = twinlitenet.TABLE if variant == "standard" else twinlitenetplus.table(variant)
    return {their_key(key, table): value for key, value in network.state_dict().items()}


def recognised(state: dict[str, Tensor], **facts: object) -> Checkpoint | None:
    """What the two families make of a state dict; never both."""
    content = Content(state, {}, facts, {})
    found = [checkpoint for family in (twinlitenet, twinlitenetplus) if (checkpoint := family.recognise(content))]
    assert len(found) < 2
    return found[0] if found else None


def loaded(checkpoint: Checkpoint) -> Network:
    network = build(checkpoint.blueprint)
    network.load_state_dict(dict(checkpoint.state))
    return network.eval()


def images(height: int, width: int, batch: int = 1, seed: int = 0) -> Tensor:
    return torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(seed))


def flips(scores: Tensor, mask: Tensor) -> float:
    """The share of pixels where a mask is not the arg-max of the scores."""
    return float(((scores[:, 1] > scores[:, 0]) != mask.bool()).float().mean())
