"""WebFile and LiveBody: a web client's bodies as the files PyAV reads from.

Their faults are raised once, so that nobody takes half a packet for a whole one; demuxers that try again anyway find
the end, because PyAV prints a second exception.
"""

from __future__ import annotations

import io

from sources.live.connection import Fault
from sources.network.web import Body, WebClient

_STEP = 1 << 18
"""Bytes ahead up to which reading on is cheaper than asking anew."""

_HEAD_BYTES = 8


class LiveBody:
    """A body that is read as it comes, from its beginning. complete: whether it said that it is at its end."""

    def __init__(self, body: Body) -> None:
        self._body = body
        self.complete = False
        self.fault: Fault | None = None
        """What FFmpeg was told as an error of reading, and perhaps took for an end."""

    def read(self, most: int) -> bytes:
        """What has come; none: the end. Raises Fault."""
        if self.fault is not None:
            return b""
        try:
            found = self._body.read(most)
        except Fault as fault:
            self.fault = fault
            raise
        self.complete = not found
        return found

    def release(self) -> None:
        """Lets go of the connection. Not called close: PyAV would, while it may still read."""
        self._body.close()


class WebFile:
    """A body of a known size as a file that can be sought in, by asking for the part from there on.

    A read goes on where the connection was cut no sooner than somebody opens the file again: how often and how soon
    is decided in one place, by the source's line.
    """

    def __init__(self, client: WebClient, body: Body) -> None:
        assert body.size is not None
        self._client, self._body = client, body
        self._url, self._size = body.url, body.size
        self._at = self._wanted = body.start  # where the body is, and where the next read shall be
        self._can_seek = body.ranges
        self.is_mp4 = body.peek(_HEAD_BYTES)[4:8] == b"ftyp"
        self.fault: Fault | None = None

    @property
    def complete(self) -> bool:
        """Whether nothing was cut so far."""
        return self.fault is None

    def seekable(self) -> bool:
        """Whether parts can be asked for."""
        return self._can_seek

    def tell(self) -> int:
        """Where the next read begins."""
        return self._wanted

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Bytes from the beginning, from here or from the end."""
        self._wanted = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._wanted, io.SEEK_END: self._size}[whence]
        return self._wanted

    def read(self, most: int) -> bytes:
        """The next bytes; none: the end. Raises Fault."""
        if self._wanted >= self._size or self.fault is not None:
            return b""
        try:
            self._go()
            found = self._body.read(most)
        except Fault as fault:
            self.fault = fault
            raise
        self._at = self._wanted = self._at + len(found)
        return found

    def release(self) -> None:
        """Lets go of the connection."""
        self._body.close()

    def _go(self) -> None:
        """Brings the body to where the next read shall be."""
        ahead = self._wanted - self._at
        if 0 <= ahead <= _STEP:
            self._body.skip(ahead)
        else:
            self._body.close()
            self._body = self._client.get(self._url, self._wanted)
        self._at = self._wanted
