"""Card: what a network file cannot say itself. YAML outside, one frozen object inside."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator

from contracts.errors import EngineError
from contracts.prediction import MaskRole
from contracts.validation import read_file, read_yaml, validated

HeadKind = Literal[
    "yolo_boxes",
    "yolo_boxes_end2end",
    "anchor_boxes",
    "yolo_instances",
    "two_class_mask",
    "mask_ids",
    "class_map",
    "classification",
    "road_agents",
]
Share = Annotated[float, Field(ge=0, le=1)]
Colour = Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class InputCard(_Frozen):
    """How a frame becomes the network's input tensor: (pixel / scale - mean) / std, per channel."""

    name: str | None = None
    """Input tensor; None: the only one."""
    fit: Literal["letterbox", "stretch"] = "letterbox"
    pad: Annotated[int, Field(ge=0, le=255)] = 114
    colour: Literal["rgb", "bgr"] = "rgb"
    scale: Annotated[float, Field(gt=0)] = 255.0
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    size: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]] | None = None
    """(width, height) where the file leaves it open; must agree with a fixed one."""


class HeadCard(_Frozen):
    """One head: which output tensors, what they mean."""

    name: str
    kind: HeadKind
    outputs: tuple[str, ...] = ()
    """Output tensors in the order the kind wants them; empty: the only ones the file has."""
    classes: tuple[str, ...] = ()
    locations: tuple[str, ...] = ()
    """road_agents: names of where something is, in the order of their scores, behind those of the classes."""
    actions: tuple[str, ...] = ()
    """road_agents: names of what its lights say, in the order of their scores, behind those of the locations."""
    palette: tuple[Colour, ...] = ()
    """One #rrggbb per class; empty: those known for the names (Cityscapes, ETRI), else a series of our own."""
    texts: tuple[str, ...] = ()
    """A sentence per class (what to do with this waste, say)."""
    score: Share | None = None
    iou: Share | None = None
    role: MaskRole = ""
    """What a mask shows, where drawing treats it in its own way."""

    @model_validator(mode="after")
    def _one_per_class(self) -> Self:
        for what, values in (("palette", self.palette), ("texts", self.texts)):
            if values and self.classes and len(values) != len(self.classes):
                raise ValueError(f"{what} has {len(values)} entries for {len(self.classes)} classes")
        return self

    @model_validator(mode="after")
    def _questions(self) -> Self:
        """How many names each question has says where its scores are, so none can be left to the file."""
        asked = self.locations or self.actions
        if self.kind != "road_agents" and asked:
            raise ValueError(f"locations and actions are names of kind road_agents, not of {self.kind}")
        if self.kind == "road_agents" and not (self.classes and asked):
            raise ValueError("road_agents needs the names of its classes, and of its locations, actions or both")
        return self


class Card(_Frozen):
    """One network: input, heads, licence, origin.

    sha256: the file the card belongs to (ONNX: one hash; IR: of the .xml and of the .bin), for cards that lie in
    ``configs/networks/``. reference: a file of the same network that is known to be right, beside this one; a run
    then checks itself against it once (the accuracy gate). url, bytes: where the public gets this one file, and how
    long it is. paper: where the network is described. figures: what its authors measured, one sentence each, with the
    data and the hardware.
    """

    name: str
    input: InputCard = InputCard()
    heads: Annotated[tuple[HeadCard, ...], Field(min_length=1)]
    licence: str = ""
    origin: str = ""
    sha256: tuple[str, ...] = ()
    reference: str | None = None
    url: str | None = None
    bytes: Annotated[int, Field(ge=1)] | None = None
    paper: str = ""
    figures: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _reference_lies_beside(self) -> Self:
        if self.reference is not None and Path(self.reference).name != self.reference:
            raise ValueError(f"reference {self.reference!r} is not the name of a file beside this one")
        return self

    @model_validator(mode="after")
    def _one_public_file(self) -> Self:
        if self.url is None:
            return self
        try:
            parts = urlsplit(self.url)
        except ValueError as fault:
            raise ValueError(f"url {self.url!r} is none: {fault}") from fault
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
            raise ValueError(f"url {self.url!r} is not http(s)://host/… without a user's name")
        if len(self.sha256) > 1:
            raise ValueError(f"url is of one file, but sha256 names {len(self.sha256)}")
        return self

    @model_validator(mode="after")
    def _unique_heads(self) -> Self:
        names = [head.name for head in self.heads]
        if len(set(names)) != len(names):
            raise ValueError(f"two heads share a name: {', '.join(names)}")
        return self

    @classmethod
    def from_yaml(cls, text: str, where: str) -> Card:
        """A card from YAML text; raises EngineError that names ``where``."""
        return validated(cls, read_yaml(text, f"card {where}", EngineError), f"card {where}", EngineError)

    @classmethod
    def from_file(cls, path: Path) -> Card:
        """A card from a YAML file; raises EngineError."""
        return cls.from_yaml(read_file(path, "card", EngineError), str(path))
