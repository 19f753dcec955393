"""The process of a run's window: shows pictures, hears keys. The only file that imports pygame (SDL).

It ends when the run closes its standard input or dies, and says on standard output what the person wants.
"""

from __future__ import annotations

import io
import os
import sys
import threading
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from contracts.fit import inside
from contracts.picture import Picture, Pixels
from contracts.text import clock
from outputs.paths import reason
from outputs.window_wire import MappedPictures, Shown, Word

_SCREEN_SHARE = 0.9  # of the screen for the picture at most: the rest is for bars and borders
_LEAST_SIDE = 320  # pixels of a window's longer side: smaller ones can be neither read nor caught
_MOST_FPS = 60  # pictures a second: screens show no more, and a fast run needs the CPU itself
_TURN_MS = 500  # of the loop, when nothing happens
_LINES, _LEAST_LETTERS = 12, 20  # of words over the picture: so many lines would fill it; pixels
_BAND = 190  # how dark they lie, of 255
_SAVING_S = 2.5  # for a picture that is being saved when the run ends, which waits a little longer for this process
_SETTINGS = {
    "PYGAME_HIDE_SUPPORT_PROMPT": "1",
    "SDL_NO_SIGNAL_HANDLERS": "1",  # or SIGTERM would be somebody's wish to quit
    "SDL_VIDEO_ALLOW_SCREENSAVER": "1",
    "SDL_VIDEO_X11_NET_WM_BYPASS_COMPOSITOR": "0",
    "SDL_VIDEO_X11_WMCLASS": "roadstream",
    "SDL_VIDEO_WAYLAND_WMCLASS": "roadstream",
}


def main(descriptor: str, width: str, height: str, title: str, live: str) -> int:
    """Show what comes, until nothing comes any more. Everything is told on standard output, nothing printed.

    live: "live" where a picture that stands still says so.
    """
    told = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints is no word of ours

    def say(word: Word) -> None:
        try:
            os.write(told, word.line())  # short, so in one piece from any thread
        except OSError:
            os._exit(0)  # the run is gone

    try:
        pygame = open_display()
        size = (int(width), int(height))
        window = Window(pygame, MappedPictures(int(descriptor)), size, title, say, live=live == "live")
    except (ImportError, RuntimeError) as fault:  # pygame.error is a RuntimeError
        say(Word("failed", " ".join(str(fault).split())[:300]))
        return 1
    threading.Thread(target=_receive, args=(window,), name="pictures", daemon=True).start()
    say(Word("ready"))
    window.run()
    pygame.display.quit()
    os._exit(0)  # an orderly end would trip over the thread that still reads


def open_display() -> Any:
    """The library, with the display open. Raises ImportError, and RuntimeError where the display cannot be used."""
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    if sys.platform.startswith("linux"):  # where neither answers, SDL would take a driver that shows nothing
        os.environ.setdefault("SDL_VIDEODRIVER", "x11,wayland")
    import pygame

    pygame.display.init()
    return pygame


def _receive(window: Window) -> None:
    """Pictures from the run; at their end the process ends, whatever the display makes its main thread wait for."""
    for line in sys.stdin.buffer:
        window.offer(Shown.of(line))
    window.saving.acquire(timeout=_SAVING_S)
    os._exit(0)


def first_size(picture: tuple[int, int], screen: tuple[int, int]) -> tuple[int, int]:
    """Of the window: the picture's own, if the screen has room for it and it is not tiny."""
    room = (int(screen[0] * _SCREEN_SHARE), int(screen[1] * _SCREEN_SHARE))
    if picture[0] > room[0] or picture[1] > room[1]:
        return inside(picture, room)
    if max(picture) < _LEAST_SIDE:
        return inside(picture, (min(_LEAST_SIDE, room[0]), min(_LEAST_SIDE, room[1])))
    return picture


class Window:
    """The window itself; all but ``offer`` belongs to the main thread."""

    def __init__(
        self, pygame: Any, pictures: MappedPictures, size: tuple[int, int], title: str, say: Any, *, live: bool = False
    ) -> None:
        self._pygame, self._pictures, self._say = pygame, pictures, say
        self._folder = Path.cwd()
        self._title = f"{title.encode(errors='replace').decode()} - RoadStream"  # names of files may be no text
        self._beat = pygame.time.Clock()
        self._paused = False
        self._live, self._came_s, self._silent_s = live, time.monotonic(), 0
        if live:
            pygame.font.init()
        self._lock = threading.Lock()
        self._next: Shown | None = None
        self._shown: Shown | None = None
        self.saving = threading.Lock()
        """Held while a file is written."""
        self._news = pygame.event.custom_type()
        pygame.display.set_caption(f"{self._title} (loading)")
        pygame.display.set_mode(first_size(size, pygame.display.get_desktop_sizes()[0]), pygame.RESIZABLE)
        pygame.display.flip()

    def offer(self, shown: Shown) -> None:
        """A new picture; one that waits for its turn makes place for it. From any thread."""
        self._came_s = time.monotonic()
        with self._lock:
            passed, self._next = self._next, shown
        if passed is not None:
            self._say(Word("free", offset=passed.offset))
        if not self._paused:
            self._pygame.event.post(self._pygame.event.Event(self._news))

    def run(self) -> None:
        """Hear keys and show pictures until somebody wants the end."""
        while True:
            for event in self._events():
                if not self._heard(event):
                    self._say(Word("quit"))
                    return
            if not self._paused:
                self._turn()
                self._look_at_the_clock()

    def _events(self) -> Iterator[Any]:
        yield self._pygame.event.wait(_TURN_MS)
        yield from self._pygame.event.get()

    def _heard(self, event: Any) -> bool:
        """Do what an event asks; False: to end."""
        names = self._pygame
        if event.type == names.QUIT or (event.type == names.KEYDOWN and event.key in (names.K_q, names.K_ESCAPE)):
            return False
        if event.type == names.KEYDOWN and event.key == names.K_SPACE:
            self._paused = not self._paused
            self._say(Word("paused" if self._paused else "going"))
            self._caption()
        elif event.type == names.KEYDOWN and event.key == names.K_s:
            self._save()
        elif event.type in (names.WINDOWSIZECHANGED, names.WINDOWEXPOSED):
            self._draw()
        return True

    def _caption(self) -> None:
        self._pygame.display.set_caption(self._title + (" (paused)" if self._paused else ""))

    def _turn(self) -> None:
        """Show the picture that waits, if one does."""
        with self._lock:
            newer, self._next = self._next, None
        if newer is None:
            return
        older, self._shown, self._silent_s = self._shown, newer, 0
        self._draw()
        if older is None:
            self._caption()
        else:
            self._say(Word("free", offset=older.offset))
        self._beat.tick(_MOST_FPS)

    def _look_at_the_clock(self) -> None:
        """A live picture does not pretend to be one when nothing new has come for more than a second."""
        silent_s = int(time.monotonic() - self._came_s) if self._live and self._shown is not None else 0
        if silent_s != self._silent_s:
            self._silent_s = silent_s
            self._draw()

    def _draw(self) -> None:
        """What is shown, as large as the window allows, in its middle."""
        surface = self._pygame.display.get_surface()
        surface.fill((0, 0, 0))
        if self._shown is not None:
            size = inside(self._shown.seen, surface.get_size())
            pixels = _scaled(self._cut(self._shown), size)
            left, top = (surface.get_width() - size[0]) // 2, (surface.get_height() - size[1]) // 2
            surface.blit(self._pygame.image.frombuffer(pixels.data, size, "BGR"), (left, top))
        if self._silent_s:
            self._write(surface, f"no picture for {clock(self._silent_s)}")
        self._pygame.display.flip()

    def _write(self, surface: Any, text: str) -> None:
        """Words on a dark band across the middle."""
        font = self._pygame.font.Font(None, max(surface.get_height() // _LINES, _LEAST_LETTERS))
        words = font.render(text, True, (255, 255, 255))  # antialiased
        band = self._pygame.Surface((surface.get_width(), 2 * words.get_height()))
        band.set_alpha(_BAND)
        top = (surface.get_height() - band.get_height()) // 2
        surface.blit(band, (0, top))
        surface.blit(words, ((surface.get_width() - words.get_width()) // 2, top + words.get_height() // 2))

    def _cut(self, shown: Shown) -> Picture:
        """The part of a picture that is the frame: drawing makes odd sides even."""
        picture = self._pictures.picture(shown)
        width, height = (min(side) for side in zip(shown.seen, (picture.width, picture.height), strict=True))
        halves = (slice((height + 1) // 2), slice((width + 1) // 2))
        planes = (picture.planes[0][:height, :width], *(plane[halves] for plane in picture.planes[1:]))
        return Picture(picture.format, planes, picture.matrix, picture.full_range)

    def _save(self) -> None:
        """What is shown as a PNG of the frame's own size, under a name that is free."""
        if self._shown is None:
            return
        width, height = self._shown.seen
        pixels = np.ascontiguousarray(self._pictures.picture(self._shown).bgr()[:height, :width])
        file = io.BytesIO()
        surface = self._pygame.image.frombuffer(pixels.data, (pixels.shape[1], pixels.shape[0]), "BGR")
        self._pygame.image.save(surface, file, "picture.png")
        try:
            with self.saving:
                self._say(Word("saved", str(_written(self._folder, self._shown.name, file.getvalue()))))
        except OSError as fault:
            self._say(Word("unsaved", f"{self._folder}: {reason(fault)}"))


def _written(folder: Path, name: str, data: bytes) -> Path:
    """A new file: ``name.png``, else ``name-2.png`` …; whole or not at all. Raises OSError."""
    for number in count(1):
        path = folder / (f"{name}.png" if number == 1 else f"{name}-{number}.png")
        try:
            file = path.open("xb")
        except FileExistsError:
            continue
        try:
            with file:
                file.write(data)
        except OSError:
            path.unlink(missing_ok=True)
            raise
        return path
    raise AssertionError("count ends never")


def _scaled(picture: Picture, size: tuple[int, int]) -> Pixels:
    """BGR of another size, in one step (swscale); a few pixels that fill a window stay squares."""
    factor = size[0] / picture.width
    way = "AREA" if factor <= 1 else "BICUBIC" if factor < 4 else "POINT"
    frame = picture.av_frame().reformat(*size, format="bgr24", interpolation=way)
    return np.ascontiguousarray(frame.to_ndarray())
