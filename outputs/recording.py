"""Recording: the growing MP4 of annotated pictures, which plays up to its last quarter second whenever it is killed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
from av.container import OutputContainer
from av.video.stream import VideoStream

from contracts.picture import Picture
from outputs.encoder import TICKS, Encoder
from outputs.picture_encoder import Packets, PictureEncoder

FAULTS = (OSError, av.FFmpegError)
"""What encoding and writing raise."""
_RECORDING = {
    "movflags": "hybrid_fragmented+negative_cts_offsets",  # fragments until closed, a plain MP4 afterwards
    "frag_duration": "250000",  # µs
    "flush_packets": "1",  # else up to 256 KiB wait in FFmpeg's buffer, and a kill cuts a fragment in half
}
_FRAGMENTS_PER_S = 4
_FRAGMENT_BYTES, _FRAME_BYTES, _FILE_BYTES = 200, 24, 4096
"""What headers and index take at most: of a fragment, a frame, a file (measured from 1 to 240 frames a second)."""


class Recording:
    """The growing file: an encoder and FFmpeg's MP4 writer. Everything raises OSError or av.FFmpegError.

    Its first frame is at 0, whenever that came. ``picture``: the first one, for its size and its colours. ``tags``:
    those with a box of their own in every MP4. ``touch``: what is done to the file once its header is written.
    """

    def __init__(
        self,
        path: Path,
        encoder: Encoder,
        rate: Fraction,
        picture: Picture,
        tags: Mapping[str, str] | None = None,
        *,
        touch: Callable[[Path], None] = lambda _: None,
    ) -> None:
        self._path, self._touch = path, touch
        self._container: OutputContainer = av.open(f"file:{path}", "w", format="mp4", container_options=_RECORDING)
        self._container.metadata.update(tags or {})
        stream = self._container.add_stream(encoder.name, rate=rate, options=dict(encoder.options))
        assert isinstance(stream, VideoStream)
        self._pictures = PictureEncoder(stream, encoder, rate, picture)
        self._frames = self._bytes = 0
        self._last = Fraction(0)  # seconds of the newest frame
        self.largest = 0
        """Bytes of the largest packet so far."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the video, even."""
        return self._pictures.size

    @property
    def first(self) -> Fraction:
        """Seconds of the first frame, as it was given."""
        return self._pictures.first

    @property
    def bytes(self) -> int:
        """How large the file is if it ends now, its index included; a little more than it turns out to be."""
        fragments = min(self._frames, int((self._last - self.first) * _FRAGMENTS_PER_S) + 1)
        return self._bytes + self._frames * _FRAME_BYTES + fragments * _FRAGMENT_BYTES + _FILE_BYTES

    def until(self, pts: Fraction) -> Fraction:
        """Seconds from the first frame to one that would come next, at ``pts``; time never runs backward in a file."""
        return max(pts, self._last) - self.first

    def write(self, picture: Picture, pts: Fraction) -> None:
        """One picture at ``pts`` seconds; one of another size is scaled."""
        self._mux(self._pictures.packets(picture, pts))

    def finish(self) -> None:
        """Writes what is left; then the file is a plain MP4, its index at the end."""
        self._mux(self._pictures.rest())
        self._container.close()

    def abandon(self) -> None:
        """Closes after a fault, whatever state the file is in."""
        with suppress(*FAULTS):  # the trailer cannot be written either
            self._container.close()

    def _mux(self, packets: Packets) -> None:
        for packet in packets:
            self._frames, self._bytes = self._frames + 1, self._bytes + packet.size
            self._last = Fraction(packet.pts or 0, TICKS)
            self.largest = max(self.largest, packet.size)
            self._container.mux(packet)
            if self._frames == 1:  # the header came with it
                self._touch(self._path)
