"""The synthetic drive: a procedural road with traffic, weather and exact truth."""

from sources.synthetic.drive import SyntheticDrive
from sources.synthetic.source import SyntheticSource

__all__ = ["SyntheticDrive", "SyntheticSource"]
