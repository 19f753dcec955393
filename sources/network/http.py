"""HTTP and HTTPS: what an address gives is known by what comes: an HLS list, MJPEG, a file, or a stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import ceil
from types import MappingProxyType

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from contracts.text import reason_of
from sources.live.connection import Attempt, Connection, Fault, Received
from sources.live.container import ContainerConnection
from sources.live.waiting import Waits, sooner
from sources.network.address import NetworkAddress
from sources.network.faults import check_start, refuse_start
from sources.network.hls import PartClocks, open_hls
from sources.network.pace import Pace
from sources.network.playlist import MARK
from sources.network.segments import Played
from sources.network.web import Body, WebClient
from sources.network.webfile import LiveBody, WebFile

TRIES = 5
"""Failures in a row that end a web stream which has been live."""
_BUFFER_BYTES = 1 << 18
_HEAD_BYTES = 512
_MJPEG = "multipart/x-mixed-replace"
_NO_FILES = {"protocol_whitelist": "data"}
"""So that what comes from a stranger opens nothing else."""


class WebPage(Fault):
    """What is at the address is a page; there may be a video on it."""


class WebOpener:
    """Opens what is at a web address, as often as it takes. headers: sent with every request."""

    def __init__(self, address: NetworkAddress, headers: Mapping[str, str] | None = None) -> None:
        self._address, self._headers = address, headers
        self._clocks, self._played, self._pace = PartClocks(), Played(), Pace()

    def __call__(self, attempt: Attempt) -> Connection:
        """Raises Fault."""
        limit_s = max(sooner(attempt.patience.open_s), attempt.patience.read_s)  # in the body, too
        client = WebClient(self._address, Waits(limit_s, attempt.stopped), self._headers)
        body = client.get(self._address.bare, 0)  # from 0 on: so it says whether parts can be had
        try:
            return self._connection(client, body, attempt)
        except BaseException:
            body.close()
            raise

    def _connection(self, client: WebClient, body: Body, attempt: Attempt) -> Connection:
        if body.type == _MJPEG:
            refuse_start(client.name, attempt.start)
            return _MjpegConnection(LiveBody(body), client.name, self._pace)
        if body.peek(_HEAD_BYTES).lstrip(b"\xef\xbb\xbf").startswith(MARK):
            return open_hls(client, body, attempt, self._clocks, self._played)
        if body.type == "text/html":
            cure = "name the stream itself; the camera's manual or the page's source may tell it"
            raise WebPage(f"{client.name} is a web page, not a video", cure, again="once live")
        if body.size is None:
            refuse_start(client.name, attempt.start)
            return StreamConnection(LiveBody(body), client.name)
        return _FileConnection(WebFile(client, body), client.name, attempt)


class StreamConnection(ContainerConnection):
    """A body that is made while it is sent: live. endless: whether it is lost also where it says that it is complete.

    options: of the demuxer.
    """

    def __init__(
        self,
        file: LiveBody,
        name: str,
        container_format: str | None = None,
        *,
        endless: bool = False,
        options: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._file = file
        container = _opened(file, name, container_format, {**_NO_FILES, "fpsprobesize": "0", **options})
        super().__init__(
            container,
            name,
            live=True,
            complete=lambda: file.complete and not endless,
            broken=lambda fault: _broken(file, name, fault),
        )

    def close(self) -> None:
        """Lets go of the connection, too."""
        super().close()
        self._file.release()


class _MjpegConnection(StreamConnection):
    """Pictures one after the other; when they were taken nobody says, so they are placed by their arrival."""

    def __init__(self, file: LiveBody, name: str, pace: Pace) -> None:
        super().__init__(file, name, "mpjpeg")
        self._pace = pace
        self.time_base, self.rate = Fraction(1, 90_000), pace.rate  # FFmpeg's are made up
        pace.begin()

    def receive(self) -> Sequence[Received] | None:
        """Pictures without stamps."""
        received = super().receive()
        for each in received or ():
            each.frame.pts, each.frame.duration = None, 0
            self._pace.note(each.arrival)
        return received


class _FileConnection(ContainerConnection):
    """A file of a known length: every picture, from the wanted position on."""

    def __init__(self, file: WebFile, name: str, attempt: Attempt) -> None:
        self._file = file
        container = _opened(file, name, None, _NO_FILES)
        for video in container.streams.video:
            video.thread_type = "AUTO"
        super().__init__(
            container, name, live=False, complete=lambda: file.complete, broken=lambda fault: _broken(file, name, fault)
        )
        check_start(name, attempt.start, Fraction(container.duration or 0, av.time_base))
        self._from = _seek(container, attempt) if file.seekable() else _first(container, attempt)

    def receive(self) -> Sequence[Received] | None:
        """The next pictures, without those before the start."""
        received = super().receive()
        if received is None or self._from is None:
            return received
        return [each for each in received if each.frame.pts is None or each.frame.pts >= self._from]

    def close(self) -> None:
        """Lets go of the connection, too."""
        super().close()
        self._file.release()


def _opened(
    file: LiveBody | WebFile, name: str, container_format: str | None, options: Mapping[str, str]
) -> InputContainer:
    try:
        return av.open(
            file,
            "r",
            format=container_format,
            options=dict(options),
            buffer_size=_BUFFER_BYTES,
            metadata_errors="replace",
        )
    except (av.FFmpegError, ValueError) as fault:
        raise _broken(file, name, fault) from fault


def _broken(file: LiveBody | WebFile, name: str, fault: Exception) -> Fault:
    if file.fault is not None:
        return file.fault
    if isinstance(file, WebFile) and file.is_mp4 and not file.seekable():
        what = f"{name} gives no parts of files, and this one may have its index at its end"
        return Fault(what, "download it, and name the file", again="once live")
    what = f"{name} is not a video that can be read: {reason_of(fault)}"
    return Fault(what, "look at the address in a browser", again="once live")


def _first(container: InputContainer, attempt: Attempt) -> int | None:
    """The first stamp wanted, in the video's ticks; None: all are."""
    stream = container.streams.best("video")
    if not isinstance(stream, VideoStream) or attempt.position is not None or not attempt.start:
        return None
    assert stream.time_base is not None
    return (stream.start_time or 0) + ceil(attempt.start / stream.time_base)


def _seek(container: InputContainer, attempt: Attempt) -> int | None:
    """Goes to the keyframe before the wanted position; the first stamp wanted."""
    stream = container.streams.best("video")
    first = _first(container, attempt)
    if isinstance(stream, VideoStream) and stream.time_base is not None:
        target = first if attempt.position is None else int(attempt.position / stream.time_base)
        if target is not None:
            container.seek(target, stream=stream)
    return first
