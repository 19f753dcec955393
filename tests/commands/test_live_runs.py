"""Live sources through the command line: exit codes, what is said while nothing comes, counts that add up."""

from __future__ import annotations

import json
import os
import pty
import re
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import av
import pytest

import sources.camera_device as devices
from run_stream import main
from sources.camera_device import Device
from sources.live.connection import Fault
from tests.support.connections import Step
from tests.support.events import events_of
from tests.support.live_runs import SHOWN, URI, paced, running, scripted
from tests.support.networks import box_network
from tests.support.pages import read_page
from tests.support.waiting import until

GONE = f"{SHOWN} is gone: Connection reset by peer"
REFUSED = f"{SHOWN} refuses: Connection refused"
FIRST: list[Step] = [0, running, *paced(20)]


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    """What every run here is asked for."""
    network = box_network(tmp_path / "boxes.onnx")
    return ["--engine", str(network), *(f"--{name}={tmp_path / file}" for name, file in _FILES.items())]


_FILES = {"save": "out.mp4", "events": "out.jsonl", "stats": "out.json", "report": "out.html"}


def pictures(path: Path) -> int:
    with av.open(str(path)) as container:
        return len(list(container.decode(video=0)))


@dataclass(frozen=True)
class Case:
    """What the source does, what the run is asked for, its exit code, and why the source has ended."""

    courses: list[list[Step] | Exception]
    options: list[str]
    code: int
    reason: str


CASES = {
    "complete": Case([[*FIRST, "end"]], [], 0, "complete"),
    "away once": Case([[*FIRST, Fault(GONE)], Fault(REFUSED), [*paced(20), "end"]], [], 0, "complete"),
    "gone for good": Case([[*FIRST, Fault(GONE)]], ["--reconnect", "0"], 3, GONE),
    "never back": Case([[*FIRST, Fault(GONE)], Fault(REFUSED)], ["--reconnect", "2"], 3, REFUSED),
    "refused": Case([[*FIRST, Fault(GONE)], Fault("wrong password", again="never")], [], 3, "wrong password"),
    "enough": Case([[*FIRST, "hang"]], ["--max-frames", "10"], 0, "closed"),
}


@pytest.mark.parametrize("name", CASES)
def test_exit_code_and_what_is_left(
    name: str, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    case = CASES[name]
    scripted(monkeypatch, case.courses)
    assert main([URI, *words, *case.options]) == case.code
    said = capsys.readouterr().err
    data, events = json.loads((tmp_path / "out.json").read_text(encoding="utf-8")), events_of(tmp_path / "out.jsonl")
    source, outputs = data["sources"][0], data["outputs"]
    assert (source["state"], source["reason"]) == ("ended", case.reason)
    assert f"ended: {case.reason}" in said, "the summary comes in any case"
    assert pictures(tmp_path / "out.mp4") == outputs["encode"]["written"] > 3
    assert len(events) + outputs["events"]["dropped"] == data["frames"]["inferred"]
    assert (f"roadstream: {case.reason}" in said) == (case.code == 3)
    for file in tmp_path.iterdir():
        if file.suffix in (".json", ".jsonl", ".html"):
            assert "geheim" not in file.read_text(encoding="utf-8"), file
    assert "geheim" not in said


def test_the_counts_of_a_run_with_an_outage_add_up_everywhere(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    again: list[Step] = [0.3, "lost", *paced(20), "lost", *paced(5), "end"]
    scripted(monkeypatch, [[*FIRST, "lost", Fault(GONE)], Fault(REFUSED), again])
    assert main([URI, *words]) == 0
    data, events = json.loads((tmp_path / "out.json").read_text(encoding="utf-8")), events_of(tmp_path / "out.jsonl")
    source, frames = data["sources"][0], data["frames"]
    by = source["dropped_by"]
    assert events[-1]["index"] + 1 == frames["read"] + by["source"] + frames["lost"]
    assert frames["inferred"] == frames["read"] - by["queue"] - by["age"]
    assert frames["dropped"] == sum(by.values())
    outages = [event["outage"] for event in events if "outage" in event]
    assert [event["connection"] for event in events if "outage" in event] == [1]
    assert {event["connection"] for event in events} == {0, 1}
    assert outages[0]["reason"] == source["last_outage"] == GONE
    assert outages[0]["seconds"] == pytest.approx(source["outages_s"], abs=0.002)
    assert frames["lost"] == outages[0]["lost"] + 3
    assert (source["reconnects"], frames["reconnects"]) == (1, 1)
    said = capsys.readouterr().err
    assert re.search(
        rf"source +first picture after \d\.\d s · 1 reconnect, \d s without pictures \(last: {GONE}\)", said
    )
    assert f"{frames['lost']} frames of {SHOWN}?token=… came damaged or while it was away" in said
    page = " ".join(read_page((tmp_path / "out.html").read_text(encoding="utf-8")).words.split())
    assert re.search(rf"\d\.\d s {GONE} 0\.\d s {outages[0]['lost']} ", page.replace("\N{NO-BREAK SPACE}", " "))
    assert "reconnects 1 " in page
    assert "no pictures" in page


def test_who_waits_for_a_camera_is_told_long_before_ten_seconds_are_over_and_never_the_password(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said: list[str] = []

    def told() -> bool:
        said.append(capsys.readouterr().err)
        return bool(said[-1])

    scripted(monkeypatch, [[lambda: until(told, "a word while it waits", 8), *paced(10), "end"]])
    assert main([URI, *words]) == 0
    first = "".join(said).splitlines()[0]
    assert re.fullmatch(re.escape(f"connecting to {SHOWN}?token=… for ") + r"[1-8] s", first)


def test_quiet_says_nothing_while_it_waits(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    scripted(monkeypatch, [[1.5, *paced(10), "end"]])
    assert main([URI, *words, "--quiet"]) == 0
    assert capsys.readouterr().err == ""


def test_on_a_terminal_the_line_lives_while_nothing_comes(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    course: list[Step] = [0.5, *FIRST, 2.3, *paced(20), Fault(GONE)]
    scripted(monkeypatch, [course, [1.0, Fault(REFUSED)], [1.0, *paced(20), "end"]])
    master, slave = pty.openpty()
    seen: list[bytes] = []

    def read() -> None:
        try:
            while data := os.read(master, 65536):
                seen.append(data)
        except OSError:  # the other end is closed
            return

    reading = threading.Thread(target=read)
    reading.start()
    with os.fdopen(slave, "w", encoding="utf-8") as terminal:
        monkeypatch.setattr("sys.stderr", terminal)
        assert main([URI, *words]) == 0
        monkeypatch.undo()
    reading.join(30)
    os.close(master)
    shown = [text.strip() for text in re.split(r"[\r\n]+", b"".join(seen).decode()) if text.strip()]
    order = [
        rf"connecting to {re.escape(SHOWN)}\?token=…",
        r"\d+ frames · \d+\.\d FPS.* · age \d+ ms",
        r"\d+ frames · stalled for [12] s",
        rf"\d+ frames · lost for \d s, connecting \(try 1\): {GONE}",
        rf"\d+ frames · lost for [12] s, connecting \(try 2\): {REFUSED}",
        r"\d+ frames · \d+\.\d FPS · .*\d+ lost · age \d+ ms",
        r"source +first picture after",
    ]
    rest = iter(shown)
    for pattern in order:
        assert any(re.fullmatch(f"{pattern}.*", text) for text in rest), (pattern, shown)


def test_a_camera_that_ends_is_lost_and_one_that_is_stopped_is_not(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    graph = "testsrc=size=64x48:rate=25:duration=5,realtime"
    monkeypatch.setattr(devices, "device_of", lambda _: Device("lavfi", graph, "camera 0"))
    assert main(["camera:0", *words, "--reconnect", "0"]) == 3
    said = capsys.readouterr().err
    assert "roadstream: camera 0 gives no more pictures → " in said
    assert "ended: camera 0 gives no more pictures" in said
    data, events = json.loads((tmp_path / "out.json").read_text(encoding="utf-8")), events_of(tmp_path / "out.jsonl")
    by = data["sources"][0]["dropped_by"]
    assert events[-1]["index"] + 1 == data["frames"]["read"] + by["source"] + data["frames"]["lost"]
    assert data["frames"]["read"] == data["frames"]["inferred"] + by["queue"]
    assert main(["camera:0", *words, "--overwrite", "--max-frames", "5"]) == 0


def test_a_second_summary_line_is_not_for_recorded_sources(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["synthetic:city?seconds=0.4&size=320x240", *words]) == 0
    assert "source  " not in capsys.readouterr().err
    event = events_of(tmp_path / "out.jsonl")[-1]
    assert not {"connection", "outage"} & event.keys()
    assert "state" not in json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["sources"][0]


@pytest.mark.parametrize(
    "uri",
    [
        "rtsp://anna:geheim77@camera/live",
        "rtsp://anna:ge%68eim77%40x@camera:8554/live",
        "rtsps://camera/live?user=anna&password=geheim77",
        "http://:geheim77@camera/stream.m3u8",
        "hololens://anna:geheim77@10.0.0.4",
    ],
)
def test_a_dry_run_shows_no_password(uri: str, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    begun = time.monotonic()
    assert main([uri, *words, "--dry-run"]) == 0
    shown = capsys.readouterr()
    for text in (shown.out, shown.err):
        assert "camera" in text or "10.0.0.4" in text
        assert "geheim" not in text
        assert "ge%68eim" not in text
    assert time.monotonic() - begun < 60, "nothing is opened"


def test_a_dry_run_shows_no_key_of_a_channel(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["synthetic:", *words, "--push", "rtmp://anna:geheim77@server/live2/abcd-1234-key", "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert "rtmp://server/live2" in shown
    assert "abcd-1234" not in shown
    assert "geheim77" not in shown
