"""Listing: which classes of the class maps the legend names, in an order that does not jump from frame to frame."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from contracts.prediction import ClassMap
from outputs.draw.class_maps import painted_colour
from outputs.draw.colours import Rgb

SMALLEST = 0.005
"""Share of the frame below which a class is not listed."""
MOST = 10
STAY = 1.5
"""A class that is listed counts this much more than one that is not, so that two of a size do not take turns."""


class Entry(NamedTuple):
    """Class name and colour. carried: the network has not looked at this very frame."""

    name: str
    colour: Rgb
    carried: bool = False


class Listing:
    """Chooses the entries of one stream, frame by frame."""

    def __init__(self) -> None:
        self._places: dict[tuple[str, Rgb], int] = {}
        self._placed: set[tuple[object, object]] = set()
        self._listed: frozenset[tuple[str, Rgb]] = frozenset()

    def of(self, maps: Mapping[str, ClassMap], carried: Collection[str] = (), most: int = MOST) -> tuple[Entry, ...]:
        """The painted classes in the order of their cards; the ``most`` largest where there are more of them.

        carried: heads whose network has not looked at this frame.
        """
        shares: dict[tuple[str, Rgb], float] = {}
        seen: set[tuple[str, Rgb]] = set()
        for head, part in maps.items():
            self._give_places(part)
            for class_id, share in part.shares().items():
                colour = painted_colour(part, class_id)
                if colour is not None:
                    known = part.name(class_id), colour
                    shares[known] = shares.get(known, 0.0) + share
                    if head not in carried:
                        seen.add(known)
        weights = {known: share * (STAY if known in self._listed else 1) for known, share in shares.items()}
        large = [known for known in weights if weights[known] >= SMALLEST]
        chosen = sorted(large, key=lambda known: (-weights[known], self._places[known]))[: min(most, MOST)]
        self._listed = frozenset(chosen)
        return tuple(Entry(*known, known not in seen) for known in sorted(chosen, key=self._places.__getitem__))

    def _give_places(self, part: ClassMap) -> None:
        """Every class its place, once: by head, then by id, also those that no frame has shown yet."""
        if (part.names, part.palette) in self._placed:
            return
        self._placed.add((part.names, part.palette))
        for class_id in range(max(len(part.names), len(part.palette))):
            colour = painted_colour(part, class_id)
            if colour is not None:
                self._places.setdefault((part.name(class_id), colour), len(self._places))
