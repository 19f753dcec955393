"""PushOutput: the annotated pictures as a stream to a media server, which the run never waits for.

``write`` hands the picture to a thread that encodes and sends; where that is not done with the ones before, the
oldest goes. A lost connection is made again for as long as the run lasts; only what can never work ends it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from fractions import Fraction

import av
from av.video.codeccontext import VideoCodecContext

from contracts.backoff import Backoff
from contracts.errors import OutputError
from contracts.frame import SourceInfo
from contracts.picture import Picture
from contracts.result import Result
from outputs.encoder import Encoder, VideoSettings, choose, usual_rate
from outputs.i420 import even_size
from outputs.picture_encoder import Packets, PictureEncoder
from outputs.push_address import Address
from outputs.push_link import Link, LinkLost
from outputs.push_wire import Order

log = logging.getLogger(__name__)

_WAITING = 4  # pictures between the run and the encoder
_KEYFRAME_SECONDS = Fraction(1)  # who joins the stream waits so long at most
_STEADY_S = 10.0  # a connection that lasted so long was a good one: the next tries come quickly again
_FIRST_TRIES = 5  # a server that never answered is given up then
_END_S = 4.0  # for what is on its way and the goodbye, when the run ends
_FOR_GOOD, _UNKNOWN = (401, 403), 404  # answers of RTSP servers
_CURE = "see whether the media server runs and takes streams there"
_CURES = {
    401: "check user and password in the URL; ${NAME} there is read from the environment",
    403: "let the server accept this stream, or push to another name",
    404: "push to a name the server knows",
}


class PushOutput:
    """Sends ``Result.drawn()`` to ``uri`` (rtsp, rtsps, rtmp, rtmps). Raises UsageError for what is no such URL.

    size: of what is drawn, the source's where None. The first connection failing for good (a wrong password, nobody
    there after some tries) is the run's error; once it was live, the run goes on without it.
    """

    name = "push"
    wants_drawn = True

    def __init__(self, uri: str, settings: VideoSettings, size: tuple[int, int] | None = None) -> None:
        self._address = Address.of(uri)
        self._settings, self._size = settings, size
        self._pusher: _Pusher | None = None
        self._given = 0

    @property
    def dropped(self) -> int:
        """Pictures that were not sent, because there was no connection or it was too slow."""
        return self._given - (self._pusher.sent if self._pusher is not None else 0)

    def open(self, sources: Sequence[SourceInfo]) -> None:
        """Chooses the encoder and starts the thread; it connects when there is a picture. Raises OutputError."""
        (source,) = sources
        rate = usual_rate(source.rate)
        encoder = choose(self._settings, self._size or even_size(source.width, source.height), rate)
        self._pusher = _Pusher(self._address, encoder, self._settings.codec, rate)
        self._pusher.start()

    def write(self, result: Result) -> None:
        """Hands the picture over; waits for nobody. Raises OutputError when the stream can never be sent."""
        assert self._pusher is not None
        self._given += 1
        self._pusher.put(result.drawn(), result.frame.pts)
        if self._pusher.failure is not None and not self._pusher.was_live:
            raise self._pusher.failure

    def close(self, error: BaseException | None) -> None:
        """Sends what is on its way, for some seconds at most. Raises OutputError where the push had failed."""
        if self._pusher is None:
            return
        self._pusher.end()
        failure = self._pusher.failure
        if failure is None and self._given and not self._pusher.was_live:
            failure = self._pusher.failed()
        if error is None and failure is not None:
            raise failure


class _Pusher(threading.Thread):
    """Encodes and sends what is put, over one connection after the other."""

    def __init__(self, address: Address, encoder: Encoder, codec: str, rate: Fraction) -> None:
        super().__init__(name="roadstream-push", daemon=True)
        self._address, self._encoder, self._codec, self._rate = address, encoder, codec, rate
        self._waiting: deque[tuple[Picture, Fraction]] = deque(maxlen=_WAITING)  # the oldest goes where it is full
        self._changed = threading.Condition()
        self._ending = False
        self._link: Link | None = None
        self._live = False  # this connection
        self._in_trouble = False  # and said so
        self.failure: OutputError | None = None
        """Why this thread has given up."""
        self.reason = "it had not answered when the run ended"
        """Why the last connection was lost."""
        self.was_live = False
        self.sent = 0

    def put(self, picture: Picture, pts: Fraction) -> None:
        """The newest picture, at ``pts`` seconds."""
        with self._changed:
            if self.failure is None:
                self._waiting.append((picture, pts))
                self._changed.notify_all()

    def end(self) -> None:
        """Let what waits be sent, and end; whoever hangs is left after some seconds."""
        with self._changed:
            self._ending = True
            self._changed.notify_all()
        self.join(_END_S)
        if self.is_alive() and (link := self._link) is not None:
            link.kill()
            self.join(_END_S)
        if self.is_alive():
            log.warning("the thread that pushed to %s does not end", self._address.shown)

    def run(self) -> None:
        """Connect again and again until the run ends; never raises."""
        try:
            self._push()
        except Exception as fault:  # noqa: BLE001  # outermost frame of the thread: handed to the owner
            failure = fault if isinstance(fault, OutputError) else self.failed(str(fault))
            failure.__cause__ = None if fault is failure else fault
            with self._changed:
                self.failure = failure
                self._waiting.clear()
            if self.was_live:
                log.warning("%s; the run goes on without it", self.failure)

    def _push(self) -> None:
        backoff = Backoff()
        while True:
            began = time.monotonic()
            lost = self._connection()
            if lost is None:
                return
            if self._live and time.monotonic() - began > _STEADY_S:
                backoff.reset()
            wait_s = backoff.next_s()
            self._judge(lost, backoff.failures)
            if self._pause(wait_s):
                return

    def _connection(self) -> LinkLost | None:
        """One connection from its beginning to its end: why it was lost, None where the run has ended."""
        self._live = False
        try:
            self._link = Link()
        except OSError as fault:
            return LinkLost(f"cannot start its process: {fault.strerror}")
        try:
            self._stream(self._link)
        except LinkLost as lost:
            if self._ending:
                return None
            self.reason = self._address.without_secrets(lost.reason)
            return lost
        finally:
            self._link.end()
        return None

    def _stream(self, link: Link) -> None:
        """Encodes and sends until the run ends. Raises LinkLost, av.FFmpegError."""
        pictures: PictureEncoder | None = None
        while (taken := self._take()) is not None:
            if pictures is None:
                pictures = self._encode_for(link, taken[0])
            self._send(link, pictures.packets(*taken))
            self.sent += 1
        if pictures is not None:
            self._send(link, pictures.rest())

    def _encode_for(self, link: Link, first: Picture) -> PictureEncoder:
        context = av.CodecContext.create(self._encoder.name, "w")
        assert isinstance(context, VideoCodecContext)
        context.options = dict(self._encoder.options)
        made = PictureEncoder(context, self._encoder, self._rate, first, keyframe=_KEYFRAME_SECONDS)
        rate = (self._rate.numerator, self._rate.denominator)
        address = self._address
        link.introduce(Order(address.url, address.checked, address.format, self._codec, *made.size, rate))
        return made

    def _send(self, link: Link, packets: Packets) -> None:
        for packet in packets:
            link.send(packet)
        if packets and not self._live:
            self._live = self.was_live = True
            if self._in_trouble:
                log.warning("%s takes the stream now", self._address.shown)
            self._in_trouble = False

    def _take(self) -> tuple[Picture, Fraction] | None:
        """The oldest picture that waits; None when the run has ended and nothing is left."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._ending)
            return self._waiting.popleft() if self._waiting else None

    def _pause(self, seconds: float) -> bool:
        """Whether the run ended meanwhile."""
        with self._changed:
            return self._changed.wait_for(lambda: self._ending, seconds)

    def _judge(self, lost: LinkLost, tries: int) -> None:
        """Says that there is trouble, once. Raises OutputError where trying again is of no use."""
        log.debug("try %d at %s: %s", tries, self._address.shown, self.reason)
        hopeless = lost.status == _UNKNOWN or bool(lost.cure) or tries == _FIRST_TRIES
        if lost.status in _FOR_GOOD or (hopeless and not self.was_live):
            raise self.failed(cure=lost.cure or _CURES.get(lost.status, _CURE))
        if not self._in_trouble and self.was_live:
            log.warning("lost %s: %s; trying again until it is back", self._address.shown, self.reason)
        elif not self._in_trouble:
            log.warning("%s does not take the stream yet: %s; trying again", self._address.shown, self.reason)
        self._in_trouble = True

    def failed(self, why: str = "", cure: str = _CURE) -> OutputError:
        """The error to raise; why: else the last reason."""
        return OutputError(f"cannot push to {self._address.shown}: {why or self.reason}", cure)
