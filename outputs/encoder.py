"""Which video encoder with which options: quality and preset in one language for x264, x265, SVT-AV1 and NVENC.

Every encoder here works without delay: no B-frames, no lookahead, no frame threads. A frame that goes in comes out
at once, so a killed recording lacks only its open fragment, at 8 frames per second as at 60. The price, measured
with x264 veryfast on a motorway clip at equal PSNR, is 7 % more bytes than with a lookahead of a quarter second.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import av
from av.video.codeccontext import VideoCodecContext

from contracts.errors import OutputError, UsageError
from contracts.text import did_you_mean

log = logging.getLogger(__name__)

Codec = Literal["h264", "hevc", "av1"]

TICKS = 90_000
"""Ticks per second of everything written (MPEG's clock): 30000/1001 and 25 are whole numbers of ticks."""
KEYFRAME_SECONDS = Fraction(1, 2)
"""Stream time between keyframes at most, for seeking in a browser."""

_PRESETS = {  # x264's names, which x265 shares → SVT-AV1's number, NVENC's name
    "ultrafast": ("13", "p1"),
    "superfast": ("12", "p1"),
    "veryfast": ("11", "p2"),
    "faster": ("10", "p3"),
    "fast": ("9", "p4"),
    "medium": ("8", "p4"),
    "slow": ("7", "p5"),
    "slower": ("6", "p6"),
    "veryslow": ("5", "p7"),
    "placebo": ("4", "p7"),
}
_LIGHT_PRESETS = {"ultrafast", "superfast", "veryfast"}
_CRF = {"h264": (1, 51), "hevc": (0, 51), "av1": (1, 63)}  # 0 is lossless in x264: a profile browsers do not play
_USUAL_RATES = (Fraction(1), Fraction(240))  # outside, a nominal rate is a container's fiction
_NEVER = 1200  # frames
_SMALL = 256  # pixels; what is refused below is too small (SVT-AV1 wants 64), above too large
_UNKNOWN_RATE = Fraction(30)


@dataclass(frozen=True, slots=True)
class VideoSettings:
    """What the user may choose; raises UsageError for values the codec does not know."""

    codec: Codec = "h264"
    crf: int = 23
    preset: str = "veryfast"

    def __post_init__(self) -> None:
        if self.preset not in _PRESETS:
            raise UsageError(f"unknown preset {self.preset!r}", _known_presets(self.preset))
        least, most = _CRF[self.codec]
        if not least <= self.crf <= most:
            raise UsageError(f"crf {self.crf} is outside {least} … {most} for {self.codec}", "23 is a good start")


def _known_presets(word: str) -> str:
    cure = did_you_mean(word, _PRESETS)
    return cure if cure.startswith("known") else f"{cure} known: {', '.join(_PRESETS)}"


@dataclass(frozen=True, slots=True)
class Encoder:
    """One of FFmpeg's encoders, ready to be set up: its name, its options, the tag of its track in MP4."""

    name: str
    options: tuple[tuple[str, str], ...]
    threads: int
    tag: str | None = None

    def set_up(self, context: VideoCodecContext, size: tuple[int, int], rate: Fraction) -> None:
        """Settings of an encoder context that is not open yet; size (width, height) in pixels, even."""
        context.width, context.height = size
        context.pix_fmt = "yuv420p"
        context.time_base = Fraction(1, TICKS)
        context.framerate = rate
        context.gop_size = _NEVER  # keyframes are asked for by stream time, which a count of frames does not know
        context.max_b_frames = 0
        context.thread_type = "SLICE"
        context.thread_count = self.threads
        if self.name.endswith("_nvenc"):
            context.bit_rate = 0  # else its default of 2 Mbit/s caps the quality asked for
        if self.tag is not None:
            context.codec_tag = self.tag


def usual_rate(rate: Fraction | None) -> Fraction:
    """A nominal rate an encoder can be told: the source's where it is believable, else 30 per second."""
    least, most = _USUAL_RATES
    return rate if rate is not None and least <= rate <= most else _UNKNOWN_RATE


def choose(settings: VideoSettings, size: tuple[int, int], rate: Fraction) -> Encoder:
    """The first encoder that really encodes a picture of this size (width, height): NVENC, else the CPU's.

    FFmpeg lists NVENC on machines without a GPU, so only a trial tells. Raises OutputError when none works.
    """
    fault: av.FFmpegError | None = None
    for encoder in _candidates(settings, size):
        try:
            _trial(encoder, size, rate)
        except av.FFmpegError as refused:
            log.debug("%s does not work here: %s", encoder.name, refused)
            fault = refused
        else:
            log.debug("encoding with %s", encoder.name)
            return encoder
    width, height = size
    other = "larger" if max(size) < _SMALL else "smaller"
    raise OutputError(
        f"no {settings.codec} encoder takes pictures of {width}×{height}",
        f"write them {other} with --output-size, or try another --codec",
    ) from fault


def _trial(encoder: Encoder, size: tuple[int, int], rate: Fraction) -> None:
    """Opens the encoder and, on a GPU, encodes two pictures and throws them away; raises av.FFmpegError."""
    context = av.CodecContext.create(encoder.name, "w")
    assert isinstance(context, VideoCodecContext)
    context.options = dict(encoder.options)
    encoder.set_up(context, size, rate)
    context.open()
    for number in range(2 if encoder.name.endswith("_nvenc") else 0):
        frame = av.VideoFrame(*size, "yuv420p")
        frame.pts, frame.time_base = int(number * TICKS / rate), Fraction(1, TICKS)
        context.encode(frame)


def _candidates(settings: VideoSettings, size: tuple[int, int]) -> Iterator[Encoder]:
    """Encoders of the codec, the fastest first, as far as this build of FFmpeg has them."""
    makers: dict[str, tuple[Callable[[VideoSettings, tuple[int, int]], Encoder], ...]] = {
        "h264": (_nvenc, _x264),
        "hevc": (_nvenc, _x265),
        "av1": (_nvenc, _svt_av1),
    }
    for make in makers[settings.codec]:
        encoder = make(settings, size)
        if encoder.name in av.codecs_available:
            yield encoder


def _nvenc(settings: VideoSettings, _size: tuple[int, int]) -> Encoder:
    _, preset = _PRESETS[settings.preset]
    options = {"preset": preset, "tune": "ll", "rc": "vbr", "cq": str(settings.crf), "delay": "0", "zerolatency": "1"}
    options |= {"rc-lookahead": "0", "forced-idr": "1"}
    return Encoder(f"{settings.codec}_nvenc", tuple(options.items()), 1, _tag(settings.codec))


def _x264(settings: VideoSettings, size: tuple[int, int]) -> Encoder:
    options = {"preset": settings.preset, "crf": str(settings.crf), "tune": "zerolatency"}
    return Encoder("libx264", tuple(options.items()), _slice_threads(settings.preset, size))


def _x265(settings: VideoSettings, _size: tuple[int, int]) -> Encoder:
    options = {"preset": settings.preset, "crf": str(settings.crf), "tune": "zerolatency", "forced-idr": "1"}
    options["x265-params"] = "log-level=none"  # it writes to stderr past FFmpeg's log
    return Encoder("libx265", tuple(options.items()), 0, _tag("hevc"))


def _svt_av1(settings: VideoSettings, _size: tuple[int, int]) -> Encoder:
    os.environ.setdefault("SVT_LOG", "0")  # the only way to keep it from writing to stderr
    preset, _ = _PRESETS[settings.preset]
    options = {"preset": preset, "crf": str(settings.crf), "svtav1-params": "pred-struct=1:rtc=1:lookahead=0"}
    return Encoder("libsvtav1", tuple(options.items()), 0)


def _tag(codec: str) -> str | None:
    """hvc1: with FFmpeg's default, hev1, Apple's players refuse HEVC."""
    return "hvc1" if codec == "hevc" else None


def _slice_threads(preset: str, size: tuple[int, int]) -> int:
    """Threads x264 shares one picture among: none of them delays, each costs CPU (10 % with two) and bytes.

    One does 720p with the light presets at 80 frames per second and more; the rest of the pipeline wants the cores.
    """
    width, height = size
    if preset in _LIGHT_PRESETS and width * height <= 1280 * 720:
        return 1
    return min(os.cpu_count() or 1, 4)
