"""A grid of several sources: in step by their own time, or by arrival where one is live; never old pictures as new."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from contracts.errors import SourceError
from contracts.picture import Picture
from contracts.protocols import Source
from pipeline import grid
from roadstream import OutputError, Stream, stream
from tests.support.networks import box_network
from tests.support.sources import ListedSource, fake
from tests.support.waiting import until

pytestmark = pytest.mark.usefixtures("no_thread_is_left")

_LONG_S = 60.0  # for a busy machine
SIZE = (160, 120)
GROUND = 24


@pytest.fixture
def options(tmp_path: Path) -> dict[str, Any]:
    """A grid in a video, nothing drawn on the pictures, hardly any loss."""
    network = box_network(tmp_path / "boxes.onnx")
    return {"engines": [network], "save": tmp_path / "out.mp4", "grid": True, "layers": [], "crf": 5}


def looked_at(video: Path, columns: int) -> list[tuple[float, list[int]]]:
    """Time and luma of every cell (of one row), frame by frame."""
    found = []
    with av.open(str(video)) as container:
        for frame in container.decode(video=0):
            rows: NDArray[Any] = frame.to_ndarray()[: SIZE[1]]  # I420: its first rows are Y
            cells = np.split(rows[:, : columns * SIZE[0]], columns, axis=1)
            assert frame.time is not None
            found.append((frame.time, [round(float(cell[4:24, 4:30].mean())) for cell in cells]))
    return found


def grey(level: int) -> Picture:
    return Picture.from_bgr(np.full((SIZE[1], SIZE[0], 3), level, np.uint8))


def luma(level: int) -> int:
    """Of a grey, limited range."""
    return round(16 + level * 219 / 255)


def luma_of(index: int) -> int:
    """Of a picture of ``ListedSource``."""
    return luma(index * 5 % 256)


class Company(ListedSource):
    """A live source that gives so many more pictures when another one is over."""

    def __init__(self, name: str, other: ListedSource, more: int, *, pause_s: float, rate: int) -> None:
        super().__init__(name, 100_000, live=True, pause_s=pause_s, rate=rate)
        self._other, self._more = other, more

    def frames(self) -> Iterator[Any]:
        more = self._more
        for frame in super().frames():
            more -= self._other.closed.is_set()
            if more < 0:
                return
            yield frame


def run_through(run: Stream) -> None:
    for _ in run:
        pass


def test_recorded_sources_keep_step_by_their_own_time(
    tmp_path: Path, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One has half the frames per second, and is slow to come; one ends earlier."""
    fake(
        monkeypatch,
        fast=lambda: ListedSource("fast", 20, rate=10),
        half=lambda: ListedSource("half", 10, rate=5, pause_s=0.03),
        short=lambda: ListedSource("short", 8, rate=10),
    )
    run = stream("fake:fast", "fake:half", "fake:short", **options)
    run_through(run)
    seen = looked_at(tmp_path / "out.mp4", 2)
    assert [time for time, _ in seen] == pytest.approx([index / 10 for index in range(20)], abs=0.002)
    for index, (_, (fast, half)) in enumerate(seen):
        assert fast == pytest.approx(luma_of(index), abs=3)
        assert half == pytest.approx(luma_of(index // 2), abs=3)
    frames = run.statistics()
    assert frames["frames"]["written"] == 38
    assert frames["outputs"]["encode"] == {"written": 20, "dropped": 0}
    assert not list(tmp_path.glob("out-*"))


def test_what_has_ended_is_dimmed_and_what_never_came_is_dark(
    tmp_path: Path, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def dead() -> Source:
        raise SourceError("nobody is there", "switch it on")

    fake(
        monkeypatch,
        long=lambda: ListedSource("long", 40, rate=10),
        short=lambda: ListedSource("short", 30, rate=10),
        dead=dead,
        broken=lambda: ListedSource("broken", 40, rate=10, fail_at=35),
    )
    run = stream("fake:short", "fake:dead", "fake:broken", "fake:long", **options, output_size="640x120")
    run_through(run)
    assert set(run.failures) == {"dead", "broken"}
    seen = [cells for _, cells in looked_at(tmp_path / "out.mp4", 4)]
    assert len(seen) == 40
    for index, (short, nobody, broken, long) in enumerate(seen):
        assert nobody == GROUND
        assert long == pytest.approx(luma_of(index), abs=3)
        for cell, count in ((short, 30), (broken, 35)):
            expected = luma_of(index) if index < count else GROUND * 0.65 + luma_of(count - 1) * 0.35
            assert cell == pytest.approx(expected, abs=4), (index, count)


def test_nobody_waits_for_a_recorded_source_that_hangs(
    tmp_path: Path, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grid, "_PATIENCE_NS", 300_000_000)
    hang = threading.Event()

    def hanging() -> Source:
        assert hang.wait(_LONG_S)
        return ListedSource("late", 5, rate=10)

    class Stuck(ListedSource):
        def frames(self) -> Iterator[Any]:
            for index, frame in enumerate(super().frames()):
                if index == 6:
                    assert hang.wait(_LONG_S)
                yield frame

    fake(
        monkeypatch,
        good=lambda: ListedSource("good", 30, rate=10),
        late=hanging,
        stuck=lambda: Stuck("stuck", 8, rate=10),
    )
    count = 0
    for result in stream("fake:good", "fake:late", "fake:stuck", **options, output_size="480x120"):
        count += result.frame.source.id == "good"
        if count == 25:
            hang.set()
    seen = [cells for _, cells in looked_at(tmp_path / "out.mp4", 3)]
    assert [good for good, _, _ in seen[:30]] == pytest.approx([luma_of(index) for index in range(30)], abs=3)
    assert [late for _, late, _ in seen[:10]] == [GROUND] * 10
    assert max(late for _, late, _ in seen) == pytest.approx(luma_of(4), abs=3)
    assert seen[-1][2] == pytest.approx(GROUND * 0.65 + luma_of(7) * 0.35, abs=3), "its time was over when it came"


def test_live_sources_show_their_latest_at_most_as_often_as_the_fastest(
    tmp_path: Path, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = ListedSource("slow", 10, live=True, pause_s=0.1, rate=10, picture=lambda index: grey(100 + 12 * index))
    fake(monkeypatch, fast=lambda: Company("fast", slow, 60, pause_s=0.005, rate=20), slow=lambda: slow)
    run_through(stream("live:fast", "live:slow", **options))
    seen = looked_at(tmp_path / "out.mp4", 2)
    gaps = [after - before for (before, _), (after, _) in itertools.pairwise(seen)]
    assert min(gaps) >= 0.95 / 20 - 0.003
    cells = [round((cell - luma(100)) / (12 * 219 / 255), 0) for _, (_, cell) in seen]  # which picture it is
    there = [place for place, cell in enumerate(cells) if cell >= 0]
    assert len(set(cells)) >= 4
    shown = cells[there[0] : there[-1] + 1]
    assert shown == sorted(shown), "each after the one before"
    assert {cell for _, (_, cell) in seen[: there[0]]} <= {GROUND}
    assert seen[-1][1][1] == pytest.approx(GROUND * 0.65 + luma(208) * 0.35, abs=4), "at last dimmed"


def test_a_source_that_turns_out_to_be_live_frees_those_that_waited_for_it(
    tmp_path: Path, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recorded one has more pictures waiting than there is room for when the live one opens."""
    film = ListedSource("film", 30)

    def slow() -> Source:
        until(lambda: film.given > 6, "its pictures wait")
        return ListedSource("slow", 10, live=True, pause_s=0.02)

    fake(monkeypatch, film=lambda: film, slow=slow)
    counts = {"film": 0, "slow": 0}
    for result in stream("fake:film", "fake:slow", **options):
        counts[result.frame.source.id] += 1
    assert counts["film"] == 30
    assert counts["slow"] > 0
    assert looked_at(tmp_path / "out.mp4", 2)[-1][1][0] == pytest.approx(GROUND * 0.65 + luma_of(29) * 0.35, abs=4)


def test_a_live_source_that_is_lost_is_never_shown_as_if_it_were_there(
    tmp_path: Path, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = ListedSource("lost", 50, live=True, pause_s=0.01, rate=10, fail_at=30)
    fake(monkeypatch, going=lambda: Company("going", lost, 130, pause_s=0.01, rate=10), lost=lambda: lost)
    run_through(stream("live:going", "live:lost", **options))
    seen = [cells[1] for _, cells in looked_at(tmp_path / "out.mp4", 2)]
    last = luma_of(29)
    dimmed = round(GROUND * 0.65 + last * 0.35)
    assert seen[-1] == pytest.approx(dimmed, abs=4)
    assert seen[-10:] == pytest.approx([dimmed] * 10, abs=4)


def test_a_live_source_that_says_nothing_is_dimmed_too(
    tmp_path: Path, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grid, "_OLD_NS", 300_000_000)
    over = threading.Event()
    silent: list[str] = []

    class Silent(ListedSource):
        def frames(self) -> Iterator[Any]:
            for index, frame in enumerate(super().frames()):
                if index == 30:
                    silent.append(self.info.id)
                    over.wait(_LONG_S)
                    return
                yield frame

        def close(self) -> None:
            over.set()
            super().close()

    fake(monkeypatch, a=lambda: Silent("a", 50, live=True, pause_s=0.01), b=lambda: Silent("b", 50, live=True))
    run = stream("live:a", "live:b", **options)

    def stop() -> None:
        until(lambda: len(silent) == 2, "both are silent")
        time.sleep(2)  # they are dimmed after 0.3 s
        run.stop()

    stopping = threading.Thread(target=stop)
    stopping.start()
    run_through(run)
    stopping.join()
    seen = [cells for _, cells in looked_at(tmp_path / "out.mp4", 2)]
    assert seen[-1] == pytest.approx([round(GROUND * 0.65 + luma_of(29) * 0.35)] * 2, abs=4)


def test_recorded_beside_live_goes_at_its_own_speed(
    tmp_path: Path, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    film = ListedSource("film", 15, rate=10)
    fake(monkeypatch, film=lambda: film, camera=lambda: ListedSource("camera", 30, live=True, pause_s=0.05, rate=20))
    started = time.monotonic()
    run_through(stream("fake:film", "live:camera", **options))
    assert time.monotonic() - started >= 1.3
    assert film.given == 15


def test_a_grid_that_cannot_be_written_ends_the_run(
    tmp_path: Path, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from outputs import mp4

    def full(self: object, result: object) -> None:
        raise OutputError("disk full", "make room")

    monkeypatch.setattr(mp4.Mp4Output, "write", full)
    fake(monkeypatch, a=lambda: ListedSource("a", 10_000), b=lambda: ListedSource("b", 10_000))
    with pytest.raises(OutputError, match="disk full"):
        run_through(stream("fake:a", "fake:b", **options))


def test_leaving_the_loop_finishes_the_grid(
    tmp_path: Path, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake(monkeypatch, a=lambda: ListedSource("a", 10_000), b=lambda: ListedSource("b", 10_000))
    for result in stream("fake:a", "fake:b", **options):
        if result.frame.index == 40:
            break
    seen = looked_at(tmp_path / "out.mp4", 2)
    assert len(seen) >= 30
    assert not list(tmp_path.glob("*.part*"))


def test_files_of_each_beside_the_grid(
    tmp_path: Path, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pictures of their own are of the source's size, whatever the grid's is."""
    import cv2

    fake(monkeypatch, a=lambda: ListedSource("a", 3), b=lambda: ListedSource("b", 3))
    run_through(stream("fake:a", "fake:b", **options, pictures=tmp_path / "p", output_size="320x120"))
    shown = cv2.imread(str(tmp_path / "p" / "a" / "a-000002.jpg"))
    assert shown is not None
    assert shown.shape == (120, 160, 3)
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (320, 120)


@pytest.mark.parametrize(
    ("sizes", "typical"),
    [
        ([(320, 240)], (320, 240)),
        ([(320, 360), (640, 360), (1280, 720)], (1280, 720)),
        ([(720, 1280), (1280, 720)], (720, 1280)),
        ([(1280, 720), (640, 480), (320, 240), (160, 120)], (640, 480)),
    ],
)
def test_cells_have_the_shape_of_most_sources(sizes: list[tuple[int, int]], typical: tuple[int, int]) -> None:
    assert grid._typical(sizes) == typical
