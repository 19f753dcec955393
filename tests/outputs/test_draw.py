"""The painter: every layer where it belongs, nothing anywhere else, on any picture of any size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from threading import Thread

import av
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from contracts.config import LAYERS, Layer
from contracts.fit import Letterbox, Stretch
from contracts.frame import Frame, SourceInfo
from contracts.picture import ColourMatrix, Picture, Pixels
from contracts.prediction import Classification, ClassMap, Detections, InstanceMasks, Mask, Part, Prediction
from contracts.result import Result, Timings
from outputs.draw import Painter, PanelFigures
from outputs.draw.colours import PALETTES, Rgb
from outputs.draw.labels import Plate
from outputs.draw.panel import milliseconds, rate_text

NAMES = ("person", "car", "autobús", "車", "weird\nname")
FIGURES = PanelFigures(29.97, (("decode", 4.2), ("infer", 41.7), ("draw", 1.5)), 62.4, 118.0, ("twinlitenet",))
NOTHING = Prediction()


def noise(width: int, height: int, seed: int = 0, matrix: ColourMatrix = "bt709") -> Picture:
    """A yuv420p picture whose planes are padded, read-only views, as a decoder's are."""
    random = np.random.default_rng(seed)
    planes = []
    for across, down in ((width, height), (-(-width // 2), -(-height // 2)), (-(-width // 2), -(-height // 2))):
        padded = random.integers(16, 236, (down, across + 13), np.uint8)
        padded.flags.writeable = False
        planes.append(padded[:, :across])
    return Picture("yuv420p", tuple(planes), matrix, tagged=True)


def grey(width: int, height: int, matrix: ColourMatrix = "bt709") -> Picture:
    half = (-(-height // 2), -(-width // 2))
    planes = (np.full((height, width), 100, np.uint8), np.full(half, 128, np.uint8), np.full(half, 128, np.uint8))
    return Picture("yuv420p", planes, matrix, tagged=True)


def result_of(picture: Picture, prediction: Prediction = NOTHING) -> Result:
    source = SourceInfo("clip", "clip.mp4", picture.width, picture.height, Fraction(25), Fraction(1, 25))
    return Result(Frame(picture, 0, Fraction(0), 0, source), prediction, Timings(0), lambda given: given.frame.picture)


def detections(boxes: Sequence[Sequence[float]], classes: Sequence[int] | None = None) -> Detections:
    count = len(boxes)
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.linspace(0.95, 0.3, count, dtype=np.float32),
        np.array(classes if classes is not None else range(count), np.int32) % len(NAMES),
        NAMES,
    )


def area(picture: Picture, rows: slice, role: str = "drivable") -> Mask:
    data = np.zeros((40, 60), np.uint8)
    data[rows] = 1
    fit = Stretch(picture.width, picture.height, 60, 40)
    return Mask(data, fit, "lane" if role == "lane" else "road", "lane" if role == "lane" else "drivable")


def painter(*layers: Layer, alpha: float = 0.45, palette: str = "okabe-ito") -> Painter:
    return Painter(layers, alpha, palette)


def changed(after: Picture, before: Picture) -> NDArray[np.bool_]:
    """Where luma or chroma differ, at luma resolution (even sizes)."""
    where = after.planes[0] != before.planes[0]
    for new, old in zip(after.planes[1:], before.planes[1:], strict=True):
        where |= np.repeat(np.repeat(new != old, 2, axis=0), 2, axis=1)
    return np.asarray(where)


# --- the canvas -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(64, 48), (63, 47), (64, 46), (2, 2), (1, 1), (1, 5), (853, 479)])
def test_undrawn_pixels_are_the_sources_own(size: tuple[int, int]) -> None:
    picture = noise(*size)
    drawn = painter(*LAYERS).paint(result_of(picture), None)
    assert (drawn.format, drawn.matrix, drawn.full_range, drawn.tagged) == ("yuv420p", "bt709", False, True)
    assert drawn.width == size[0] + size[0] % 2
    assert drawn.height == size[1] + size[1] % 2
    repeated = np.pad(picture.planes[0], ((0, size[1] % 2), (0, size[0] % 2)), mode="edge")
    np.testing.assert_array_equal(drawn.planes[0], repeated)
    np.testing.assert_array_equal(drawn.planes[1], picture.planes[1])
    np.testing.assert_array_equal(drawn.planes[2], picture.planes[2])


def test_nv12_is_only_taken_apart() -> None:
    picture = noise(31, 18)
    woven = np.stack(picture.planes[1:], axis=-1)
    drawn = painter().paint(result_of(Picture("nv12", (picture.planes[0], woven), "bt2020")), None)
    np.testing.assert_array_equal(drawn.planes[0][:, :31], picture.planes[0])
    np.testing.assert_array_equal(drawn.planes[1], picture.planes[1])
    np.testing.assert_array_equal(drawn.planes[2], picture.planes[2])
    assert (drawn.matrix, drawn.tagged) == ("bt2020", False)


@pytest.mark.parametrize("kind", ["yuv420p", "nv12"])
@pytest.mark.parametrize("matrix", ["bt601", "bt709"])
def test_full_range_becomes_limited_with_the_same_colours(kind: str, matrix: ColourMatrix) -> None:
    half = np.full((24, 32), 90, np.uint8), np.full((24, 32), 170, np.uint8)
    luma = np.repeat(np.linspace(0, 255, 64).astype(np.uint8)[None], 48, axis=0)
    if kind == "nv12":
        picture = Picture("nv12", (luma, np.stack(half, axis=-1)), matrix, full_range=True, tagged=True)
    else:
        picture = Picture("yuv420p", (luma, *half), matrix, full_range=True, tagged=True)
    drawn = painter().paint(result_of(picture), None)
    assert (drawn.full_range, drawn.matrix) == (False, matrix)
    np.testing.assert_allclose(drawn.planes[0], 16 + luma.astype(float) * 219 / 255, atol=1)
    np.testing.assert_allclose(drawn.planes[1], 128 + (90 - 128) * 224 / 255, atol=1)
    np.testing.assert_allclose(drawn.planes[2], 128 + (170 - 128) * 224 / 255, atol=1)
    np.testing.assert_allclose(drawn.bgr().astype(int), picture.bgr(), atol=4)


@pytest.mark.parametrize("size", [(64, 48), (33, 17), (1, 1)])
def test_bgr_becomes_bt601_and_says_so(size: tuple[int, int]) -> None:
    pixels = np.full((size[1], size[0], 3), (200, 90, 30), np.uint8)
    drawn = painter().paint(result_of(Picture.from_bgr(pixels)), None)
    assert (drawn.matrix, drawn.tagged, drawn.full_range) == ("bt601", True, False)
    np.testing.assert_allclose(drawn.bgr()[: size[1], : size[0]], pixels, atol=3)


def test_the_buffer_is_what_an_encoder_takes() -> None:
    drawn = painter("panel").paint(result_of(noise(320, 240)), FIGURES)
    wrapped = av.VideoFrame.from_numpy_buffer(drawn.owner, "yuv420p")
    np.testing.assert_array_equal(wrapped.to_ndarray(), drawn.owner)
    for plane, mine in zip(wrapped.planes, drawn.planes, strict=True):
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
        np.testing.assert_array_equal(rows[: plane.height, : plane.width], mine)


def test_a_finished_picture_is_read_only() -> None:
    drawn = painter().paint(result_of(noise(8, 8)), None)
    for array in (*drawn.planes, drawn.owner):
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 1


def test_living_pictures_never_share_memory_and_dead_ones_give_it_back() -> None:
    one = painter("boxes")
    drawn = [one.paint(result_of(noise(64, 48, seed)), None) for seed in range(20)]
    for seed, picture in enumerate(drawn):
        np.testing.assert_array_equal(picture.planes[0], noise(64, 48, seed).planes[0])
    places = {picture.planes[0].ctypes.data for picture in drawn}
    assert len(places) == 20
    del drawn, picture
    assert one.paint(result_of(noise(64, 48)), None).planes[0].ctypes.data in places


def test_a_source_may_change_its_size() -> None:
    one = painter(*LAYERS)
    for width, height in [(480, 270), (320, 180), (480, 270)]:
        scene = crowded(picture := noise(width, height))
        again = painter(*LAYERS).paint(result_of(picture, scene), FIGURES)
        np.testing.assert_array_equal(one.paint(result_of(picture, scene), FIGURES).owner, again.owner)


# --- layers -----------------------------------------------------------------------------------------------------


def crowded(picture: Picture) -> Prediction:
    """Something for every layer: two areas, lanes, boxes of two heads, and parts that are not drawn yet."""
    width, height = picture.width, picture.height
    boxes = detections([[width * 0.6, height * 0.5, width * 0.9, height * 0.8], [width * 0.7, 0, width, height * 0.2]])
    more = detections([[width * 0.1, height * 0.7, width * 0.5, height * 0.95]], [3])
    ids = np.zeros((4, 4), np.uint8)
    parts: dict[str, Part] = {
        "boxes": boxes,
        "instances": InstanceMasks(more, (np.ones((5, 5), np.uint8),)),
        "road": area(picture, slice(28, 40)),
        "lane": area(picture, slice(34, 36), "lane"),
        "map": ClassMap(ids, Stretch(width, height, 4, 4), ("sky",), ((1, 2, 3),)),
        "kind": Classification(np.zeros(1, np.int32), np.ones(1, np.float32), ("street",)),
    }
    return Prediction(parts)


SIZE = (640, 360)


@pytest.mark.parametrize(
    ("layer", "inside"),
    [
        ("drivable", (0, 246, 640, 360)),
        ("lanes", (0, 302, 640, 328)),
        ("boxes", (64, 0, 640, 344)),
        ("panel", (0, 0, 200, 180)),
        ("labels", (64, 0, 640, 344)),
    ],
)
def test_a_layer_alone_draws_in_its_own_place(layer: Layer, inside: tuple[int, int, int, int]) -> None:
    picture = noise(*SIZE)
    where = changed(painter(layer).paint(result_of(picture, crowded(picture)), FIGURES), picture)
    x1, y1, x2, y2 = inside
    assert where[y1:y2, x1:x2].any()
    where[y1:y2, x1:x2] = False
    assert not where.any()


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_can_be_left_out(layer: Layer) -> None:
    picture = grey(*SIZE)
    everything = painter(*LAYERS).paint(result_of(picture, crowded(picture)), FIGURES)
    others = painter(*(other for other in LAYERS if other != layer))
    without = others.paint(result_of(picture, crowded(picture)), FIGURES)
    assert changed(everything, without).any()


def test_no_layer_and_no_figures_draw_nothing() -> None:
    picture = noise(*SIZE)
    assert not changed(painter().paint(result_of(picture, crowded(picture)), FIGURES), picture).any()
    assert not changed(painter("panel").paint(result_of(picture, crowded(picture)), None), picture).any()


def test_the_source_is_never_written() -> None:
    picture = noise(*SIZE)
    before = [plane.copy() for plane in picture.planes]
    painter(*LAYERS, alpha=1.0).paint(result_of(picture, crowded(picture)), FIGURES)
    for plane, old in zip(picture.planes, before, strict=True):
        np.testing.assert_array_equal(plane, old)


def test_lanes_lie_on_areas_whatever_the_order_of_heads() -> None:
    picture = grey(120, 80)
    road, lane = area(picture, slice(0, 40)), area(picture, slice(10, 20), "lane")
    one = painter("drivable", "lanes").paint(result_of(picture, Prediction({"a": road, "b": lane})), None)
    other = painter("drivable", "lanes").paint(result_of(picture, Prediction({"b": lane, "a": road})), None)
    np.testing.assert_array_equal(one.owner, other.owner)
    strong = np.abs(one.bgr()[30, 60, ::-1].astype(int) - PALETTES["okabe-ito"].lane).max()
    assert strong < 30, "a lane line keeps its own colour on the drivable area"


def test_a_mask_without_a_role_is_an_area_of_its_own_colour() -> None:
    picture = grey(120, 80)
    data = np.ones((40, 60), np.uint8)
    mask = Mask(data, Stretch(120, 80, 60, 40), "bus")
    drawn = painter("drivable", alpha=1.0).paint(result_of(picture, Prediction({"m": mask})), None)
    np.testing.assert_allclose(drawn.bgr()[40, 60, ::-1], PALETTES["okabe-ito"].classes[2], atol=3)


# --- boxes ------------------------------------------------------------------------------------------------------


def coordinates() -> st.SearchStrategy[float]:
    return st.floats(-50, 400, width=32) | st.sampled_from([float("nan"), float("inf"), -float("inf"), 0.0])


@settings(deadline=None)
@given(
    st.integers(1, 300),
    st.integers(1, 200),
    st.lists(st.tuples(*[coordinates()] * 4), max_size=12),
)
def test_any_box_is_a_crisp_rectangle_inside_the_frame(
    width: int, height: int, boxes: list[tuple[float, float, float, float]]
) -> None:
    picture = grey(width, height)
    drawn = painter("boxes").paint(result_of(picture, Prediction({"b": detections(boxes)})), None)
    luma, chroma = drawn.planes[0] != 100, (drawn.planes[1] != 128) | (drawn.planes[2] != 128)
    wanted = np.zeros_like(luma)
    for box in boxes:
        x1, y1, x2, y2 = (0 if np.isnan(value) else value for value in box)
        left, top = (int(np.clip(v, 0, limit - 1) // 2 * 2) for v, limit in ((x1, luma.shape[1]), (y1, luma.shape[0])))
        right = max(int(-(-np.clip(x2, 0, luma.shape[1]) // 2) * 2), left + 2)
        bottom = max(int(-(-np.clip(y2, 0, luma.shape[0]) // 2) * 2), top + 2)
        wanted[top:bottom, left:right] |= ring(bottom - top, right - left, 2)
    np.testing.assert_array_equal(luma, wanted)
    np.testing.assert_array_equal(chroma & ~wanted[::2, ::2], False)


def ring(height: int, width: int, line: int) -> NDArray[np.bool_]:
    pixels = np.ones((height, width), bool)
    pixels[line:-line, line:-line] = False
    return pixels


@pytest.mark.parametrize(("size", "line"), [((320, 240), 2), ((1280, 720), 2), ((1920, 1080), 4), ((3840, 2160), 8)])
def test_lines_grow_with_the_picture(size: tuple[int, int], line: int) -> None:
    width, height = size
    picture = grey(width, height)
    box = [width * 0.25, height * 0.25, width * 0.75, height * 0.75]
    luma = painter("boxes").paint(result_of(picture, Prediction({"b": detections([box])})), None).planes[0]
    assert np.count_nonzero(luma[height // 2] != 100) == 2 * line


@pytest.mark.parametrize("matrix", ["bt601", "bt709", "bt2020"])
@pytest.mark.parametrize("palette", ["okabe-ito", "bright"])
@pytest.mark.parametrize(("name", "place"), [("person", 3), ("car", 0)])
def test_colours_survive_the_way_to_bgr(matrix: ColourMatrix, palette: str, name: str, place: int) -> None:
    picture = grey(1920, 1080, matrix)
    found = detections([[100, 100, 900, 900]], [NAMES.index(name)])
    shown = painter("boxes", palette=palette).paint(result_of(picture, Prediction({"b": found})), None).bgr()
    wanted: Rgb = PALETTES[palette].classes[place]
    np.testing.assert_allclose(shown[500, 101, ::-1], wanted, atol=3)
    mask = painter("drivable", palette=palette, alpha=1.0)
    shown = mask.paint(result_of(picture, Prediction({"m": area(picture, slice(0, 40))})), None).bgr()
    np.testing.assert_allclose(shown[500, 500, ::-1], PALETTES[palette].drivable, atol=3)


def test_the_same_class_has_one_colour_in_every_head() -> None:
    picture = grey(640, 360)
    other_ids = Detections(
        np.array([[300, 50, 400, 150]], np.float32), np.ones(1, np.float32), np.zeros(1, np.int32), ("car",)
    )
    scene = Prediction({"a": detections([[50, 50, 150, 150]], [1]), "b": other_ids})
    drawn = painter("boxes").paint(result_of(picture, scene), None)
    for plane, scale in zip(drawn.planes, (1, 2, 2), strict=True):
        assert plane[100 // scale, 50 // scale] == plane[100 // scale, 300 // scale]


# --- labels -----------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 400),
    st.integers(1, 300),
    st.lists(st.tuples(*[st.floats(0, 1)] * 4), max_size=25),
    st.booleans(),
)
def test_labels_are_inside_the_frame_and_disjoint(
    width: int, height: int, corners: list[tuple[float, float, float, float]], with_panel: bool
) -> None:
    boxes = [(min(a, c) * width, min(b, d) * height, max(a, c) * width, max(b, d) * height) for a, b, c, d in corners]
    picture = grey(width, height)
    spots: list[tuple[int, int, int, int]] = []
    put = Plate.put

    def noted(plate: Plate, canvas: object, x: int, y: int) -> None:
        spots.append((x, y, plate.width, plate.height))
        put(plate, canvas, x, y)  # type: ignore[arg-type]

    layers: tuple[Layer, ...] = ("labels", "panel")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Plate, "put", noted)
        drawn = painter(*layers).paint(
            result_of(picture, Prediction({"b": detections(boxes)})), FIGURES if with_panel else None
        )
    panel = painter("panel").paint(result_of(picture), FIGURES if with_panel else None)
    taken = (panel.planes[0] != 100).astype(int)
    for x, y, wide, tall in spots:
        assert 0 <= x <= drawn.width - wide
        assert 0 <= y <= drawn.height - tall
        taken[y : y + tall, x : x + wide] += 1
    assert taken.max(initial=0) <= 1
    np.testing.assert_array_equal(drawn.planes[0][taken == 0], 100)


def test_the_best_score_gets_the_only_place() -> None:
    picture = grey(120, 24)
    low, high = ([10, 0, 110, 24], [0, 0, 120, 24])
    scene = Prediction({"b": detections([high, low], [1, 0])})
    alone = Prediction({"b": detections([high], [1])})
    both = painter("labels").paint(result_of(picture, scene), None)
    np.testing.assert_array_equal(both.owner, painter("labels").paint(result_of(picture, alone), None).owner)
    assert changed(both, picture).any()


# --- the panel --------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 900), st.integers(1, 600), st.integers(0, 12), st.integers(0, 6))
def test_the_panel_leaves_most_of_any_frame_alone(width: int, height: int, stages: int, engines: int) -> None:
    picture = grey(width, height)
    figures = PanelFigures(
        12.3, (("postprocess", 123.4),) * stages, 1e9, 5.0, ("some-network-with-a-long-name",) * engines
    )
    where = painter("panel").paint(result_of(picture), figures).planes[0] != 100
    rows, columns = where.any(axis=1).nonzero()[0], where.any(axis=0).nonzero()[0]
    assert rows.max(initial=0) <= 0.5 * (height + 1)
    assert columns.max(initial=0) <= 0.5 * (width + 1)


@pytest.mark.parametrize("luma", [16, 128, 235])
def test_the_panel_is_readable_on_any_picture(luma: int) -> None:
    picture = Picture("yuv420p", (np.full((720, 1280), luma, np.uint8), *noise(1280, 720).planes[1:]))
    shown = painter("panel").paint(result_of(picture), FIGURES).planes[0][10:200, 10:170]
    plate, ink = int(np.median(shown)), int(shown.max())
    assert plate <= 100
    assert ink >= 225


@pytest.mark.parametrize("size", [(1280, 720), (640, 360), (320, 240), (3840, 2160)])
def test_the_panel_changes_with_its_figures_only(size: tuple[int, int]) -> None:
    picture, one = grey(*size), painter("panel")
    first = one.paint(result_of(picture), FIGURES)
    np.testing.assert_array_equal(one.paint(result_of(picture), FIGURES).owner, first.owner)
    newer = one.paint(result_of(picture), replace(FIGURES, fps=11.1))
    assert changed(newer, first).any()
    np.testing.assert_array_equal(
        newer.owner, painter("panel").paint(result_of(picture), replace(FIGURES, fps=11.1)).owner
    )


@pytest.mark.parametrize(
    ("value", "wanted"),
    [(0.0, "0.0 ms"), (4.24, "4.2 ms"), (99.96, "100 ms"), (118.4, "118 ms"), (12345.0, "12.3 s"), (float("nan"), "–")],
)
def test_durations_for_people(value: float, wanted: str) -> None:
    assert milliseconds(value) == wanted


@pytest.mark.parametrize(
    ("value", "wanted"),
    [(0.0, "–"), (float("inf"), "–"), (9.96, "10.0"), (29.97, "30.0"), (99.97, "100"), (240.4, "240")],
)
def test_rates_for_people(value: float, wanted: str) -> None:
    assert rate_text(value) == wanted


# --- everything -------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=80)
@given(st.integers(1, 70), st.integers(1, 70), st.sampled_from(["yuv420p", "bgr24", "nv12"]))
def test_tiny_frames_with_everything_on(width: int, height: int, kind: str) -> None:
    base = noise(width, height)
    picture = {
        "yuv420p": base,
        "nv12": Picture("nv12", (base.planes[0], np.stack(base.planes[1:], axis=-1))),
        "bgr24": Picture.from_bgr(np.zeros((height, width, 3), np.uint8)),
    }[kind]
    drawn = painter(*LAYERS).paint(result_of(picture, crowded(picture)), FIGURES)
    assert (drawn.width - width, drawn.height - height) == (width % 2, height % 2)


def test_painters_of_several_streams_run_side_by_side() -> None:
    scenes = [(noise(640, 360, seed), FIGURES) for seed in range(4)]
    wanted = [painter(*LAYERS).paint(result_of(p, crowded(p)), f).owner.copy() for p, f in scenes]
    got: dict[int, list[Pixels]] = {}

    def work(index: int) -> None:
        one, (picture, figures) = painter(*LAYERS), scenes[index]
        got[index] = [one.paint(result_of(picture, crowded(picture)), replace(figures)).owner.copy() for _ in range(10)]

    threads = [Thread(target=work, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for index, pictures in got.items():
        for pixels in pictures:
            np.testing.assert_array_equal(pixels, wanted[index])
    assert len(got) == 4


@pytest.mark.shared
@pytest.mark.parametrize(
    "clip", ["highway720_300.mp4", "bt601_full.mp4", "tenbit.mp4", "odd_853x479.mkv", "mjpeg_city.avi", "hevc_city.mp4"]
)
def test_real_frames_keep_their_colours(shared: Path, clip: str) -> None:
    with av.open(str(shared / "clips" / clip)) as container:
        picture = Picture.from_av(next(container.decode(video=0)))
    before = [plane.copy() for plane in picture.planes]
    box = [picture.width * 0.6, picture.height * 0.5, picture.width * 0.8, picture.height * 0.7]
    mask = Mask(np.ones((40, 40), np.uint8), Letterbox(picture.width, picture.height, 40, 40), "m", "lane")
    scene = Prediction({"b": detections([box]), "m": mask})
    one = painter("boxes", "panel")
    drawn = one.paint(result_of(picture, scene), FIGURES)
    quarter = (slice(picture.height // 4 * 3, picture.height), slice(0, picture.width // 2))
    blurred = [cv2.blur(pixels[quarter], (9, 9)).astype(int) for pixels in (drawn.bgr(), picture.bgr())]
    assert np.abs(blurred[0] - blurred[1]).max() <= 3
    painter(*LAYERS).paint(result_of(picture, scene), FIGURES)
    for plane, old in zip(picture.planes, before, strict=True):
        np.testing.assert_array_equal(plane, old)
