"""Every layer looks as its golden picture does; and the comparison sees what changes and bears what does not matter."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from contracts.config import LAYERS
from contracts.picture import Pixels
from contracts.prediction import Detections
from outputs.draw import best_classes, labels, legend, panel
from outputs.draw import painter as painting
from outputs.draw.colours import PALETTES
from outputs.draw.text import Letters, Typesetter
from tests.outputs.goldens import FOLDER, GOLDENS, OFF, Look, alike, boxes, comparison, off


def golden(name: str) -> Pixels:
    kept = cv2.imread(str(FOLDER / f"{name}.png"))
    assert kept is not None, f"{name}.png is missing: python -m tests.outputs.goldens {name}"
    return np.asarray(kept, np.uint8)


def compare(name: str, now: Pixels, folder: Path) -> None:
    """Fails where a picture is not the golden one, and leaves both and their difference in ``folder``."""
    kept = golden(name)
    if not alike(now, kept):
        shown = folder / f"{name}.png"
        cv2.imwrite(str(shown), comparison(now, kept))
        pytest.fail(
            f"{name} looks different in {np.count_nonzero(off(now, kept))} pixels: see {shown} (golden, now, where);"
            f" if that is meant: python -m tests.outputs.goldens {name}"
        )


@pytest.mark.parametrize("name", GOLDENS)
def test_it_looks_as_ever(name: str, tmp_path: Path) -> None:
    compare(name, GOLDENS[name]().drawn(), tmp_path)


def test_a_difference_is_shown(tmp_path: Path) -> None:
    with pytest.raises(pytest.fail.Exception, match=r"lanes looks different in \d+ pixels: see .*lanes\.png"):
        compare("lanes", golden("drivable"), tmp_path)
    shown = cv2.imread(str(tmp_path / "lanes.png"))
    assert shown is not None
    assert shown.shape == (3 * 360, 640, 3)
    assert set(np.unique(shown[720:])) == {0, 255}


def test_every_picture_has_a_look_every_layer_a_picture_and_all_are_small() -> None:
    files = list(FOLDER.iterdir())
    assert {file.name for file in files} == {f"{name}.png" for name in GOLDENS}
    assert {layer for make in GOLDENS.values() for layer in make().layers} == set(LAYERS)
    assert sum(file.stat().st_size for file in files) < 300_000


@pytest.mark.parametrize("name", GOLDENS)
def test_a_layer_that_is_missing_is_seen(name: str) -> None:
    """Not areas beneath a class map, say: every layer of every look."""
    look = GOLDENS[name]()
    for layer in look.layers:
        left = tuple(other for other in look.layers if other != layer)
        assert not alike(replace(look, layers=left).drawn(), golden(name)), layer


_WITHOUT_COLOURS = ("labels", "classification", "panel", "panel_live")


@pytest.mark.parametrize("name", [name for name in GOLDENS if name not in _WITHOUT_COLOURS])
def test_another_strength_or_palette_is_seen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    look = GOLDENS[name]()
    if look.truth is None and ({"drivable", "lanes"} & set(look.layers) or name == "instances"):  # hatching is fixed
        assert not alike(replace(look, alpha=look.alpha - 0.05).drawn(), golden(name))
    if name in ("class_map", "legend"):  # their colours are the network's
        return
    old = PALETTES[look.palette]
    moved = replace(old, classes=(*old.classes[1:], old.classes[0]), drivable=old.lane, lane=old.drivable)
    monkeypatch.setattr(painting, "PALETTES", {look.palette: moved})
    assert not alike(look.drawn(), golden(name))


def moved(index: int, pixels: float) -> Detections:
    corners = boxes().boxes.copy()
    corners[index, ::2] += pixels
    return replace(boxes(), boxes=corners)


@pytest.mark.parametrize("index", range(5))
def test_a_box_two_pixels_aside_is_seen(index: int) -> None:
    aside = moved(index, -2)
    assert not alike(Look({"boxes": aside}, ("boxes",)).drawn(), golden("boxes"))
    assert not alike(Look({"boxes": aside}, ("boxes", "labels"), carried={"boxes": 2}).drawn(), golden("carried"))


@pytest.mark.parametrize("index", range(5))
def test_a_box_or_label_that_is_missing_is_seen(index: int) -> None:
    others = boxes().chosen(np.array([other for other in range(5) if other != index]))
    for name in ("boxes", "labels"):
        assert not alike(Look({"boxes": others}, (name,)).drawn(), golden(name))


class _Fatter(Typesetter):
    """Another rasteriser: the same letters, their edges a good deal darker."""

    def write(self, coverage: Pixels, text: str, pen: tuple[int, int], letters: Letters, ink: int = 255) -> None:
        fresh = np.zeros_like(coverage)
        super().write(fresh, text, pen, letters)
        np.maximum(coverage, (ink * (fresh / 255) ** 0.8).round().astype(np.uint8), out=coverage)


@pytest.mark.parametrize("name", GOLDENS)
def test_rounding_and_another_rasteriser_are_borne(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for room in (best_classes, labels, legend, panel):
        monkeypatch.setattr(room, "Typesetter", _Fatter)
    now = GOLDENS[name]().drawn()
    noise = np.random.default_rng(0).integers(-OFF, OFF + 1, now.shape)
    assert alike(np.clip(golden(name) + noise, 0, 255).astype(np.uint8), golden(name))
    assert alike(now, golden(name))
