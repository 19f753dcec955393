"""AugmentOptions: what may happen to a training picture."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

Chance = Annotated[float, Field(ge=0, le=1)]


class AugmentOptions(BaseModel):
    """Chances per picture, and how far. All off gives the plain fitted picture."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    mosaic: Chance = 0.0
    """Four pictures in one."""
    mosaic_stop_epochs: Annotated[int, Field(ge=0)] = 10
    """The last epochs see whole pictures only."""
    upright: Chance = 0.0
    """An upright part of the picture, as a phone held upright would have seen it; not in mosaics."""
    flip: Chance = 0.5
    """Left and right exchanged."""
    scale: tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]] = (0.75, 1.5)
    """Smallest and largest enlargement around a random place."""
    shift: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Share of width and height."""
    rotate_deg: Annotated[float, Field(ge=0, le=45)] = 3.0
    brightness: Annotated[float, Field(ge=0, le=1)] = 0.3
    contrast: Annotated[float, Field(ge=0, le=1)] = 0.3
    hue: Annotated[float, Field(ge=0, le=0.5)] = 0.015
    saturation: Annotated[float, Field(ge=0, le=1)] = 0.4
    blur: Chance = 0.1
    noise: Chance = 0.1
    rain: Chance = 0.02
    shadow: Chance = 0.05
    night: Chance = 0.05
    """Darkened, with raised noise and a colour cast, as a camera sees at night."""
    compression: Chance = 0.1
    """JPEG artefacts."""

    @field_validator("scale")
    @classmethod
    def _smallest_first(cls, scale: tuple[float, float]) -> tuple[float, float]:
        if scale[0] > scale[1]:
            raise ValueError("the smallest comes first")
        return scale
