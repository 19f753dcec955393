"""Checkpoints of TwinLiteNet+ (chequanghuy/TwinLiteNetPlus): a bare state dict, nothing before its keys."""

from __future__ import annotations

from contracts.errors import EngineError
from training.blueprint import Blueprint, Checkpoint
from training.foreign.content import Content
from training.foreign.esp import (
    CONVOLUTION,
    DOUBLING,
    ESP_SEPARABLE_BLOCK,
    Candidate,
    Module,
    candidate,
    encoder,
    has_modules,
)
from training.foreign.exchange import last_epoch
from training.networks.esp import CLASSES
from training.networks.twinlitenetplus import FAMILY, VARIANTS

_MARKS = ("encoder.level2_0", "caam", "up_1_da")
"""Modules that together no other family has."""
_WIDTHS = ("encoder.level1.conv", "encoder.b1.conv", "encoder.b3.conv", "conv_caam.conv")
"""Where a variant's channels show."""


def _decoder(ours: str, theirs: str) -> dict[str, Module]:
    refined = {"merge": "conv1", "refine": "conv2"}
    convolutions = {
        f"{part}.{inner}": f"{name}.{named}" for part, name in refined.items() for inner, named in CONVOLUTION.items()
    }
    upsampling = {f"upsample.{inner}": f"up_conv.{named}" for inner, named in DOUBLING.items()}
    levels = {"to_quarter": f"up_1_{theirs}", "to_half": f"up_2_{theirs}", "to_full": f"out_{theirs}"}
    return {f"decoders.{ours}.{level}": Module(name, {**upsampling, **convolutions}) for level, name in levels.items()}


def table(variant: str) -> dict[str, Module]:
    """The modules of one variant."""
    return {
        **encoder(VARIANTS[variant].blocks, ESP_SEPARABLE_BLOCK),
        "attention": Module(
            "caam",
            {
                "classify": "conv_cam",
                "exchange": "gcn.conv1",
                "exchange_activation": "gcn.relu",
                "mix": "gcn.conv2",
                "fuse": "fuse",
                "fuse_activation": "relu",
                "query": "proj_query",
                "key": "proj_key",
                "value": "proj_value",
                "expand": "conv_out",
            },
        ),
        "merge": Module("conv_caam", CONVOLUTION),
        **_decoder("drivable", "da"),
        **_decoder("lane", "ll"),
    }


def recognise(content: Content) -> Checkpoint | None:
    """A checkpoint of TwinLiteNet+, the variant found by its shapes; None where the file is of another family.

    Raises EngineError where its widths are of no known variant, or tensors are missing, strange or of other shapes.
    """
    if not has_modules(content, _MARKS):
        return None
    network = _nearest(content)
    return Checkpoint(
        network.blueprint,
        network.state(content),
        FAMILY.input,
        origin="TwinLiteNet+ (chequanghuy/TwinLiteNetPlus)",
        licence=FAMILY.licence,
        epoch=last_epoch(content.facts),
        notes=content.notes,
    )


def _nearest(content: Content) -> Candidate:
    """The variant that most tensors fit; raises EngineError where that is less than half of them."""
    candidates = [
        candidate(Blueprint(FAMILY.name, variant, CLASSES), f"{FAMILY.title} {variant}", table(variant))
        for variant in VARIANTS
    ]
    best = max(candidates, key=lambda network: network.fitting(content) / len(network.keys))
    if best.fitting(content) < len(best.keys) / 2:
        raise EngineError(
            f"of {FAMILY.title}, but of none of its variants: {_widths(content)}",
            f"known: {'; '.join(f'{network.blueprint.variant} {_known(network)}' for network in candidates)}",
        )
    return best


def _widths(content: Content) -> str:
    found = [content.shape(f"{name}.weight") for name in _WIDTHS]
    return f"its widths are {', '.join(str(shape[0]) if shape else 'unknown' for shape in found)}"


def _known(network: Candidate) -> str:
    shapes = dict(network.keys.values())
    return ", ".join(str(shapes[f"{name}.weight"][0]) for name in _WIDTHS)
