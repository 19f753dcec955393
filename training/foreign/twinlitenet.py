"""Checkpoints of TwinLiteNet (chequanghuy/TwinLiteNet): a bare state dict, its keys behind ``module.``."""

from __future__ import annotations

from training.blueprint import Blueprint, Checkpoint
from training.foreign.content import Content
from training.foreign.esp import CONVOLUTION, DOUBLING, ESP_BLOCK, Module, candidate, encoder, has_modules
from training.foreign.exchange import last_epoch
from training.networks.esp import CLASSES
from training.networks.twinlitenet import FAMILY, SHAPE

TABLE = {
    **encoder(SHAPE.blocks, ESP_BLOCK),
    "attention.position": Module(
        "encoder.sa", {"gain": "gamma", "query": "query_conv", "key": "key_conv", "value": "value_conv"}
    ),
    "attention.position_merge": Module("encoder.conv_sa", CONVOLUTION),
    "attention.channel": Module("encoder.sc", {"gain": "gamma"}),
    "attention.channel_merge": Module("encoder.conv_sc", CONVOLUTION),
    "attention.merge": Module("encoder.classifier", CONVOLUTION),
    "decoders.drivable.to_quarter": Module("up_1_1", DOUBLING),
    "decoders.drivable.to_half": Module("up_2_1", DOUBLING),
    "decoders.drivable.to_full": Module("classifier_1", DOUBLING),
    "decoders.lane.to_quarter": Module("up_1_2", DOUBLING),
    "decoders.lane.to_half": Module("up_2_2", DOUBLING),
    "decoders.lane.to_full": Module("classifier_2", DOUBLING),
}
_MARKS = ("encoder.level2_0", "encoder.sa", "up_1_1")
"""Modules that together no other family has."""


def recognise(content: Content) -> Checkpoint | None:
    """A checkpoint of TwinLiteNet; None where the file is of another family. Raises EngineError where it is damaged."""
    if not has_modules(content, _MARKS):
        return None
    network = candidate(Blueprint(FAMILY.name, "standard", CLASSES), f"{FAMILY.title} standard", TABLE)
    return Checkpoint(
        network.blueprint,
        network.state(content),
        FAMILY.input,
        origin="TwinLiteNet (chequanghuy/TwinLiteNet)",
        licence=FAMILY.licence,
        epoch=last_epoch(content.facts),
        notes=content.notes,
    )
