"""Which source a URI means. A new kind of source is one function and one line here."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from contracts.errors import UsageError
from contracts.live import Patience
from contracts.protocols import PictureMaker, Source
from contracts.secrets import expand, learn
from contracts.text import nearest

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
"""At least two letters: C:\\clip.mp4 is a path."""

OpenMaker = Callable[[Path], PictureMaker]
"""Opens a generator network: that is the engines' room, which is not known here."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """What ``open_source`` was called with."""

    uri: str
    start: float
    loop: bool
    maker: OpenMaker | None
    patience: Patience

    def refuse_parts(self, what: str, cure: str) -> None:
        """Raises UsageError where a part or a loop is asked for of a source that has neither."""
        if self.start or self.loop:
            raise UsageError(f"{what} cannot {'start later' if self.start else 'loop'}", cure)

    def begin_on_the_web(self) -> Fraction:
        """Seconds to skip. Raises UsageError where a loop is asked for."""
        if self.loop:
            raise UsageError("what comes from the web cannot loop", "download it, and name the file")
        return Fraction(self.start).limit_denominator(1_000_000)


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of source. reads: files and folders that a URI of it reads. has_truth: whether its frames have labels.

    is_live: whether they come when they come.
    """

    open: Callable[[_Asked], Source]
    reads: Callable[[str], list[Path]] = lambda _: []
    has_truth: bool = False
    is_live: bool = False


def open_source(
    uri: str,
    *,
    start: float = 0.0,
    loop: bool = False,
    maker: OpenMaker | None = None,
    patience: Patience | None = None,
) -> Source:
    """Opens what ``uri`` names.

    That is a video file, pictures (a file, a folder, a pattern), ``-``, ``0`` (a camera), or one of ``_KINDS``.
    start: seconds of a recorded source to skip. loop: begin a recorded source again when it ends. maker: what
    ``generator:`` opens its network with. patience: how long a live source is waited for. ``${NAME}`` is filled in from
    the environment. Raises SourceError when it cannot be read, UsageError when it is no source or cannot do what is
    asked.
    """
    uri = _filled_in(uri)
    kind, asked = _kind_of(uri), _Asked(uri, start, loop, maker, patience or Patience())
    if kind is not None:
        return kind.open(asked)
    if uri == "-":
        return _standard_input(asked)
    match = _SCHEME.match(uri)
    if not uri or (match and not Path(uri).exists()):
        # Never the whole URI: it may hold a password.
        meant = nearest(match[1].lower(), _KINDS) if match else None
        names = ", ".join(f"{name}:" for name in sorted(_KINDS))
        known = f"this version reads video files, pictures, - (standard input), 0 (a camera), {names}"
        what = f"{match[1].lower()}:" if match else uri
        raise UsageError(f"cannot read sources of the kind {what!r}", f"did you mean '{meant}:'?" if meant else known)
    return _pictures(asked) or _video_file(asked)


def places_read(uri: str) -> list[Path]:
    """Files and folders here that ``uri`` reads, as far as they exist: no output may be one of them.

    Raises UsageError as ``open_source`` does for what stands behind the ``?``.
    """
    uri = _filled_in(uri)
    kind = _kind_of(uri)
    if kind is not None:
        return kind.reads(uri)
    from sources.picturefiles import places_read as places_of_pictures

    return places_of_pictures(uri)


def has_truth(uri: str) -> bool:
    """Whether the frames of ``uri`` come with labels."""
    kind = _kind_of(_filled_in(uri))
    return kind is not None and kind.has_truth


def is_live(uri: str) -> bool:
    """Whether ``uri`` gives frames when they come, and others each time; of the web only opening it can tell."""
    kind = _kind_of(_filled_in(uri))
    return kind is not None and kind.is_live


def _filled_in(uri: str) -> str:
    """With each ``${NAME}`` from the environment, unless it is a file's name as it stands. Raises UsageError."""
    if "${" in uri and not Path(uri).exists():
        return expand(uri)
    learn(uri)
    return uri


def _kind_of(uri: str) -> _Kind | None:
    """The kind whose name stands before a colon; ``0`` alone is a camera, unless a file is called so."""
    if re.fullmatch(r"[0-9]{1,3}", uri) and not Path(uri).exists():
        return _KINDS["camera"]
    match = _SCHEME.match(uri)
    return _KINDS.get(match[1].lower()) if match else None


def _pictures(asked: _Asked) -> Source | None:
    from sources.picturefiles import PictureAddress
    from sources.pictures import PictureSource

    address = PictureAddress.parse(asked.uri)
    if address is None:
        return None
    return PictureSource(address, asked.uri, start=asked.start, loop=asked.loop)


def _standard_input(asked: _Asked) -> Source:
    from sources.standard_input import StandardInput
    from sources.video import VideoFileSource

    if asked.loop:
        raise UsageError("standard input can be read once, not in a loop", "name the file itself")
    return VideoFileSource(Path("stdin"), start=asked.start, piped=StandardInput())


def _video_file(asked: _Asked) -> Source:
    from sources.video import VideoFileSource

    return VideoFileSource(Path(asked.uri), start=asked.start, loop=asked.loop)


def _camera(asked: _Asked) -> Source:
    from sources.camera import open_camera
    from sources.camera_device import CameraAddress, device_of

    asked.refuse_parts("a camera", "leave the option out")
    address = CameraAddress.parse(asked.uri)
    return open_camera(device_of(address), address, asked.uri, asked.patience)


def _dataset(asked: _Asked) -> Source:
    from sources.dataset import open_dataset

    return open_dataset(asked.uri, start=asked.start, loop=asked.loop)


def _places_of_dataset(uri: str) -> list[Path]:
    from sources.dataset import places_read as places_of_dataset

    return places_of_dataset(uri)


def _generator(asked: _Asked) -> Source:
    from sources.generator import GeneratorAddress, GeneratorSource

    asked.refuse_parts("generator:", "leave the option out; count=… and seed=… in the URI say which pictures")
    address = GeneratorAddress.parse(asked.uri)
    if asked.maker is None:
        raise UsageError("generator: is for runs", "run it with --pictures FOLDER first, and give that folder here")
    return GeneratorSource(address, asked.uri, asked.maker(address.file))


def _place_of_generator(uri: str) -> list[Path]:
    from sources.generator import GeneratorAddress

    return [GeneratorAddress.parse(uri).file]


def _rtsp(asked: _Asked) -> Source:
    from sources.network.address import NetworkAddress
    from sources.network.rtsp import open_rtsp

    asked.refuse_parts("a live stream", "leave the option out")
    return open_rtsp(NetworkAddress.parse(asked.uri), asked.patience)


def _web(asked: _Asked) -> Source:
    from sources.network.address import NetworkAddress
    from sources.pages import is_page, open_page, open_web_or_page

    address = NetworkAddress.parse(asked.uri)
    if is_page(asked.uri):
        return open_page(asked.uri, asked.uri, asked.patience, asked.begin_on_the_web())
    return open_web_or_page(address, asked.patience, asked.begin_on_the_web())


def _youtube(asked: _Asked) -> Source:
    from sources.pages import open_page, page_of

    return open_page(page_of(asked.uri), asked.uri, asked.patience, asked.begin_on_the_web())


def _hl2ss(asked: _Asked) -> Source:
    from sources.hololens.address import Hl2ssAddress
    from sources.hololens.research import open_research

    asked.refuse_parts("a HoloLens", "leave the option out")
    return open_research(Hl2ssAddress.parse(asked.uri), asked.uri, asked.patience)


def _hololens(asked: _Asked) -> Source:
    from sources.hololens.address import PortalAddress
    from sources.hololens.portal import open_portal

    asked.refuse_parts("a HoloLens", "leave the option out")
    return open_portal(PortalAddress.parse(asked.uri), asked.uri, asked.patience)


def _synthetic(asked: _Asked) -> Source:
    from sources.synthetic import SyntheticSource

    asked.refuse_parts("synthetic:", "leave the option out; seconds=… in the URI sets its length")
    return SyntheticSource(asked.uri)


_KINDS = {
    "camera": _Kind(_camera, is_live=True),
    "dataset": _Kind(_dataset, _places_of_dataset, has_truth=True),
    "generator": _Kind(_generator, _place_of_generator),
    "hl2ss": _Kind(_hl2ss, is_live=True),
    "hololens": _Kind(_hololens, is_live=True),
    "http": _Kind(_web),
    "https": _Kind(_web),
    "rtsp": _Kind(_rtsp, is_live=True),
    "rtsps": _Kind(_rtsp, is_live=True),
    "synthetic": _Kind(_synthetic, has_truth=True),
    "youtube": _Kind(_youtube),
}
"""Name before the colon → what it means."""
