"""Runs every file of a folder through the program and writes one table: what went in, what came out, what was said.

``python -m tests.clips_table ../shared/clips docs/clips.md``. What went in is read here with PyAV alone, packet by
packet on one thread, so that the table is a second opinion on ``sources/``; nothing in it depends on the machine.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from tests.support.networks import box_network
from tests.support.program import Finished, run_stream

_MATRICES = {1: "bt709", 5: "bt601", 6: "bt601", 9: "bt2020"}  # as ITU-T H.273 counts them
_RANGES = {1: "limited", 2: "full"}  # libavutil/pixfmt.h
_NONE = "–"
_WORDS_OF_FFMPEG = re.compile(r"(?<=that can be read): [^→]+")
_TEXT = """\
# What becomes of every clip

Every file of `../shared/clips`, good and bad, through one run each: `run_stream.py FILE --save OUT.mp4 --events \
OUT.jsonl --stats OUT.json --preset ultrafast`, with a generated network that finds the same two boxes in every \
picture. Whole files, every frame; the clips' own README says where they come from. This page is made by

```
python -m tests.clips_table ../shared/clips docs/clips.md
```

and `tests/test_clips_table.py` makes it again and compares. Columns:

- **file**: its name; good and bad ones in the order of the alphabet. Everywhere, – means that there is nothing to say.
- **container, codec**: as FFmpeg names them (mov is MP4 too, matroska WebM too).
- **size**: as stored, in pixels; "then" where it changes on the way. **turned**: degrees by which the display matrix \
turns it to be seen upright, as PyAV gives them.
- **pixels**: pixel format, colour matrix, range, where the file says.
- **frames**: how many PyAV decodes on one thread, one packet after the other, broken packets left out.
- **pts**: seconds of the first and of the last of them on the file's own clock; the rate the stream states where \
frames have no time stamps.
- **sound**: codec, sample rate, length of all packets.
- **→ video**: codec, size and colours of the saved MP4. Odd sides grow by one, 10-bit and full range become 8-bit \
limited range (`yuv420p`).
- **→ frames**: in the MP4 / lines of events / `frames.written` of the stats.
- **→ deviation**: the largest difference between a frame's time in the MP4 and in the file (both from the first frame \
on), in milliseconds. The MP4 counts 1/90000 s, so half a tick, 0.006, is as near as it gets.
- **→ sound**: in the MP4, as above; "copied" where its packets are the file's own, byte for byte. It ends where the \
pictures end.
- **→ lost**: `frames.lost` of the stats: frames that the file announces and does not give.
- **exit**: the exit code.
- **said**: standard error with `--quiet`, without the name of the program and without what FFmpeg says (…).
"""
_HEADER = (
    "file", "container, codec", "size", "turned", "pixels", "frames", "pts", "sound", "→ video", "→ frames",
    "→ deviation", "→ sound", "→ lost", "exit", "said",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sound:
    """The first audio stream of a file. ``packets``: their bytes, in order."""

    codec: str
    rate: int
    seconds: Fraction
    packets: tuple[bytes, ...]

    def __str__(self) -> str:
        return f"{self.codec} {self.rate} Hz, {float(self.seconds):.2f} s"


@dataclass(frozen=True, slots=True)
class Video:
    """What PyAV finds in a file.

    sizes: width and height of frames, each time they change. times: seconds of every frame on the file's clock.
    tick: seconds. rate: stated frames per second where frames have no time stamps (``times`` follow it), else None.
    """

    container: str = ""
    codec: str = ""
    sizes: tuple[tuple[int, int], ...] = ()
    turned: int = 0
    pixels: str = ""
    times: tuple[Fraction, ...] = ()
    tick: Fraction = Fraction(0)
    rate: Fraction | None = None
    sound: Sound | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A file and what a run made of it. written: None where the run gave no figures. left: names of files it left."""

    name: str
    given: Video
    made: Video
    code: int
    said: tuple[str, ...]
    events: int
    written: int | None
    lost: int | None
    left: tuple[str, ...]

    @property
    def deviation(self) -> Fraction:
        """Seconds: the largest difference of two frames' times, both clocks starting at the first frame."""
        pairs = zip(_from_zero(self.given.times), _from_zero(self.made.times), strict=False)
        return max((abs(one - other) for one, other in pairs), default=Fraction(0))

    @property
    def sound_is_copied(self) -> bool:
        """Whether what is heard is a run of the file's own packets."""
        given, made = self.given.sound, self.made.sound
        if given is None or made is None or not made.packets:
            return False
        starts = [at for at, packet in enumerate(given.packets) if packet == made.packets[0]]
        return any(given.packets[at : at + len(made.packets)] == made.packets for at in starts)


def look_at(path: Path) -> Video:
    """What PyAV finds in a file; an empty Video where it cannot be opened."""
    try:
        container = av.open(f"file:{path}")
    except av.FFmpegError:
        return Video()
    with container:
        name, sound = container.format.name.split(",")[0], _sound(path)
        if not container.streams.video:
            return Video(container=name, sound=sound)
        stream = container.streams.video[0]
        frames = _decoded(container, stream)
        context, tick = stream.codec_context, stream.time_base or Fraction(0)
        stamps = [pts for _, pts, _ in frames if pts is not None]
        rate = None if len(stamps) == len(frames) else stream.guessed_rate
        times = [Fraction(index) / rate for index in range(len(frames))] if rate else [pts * tick for pts in stamps]
        sizes = [size for size, _, _ in frames] or [(context.width, context.height)]
        return Video(
            container=name,
            codec=context.codec.canonical_name,
            sizes=tuple(size for at, size in enumerate(sizes) if at == 0 or size != sizes[at - 1]),
            turned=frames[0][2] if frames else 0,
            pixels=_pixels(stream),
            times=tuple(times),
            tick=tick,
            rate=rate,
            sound=sound,
        )


def run_on(path: Path, network: Path, folder: Path) -> Row:
    """Run the program on one file, its outputs in ``folder``."""
    folder.mkdir()
    saved, events, stats = (folder / f"out{ending}" for ending in (".mp4", ".jsonl", ".json"))
    done = run_stream(
        path, "--engine", network, "--save", saved, "--preset", "ultrafast", "--events", events, "--stats", stats,
        "--quiet", timeout=240,
    )  # fmt: skip
    figures = json.loads(stats.read_text(encoding="utf-8"))["frames"] if stats.exists() else {}
    return Row(
        name=path.name,
        given=look_at(path),
        made=look_at(saved) if saved.exists() else Video(),
        code=done.code,
        said=_said(done, path),
        events=len(events.read_text(encoding="utf-8").splitlines()) if events.exists() else 0,
        written=figures.get("written"),
        lost=figures.get("lost"),
        left=tuple(sorted(file.name for file in folder.iterdir())),
    )


def run_on_all(folder: Path, scratch: Path) -> list[Row]:
    """Every file of a folder but its notes (.md), in the order of their names, two at once."""
    network = box_network(scratch / "box.onnx")
    clips = sorted(path for path in folder.iterdir() if path.is_file() and path.suffix != ".md")
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda path: run_on(path, network, scratch / f"{path.name}.out"), clips))


def page(rows: Iterable[Row]) -> str:
    """The page in Markdown."""
    lines = [_HEADER, tuple("---" for _ in _HEADER), *(_cells(row) for row in rows)]
    return _TEXT + "\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cells(row: Row) -> tuple[str, ...]:
    given, made = row.given, row.made
    counts = f"{len(made.times)} / {row.events} / {row.written}"
    sound = f"{made.sound}{', copied' if row.sound_is_copied else ''}" if made.sound else _NONE
    return (
        row.name,
        _listed(given.container, given.codec),
        ", then ".join(f"{width}x{height}" for width, height in given.sizes) or _NONE,
        str(given.turned) if given.times else _NONE,
        given.pixels or _NONE,
        str(len(given.times)),
        _span(given),
        str(given.sound or _NONE),
        _listed(made.codec, *(f"{width}x{height}" for width, height in made.sizes), made.pixels),
        counts if made.times else _NONE,
        f"{float(row.deviation * 1000):.3f}" if made.times else _NONE,
        sound,
        _NONE if row.lost is None else str(row.lost),
        str(row.code),
        "<br>".join(row.said) or _NONE,
    )


def _listed(*words: str) -> str:
    return ", ".join(word for word in words if word) or _NONE


def _span(video: Video) -> str:
    if video.rate:
        return f"none, {video.rate} fps"
    return f"{float(video.times[0]):.3f} … {float(video.times[-1]):.3f}" if video.times else _NONE


def _decoded(container: InputContainer, stream: VideoStream) -> list[tuple[tuple[int, int], int | None, int]]:
    """Size, time stamp and degrees of every frame that one thread gets out, broken packets left out."""
    stream.thread_type = "NONE"
    found: list[tuple[tuple[int, int], int | None, int]] = []
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
            frames = stream.decode(packet) if packet is not None else []
        except av.FFmpegError:
            continue
        if packet is None:
            return found
        found += [((frame.width, frame.height), frame.pts, frame.rotation) for frame in frames]


def _pixels(stream: VideoStream) -> str:
    """Pixel format, matrix and range; ``yuvj420p`` is FFmpeg's old name for full range, which is said already."""
    context = stream.codec_context
    names = (context.pix_fmt, _MATRICES.get(context.colorspace), _RANGES.get(context.color_range))
    return " ".join(name.replace("yuvj", "yuv") for name in names if name)


def _sound(path: Path) -> Sound | None:
    with av.open(f"file:{path}") as container:
        if not container.streams.audio:
            return None
        stream = container.streams.audio[0]
        packets = [packet for packet in container.demux(stream) if packet.size]
        ticks = sum(packet.duration or 0 for packet in packets)
        context = stream.codec_context
        return Sound(
            codec=context.codec.canonical_name,
            rate=context.sample_rate,
            seconds=ticks * (stream.time_base or Fraction(0)),
            packets=tuple(bytes(packet) for packet in packets),
        )


def _said(done: Finished, path: Path) -> tuple[str, ...]:
    """Lines of standard error without what differs from place to place."""
    lines = done.err.replace(str(path), path.name).splitlines()
    return tuple(_WORDS_OF_FFMPEG.sub(": … ", line.removeprefix("roadstream: ")) for line in lines)


def _from_zero(times: tuple[Fraction, ...]) -> list[Fraction]:
    return [moment - times[0] for moment in times]


def main(folder: Path, target: Path) -> None:
    """Write the page about ``folder``."""
    with tempfile.TemporaryDirectory() as scratch:
        target.write_text(page(run_on_all(folder, Path(scratch))), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
