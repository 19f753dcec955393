"""``--show`` as a person uses it: a window on a real X server, keys, and everything that may go wrong around it."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import av
import psutil  # type: ignore[import-untyped,unused-ignore]
import pytest

from roadstream import stream
from run_stream import main
from tests.support.clips import write_clip
from tests.support.events import events_of
from tests.support.networks import mask_network
from tests.support.program import command, run_stream
from tests.support.screen import Screen, screen
from tests.support.waiting import until


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> list[str | Path]:
    """A clip that goes round and round, and a small network."""
    folder = tmp_path_factory.mktemp("job")
    clip, network = write_clip(folder / "clip.mp4", 40), mask_network(folder / "mask.onnx")
    return [clip, "--engine", network, "--loop"]


@contextmanager
def running(display: Screen, folder: Path, *words: str | Path) -> Iterator[subprocess.Popen[str]]:
    """The program with its window on the screen and a first picture in it."""
    with subprocess.Popen(
        command(*words, "--show"), cwd=folder, env=display.environment, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            until(lambda: "RoadStream" in display.title() or process.poll() is not None, "a window")
            until(lambda: "loading" not in display.title() or process.poll() is not None, "a picture")
            yield process
        finally:
            process.kill()


def ended(process: subprocess.Popen[str], display: Screen) -> tuple[int, str]:
    """Exit code and what was said; no window is left."""
    _, said = process.communicate(timeout=120)
    until(lambda: display.window() is None, "no window is left")
    assert "Traceback" not in said, said
    return process.returncode, said


def frames(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def children(process: subprocess.Popen[str]) -> list[psutil.Process]:
    found: list[psutil.Process] = psutil.Process(process.pid).children()
    assert len(found) == 1
    return found


def test_q_finishes_what_is_recorded(display: Screen, job: list[str | Path], tmp_path: Path) -> None:
    out, events = tmp_path / "out.mp4", tmp_path / "out.jsonl"
    with running(display, tmp_path, *job, "--save", out, "--events", events) as process:
        display.press("q")
        code, said = ended(process, display)
    assert code == 0
    assert f"written     {out}" in said
    lines = events_of(events)
    assert [line["index"] for line in lines] == list(range(len(lines)))
    assert frames(out) == len(lines) > 0
    assert {path.name for path in tmp_path.iterdir()} == {"out.mp4", "out.jsonl"}


def test_alone_it_shows_all_and_prints_the_summary(display: Screen, job: list[str | Path], tmp_path: Path) -> None:
    clip, option, network, _ = job
    done = run_stream(clip, option, network, "--show", environment=display.environment)
    assert (done.code, done.out) == (0, "")
    assert "frames      40 read, 40 through the networks, 40 written" in done.err
    assert display.window() is None


def test_ctrl_c_ends_run_and_window(display: Screen, job: list[str | Path], tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    with running(display, tmp_path, *job, "--save", out) as process:
        display.press("space")
        until(lambda: "paused" in display.title(), "a pause")
        process.send_signal(signal.SIGINT)  # also out of a pause
        code, said = ended(process, display)
    assert code == 130
    assert "interrupted; outputs are finished" in said
    assert frames(out) > 0


def test_a_run_that_is_killed_takes_its_window_along(display: Screen, job: list[str | Path], tmp_path: Path) -> None:
    memory = Path("/dev/shm")
    before = set(memory.iterdir()) if memory.is_dir() else set()
    with running(display, tmp_path, *job) as process:
        (window,) = children(process)
        process.kill()
        ended(process, display)
        psutil.wait_procs([window], timeout=60)
        assert not window.is_running() or window.status() == psutil.STATUS_ZOMBIE  # of whoever adopts orphans here
    made = (set(memory.iterdir()) if memory.is_dir() else set()) - before
    until(lambda: not any(file.exists() for file in made), "no shared memory is left; others take theirs away")


def goes_on_recording(process: subprocess.Popen[str], out: Path) -> None:
    """It says that the window is gone, the recording grows, and Ctrl-C finishes it as ever."""
    assert process.stderr is not None
    said = next((line for line in process.stderr if "window has gone" in line), "")
    assert said.rstrip().endswith("the run goes on without it")
    part = out.with_suffix(".part.mp4")
    size = part.stat().st_size
    until(lambda: part.stat().st_size > size, "more is recorded")
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130, said
    assert frames(out) > 0


def test_a_window_that_is_killed_leaves_the_recording_alone(
    display: Screen, job: list[str | Path], tmp_path: Path
) -> None:
    out = tmp_path / "out.mp4"
    with running(display, tmp_path, *job, "--save", out) as process:
        children(process)[0].kill()
        goes_on_recording(process, out)


def test_an_x_server_that_dies_leaves_the_recording_alone(job: list[str | Path], tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    with screen(tmp_path) as own, running(own, tmp_path, *job, "--save", out) as process:
        own.process.kill()
        goes_on_recording(process, out)


def test_a_failing_run_closes_its_window(display: Screen, tmp_path: Path) -> None:
    clip, network = write_clip(tmp_path / "clip.mp4", 40), mask_network(tmp_path / "mask.onnx")
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size * 2 // 3])
    done = run_stream(clip, "--engine", network, "--strict", "--show", environment=display.environment)
    assert done.code == 3
    assert display.window() is None


def test_space_holds_a_run_in_python_up_and_loses_nothing(
    display: Screen, job: list[str | Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setenv("DISPLAY", display.name)
    seen: list[int] = []
    errors: list[BaseException] = []
    run = stream(str(job[0]), engines=[str(job[2])], loop=True, show=True)

    def look() -> None:
        try:
            seen.extend(result.frame.index for result in run)
        except BaseException as error:  # noqa: BLE001  # a thread's outermost frame
            errors.append(error)

    caller = threading.Thread(target=look)
    caller.start()
    until(lambda: len(seen) > 20 and "loading" not in display.title(), "frames, and a window")
    display.press("space")
    until(lambda: "paused" in display.title(), "a pause")
    standing = -1
    while len(seen) != standing:  # what is on its way to the caller
        standing = len(seen)
        time.sleep(1)
    before = run.progress()
    time.sleep(1.5)  # hundreds of frames
    assert len(seen) == standing
    after = run.progress()
    assert before is not None
    assert after is not None
    assert (after.finished, after.seconds) == (before.finished, before.seconds)  # so the time left stays true
    display.press("space")
    until(lambda: len(seen) > standing + 50, "frames again")
    display.press("q")
    caller.join(60)
    assert not caller.is_alive()
    assert errors == []
    assert seen == list(range(len(seen)))


def test_a_line_stands_beside_the_progress_line(display: Screen, job: list[str | Path], tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    words = command(*job, "--show")
    with subprocess.Popen(words, cwd=tmp_path, env=display.environment, stderr=theirs) as process:
        os.close(theirs)
        said = bytearray()
        reader = threading.Thread(target=_read_all, args=(ours, said))
        reader.start()
        try:
            until(lambda: "RoadStream" in display.title() and b"FPS" in said, "a window, and progress")
            until(lambda: "loading" not in display.title(), "a picture")
            display.press("s")
            until(lambda: b".png" in said, "a saved picture")
            display.press("q")
            assert process.wait(60) == 0
        finally:
            process.kill()
            reader.join(60)
            os.close(ours)
    (line,) = [line for line in _on_terminal(said.decode()) if "saved" in line]
    (file,) = tmp_path.glob("clip-*.png")
    assert line == f"roadstream: saved {file}"


def _read_all(descriptor: int, into: bytearray) -> None:
    with suppress(OSError):  # the other side is gone
        while data := os.read(descriptor, 4096):
            into.extend(data)


def _on_terminal(text: str) -> list[str]:
    """The lines that stand on a terminal in the end: a carriage return goes to the line's beginning."""
    lines = []
    for line in text.split("\n"):
        cells: list[str] = []
        for part in line.split("\r"):
            cells[: len(part)] = part
        lines.append("".join(cells).rstrip())
    return lines


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({}, "no window without a display: neither DISPLAY nor WAYLAND_DISPLAY is set"),
        ({"DISPLAY": ":4093"}, "no window comes up on DISPLAY=:4093"),
        ({"WAYLAND_DISPLAY": "nobody"}, "no window comes up on WAYLAND_DISPLAY=nobody"),
    ],
)
def test_without_a_display_one_line_says_so(
    display: Screen, job: list[str | Path], tmp_path: Path, environment: dict[str, str], said: str
) -> None:
    bare = {key: value for key, value in display.environment.items() if key != "DISPLAY"}
    done = run_stream(*job, "--quiet", "--show", "--save", tmp_path / "out.mp4", environment=bare | environment)
    assert done.code == 5
    assert done.err.count("\n") == 1
    assert said in done.err
    assert "log in at the screen" in done.err
    assert list(tmp_path.iterdir()) == []


def test_without_the_library_one_line_names_the_extra(display: Screen, job: list[str | Path], tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'pygame':\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Absent())\n"
    )
    words: list[str | Path] = [*job, "--quiet", "--show"]
    done = run_stream(*words, environment=display.environment | {"PYTHONPATH": str(tmp_path)})
    assert done.code == 2
    assert done.err.startswith("roadstream: show: the package 'pygame-ce' is not installed → pip install")
    assert done.err.count("\n") == 1


def test_a_dry_run_needs_no_display(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert main(["synthetic:city", "--show", "--dry-run"]) == 0
    assert "draw → window" in capsys.readouterr().err
