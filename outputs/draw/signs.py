"""Signs: what a head answers about a box beyond its class, as icons where they are known, else as a short word."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from contracts.prediction import Attributes
from outputs.draw.icons import Icon
from outputs.draw.text import shortened

Sign = Icon | str
_LONGEST_WORD = 12  # letters

# Names as the road-agents network and the data set behind it (ROAD) have them, and as other people may call the same.
_TYPES: Mapping[str, tuple[Icon, Icon]] = {
    "car": (Icon.CAR, Icon.CAR_BRAKING),
    "vehicle": (Icon.CAR, Icon.CAR_BRAKING),
    "bus": (Icon.BUS, Icon.BUS_BRAKING),
    "truck": (Icon.TRUCK, Icon.TRUCK_BRAKING),
    "lorry": (Icon.TRUCK, Icon.TRUCK_BRAKING),
}
"""Letters of a class → its icon, and that of one that brakes."""
_LOCATIONS: Mapping[str, Icon] = {
    **dict.fromkeys(("vehlane", "vehiclelane", "egolane", "ownlane"), Icon.OWN_LANE),
    **dict.fromkeys(("outgolane", "outgoinglane"), Icon.OUTGOING_LANE),
    **dict.fromkeys(("incomlane", "incominglane", "oncominglane"), Icon.INCOMING_LANE),
    **dict.fromkeys(("jun", "junction", "intersection"), Icon.JUNCTION),
    "parking": Icon.PARKING,
}
_BRAKES = frozenset({"brake", "break", "braking", "brakelight", "brakelights", "brakelit"})
_TURNS: Mapping[str, Icon] = {
    **dict.fromkeys(("incatlft", "indleft", "indicatingleft", "leftindicator", "turnleft", "left"), Icon.LEFT),
    **dict.fromkeys(("incatrht", "indright", "indicatingright", "rightindicator", "turnright", "right"), Icon.RIGHT),
    **dict.fromkeys(("hazlit", "hazard", "hazardlight", "hazardlights"), Icon.HAZARD),
}


def signs_of(name: str, attributes: Attributes) -> tuple[Sign, ...]:
    """Signs of a box of class ``name``, from the left: indicator, vehicle, indicator, hazard lights, place, words.

    A vehicle that brakes has red lamps; what brakes and has no icon of its own has a car's.
    """
    actions = {_letters(answer): answer for answer in attributes.get("actions", ())}
    lit = {icon for letters, icon in _TURNS.items() if letters in actions}
    vehicle, braking = _TYPES.get(_letters(name), (None, Icon.CAR_BRAKING))
    shown = braking if actions.keys() & _BRAKES else vehicle
    order = (Icon.LEFT, shown, Icon.RIGHT, Icon.HAZARD)
    lights = (icon for icon in order if icon is not None and (icon is shown or icon in lit))
    return (*lights, *_places(attributes), *_words(attributes))


def _places(attributes: Attributes) -> Iterator[Icon]:
    for answer in attributes.get("location", ()):
        icon = _LOCATIONS.get(_letters(answer))
        if icon is not None:
            yield icon


def _words(attributes: Attributes) -> Iterator[str]:
    """Answers without an icon."""
    drawn = {"location": _LOCATIONS.keys(), "actions": _BRAKES | _TURNS.keys()}
    for question, answers in attributes.items():
        for answer in answers:
            if _letters(answer) not in drawn.get(question, ()):
                yield shortened(answer, _LONGEST_WORD)


def _letters(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.lower())
