"""Draws predictions on pictures without leaving YUV: ``Painter`` and the figures of its panel."""

from outputs.draw.painter import Painter
from outputs.draw.panel import PanelFigures

__all__ = ["Painter", "PanelFigures"]
