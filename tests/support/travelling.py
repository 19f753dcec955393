"""Recordings of a drive with what travels with it: tags, a GPS track, GPS as subtitles; and reading them back."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np

STEP_MS = 400
"""Between two samples of a track, and how long each lasts."""
TAGS = {
    "creation_time": "2024-05-06T07:08:09.250000Z",
    "location": "+48.137310+011.575490+520.000/",
    "make": "Cam & Co",
    "model": "Drive 4",
    "title": "To the lake",
    "comment": "Grüße 🚗",
}


class Sample(NamedTuple):
    """One packet of a track: seconds, how long it lasts, its bytes."""

    begin: Fraction
    length: Fraction
    data: bytes


def record_drive(
    path: Path,
    *,
    tags: Mapping[str, str] = TAGS,
    seconds: int = 4,
    data: str | None = "bin_data",
    text: bool = True,
    format: str | None = None,  # noqa: A002 (PyAV's name)
) -> Path:
    """25 frames per second whose grey is their number; every 0.4 s a sample of data and a line of text name the time.

    data: codec of the data track ("bin_data" is what FFmpeg calls GoPro's), None: no such track.
    """
    with av.open(str(path), "w", format=format, container_options={"movflags": "use_metadata_tags"}) as container:
        container.metadata.update(tags)
        video = container.add_stream("libx264", rate=25, options={"preset": "ultrafast", "g": "5"})
        video.width, video.height, video.pix_fmt = 128, 96, "yuv420p"
        tracks: list[tuple[Any, bool]] = []
        if data is not None:
            tracks.append((container.add_data_stream(data), False))
        if text:
            tracks.append((container.add_mux_stream("mov_text"), True))
        for track, _ in tracks:
            track.time_base = Fraction(1, 1000)
        for index in range(seconds * 25):
            grey = np.full((96, 128, 3), index * 2 % 250, np.uint8)
            container.mux(video.encode(av.VideoFrame.from_ndarray(grey, "bgr24")))
            if index * 40 % STEP_MS == 0:
                for track, is_text in tracks:
                    container.mux(_sample(track, index * 40, is_text))
        container.mux(video.encode())
    return path


def line_at(milliseconds: int) -> bytes:
    """What the tracks say at that time."""
    return f"$GPRMC,{milliseconds}".encode()


def _sample(track: Any, milliseconds: int, is_text: bool) -> Any:
    line = line_at(milliseconds)
    packet = av.Packet(len(line).to_bytes(2, "big") + line if is_text else line)
    packet.stream, packet.time_base = track, Fraction(1, 1000)
    packet.pts = packet.dts = milliseconds
    packet.duration, packet.is_keyframe = STEP_MS, True
    return packet


def samples(path: Path, kind: str) -> list[Sample]:
    """Every sample of the only track of a kind ("data", "subtitle"); pauses of subtitles left out."""
    with av.open(str(path)) as container:
        (track,) = [stream for stream in container.streams if stream.type == kind]
        base = track.time_base or Fraction(1)
        found = [packet for packet in container.demux(track) if packet.size and bytes(packet) != b"\0\0"]
        return [
            Sample((packet.pts or 0) * base, (packet.duration or 0) * base, _words(bytes(packet), kind))
            for packet in found
        ]


def _words(data: bytes, kind: str) -> bytes:
    return data[2:] if kind == "subtitle" else data


def tags_of(path: Path) -> dict[str, str]:
    with av.open(str(path)) as container:
        return dict(container.metadata)


def kinds_of(path: Path) -> list[str]:
    with av.open(str(path)) as container:
        return [stream.type for stream in container.streams]
