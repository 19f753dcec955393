"""What ``doctor`` tries out: each function runs in a process of its own (``commands.doctor_probe``).

A trial tells facts as it goes; an exception ends the process, and its last line is what people read.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

_SIZE = (640, 360)
_RATE = Fraction(30)
_PICTURES = 3
_READERS = {"av1": ("libdav1d", "libaom-av1")}
"""Decoders by codec where FFmpeg's own is none: that of AV1 only hands over to a GPU."""
_DECODERS = ("h264", "hevc", "av1", "vp9", "mpeg4", "mjpeg", "prores")


def main(told: str, trial: str, *words: str) -> None:
    """Run one trial; its facts go to the file ``told`` as JSON."""
    facts: dict[str, Any] = {}

    def tell(**more: Any) -> None:
        facts.update(more)
        Path(told).write_text(json.dumps(facts), encoding="utf-8")

    tell()
    trials: dict[str, Callable[..., None]] = {
        "library": _library,
        "openvino": _openvino,
        "onnxruntime": _onnxruntime,
        "torch": _torch,
        "network": _network,
        "encoder": _encoder,
        "decoders": _decoders,
        "display": _display,
    }
    trials[trial](tell, *words)


def _library(tell: Any, module: str) -> None:
    """A package can be imported; its version."""
    tell(version=str(getattr(importlib.import_module(module), "__version__", "")))
    tell(imported=True)


def _openvino(tell: Any) -> None:
    from engines.openvino_runtime import core, ov

    tell(version=str(ov.__version__).partition("-")[0])
    devices = core().available_devices
    tell(devices=[f"{name} ({core().get_property(name, 'FULL_DEVICE_NAME')})" for name in devices])
    from engines.embedded import embedded_engine
    from engines.open import open_engine

    open_engine(embedded_engine("openvino", None)).close()  # compiles it and runs it once
    tell(runs=True)


def _onnxruntime(tell: Any) -> None:
    from engines.onnxruntime import onnxruntime

    tell(version=onnxruntime.__version__)
    tell(providers=[name.removesuffix("ExecutionProvider") for name in onnxruntime.get_available_providers()])
    from engines.embedded import embedded_float
    from engines.open import open_engine

    open_engine(embedded_float("onnxruntime")).close()
    tell(runs=True)


def _torch(tell: Any) -> None:
    torch = importlib.import_module("torch")
    tell(version=torch.__version__)
    tell(gpu=torch.cuda.get_device_name(0) if torch.cuda.is_available() else "", imported=True)


def _network(tell: Any) -> None:
    """Which files of the network in the box are not as they were published."""
    from engines.embedded import damaged

    tell(damaged={path.name: how for path, how in damaged()})


def _encoder(tell: Any, codec: str) -> None:
    """Encode a few pictures as a run would, and decode them again."""
    import av

    from outputs.encoder import VideoSettings, choose

    chosen = choose(VideoSettings(codec=codec), _SIZE, _RATE)  # type: ignore[arg-type]  # a word of Codec
    context: Any = av.CodecContext.create(chosen.name, "w")
    context.options = dict(chosen.options)
    chosen.set_up(context, _SIZE, _RATE)
    packets = []
    for number in range(_PICTURES):
        frame = av.VideoFrame(*_SIZE, "yuv420p")
        for plane in frame.planes:
            plane.update(bytes([128]) * plane.buffer_size)
        frame.pts, frame.time_base = number * 3000, context.time_base
        packets += context.encode(frame)
    packets += context.encode(None)
    tell(encoder=chosen.name, complete=len(packets) == _PICTURES)
    reader: Any = av.CodecContext.create(_reader(codec) or codec, "r")
    pictures = [picture for packet in [*packets, None] for picture in reader.decode(packet)]
    tell(decoded=len(pictures) == _PICTURES)


def _decoders(tell: Any) -> None:
    import av

    known = [name for name in _DECODERS if _reader(name)]
    tell(ffmpeg=str(av.ffmpeg_version_info), known=known, lacking=[name for name in _DECODERS if name not in known])


def _display(tell: Any) -> None:
    """Reach the display as the window of ``--show`` does."""
    from outputs.window_process import open_display

    pygame = open_display()
    tell(driver=pygame.display.get_driver(), screen=list(pygame.display.get_desktop_sizes()[0]))


def _reader(codec: str) -> str | None:
    """The decoder of a codec in this build of FFmpeg."""
    import av
    from av.codec.codec import UnknownCodecError

    for name in _READERS.get(codec, (codec,)):
        try:
            av.Codec(name, "r")
        except UnknownCodecError:
            continue
        return name
    return None
