"""``output_size``: scaled first, drawn on then; the same picture where the size is the frame's own."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from contracts.config import LAYERS
from contracts.fit import Letterbox, Stretch
from contracts.picture import Picture
from contracts.prediction import ClassMap, InstanceMasks, Mask, Part, Prediction
from outputs.draw.boxes import even_corners
from outputs.draw.canvas import Canvases
from outputs.draw.masks import zoomed
from outputs.draw.scaling import place_in
from roadstream import stream
from run_stream import main
from tests.outputs.scenes import FIGURES, area, changed, crowded, detections, grey, noise, painter, result_of
from tests.support.clips import write_clip
from tests.support.networks import box_network, mask_network

SIDES = st.integers(1, 120)
EVEN = st.integers(1, 80).map(lambda half: 2 * half)


@pytest.mark.parametrize("kind", ["yuv420p", "nv12", "bgr24", "full range"])
def test_the_frames_own_size_gives_the_same_bits_as_no_size(kind: str) -> None:
    base = noise(640, 360)
    picture = {
        "yuv420p": base,
        "nv12": Picture("nv12", (base.planes[0], np.stack(base.planes[1:], axis=-1)), "bt709"),
        "bgr24": Picture.from_bgr(np.random.default_rng(1).integers(0, 256, (360, 640, 3), np.uint8)),
        "full range": Picture("yuv420p", base.planes, "bt709", full_range=True, tagged=True),
    }[kind]
    scene = crowded(picture)
    plain, sized = (
        painter(*LAYERS, areas=True, output_size=size).paint(result_of(picture, scene), FIGURES)
        for size in (None, (640, 360))
    )
    np.testing.assert_array_equal(sized.owner, plain.owner)
    assert (sized.matrix, sized.tagged, sized.full_range) == (plain.matrix, plain.tagged, plain.full_range)


@given(SIDES, SIDES, EVEN, EVEN)
def test_a_picture_is_as_large_as_it_fits_and_in_the_middle(width: int, height: int, across: int, down: int) -> None:
    place = place_in((width, height), (across, down))
    assert all(side % 2 == 0 for side in (place.left, place.top, place.width, place.height))
    assert place.width == across or place.height == down
    assert 0 <= place.left <= across - place.width
    assert 0 <= place.top <= down - place.height
    assert abs((across - place.width) - 2 * place.left) <= 2
    assert abs((down - place.height) - 2 * place.top) <= 2
    ratio = min(across / width, down / height)
    assert abs(place.width - max(2, width * ratio)) <= 3
    assert abs(place.height - max(2, height * ratio)) <= 3


@pytest.mark.parametrize(
    ("picture", "output", "place"),
    [
        ((3840, 2160), (1280, 720), (0, 0, 1280, 720)),
        ((640, 360), (1920, 1080), (0, 0, 1920, 1080)),
        ((1080, 1920), (1280, 720), (438, 0, 404, 720)),
        ((1366, 768), (1280, 720), (0, 0, 1280, 720)),
        ((853, 479), (1280, 720), (0, 0, 1280, 720)),
        ((640, 480), (1280, 720), (160, 0, 960, 720)),
        ((1920, 800), (1280, 720), (0, 92, 1280, 534)),
    ],
)
def test_places_of_usual_sizes(
    picture: tuple[int, int], output: tuple[int, int], place: tuple[int, int, int, int]
) -> None:
    found = place_in(picture, output)
    assert (found.left, found.top, found.width, found.height) == place


@pytest.mark.parametrize("kind", ["yuv420p", "nv12", "bgr24", "full range"])
@pytest.mark.parametrize(("size", "output"), [((64, 96), (200, 100)), ((301, 99), (64, 64)), ((50, 80), (50, 200))])
def test_colours_are_kept_and_bars_are_black(kind: str, size: tuple[int, int], output: tuple[int, int]) -> None:
    width, height = size
    half = (-(-height // 2), -(-width // 2))
    planes = np.full((height, width), 120, np.uint8), np.full(half, 90, np.uint8), np.full(half, 170, np.uint8)
    picture = {
        "yuv420p": Picture("yuv420p", planes, "bt709", tagged=True),
        "nv12": Picture("nv12", (planes[0], np.stack(planes[1:], axis=-1)), "bt709", tagged=True),
        "bgr24": Picture.from_bgr(np.full((height, width, 3), (200, 90, 30), np.uint8)),
        "full range": Picture("yuv420p", planes, "bt709", full_range=True, tagged=True),
    }[kind]
    drawn = painter(output_size=output).paint(result_of(picture), None)
    assert (drawn.width, drawn.height) == output
    place, pixels = place_in(size, output), drawn.bgr().astype(int)
    rows, columns = slice(place.top, place.top + place.height), slice(place.left, place.left + place.width)
    np.testing.assert_allclose(
        pixels[rows, columns], np.broadcast_to(picture.bgr()[0, 0], (*pixels[rows, columns].shape,)), atol=4
    )
    pixels[rows, columns] = 0
    assert pixels.max() <= 1
    assert (place.width, place.height) != output, "there are bars"


def test_shrinking_takes_means_so_that_nothing_flickers() -> None:
    """Single bright lines of a large picture keep their share of light, wherever they are."""
    luma = np.full((2160, 3840), 40, np.uint8)
    luma[::5] = 200
    picture = Picture("yuv420p", (luma, *(np.full((1080, 1920), 128, np.uint8),) * 2), "bt709")
    drawn = painter(output_size=(1280, 720)).paint(result_of(picture), None).planes[0].astype(float)
    exact = luma.reshape(720, 3, 1280, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(drawn, exact, atol=1)


@given(
    st.lists(st.tuples(*(st.floats(-10, 130, width=32),) * 4), min_size=1, max_size=5),
    st.integers(2, 120),
    st.integers(2, 120),
    EVEN,
    EVEN,
)
def test_boxes_are_at_scaled_places(
    found: list[tuple[float, ...]], width: int, height: int, across: int, down: int
) -> None:
    """Against one corner after the other."""
    canvas = Canvases((across, down)).of(grey(width, height))
    place = place_in((width, height), (across, down))
    for got, box in zip(even_corners(np.array(found, np.float32), canvas).tolist(), found, strict=True):
        for index, value in enumerate(box):
            side, whole = (width, place.width) if index % 2 == 0 else (height, place.height)
            offset = place.left if index % 2 == 0 else place.top
            exact = min(max(value * whole / side, 0), whole)
            assert (got[index] - offset) % 2 == 0
            assert 0 <= got[index] - offset <= whole
            if index < 2:
                assert exact - 2 - 1e-3 < got[index] - offset <= exact + 1e-3
            elif value > box[index - 2]:
                assert exact - 1e-3 <= got[index] - offset < exact + 4 + 1e-3
        assert got[2] >= got[0] + 2
        assert got[3] >= got[1] + 2


@pytest.mark.parametrize("factor", [2, 3])
def test_words_and_lines_are_of_the_outputs_size(factor: int) -> None:
    """A picture of one colour stays one when it is scaled: all that is drawn must be as on a frame of that size."""
    small, large = grey(320, 180), grey(320 * factor, 180 * factor)
    output_size = (large.width, large.height)
    boxes = [[192.0, 90.0, 288.0, 144.0], [224.0, 0.0, 320.0, 36.0]]

    def scene(picture: Picture, scale: int) -> Prediction:
        parts: dict[str, Part] = {**crowded(picture), "boxes": detections((np.array(boxes) * scale).tolist())}
        parts["instances"] = detections([[32.0 * scale, 126.0 * scale, 160.0 * scale, 171.0 * scale]], [3])
        return Prediction(parts)

    scaled = painter(*LAYERS, areas=True, output_size=output_size).paint(result_of(small, scene(small, 1)), FIGURES)
    native = painter(*LAYERS, areas=True).paint(result_of(large, scene(large, factor)), FIGURES)
    np.testing.assert_array_equal(scaled.owner, native.owner)


@given(
    st.tuples(st.integers(1, 12), st.integers(1, 12)),
    st.tuples(st.integers(0, 9), st.integers(0, 9)),
    st.tuples(st.sampled_from([0.25, 1 / 3, 0.5, 0.7, 1.5, 2.0, 3.0]), st.sampled_from([0.5, 1.0, 2.0])),
    st.integers(0, 999),
)
def test_small_masks_grow_and_shrink_around_their_place(
    size: tuple[int, int], corner: tuple[int, int], zoom: tuple[float, float], seed: int
) -> None:
    """Against bilinear interpolation, pixel by pixel, on a frame that is 0 around the mask."""
    (height, width), (left, top), (across, down) = size, corner, zoom
    mask = (np.random.default_rng(seed).random((height, width)) < 0.6).astype(np.uint8)
    frame = np.zeros((40, 40))
    frame[10 + top : 10 + top + height, 10 + left : 10 + left + width] = mask
    grown, (x0, y0) = zoomed(mask, (left, top), (across, down))
    assert (x0, y0) == (int(left * across), int(top * down))
    for row in range(grown.shape[0]):
        for column in range(grown.shape[1]):
            x, y = (x0 + column + 0.5) / across - 0.5 + 10, (y0 + row + 0.5) / down - 0.5 + 10
            x1, y1 = int(np.floor(x)), int(np.floor(y))
            fx, fy = x - x1, y - y1
            upper = frame[y1, x1] * (1 - fx) + frame[y1, x1 + 1] * fx
            lower = frame[y1 + 1, x1] * (1 - fx) + frame[y1 + 1, x1 + 1] * fx
            exact = upper * (1 - fy) + lower * fy
            if abs(exact - 0.5) > 0.05:  # OpenCV interpolates in steps of 1/32
                assert grown[row, column] == (exact > 0.5)


@pytest.mark.parametrize("output", [(1280, 720), (320, 180), (640, 640), (300, 500)])
def test_boxes_areas_maps_and_instances_end_at_the_same_places(output: tuple[int, int]) -> None:
    picture = grey(640, 360)
    box = [160.0, 90.0, 480.0, 270.0]
    place = place_in((640, 360), output)
    x1, x2 = (place.left + place.width * side // 4 for side in (1, 3))
    y1, y2 = (place.top + place.height * side // 4 for side in (1, 3))
    half = np.zeros((36, 64), np.uint8)
    half[9:27, 16:48] = 1
    letterboxed = np.zeros((64, 64), np.uint8)
    letterboxed[14:50] = half
    boxes = detections([box])
    parts: dict[str, Part] = {
        "mask": Mask(half, Stretch(640, 360, 64, 36), "m"),
        "letterboxed": Mask(letterboxed, Letterbox(640, 360, 64, 64), "m"),
        "map": ClassMap(half, Stretch(640, 360, 64, 36), ("background", "x"), ((0, 0, 0), (1, 2, 3))),
        "instances": InstanceMasks(boxes, (np.ones((180, 320), np.uint8),)),
        "boxes": boxes,
    }
    layers = {"instances": "boxes", "boxes": "boxes"}
    brush = painter(output_size=output)
    plain = brush.paint(result_of(picture), None)
    for name, part in parts.items():
        layer = layers.get(name, "drivable")
        assert layer in ("boxes", "drivable")
        one = painter("boxes" if layer == "boxes" else "drivable", output_size=output, alpha=0.9)
        where = changed(one.paint(result_of(picture, Prediction({name: part})), None), plain)
        rows, columns = np.flatnonzero(where.any(axis=1)), np.flatnonzero(where.any(axis=0))
        slack = 2 + place.width // 64 // 2  # edges of masks stay within half a pixel of the network
        assert abs(columns[0] - x1) <= slack, name
        assert abs(columns[-1] + 1 - x2) <= slack, name
        assert abs(rows[0] - y1) <= slack, name
        assert abs(rows[-1] + 1 - y2) <= slack, name


@given(SIDES, SIDES, EVEN, EVEN, st.sampled_from(["yuv420p", "nv12", "bgr24"]))
def test_everything_on_any_size_from_any_size(width: int, height: int, across: int, down: int, kind: str) -> None:
    assume(width * height > 1)
    base = noise(width, height)
    picture = {
        "yuv420p": base,
        "nv12": Picture("nv12", (base.planes[0], np.stack(base.planes[1:], axis=-1))),
        "bgr24": Picture.from_bgr(np.zeros((height, width, 3), np.uint8)),
    }[kind]
    before = [plane.copy() for plane in picture.planes]
    drawn = painter(*LAYERS, areas=True, output_size=(across, down)).paint(
        result_of(picture, crowded(picture)), FIGURES
    )
    assert (drawn.width, drawn.height) == (across, down)
    for plane, old in zip(picture.planes, before, strict=True):
        np.testing.assert_array_equal(plane, old)


def test_living_pictures_never_share_memory() -> None:
    one = painter(output_size=(64, 64))
    drawn = [one.paint(result_of(noise(96, 48, seed)), None) for seed in range(5)]
    again = [painter(output_size=(64, 64)).paint(result_of(noise(96, 48, seed)), None) for seed in range(5)]
    for kept, fresh in zip(drawn, again, strict=True):
        np.testing.assert_array_equal(kept.owner, fresh.owner)


def test_pictures_and_video_have_the_size_and_facts_the_sources_pixels(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 5)
    engines = [str(mask_network(tmp_path / "mask.onnx")), str(box_network(tmp_path / "boxes.onnx"))]
    events: list[str] = []
    for size, folder in (("250x150", tmp_path / "sized"), (None, tmp_path / "plain")):
        folder.mkdir()
        argv = [str(clip), "--quiet", *(f"--engine={engine}" for engine in engines)]
        argv += ["--save", str(folder / "out.mp4"), "--pictures", str(folder / "p"), "--events"]
        argv += [str(folder / "out.jsonl"), "--masks", str(folder / "m")]
        assert main([*argv, *([] if size is None else ["--output-size", size])]) == 0
        events.append((folder / "out.jsonl").read_text(encoding="utf-8"))
    assert events[0] == events[1]
    for name in sorted(
        path.relative_to(tmp_path / "plain" / "m") for path in (tmp_path / "plain" / "m").rglob("*.png")
    ):
        assert (tmp_path / "sized" / "m" / name).read_bytes() == (tmp_path / "plain" / "m" / name).read_bytes()
    with av.open(str(tmp_path / "sized" / "out.mp4")) as container:
        frames = [(frame.width, frame.height) for frame in container.decode(video=0)]
    assert frames == [(250, 150)] * 5
    pictures = [cv2.imread(str(path)) for path in (tmp_path / "sized" / "p").glob("*.jpg")]
    assert [None if pixels is None else pixels.shape for pixels in pictures] == [(150, 250, 3)] * 5


def test_a_size_beside_an_odd_frames_is_written_whole(tmp_path: Path) -> None:
    """A picture folder cuts the column that an odd frame gained; not where the size was asked for."""
    clip, network = "synthetic:city?size=101x75&seconds=1", box_network(tmp_path / "boxes.onnx")
    for size, shape in ((None, (75, 101, 3)), ("102x76", (76, 102, 3))):
        folder = tmp_path / str(size)
        for _ in stream(clip, engines=[network], pictures=folder, max_frames=1, output_size=size):
            pass
        (path,) = folder.glob("*.jpg")
        pixels = cv2.imread(str(path))
        assert pixels is not None
        assert pixels.shape == shape


def test_an_odd_size_is_refused_with_the_even_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 2)
    assert main([str(clip), "--output-size", "1281x719", "--save", str(tmp_path / "out.mp4")]) == 2
    assert "write 1282x720" in capsys.readouterr().err


def test_areas_of_a_run_lie_on_the_scaled_picture() -> None:
    picture = grey(640, 360)
    drawn = painter("drivable", output_size=(640, 640)).paint(
        result_of(picture, Prediction({"road": area(picture, slice(20, 40))})), None
    )
    where = changed(drawn, painter(output_size=(640, 640)).paint(result_of(picture), None))
    rows = np.flatnonzero(where.any(axis=1))
    assert abs(rows[0] - (140 + 180)) <= 4
    assert rows[-1] == 140 + 360 - 1
