"""Classifier: one class for the whole picture, by any of timm's networks (ResNet, EfficientNet, DenseNet, Swin …).

The variant is timm's name ("resnet18", "swin_tiny_patch4_window7_224"; with a tag, "resnet50.a1_in1k", a certain set
of published weights). Options of a blueprint (their default):
pretrained (False): start from the weights that timm publishes, fetched from its hub at that moment and at no other.
dropout (0.0): share of the last features that training leaves out, below 1.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from contracts.card import HeadCard, InputCard
from contracts.errors import UsageError
from sources.datasets.sample import LABEL
from training.blueprint import PRETRAINED, Blueprint
from training.networks.network import Deployed, Family, Network, class_names
from training.networks.timm_backbones import backbone, fixed_size, merged, usual_input, with_joined_norms

_OPTIONS = (PRETRAINED, "dropout")
_STRIDE = (32, 32)
"""Every stage of a convolutional network still has a whole number of cells then."""


class Classifier(Network):
    """A network of timm's behind our promises; ``forward`` gives logits (B, classes).

    Raises UsageError (no such network, an unusable option or class count) and SourceError (weights cannot be fetched).
    """

    def __init__(self, blueprint: Blueprint) -> None:
        super().__init__(blueprint)
        self.classes = class_names(blueprint, LABEL)
        if len(self.classes) < 2:
            raise UsageError("a classifier for one class has nothing to choose from", "name 2 or more for 'label'")
        self.fixed_size = fixed_size(blueprint.variant)
        self.stride = self.fixed_size or _STRIDE
        # Where only shapes are wanted (device meta) there is nothing that weights could be put into.
        pretrained = _pretrained(blueprint) and torch.get_default_device().type != "meta"
        self.backbone = backbone(
            blueprint.variant, len(self.classes), dropout=_dropout(blueprint), pretrained=pretrained
        )

    def forward(self, images: Tensor) -> Tensor:
        """Images float32 (B, 3, H, W), prepared as the card says → logits (B, classes). Raises UsageError."""
        if self.fixed_size is not None and self.fixed_size != (images.shape[3], images.shape[2]):
            width, height = self.fixed_size
            raise UsageError(
                f"{self.blueprint.variant} takes pictures of {width}x{height}, not {images.shape[3]}x{images.shape[2]}",
                "leave out input.size, or take another variant",
            )
        logits: Tensor = self.backbone(images)
        return logits

    def join_norms(self) -> None:
        """As promised, also for norms that hold an activation."""
        self.backbone = with_joined_norms(self.backbone)

    @property
    def heads(self) -> tuple[HeadCard, ...]:
        """One classification."""
        return (HeadCard(name=LABEL, kind="classification", outputs=(LABEL,), classes=self.classes),)

    def plain(self, heads: Sequence[str]) -> Deployed:
        """Probabilities (B, classes), every branch that was trained still there."""
        del heads  # there is only one
        return Probabilities(copy.deepcopy(self.backbone).eval())

    def deployed(self, heads: Sequence[str]) -> Deployed:
        """Probabilities (B, classes); batch norms are left to the exporter, which folds what it may."""
        del heads  # there is only one
        return Probabilities(merged(copy.deepcopy(self.backbone).eval()))


class Probabilities(Deployed):
    """Images (B, 3, H, W) → float32 (B, classes) that sum to 1: a score then means the same in every network."""

    names = (LABEL,)

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.eval()

    def forward(self, images: Tensor) -> tuple[Tensor]:
        """Images in, probabilities out."""
        return (self.backbone(images).softmax(1),)


def _pretrained(blueprint: Blueprint) -> bool:
    """Raises UsageError."""
    wanted = blueprint.options.get(PRETRAINED, False)
    if not isinstance(wanted, bool):
        raise UsageError(f"the option pretrained of a classifier is {wanted!r}", "true or false")
    return wanted


def _dropout(blueprint: Blueprint) -> float:
    share = blueprint.options.get("dropout", 0.0)
    if isinstance(share, bool | str) or not 0 <= share < 1:
        raise UsageError(f"the dropout of a classifier is {share!r}", "a share from 0 to below 1")
    return float(share)


FAMILY = Family(
    name="classifier",
    title="classifier",
    paper="https://github.com/huggingface/pytorch-image-models",
    licence="Apache-2.0",
    variants=None,
    input=InputCard(fit="letterbox", mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), size=(224, 224)),
    build=Classifier,
    options=_OPTIONS,
    input_of=usual_input,
)
