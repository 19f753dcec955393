"""Road-agents checkpoints: complex_detection of kCW-tb."""

from __future__ import annotations

from contracts.errors import EngineError
from training.blueprint import Blueprint, Checkpoint, Option
from training.foreign.content import Content
from training.foreign.exchange import CURE, class_names, class_total, last_epoch
from training.foreign.yolo8_keys import PLACES, bottlenecks, exchanged
from training.networks.road_agents import CUSTOM, FAMILY, QUESTIONS
from training.networks.yolo8_blocks import SCALES

_PLACES = PLACES | {
    "distances": "22.cv2",
    "scores": "22.cv3",
    "coefficients": "22.cv4",
    "prototypes": "22.proto",
}
_DROPPED = ("model.22.dfl.conv.weight",)
_SCORES = "model.22.cv3.0.2.weight"
_SIGNS = (_SCORES, "model.22.cv4.0.2.weight", "model.22.proto.upsample.weight")
"""All of these: this network, or an ordinary YOLOv8 segmenter."""
_HEAD = "Multi_v10Segment"
_NAMES = {
    "agents": ("Car", "Bus"),
    "locations": ("VehLane", "OutgoLane", "IncomLane", "Jun", "Parking"),
    "actions": ("Brake", "IncatLft", "IncatRht", "HazLit"),
}
"""The actions as labels and inference number them; the YAML of the data set has the first two the other way round."""
_ATTRIBUTES = {"agents": ("num_agent", "names"), "locations": ("num_loc", "locs"), "actions": ("num_action", "actions")}
"""Question → the pickled network's attributes: how many classes, and their names."""


def recognise(content: Content) -> Checkpoint | None:
    """The checkpoint under our keys; None where it is of another family. Raises EngineError where it does not fit."""
    if not all(key in content.state for key in _SIGNS) or not _asks_three_questions(content):
        return None
    variant, options = _scale(content)
    classes, notes = _classes(content)
    blueprint = Blueprint(FAMILY.name, variant, classes, options)
    return Checkpoint(
        blueprint=blueprint,
        state=exchanged(content, blueprint, _PLACES, _DROPPED, f"the {FAMILY.title} network, scale {variant}"),
        input=FAMILY.input,
        origin="https://github.com/kCW-tb/complex_detection",
        licence=FAMILY.licence,
        epoch=last_epoch(content.facts),
        notes=(*content.notes, *notes),
    )


def _asks_three_questions(content: Content) -> bool:
    """What tells it from a YOLOv8 segmenter of the same keys: its head's class; without one, eleven scores."""
    if content.modules:
        return any(path.endswith(f".{_HEAD}") for path in content.modules.values())
    return content.shape(_SCORES)[:1] == (sum(map(len, _NAMES.values())),)


def _scale(content: Content) -> tuple[str, dict[str, Option]]:
    """Width from the first convolution, depth by counting the second stage's bottlenecks; named where it has a name."""
    channels = (*content.shape("model.0.conv.weight"), 0)[0]
    repeats = bottlenecks(content, 4)
    for name, scale in SCALES.items():
        if (scale.channels(64), scale.repeats(6)) == (channels, repeats):
            return name, {}
    if channels == 0 or channels % 8 or not 1 <= repeats <= 6:
        raise EngineError(
            f"of the {FAMILY.title} network, but of no scale there can be: its first convolution has"
            f" {channels} channels and model.4 has {repeats} bottlenecks",
            "the file is damaged, or of a fork that changed the network",
        )
    return CUSTOM, {"width": channels / 64, "depth": repeats / 6}


def _classes(content: Content) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
    """Class names of the three questions, and what is to be said about them."""
    classes, notes = {}, []
    for question, size in zip(QUESTIONS, _counts(content), strict=True):
        found = class_names(content.model.get(_ATTRIBUTES[question][1]), size)
        if found is not None and not all(name.isdigit() for name in found):
            classes[question] = found
        elif len(_NAMES[question]) == size:
            classes[question] = _NAMES[question]
        else:
            classes[question] = tuple(f"{question[:-1]} {number}" for number in range(size))
            notes.append(f"the file does not name its {size} {question}: they are numbered")
    return classes, tuple(notes)


def _counts(content: Content) -> list[int]:
    """How many answers each question has; raises EngineError where they are not together those of the tensors."""
    title = f"the {FAMILY.title} network"
    total = class_total(content.shape(_SCORES), title)
    told = [content.model.get(_ATTRIBUTES[question][0], len(_NAMES[question])) for question in QUESTIONS]
    counts = [count for count in told if type(count) is int and 1 <= count <= total]
    if len(counts) != len(QUESTIONS) or sum(counts) != total:
        raise EngineError(
            f"of {title}, but its tensors have {total} scores, which is not what its three questions add up to", CURE
        )
    return counts
