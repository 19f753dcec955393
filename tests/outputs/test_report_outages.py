"""Outages in the report: shaded in every chart over time, with their reasons in a table, and few however many."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from contracts.frame import Frame, SourceInfo
from contracts.live import Outage
from contracts.protocols import Ending
from contracts.result import Result, Timings
from outputs.report.axes import time_axis
from outputs.report.outages import Outages, ground, outage_table
from outputs.report.output import ReportOutput
from tests.outputs.test_report_in_a_browser import looked_at
from tests.outputs.test_report_page import EVIL, SHOWN, SIZE, everything, statistics
from tests.support.pages import Page, read_page

LIVE = {
    "state": "ended",
    "reason": "closed",
    "first_frame_ms": 812,
    "reconnects": 2,
    "outages_s": 16.5,
    "last_outage": "",
}


def report(path: Path, reason: str = "the camera is gone") -> Page:
    """Of a camera that was away for 4 s after 2 s, and for 12.5 s at 10 s."""
    info = SourceInfo("cam", "rtsp://camera/live", *SIZE, Fraction(25), Fraction(1, 25), live=True)
    output = ReportOutput(path)
    output.open([info])
    gaps = {50: Outage(Fraction(4), 99, reason), 150: Outage(Fraction(25, 2), 311, "it refuses")}
    pts = Fraction(0)
    for index, prediction in enumerate(everything(count=250)):
        pts += gaps[index].seconds if index in gaps else Fraction(1, 25)
        frame = Frame(SHOWN, index, pts, 0, info, outage=gaps.get(index))
        output.write(Result(frame, prediction, Timings(0), lambda _: SHOWN))
        output.finished(frame, 20_000_000, 70_000_000, 0, 410 if index > 150 else 0)
    output.close(None)
    data = statistics(
        250,
        frames={"lost": 410, "reconnects": 2},
        age_ms={"p50": 70.0, "p95": 90.0, "p99": 99.0},
        backlog_ms={"p50": 41.0, "p95": 50.0, "p99": 60.0},
        sources=[{"id": "cam", "live": True, **LIVE}],
    )
    output.conclude(Ending(data))
    return read_page(path.read_text(encoding="utf-8"))


def plain(text: str) -> str:
    return " ".join(text.replace("\N{NO-BREAK SPACE}", " ").split())


def test_when_why_and_how_long(tmp_path: Path) -> None:
    page = report(tmp_path / "run.html")
    odd = plain(page.section("Skipped or odd"))
    assert "410 frames came damaged, or while the source was away (lost)." in odd
    assert "opened again 2 times, after 16 s without pictures in all" in odd
    assert re.search(r"2\.0 s the camera is gone 4\.0 s 99 10\.0 s it refuses 12\.5 s 311", odd), odd
    assert "reconnects 2 16 s without pictures" in plain(page.words)
    assert "backlog 41 ms" in plain(page.words)
    run = plain(page.section("The run"))
    assert "ended: closed" in run
    assert "first picture after 0.8 s" in run


def test_every_chart_over_time_is_shaded_there(tmp_path: Path) -> None:
    page = report(tmp_path / "run.html")
    over_time = [drawing for drawing in page.of("svg") if "over stream time" in (drawing["aria-label"] or "")]
    shades = [each for each in page.of("rect") if each.get("class") == "away"]
    assert len(shades) == 2 * len(over_time) > 8
    places = sorted({(float(each["x"] or 0), float(each["width"] or 0)) for each in shades})
    length = 26.46
    assert np.allclose(places, [(2000 / length, 4000 / length), (9960 / length, 12_500 / length)], atol=0.1)


def test_a_reason_is_text_and_no_place_for_a_password(tmp_path: Path) -> None:
    page = report(tmp_path / "run.html", f"{EVIL} rtsp://anna:geheim@camera/live")
    assert "script" not in {tag for tag, _ in page.attributes}
    assert EVIL in page.words
    assert "geheim" not in (tmp_path / "run.html").read_text(encoding="utf-8")


def test_a_source_that_was_always_there_has_no_shades(tmp_path: Path) -> None:
    assert ground(Outages(), time_axis(10), None).count("rect") == 0
    assert outage_table(Outages()) == ""


def test_of_many_outages_the_longest_are_kept() -> None:
    outages = Outages()
    for number in range(5000):
        outages.add(float(10 * number), Outage(Fraction(number % 977), number, "gone"))
    assert len(outages.kept) == 100
    assert min(gap.outage.seconds for gap in outages.kept) > 950
    assert [gap.end_s for gap in outages.kept] == sorted(gap.end_s for gap in outages.kept)
    words = read_page(outage_table(outages)).words
    assert "and 4,988 shorter ones" in words


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_sticks_out(tmp_path: Path, width: int) -> None:
    page = tmp_path / "run.html"
    report(page, "a reason that goes on and on, and_has_parts_that_cannot_be_broken" * 3)
    assert looked_at(page, width) == {"out": [], "meet": [], "drawn": True, "shown": True}
