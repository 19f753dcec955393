"""Golden pictures: what each layer of the painter looks like, kept as PNG and compared with what it draws today.

``python -m tests.outputs.goldens`` writes all of them anew, ``python -m tests.outputs.goldens NAME …`` those named.
A new one is a line in ``GOLDENS``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from contracts.class_sets import CITYSCAPES
from contracts.config import LAYERS, Layer
from contracts.fit import Letterbox
from contracts.palette import palette_of
from contracts.picture import Picture, Pixels
from contracts.prediction import Classification, ClassMap, Detections, InstanceMasks, Mask, MaskRole, Part, Prediction
from contracts.sizes import Sizes
from outputs.draw.panel import LiveFigures
from tests.outputs.scenes import FIGURES, painter, result_of

FOLDER = Path(__file__).parent / "goldens"
WIDTH, HEIGHT = 640, 360
FIT = Letterbox(WIDTH, HEIGHT, 320, 192)
"""Of the masks: 180 rows show the frame, 6 above and below are padding."""
NAMES = ("car", "truck", "person", "traffic light", "dog")
BOXES = ((60, 150, 190, 236), (150, 120, 260, 230), (330, 160, 372, 250), (420, 20, 446, 74), (520, 230, 640, 330))
OFF = 3
"""Grey levels by which a pixel may differ unnoticed: rounding of another build or of other vector instructions."""
EDGE_OFF = 0.2
"""And this share of the step at an edge."""
MOST_OFF = 24
"""How many of the 230,400 pixels may be off: a few specks, less than half a label's letter."""


def street() -> Picture:
    """Sky, houses, a road and its kerb in flat tones: what is blended in can be told from what lies beneath."""
    y = np.full((HEIGHT, WIDTH), 168, np.uint8)
    u, v = np.full((HEIGHT // 2, WIDTH // 2), 134, np.uint8), np.full((HEIGHT // 2, WIDTH // 2), 122, np.uint8)
    for left, top, right, bottom, luma in (
        (0, 60, 200, 180, 96), (200, 100, 300, 180, 130), (440, 40, 640, 180, 80), (0, 180, 640, 360, 64),
        (0, 180, 640, 188, 150), (310, 200, 330, 360, 200),
    ):  # fmt: skip
        y[top:bottom, left:right] = luma
        u[top // 2 : bottom // 2, left // 2 : right // 2] = 128
        v[top // 2 : bottom // 2, left // 2 : right // 2] = 128
    return Picture("yuv420p", (y, u, v), "bt709", tagged=True)


def boxes(track_ids: Sequence[int] | None = None) -> Detections:
    """Five road users, two of which overlap; one stands at the picture's edge."""
    return Detections(
        np.array(BOXES, np.float32),
        np.linspace(0.95, 0.35, len(BOXES), dtype=np.float32),
        np.arange(len(BOXES), dtype=np.int32),
        NAMES,
        None if track_ids is None else np.array(track_ids, np.int64),
    )


def agents() -> Detections:
    """The same, with every icon there is and two answers that have none."""
    lit = (("Brake",), ("IncatLft",), ("IncatRht",), ("HazLit",), ("reversing",))
    places = ("VehLane", "OutgoLane", "IncomLane", "Jun", "Parking")
    said = [{"location": (place,), "actions": lights} for place, lights in zip(places, lit, strict=True)]
    return replace(boxes(), attributes=tuple(said))


def sized() -> Detections:
    """The same where sizes are known: of a thin thing, of two boxes, of nothing, of a very thin one with a number."""
    sizes = Sizes.unknown(len(BOXES))
    sizes.box_widths[:3], sizes.box_heights[:3] = (1843.2, 612.0, 84.4), (1451.0, 2030.0, 9.4)
    sizes.widths[:] = (12.34, np.nan, np.nan, np.nan, 3.21)
    return replace(boxes((-1, -1, -1, 2, 7)), sizes=sizes)


def instances() -> InstanceMasks:
    """The same, each an ellipse in its box; the third one's outline is unknown."""
    masks = []
    for index, (left, top, right, bottom) in enumerate(BOXES):
        rows, columns = np.ogrid[-1 : 1 : (bottom - top) * 1j, -1 : 1 : (right - left) * 1j]
        masks.append(np.asarray(rows**2 + columns**2 <= (0 if index == 2 else 0.9), np.uint8))
    return InstanceMasks(boxes(), tuple(masks))


def _network_pixels() -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Row and column of every pixel of the masks, to compare with."""
    rows, columns = np.ogrid[: FIT.network_height, : FIT.network_width]
    return rows, columns


def area(role: MaskRole = "drivable") -> Mask:
    """The road, narrower further away; or three lines on it."""
    rows, columns = _network_pixels()
    ahead = np.maximum(rows - 100, 0)
    if role == "lane":
        lines = [np.abs(columns - (160 + slope * ahead)) < 1 + ahead / 30 for slope in (-1.4, 0, 1.4)]
        return Mask(np.asarray(np.any(lines, axis=0) & (rows > 100), np.uint8), FIT, "lane", "lane")
    return Mask(np.asarray((np.abs(columns - 160) < 1.4 * ahead) & (rows > 100), np.uint8), FIT, "drivable", "drivable")


def scene() -> ClassMap:
    """Six of Cityscapes' classes."""
    names = tuple(CITYSCAPES)
    rows, columns = _network_pixels()
    ids = np.full((FIT.network_height, FIT.network_width), names.index("sky"), np.uint8)
    ids[(rows > 40) & (np.abs(columns - 160) > 40)] = names.index("building")
    ids[(rows - 90) ** 2 + (columns - 230) ** 2 < 900] = names.index("vegetation")
    ids[np.broadcast_to(rows > 96, ids.shape)] = names.index("sidewalk")
    ids[area().data == 1] = names.index("road")
    ids[80:130, 60:110] = names.index("car")
    return ClassMap(ids, FIT, names, palette_of((), names))


WASTE = Classification(
    np.array([1, 0, 2], np.int32),
    np.array([0.83, 0.09, 0.05], np.float32),
    ("paper", "beverage carton", "glass"),
    ("", "Press it flat and put it into the yellow bin; caps may stay on.", ""),
)


@dataclass(frozen=True, slots=True)
class Look:
    """What is predicted, which layers are drawn, and how. areas: with regions and an ignored area.

    live: what the panel says of a live source.
    """

    parts: dict[str, Part]
    layers: tuple[Layer, ...]
    palette: str = "okabe-ito"
    alpha: float = 0.45
    carried: dict[str, int] = field(default_factory=dict)
    truth: dict[str, Part] | None = None
    areas: bool = False
    live: LiveFigures | None = None

    def drawn(self) -> Pixels:
        """BGR (360, 640, 3)."""
        prediction = Prediction(self.parts, self.carried, {"verge": {"car": 2}} if self.areas else {})
        truth = None if self.truth is None else Prediction(self.truth)
        brush = painter(*self.layers, alpha=self.alpha, palette=self.palette, areas=self.areas, truth=truth is not None)
        result = result_of(street(), prediction, truth)
        return brush.paint(result, replace(FIGURES, live=self.live) if "panel" in self.layers else None).bgr()


def _everything() -> dict[str, Part]:
    areas: dict[str, Part] = {"drivable": area(), "lane": area("lane")}
    return {"scene": scene(), **areas, "things": instances(), "waste": WASTE}


GOLDENS: dict[str, Callable[[], Look]] = {
    "boxes": lambda: Look({"boxes": boxes()}, ("boxes",)),
    "labels": lambda: Look({"boxes": boxes()}, ("labels",)),
    "tracks": lambda: Look({"boxes": boxes((12, 3, -1, 140, 7))}, ("boxes", "labels")),
    "carried": lambda: Look({"boxes": boxes()}, ("boxes", "labels"), carried={"boxes": 2}),
    "drivable": lambda: Look({"road": area()}, ("drivable",)),
    "lanes": lambda: Look({"lane": area("lane")}, ("lanes",)),
    "class_map": lambda: Look({"scene": scene()}, ("drivable",)),
    "legend": lambda: Look({"scene": scene()}, ("drivable", "labels")),
    "instances": lambda: Look({"things": instances()}, ("boxes",)),
    "classification": lambda: Look({"waste": WASTE}, ("labels",)),
    "sizes": lambda: Look({"boxes": sized()}, ("boxes", "labels")),
    "agents": lambda: Look({"agents": agents()}, ("labels",)),
    "regions": lambda: Look({"boxes": boxes()}, ("boxes", "regions"), areas=True),
    "truth": lambda: Look(
        {"boxes": boxes().chosen(np.array([0, 3]))},
        ("boxes", "labels", "drivable", "lanes"),
        truth={"boxes": boxes(), "drivable": area(), "lane": area("lane")},
    ),
    "panel": lambda: Look({}, ("panel",)),
    "panel_live": lambda: Look({}, ("panel",), live=LiveFigures("live", 2, 41.3)),
    "bright": lambda: Look(
        {"road": area(), "lane": area("lane"), "boxes": boxes()}, ("boxes", "drivable", "lanes"), "bright", 0.7
    ),
    "everything": lambda: Look(_everything(), LAYERS, areas=True),
}
"""Name of the PNG → its look."""


def off(now: Pixels, golden: Pixels) -> NDArray[np.bool_]:
    """Where either picture shows what the other one does not, neither at that pixel nor at the eight around it.

    So letters of another rasteriser are alike, whose edges are somewhat darker or lighter, and nothing else is.
    """
    return _beyond(now, golden) | _beyond(golden, now)


def _beyond(one: Pixels, other: Pixels) -> NDArray[np.bool_]:
    """Where some channel is outside what there is around its place in the other picture."""
    nine = np.ones((3, 3), np.uint8)
    lightest, darkest = (grown(other, nine).astype(np.float32) for grown in (cv2.dilate, cv2.erode))
    slack = OFF + EDGE_OFF * (lightest - darkest)
    return np.asarray(((one > lightest + slack) | (one < darkest - slack)).any(axis=2))


def alike(now: Pixels, golden: Pixels) -> bool:
    """Whether a picture is the golden one but for what another build of the same libraries may change."""
    return int(np.count_nonzero(off(now, golden))) <= MOST_OFF


def comparison(now: Pixels, golden: Pixels) -> Pixels:
    """The golden picture, today's, and in white where they differ, one above the other."""
    where = off(now, golden) * np.uint8(255)
    return np.vstack([golden, now, np.repeat(where[:, :, None], 3, axis=2)])


def main(names: Sequence[str]) -> None:
    """Write the pictures named, or all; those of no look any more are removed."""
    FOLDER.mkdir(exist_ok=True)
    for name in names or GOLDENS:
        cv2.imwrite(str(FOLDER / f"{name}.png"), GOLDENS[name]().drawn(), [cv2.IMWRITE_PNG_COMPRESSION, 9])
    for file in FOLDER.glob("*.png"):
        if file.stem not in GOLDENS:
            file.unlink()


if __name__ == "__main__":
    main(sys.argv[1:])
