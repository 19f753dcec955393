"""--report of real runs: the figures are those of --stats and of the events, however the run ends."""

from __future__ import annotations

import json
import logging
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from commands.options import run_options
from commands.progress import summary_text
from commands.run import parser
from contracts.errors import OutputError, UsageError
from roadstream import Stream, stream
from tests.support.clips import write_clip
from tests.support.events import events_of
from tests.support.fakes import ListOutput
from tests.support.networks import box_network, mask_network
from tests.support.pages import Page, read_page
from tests.support.program import ROOT, command, run_stream


def page_of(path: Path) -> Page:
    return read_page(path.read_text(encoding="utf-8"))


def words_of(path: Path) -> str:
    return " ".join(page_of(path).words.split())


class Deaf(ListOutput):
    """Takes what comes."""

    def write(self, result: object) -> None:
        pass


@pytest.fixture
def place(tmp_path: Path) -> dict[str, Any]:
    """What every run here starts with: a clip, two networks, where the report goes."""
    engines = [mask_network(tmp_path / "mask.onnx"), box_network(tmp_path / "boxes.onnx")]
    clip = write_clip(tmp_path / "clip.mp4", 60)
    return {"sources": [str(clip)], "engines": engines, "report": tmp_path / "run.html"}


def test_its_figures_are_those_of_the_statistics(tmp_path: Path, place: dict[str, Any]) -> None:
    stats = tmp_path / "run.json"
    list(stream(**place, stats=stats, save=tmp_path / "out.mp4", events=tmp_path / "out.jsonl"))
    data, words = json.loads(stats.read_text(encoding="utf-8")), words_of(tmp_path / "run.html")
    assert f"throughput {data['throughput_fps']:.1f} FPS in" in words
    assert f"own CPU {data['own_cpu_ms']:.1f} ms" in words
    assert f"memory {data['peak_rss_mb']:,} MiB" in words
    assert "60 read, 60 through the networks, 60 written, 0 dropped, 0 lost, 0 reconnects" in words
    assert set(data["stages"]) == {"decode", "prepare", "infer", "heads", "draw", "encode", "events", "report"}
    for name, stage in data["stages"].items():
        shown = re.search(rf"{name} p50 ([\d.,]+) · p95 ([\d.,]+) · CPU ([\d.,]+)", words)
        assert shown is not None, name
        for text, key in zip(shown.groups(), ("p50_ms", "p95_ms", "cpu_ms"), strict=True):
            assert float(text.replace(",", "")) == pytest.approx(
                stage[key], abs=0.0501 if stage[key] >= 1 else 0.00501, rel=5e-3
            )
    shown = re.search(r"latency p50 ([\d.,]+) ms p95 ([\d.,]+) ms · p99 ([\d.,]+) ms", words)
    assert shown is not None
    for text, key in zip(shown.groups(), ("p50", "p95", "p99"), strict=True):
        assert float(text.replace(",", "")) == pytest.approx(data["latency_ms"][key], abs=0.0501, rel=5e-3)
    for engine in data["engines"]:
        facts = (engine["name"], engine["backend"], engine["device"], engine["precision"], engine["file"])
        assert f"{' '.join(facts)} {engine['sha256'][:12]} 60" in words


def test_its_words_are_those_of_the_summary(tmp_path: Path, place: dict[str, Any]) -> None:
    run = stream(**place)
    list(run)
    summary, words = summary_text(run.statistics()), words_of(tmp_path / "run.html")
    counts = re.search(r"frames +(.*)", summary)
    throughput = re.search(r"throughput +([\d.]+ FPS in [^·]+)", summary)
    assert counts is not None
    assert throughput is not None
    assert counts[1] in words
    assert throughput[1].strip() in words


def test_its_counts_are_those_of_the_events(tmp_path: Path, place: dict[str, Any]) -> None:
    events = tmp_path / "out.jsonl"
    list(stream(**place, events=events))
    records = events_of(events)
    classes = Counter(one["class"] for record in records for one in record["detections"])
    words = words_of(tmp_path / "run.html")
    assert classes == {"car": 60, "bus": 60}
    for name, count in classes.items():
        assert f"{name} {count} 60 100 % 1 " in words
    shares = [record["masks"]["drivable"]["share"] for record in records]
    shown = re.search(r"drivable ([\d.]+) % ([\d.]+) %", words)
    assert shown is not None
    assert float(shown[1]) == pytest.approx(100 * sum(shares) / 60, abs=0.06)
    assert float(shown[2]) == pytest.approx(100 * max(shares), abs=0.06)


def test_a_run_that_fails_is_reported_too(tmp_path: Path, place: dict[str, Any]) -> None:
    broken = Deaf("broken", fail_at=4)

    def write(result: Any) -> None:
        if result.frame.index == 4:
            raise OutputError("the disk is <full>", "make room")

    broken.write = write  # type: ignore[method-assign]
    with pytest.raises(OutputError, match="full"):
        list(stream(**place, outputs=[broken]))
    words = words_of(tmp_path / "run.html")
    assert "ended by an error: the disk is <full> → make room" in words
    assert "Most eventful frames" in words
    assert not list(tmp_path.glob("*.part*"))


def test_a_run_that_is_left_early_says_so(tmp_path: Path, place: dict[str, Any]) -> None:
    for result in stream(**place):
        if result.frame.index == 9:
            break
    words = words_of(tmp_path / "run.html")
    assert "stopped before the end of its source; the figures are those of the frames until then" in words


@pytest.mark.usefixtures("heard_interrupts")
def test_ctrl_c_is_reported(tmp_path: Path, place: dict[str, Any]) -> None:
    class Interrupting(Deaf):
        def write(self, result: Any) -> None:
            if result.frame.index == 5:
                import _thread

                _thread.interrupt_main()

    run = stream(**place, realtime=True, outputs=[Interrupting("pressing")])
    with pytest.raises(KeyboardInterrupt):
        list(run)
    assert "interrupted; the figures are those of the frames until then" in words_of(tmp_path / "run.html")


def test_ctrl_c_on_the_command_line_is_reported(tmp_path: Path, place: dict[str, Any]) -> None:
    clip, events = write_clip(tmp_path / "long.mp4", 1500), tmp_path / "out.jsonl"
    words = command(
        clip, "--engine", place["engines"][0], "--realtime", "--events", events, "--report", place["report"]
    )
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        part = tmp_path / "out.part.jsonl"
        while not (part.exists() and part.stat().st_size):
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"written     {place['report']}" in told
    assert "interrupted; the figures are those of the frames until then" in words_of(place["report"])


def test_a_failure_before_the_first_frame_leaves_nothing(tmp_path: Path, place: dict[str, Any]) -> None:
    class Refusing(Deaf):
        def open(self, sources: object) -> None:
            raise OutputError("no", "yes")

    with pytest.raises(OutputError):
        list(stream(**place, outputs=[Refusing("refusing")]))
    assert not list(tmp_path.glob("run*"))


def test_warnings_of_the_run_are_in_it_and_on_the_screen_as_ever(
    tmp_path: Path, place: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    class Grumbling(Deaf):
        def write(self, result: Any) -> None:
            log = logging.getLogger("outputs.grumbling")
            log.warning("frame %s: <odd>", "x" if result.frame.index else 0)
            log.warning("saved what was asked for", extra={"asked": True})

    list(stream(**place, outputs=[Grumbling("grumbling")]))
    words = words_of(tmp_path / "run.html")
    assert "Warning: frame 0: <odd>" in words
    assert "Warning: frame x: <odd> (59 times)" in words
    assert "saved" not in words
    assert "frame 0: <odd>" in caplog.text
    assert "saved what was asked for" in caplog.text
    assert not any(type(each).__name__ == "WarningLog" for each in logging.getLogger("outputs").handlers)


def test_drops_and_losses_are_marked_where_they_happened(tmp_path: Path, place: dict[str, Any]) -> None:
    slow = Deaf("slow")

    def write(result: Any) -> None:
        time.sleep(0.1)

    slow.write = write  # type: ignore[method-assign]
    run = stream(**place, live=True, outputs=[slow])
    list(run)
    page, data = page_of(tmp_path / "run.html"), run.statistics()
    assert data["outputs"]["slow"]["dropped"] > 0
    assert f"The output slow was too slow for {data['outputs']['slow']['dropped']} frame" in page.section(
        "Skipped or odd"
    )
    assert "age, ms" in page.words


def test_it_is_refused_where_it_would_destroy_or_is_no_page(tmp_path: Path, place: dict[str, Any]) -> None:
    report = place["report"]
    report.write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match="exists"):
        stream(**place)
    assert report.read_text(encoding="utf-8") == "mine"
    with pytest.raises(UsageError, match=r"does not end in \.html"):
        stream(**{**place, "report": tmp_path / "run.pdf"})
    clip = Path(place["sources"][0]).rename(tmp_path / "clip.html")
    place["sources"] = [str(clip)]
    with pytest.raises(UsageError, match="is the input"):
        stream(**{**place, "report": clip, "overwrite": True})
    list(stream(**place, overwrite=True))
    assert "RoadStream report" in words_of(report)


def test_an_ending_is_enough_on_the_command_line(tmp_path: Path) -> None:
    options, _ = run_options(parser().parse_args(["clip.mp4", "-o", "x.html"]))
    assert options == {"sources": ["clip.mp4"], "report": "x.html"}
    clip, network = write_clip(tmp_path / "clip.mp4", 6), mask_network(tmp_path / "mask.onnx")
    done = run_stream(clip, "--engine", network, "-o", tmp_path / "x.html")
    assert done.code == 0, done.err
    assert f"written     {tmp_path / 'x.html'}" in done.err
    assert "6 read, 6 through the networks" in words_of(tmp_path / "x.html")


def test_a_disk_that_fills_is_an_output_error(tmp_path: Path, place: dict[str, Any]) -> None:
    run: Stream = stream(**place)

    def full(*_: object, **__: object) -> int:
        raise OSError(28, "No space left on device")

    def run_on_a_full_disk(patch: pytest.MonkeyPatch) -> None:
        for result in run:
            if result.frame.index == 0:
                patch.setattr(Path, "write_text", full)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(OutputError, match=r"write .*run\.html: disk full"):
        run_on_a_full_disk(patch)
    assert not list(tmp_path.glob("run*"))


def test_a_program_without_logging_still_sees_warnings(tmp_path: Path, place: dict[str, Any]) -> None:
    script = (
        "import logging, sys; from roadstream import stream\n"
        f"for result in stream({place['sources'][0]!r}, engines=[{str(place['engines'][0])!r}], max_frames=1,"
        f" report={str(place['report'])!r}): logging.getLogger('sources.x').warning('look here')"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stderr.count("look here") == 1
