"""Where the pixels of a frame land in the tensor, and with which values."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import av
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from numpy.typing import NDArray

from contracts.card import Card
from contracts.fit import Fit, Letterbox, Stretch
from contracts.picture import ColourMatrix, Picture, PixelFormat
from contracts.protocols import EngineFacts, Tensors, Ticket
from contracts.tensor import TensorSpec
from engines.prepare import Preparer
from tests.engines import tiny

FORMATS: tuple[PixelFormat, ...] = ("bgr24", "yuv420p", "nv12")
LAYOUTS = (("uint8", "NHWC"), ("float32", "NCHW"), ("uint8", "NCHW"), ("float32", "NHWC"), ("float16", "NCHW"))
SIZES = some.integers(1, 300)


class Buffers:
    """An engine that only lends buffers, full of what its last user left there."""

    def __init__(self, size: tuple[int, int], dtype: str = "uint8", layout: str = "NHWC", **given: Any) -> None:
        shape = (1, size[1], size[0], 3) if layout == "NHWC" else (1, 3, size[1], size[0])
        if dtype == "uint8" and layout == "NCHW":
            given |= {"scale": 1}
        self.inputs = (TensorSpec("images", shape, dtype, layout),)
        self.outputs: tuple[TensorSpec, ...] = ()
        self.card = Card.model_validate({"name": "c", "input": given, "heads": [tiny.SEEN]})
        self.name, self.depth, self.facts = "buffers", 2, EngineFacts("", "", "", "", "", "")

    def buffer(self, spec: TensorSpec) -> NDArray[Any]:
        return np.full(spec.shape, 77, spec.dtype)

    def submit(self, tensors: Tensors) -> Ticket:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError


def picture_of(
    luma: NDArray[np.uint8], form: PixelFormat, matrix: ColourMatrix = "bt601", full_range: bool = True
) -> Picture:
    """A grey picture: ``luma`` as it is, in every form."""
    height, width = luma.shape
    if form == "bgr24":
        return Picture.from_bgr(np.repeat(luma[..., None], 3, axis=2))
    half = ((height + 1) // 2, (width + 1) // 2)
    chroma = (
        (np.full(half, 128, np.uint8), np.full(half, 128, np.uint8))
        if form == "yuv420p"
        else (np.full((*half, 2), 128, np.uint8),)
    )
    return Picture(form, (luma, *chroma), matrix, full_range)


def pixels_of(tensor: NDArray[Any], layout: str, card: Card) -> NDArray[np.float64]:
    """(height, width, 3) in 0 … 255 again."""
    values = tensor[0] if layout == "NHWC" else tensor[0].transpose(1, 2, 0)
    return np.asarray(values, np.float64) * (1 if tensor.dtype == np.uint8 else card.input.scale)


def prepared(engine: Buffers, picture: Picture) -> tuple[NDArray[np.float64], Fit]:
    tensors, fit = Preparer(engine).prepare(picture)
    return pixels_of(tensors["images"], engine.inputs[0].layout, engine.card), fit


@given(kind=some.sampled_from([Letterbox, Stretch]), sizes=some.tuples(SIZES, SIZES, SIZES, SIZES), seed=SIZES)
def test_to_network_and_to_frame_are_inverses(kind: type[Fit], sizes: tuple[int, int, int, int], seed: int) -> None:
    fit = kind(*sizes)
    rng = np.random.default_rng(seed)
    points = rng.uniform(-50, 350, (20, 2))
    np.testing.assert_allclose(fit.to_frame(fit.to_network(points)), points, atol=1e-9)
    np.testing.assert_allclose(fit.to_network(fit.to_frame(points)), points, atol=1e-9)
    corners = fit.to_network(np.array([[0.0, 0.0], [sizes[0], sizes[1]]]))
    window = fit.content
    np.testing.assert_allclose(
        corners, [[window.left, window.top], [window.left + window.width, window.top + window.height]], atol=1e-9
    )


@given(
    frame=some.tuples(some.integers(16, 400), some.integers(16, 400)),
    network=some.tuples(some.integers(16, 200), some.integers(16, 200)),
    fit=some.sampled_from(["letterbox", "stretch"]),
    form=some.sampled_from(FORMATS),
    kind=some.sampled_from(LAYOUTS),
    place=some.tuples(some.floats(0.2, 0.8), some.floats(0.2, 0.8)),
)
@settings(max_examples=150, deadline=None)
def test_a_dot_is_found_where_the_fit_says(
    *,
    frame: tuple[int, int],
    network: tuple[int, int],
    fit: Literal["letterbox", "stretch"],
    form: PixelFormat,
    kind: tuple[str, str],
    place: tuple[float, float],
) -> None:
    """Centre of mass of a white block, to half a pixel of the network (of the frame where it is enlarged)."""
    block = np.array([max(4, frame[0] // 6), max(4, frame[1] // 6)])
    corner = (np.array(frame) * place - block / 2).astype(int)
    luma = np.zeros((frame[1], frame[0]), np.uint8)
    luma[corner[1] : corner[1] + block[1], corner[0] : corner[0] + block[0]] = 255
    engine = Buffers(network, *kind, fit=fit, pad=0)
    pixels, placed = prepared(engine, picture_of(luma, form))
    weights = pixels[..., 1]
    assert weights.sum() > 0
    rows, columns = np.mgrid[0 : network[1], 0 : network[0]] + 0.5
    found = np.array([(weights * columns).sum(), (weights * rows).sum()]) / weights.sum()
    wanted = placed.to_network(corner + block / 2)
    window = placed.content
    tolerance = np.maximum(0.5, 0.5 * np.array([window.width / frame[0], window.height / frame[1]]))
    assert (np.abs(found - wanted) <= tolerance).all(), (found, wanted)


@given(
    frame=some.tuples(SIZES, SIZES),
    network=some.tuples(some.integers(1, 64), some.integers(1, 64)),
    fit=some.sampled_from(["letterbox", "stretch"]),
    form=some.sampled_from(FORMATS),
    kind=some.sampled_from(LAYOUTS),
)
@settings(max_examples=200, deadline=None)
def test_any_size_is_filled_with_content_and_padding_and_nothing_else(
    frame: tuple[int, int], network: tuple[int, int], fit: str, form: PixelFormat, kind: tuple[str, str]
) -> None:
    engine = Buffers(network, *kind, fit=fit, pad=9)
    pixels, placed = prepared(engine, picture_of(np.full((frame[1], frame[0]), 200, np.uint8), form))
    window = placed.content
    inside = np.zeros((network[1], network[0]), bool)
    inside[window.top : window.top + window.height, window.left : window.left + window.width] = True
    np.testing.assert_allclose(pixels[~inside], 9, atol=0.1)
    np.testing.assert_allclose(pixels[inside], 200, atol=4)  # swscale's rounding in reductions by hundreds


@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 700), (7000, 1), (1, 7000), (5000, 3), (2, 2), (853, 479)])
@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("fit", ["letterbox", "stretch"])
def test_extreme_shapes_work(width: int, height: int, form: PixelFormat, fit: str) -> None:
    """The last resort too: swscale refuses some of these."""
    for network in ((640, 1), (64, 64), (1, 1)):
        picture = picture_of(np.full((height, width), 180, np.uint8), form)
        pixels, placed = prepared(Buffers(network, fit=fit), picture)
        np.testing.assert_allclose(placed.content_of(pixels.transpose(2, 0, 1)), 180, atol=10)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("colour", ["rgb", "bgr"])
@pytest.mark.parametrize("kind", LAYOUTS, ids="-".join)
def test_channels_come_in_the_order_of_the_card(form: PixelFormat, colour: str, kind: tuple[str, str]) -> None:
    bgr = np.empty((32, 48, 3), np.uint8)
    bgr[:] = (200, 90, 30)
    frame = av.VideoFrame.from_ndarray(bgr, format="bgr24")
    picture = Picture.from_bgr(bgr) if form == "bgr24" else Picture.from_av(frame.reformat(format=form))
    pixels, _ = prepared(Buffers((24, 16), *kind, fit="stretch", colour=colour), picture)
    wanted = (200, 90, 30) if colour == "bgr" else (30, 90, 200)
    np.testing.assert_allclose(pixels.reshape(-1, 3), np.broadcast_to(wanted, (24 * 16, 3)), atol=2.5)


def exact_rgb(picture: Picture) -> NDArray[np.float64]:
    """Slow and exact: YUV 4:2:0 (chroma sited left) → RGB in float64, by the definition of the matrix."""
    luma, *chroma = (plane.astype(np.float64) for plane in picture.planes)
    if picture.format == "nv12":
        chroma = [chroma[0][..., 0], chroma[0][..., 1]]
    blue, red = (_grown(plane, luma.shape) - 128 for plane in chroma)
    k_red, k_blue = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722), "bt2020": (0.2627, 0.0593)}[picture.matrix]
    if not picture.full_range:
        luma, blue, red = (luma - 16) * 255 / 219, blue * 255 / 224, red * 255 / 224
    r, b = luma + 2 * (1 - k_red) * red, luma + 2 * (1 - k_blue) * blue
    g = (luma - k_red * r - k_blue * b) / (1 - k_red - k_blue)
    return np.clip(np.stack([r, g, b], axis=-1), 0, 255)


def _grown(plane: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Chroma at full size, linear; its samples lie on the left pixel of each pair, between the two rows."""
    tall = cv2.resize(plane, (plane.shape[1], shape[0]), interpolation=cv2.INTER_LINEAR)
    position = np.arange(shape[1]) / 2
    left = np.minimum(position.astype(int), plane.shape[1] - 1)
    right = np.minimum(left + 1, plane.shape[1] - 1)
    part = position - left
    grown: NDArray[np.float64] = tall[:, left] * (1 - part) + tall[:, right] * part
    return grown


@pytest.mark.parametrize("matrix", ["bt601", "bt709", "bt2020"])
@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("form", ["yuv420p", "nv12"])
@pytest.mark.parametrize("size", [(160, 120), (320, 240), (100, 75)], ids=str)
def test_colours_are_those_of_the_definition(
    matrix: ColourMatrix, full_range: bool, form: PixelFormat, size: tuple[int, int]
) -> None:
    """Smooth random pictures of 320x240: no level of bias, and no more than one off on average."""
    rng = np.random.default_rng(5)

    def plane(width: int, height: int, low: int, high: int) -> NDArray[np.uint8]:
        rough = rng.uniform(low, high, (6, 8)).astype(np.float32)
        return cv2.resize(rough, (width, height), interpolation=cv2.INTER_CUBIC).clip(low, high).astype(np.uint8)

    luma, blue, red = plane(320, 240, 60, 190), plane(160, 120, 108, 148), plane(160, 120, 108, 148)
    planes = (luma, blue, red) if form == "yuv420p" else (luma, np.stack([blue, red], axis=-1))
    picture = Picture(form, planes, matrix, full_range)
    pixels, _ = prepared(Buffers(size, fit="stretch"), picture)
    wanted = cv2.resize(exact_rgb(picture), size, interpolation=cv2.INTER_AREA)
    assert np.abs(pixels - wanted).mean() < 1
    assert np.abs((pixels - wanted).mean(axis=(0, 1))).max() < 0.3


def test_preparers_of_several_frame_sizes_share_buffers() -> None:
    """What one leaves in a buffer must not show in the padding of another."""
    engine = Buffers((64, 64), pad=114)
    memory = np.zeros((1, 64, 64, 3), np.uint8)
    engine.buffer = lambda spec: memory  # type: ignore[method-assign]
    preparers = Preparer(engine), Preparer(engine)
    shapes = ((40, 80), (80, 40))
    for _ in range(2):
        for preparer, shape in zip(preparers, shapes, strict=True):
            tensors, fit = preparer.prepare(picture_of(np.full(shape, 250, np.uint8), "bgr24"))
            window = fit.content
            assert (tensors["images"] == 250).sum() == window.width * window.height * 3
            assert (tensors["images"] == 114).sum() == (64 * 64 - window.width * window.height) * 3


def test_one_preparer_takes_frames_of_changing_size_and_form() -> None:
    preparer = Preparer(Buffers((64, 48)))
    for index, shape in enumerate([(48, 64), (90, 160), (160, 90), (48, 64), (479, 853), (1, 1)] * 2):
        tensors, fit = preparer.prepare(picture_of(np.full(shape, 99, np.uint8), FORMATS[index % 3]))
        assert (fit.frame_height, fit.frame_width) == shape
        np.testing.assert_allclose(fit.content_of(tensors["images"][0].transpose(2, 0, 1)), 99, atol=1)


@pytest.fixture
def clips(shared: Path) -> list[Picture]:
    """A frame of every kind of clip: sizes, ranges, codecs."""
    found = []
    for name in ("highway720_300.mp4", "bt601_full.mp4", "mjpeg_city.avi", "tenbit.mp4", "odd_853x479.mkv"):
        with av.open(str(shared / "clips" / name)) as container:
            found.append(Picture.from_av(next(container.decode(video=0))))
    return found


@pytest.mark.shared
def test_real_frames_look_like_their_bgr_scaled_by_opencv(clips: list[Picture]) -> None:
    """Ultralytics' way is the reference: BGR first, then INTER_LINEAR. swscale's BGR itself is a level too dark."""
    for picture in clips:
        pixels, fit = prepared(Buffers((640, 640)), picture)
        window = fit.content
        wanted = cv2.resize(picture.bgr(), (window.width, window.height), interpolation=cv2.INTER_LINEAR)[..., ::-1]
        content = pixels[window.top : window.top + window.height, window.left : window.left + window.width]
        assert np.abs(content - wanted).mean() < 3
        assert np.percentile(np.abs(content - wanted), 99) < 20
