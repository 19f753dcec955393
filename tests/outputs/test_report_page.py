"""The page itself: whole, escaped, on its own, and right whatever the run was like."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import OutputError, SourceError
from contracts.fit import Stretch
from contracts.frame import Frame, SourceInfo
from contracts.picture import Picture
from contracts.prediction import Classification, ClassMap, Detections, Mask, Part, Prediction
from contracts.protocols import Chronicler, Ending
from contracts.result import Result, Timings
from outputs.report.axes import time_axis, value_axis
from outputs.report.output import ReportOutput
from outputs.report.words import moment, percent, short, text
from tests.support.pages import Page, read_page

EVIL = '<script>alert("1")</script>'
SIZE = (64, 48)
SHOWN = Picture.from_bgr(np.full((48, 64, 3), 90, np.uint8))


def statistics(count: int = 0, /, **changes: Any) -> dict[str, Any]:
    """As ``--stats`` has them."""
    stage = {"p50_ms": 1.234, "p95_ms": 5.678, "p99_ms": 9.0, "cpu_ms": 1.1}
    counts = {"read": count, "inferred": count, "written": count, "dropped": 0, "lost": 0, "reconnects": 0}
    return {
        "sources": [{"id": "clip", "live": False}],
        "engines": [
            {
                "name": "net",
                "file": "net.onnx",
                "backend": "openvino",
                "device": "CPU",
                "precision": "fp32",
                "sha256": "0123456789abcdef",
                "inferred": count,
            }
        ],
        "frames": counts | changes.pop("frames", {}),
        "outputs": {"report": {"written": count, "dropped": 0}},
        "caller": {"dropped": 0},
        "seconds": 9.1,
        "throughput_fps": 32.9,
        "stages": {"decode": stage, "infer": stage, "report": stage} if count else {},
        "latency_ms": {"p50": 12.5, "p95": 40.0, "p99": 50.0} if count else dict.fromkeys(("p50", "p95", "p99")),
        "age_ms": dict.fromkeys(("p50", "p95", "p99")),
        "own_cpu_ms": 3.1,
        "peak_rss_mb": 410,
        "machine": {"cpu": "a processor", "cores": 2, "gpu": None, "versions": {"python": "3.12"}},
        **changes,
    }


def boxes(names: Sequence[str], *class_ids: int) -> Detections:
    count = len(class_ids)
    return Detections(
        np.zeros((count, 4), np.float32), np.ones(count, np.float32), np.array(class_ids, np.int32), tuple(names)
    )


def report(
    path: Path,
    predictions: Sequence[Prediction],
    ending: Ending | None = None,
    *,
    name: str = "clip",
    uri: str = "clip.mp4",
    age_ns: int | None = None,
) -> Page:
    """The page of a run of these predictions, 25 a second."""
    info = SourceInfo(name, uri, *SIZE, Fraction(25), Fraction(1, 25))
    output = ReportOutput(path)
    output.open([info])
    for index, prediction in enumerate(predictions):
        frame = Frame(SHOWN, index, Fraction(index, 25), 0, info)
        output.write(Result(frame, prediction, Timings(0), lambda _: SHOWN))
        output.finished(frame, 20_000_000, age_ns, 0, 0)
    output.close(None)
    assert list(path.parent.iterdir()) == []
    output.conclude(ending or Ending(statistics(len(predictions))))
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    return read_page(path.read_text(encoding="utf-8"))


def everything(name: str = "car", count: int = 40) -> list[Prediction]:
    """Something of every kind, all of it called ``name``."""
    ids = np.zeros((4, 4), np.uint8)
    fit = Stretch(*SIZE, 4, 4)
    parts: dict[str, Part] = {
        f"boxes {name}": boxes([name, "bus"], 0, 0, 1),
        f"area {name}": Mask(np.ones((4, 4), np.uint8), fit, name),
        f"map {name}": ClassMap(ids, fit, (name,), ((1, 2, 3),)),
        f"kind {name}": Classification(np.zeros(1, np.int32), np.ones(1, np.float32), (name,)),
    }
    return [Prediction(parts, regions={f"region {name}": {name: 1}}) for _ in range(count)]


def test_it_is_one_whole_page_that_needs_nothing_from_elsewhere(tmp_path: Path) -> None:
    page = report(tmp_path / "run.html", everything())
    assert page.texts["title"][0] == "clip · RoadStream report"
    policy = next(meta["content"] for meta in page.of("meta") if "http-equiv" in meta)
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    for tag, attributes in page.attributes:
        assert tag not in ("script", "link", "iframe", "object", "embed", "base", "form", "a", "use", "image")
        for key, value in attributes.items():
            assert not key.startswith("on")
            assert key not in ("href", "xlink:href", "srcset", "action", "data")
            assert key != "src" or (value or "").startswith("data:image/jpeg;base64,")
    assert "url(" not in page.texts["style"][0]
    assert "@import" not in page.texts["style"][0]


def test_every_drawing_says_in_words_what_it_shows(tmp_path: Path) -> None:
    page = report(tmp_path / "run.html", everything())
    drawings = page.of("svg")
    assert len(drawings) > 8
    assert all(drawing["role"] == "img" and len(drawing["aria-label"] or "") > 15 for drawing in drawings)
    assert all(picture["alt"] for picture in page.of("img"))


def test_what_strangers_called_things_is_text(tmp_path: Path) -> None:
    file = tmp_path / "run.html"
    error = SourceError(f"{EVIL} broke", f"try {EVIL}")
    data = statistics(40, outputs={EVIL: {"written": 1, "dropped": 2}})
    data["engines"][0] |= {"name": EVIL, "file": f"/{EVIL}.onnx", "backend": EVIL, "sha256": EVIL}
    data["machine"] |= {"cpu": EVIL, "gpu": EVIL}
    data["regions"] = {EVIL: {EVIL: {"frames": 1, "most": 1, "entries": 1}}}
    page = report(
        file, everything(f"{EVIL}\"'&\udcff\x00"), Ending(data, (f"warned of {EVIL}",), error), name=EVIL, uri=EVIL
    )
    assert "script" not in {tag for tag, _ in page.attributes}
    assert "alert" not in {key for _, attributes in page.attributes for key in attributes}
    assert page.words.count(EVIL) > 20
    assert f"ended by an error: {EVIL} broke" in page.words
    assert f"warned of {EVIL}" in page.words


def test_no_password_is_on_the_page(tmp_path: Path) -> None:
    uri = "rtsp://anna:geheim@camera/live?token=geheim&size=3"
    warnings = (
        "https://:geheim@host/ is gone",
        "http://a/?x=1&api_key=geheim tried",
        "rtsp://anna:sehr@geheim@door:554/a@b is gone",
    )
    error = SourceError(f"cannot read {uri}", "")
    page = report(tmp_path / "run.html", everything(), Ending(statistics(40), warnings, error), name="camera", uri=uri)
    assert "geheim" not in (tmp_path / "run.html").read_text(encoding="utf-8")
    assert "rtsp://camera/live?token=…&size=3" in page.words
    assert "https://host/ is gone" in page.words
    assert "rtsp://door:554/a@b is gone" in page.words


@given(st.text())
def test_any_text_comes_out_as_itself(given_: str) -> None:
    shown = read_page(f"<p title='{text(given_)}'>{text(given_)}</p>")
    allowed = [char for char in given_ if char.isprintable() and char not in ":/@?&;="]
    for char in allowed:
        assert char in shown.texts["p"][0]
    assert shown.texts["p"][0] == shown.of("p")[0]["title"]


def test_a_run_without_frames_without_boxes_or_of_one_frame(tmp_path: Path) -> None:
    nothing = report(tmp_path / "0.html", [], Ending(statistics(), (), SourceError("nothing to read", "look again")))
    assert "ended by an error: nothing to read → look again" in nothing.words
    assert "img" not in {tag for tag, _ in nothing.attributes}
    (tmp_path / "0.html").unlink()
    empty = report(tmp_path / "1.html", [Prediction({"boxes": boxes(["car"])})] * 30)
    assert "No box was found in any frame." in empty.section("Detections")
    (tmp_path / "1.html").unlink()
    single = report(tmp_path / "2.html", everything(count=1))
    assert len(single.of("img")) == 1
    assert re.search(r"car\s+2\s+1\s+100 %\s+2\s", single.words)
    assert "0.0 s · frame 0" in single.section("Most eventful frames")


@pytest.mark.parametrize(
    ("ending", "sentence", "kind"),
    [
        (Ending(statistics(40)), "done", "done"),
        (Ending(statistics(40), stopped="interrupted"), "interrupted; the figures are those of", "stopped"),
        (Ending(statistics(40), error=KeyboardInterrupt()), "interrupted; the figures are those of", "stopped"),
        (Ending(statistics(40), error=OutputError("disk full", "free it")), "error: disk full → free it", "failed"),
        (Ending(statistics(40), error=ValueError("odd")), "ended by an error: ValueError: odd", "failed"),
    ],
)
def test_it_says_how_the_run_ended(tmp_path: Path, ending: Ending, sentence: str, kind: str) -> None:
    page = report(tmp_path / "run.html", everything(), ending)
    states = [found for found in page.of("p") if (found.get("class") or "").startswith("state")]
    assert states == [{"class": f"state {kind}"}]
    assert sentence in page.words[: page.words.index("</header>")]
    assert ("Skipped or odd" in page.words) == (kind != "done")


def test_what_was_odd_is_said_in_front(tmp_path: Path) -> None:
    data = statistics(40, frames={"dropped": 3, "lost": 1, "reconnects": 2}, caller={"dropped": 5})
    data["outputs"]["encode"] = {"written": 36, "dropped": 4}
    page = report(tmp_path / "run.html", everything(), Ending(data, ("x runs unchecked: too few frames",)))
    odd = page.section("Skipped or odd")
    assert "1 frame of the source could not be read (lost)" in odd
    assert "3 frames came while the networks were busy" in odd
    assert "opened again 2 times" in odd
    assert "encode was too slow for 4 frames" in odd
    assert "program around the run was too slow for 5 frames" in odd
    assert "x runs unchecked: too few frames" in odd


def test_counts_per_class_are_those_of_the_frames(tmp_path: Path) -> None:
    predictions = [Prediction({"boxes": boxes(["car", "bus"], *[0] * (i % 3), *[1] * (i == 6))}) for i in range(30)]
    words = report(tmp_path / "run.html", predictions).section("Detections per class")
    assert re.search(r"car\s+30\s+20\s+67 %\s+2\s", words)
    assert re.search(r"bus\s+1\s+1\s+3\.3 %\s+1\s", words)
    assert "70 % of the frames show something" in words


def test_what_is_carried_on_is_drawn_and_not_counted(tmp_path: Path) -> None:
    seen = {"boxes": boxes(["car"], 0)}
    predictions = [Prediction(seen, carried={} if index % 3 == 0 else {"boxes": index % 3}) for index in range(30)]
    words = report(tmp_path / "run.html", predictions).section("Detections per class")
    assert re.search(r"car\s+10\s+10\s+100 %\s+1\s", words)
    assert "up to 1" in words


def test_many_classes_are_eight_and_the_others(tmp_path: Path) -> None:
    names = [f"class{number}" for number in range(150)]
    predictions = [Prediction({"boxes": boxes(names, *range(150 - index))}) for index in range(140)]
    page = report(tmp_path / "run.html", predictions)
    labels = [drawing["aria-label"] or "" for drawing in page.of("svg")]
    rows = [label.split(" over ")[0] for label in labels if "per point" in label]
    assert len(rows) == 9
    assert rows[0] == "class0"
    assert rows[-1] == "others"


def test_regions_have_the_figures_of_the_run_and_those_that_nobody_was_in_are_named(tmp_path: Path) -> None:
    predictions = [
        Prediction({"boxes": boxes(["person"])}, regions={"crossing": {"person": 2} if 5 <= index % 20 < 9 else {}})
        for index in range(60)
    ]
    counted = {"crossing": {"person": {"frames": 12, "most": 2}}, "verge": {}}
    page = report(tmp_path / "1.html", predictions, Ending(statistics(60, regions=counted)))
    assert re.search(r"crossing\s+person\s+12\s+20 %\s+2\s", page.section("Regions"))
    assert re.search(r"verge\s+nobody\s+0\s+0 %\s+0\s", page.section("Regions"))
    assert "entered" not in page.section("Regions"), "nothing was tracked"
    assert any((drawing["aria-label"] or "").startswith("person in crossing over") for drawing in page.of("svg"))
    (tmp_path / "1.html").unlink()
    counted["crossing"]["person"]["entries"] = 3
    words = report(tmp_path / "2.html", predictions, Ending(statistics(60, regions=counted))).section("Regions")
    assert "entered" in words
    assert re.search(r"crossing\s+person\s+12\s+20 %\s+2\s+3\s", words)


def test_age_is_there_for_live_sources_only(tmp_path: Path) -> None:
    assert "age, ms" not in report(tmp_path / "1.html", everything()).words
    (tmp_path / "1.html").unlink()
    data = statistics(40, age_ms={"p50": 70.5, "p95": 90.0, "p99": 99.0})
    page = report(tmp_path / "2.html", everything(), Ending(data), age_ns=70_500_000)
    assert "age, ms" in page.words
    assert "age p50 70.5 ms p95 90 ms · p99 99 ms" in " ".join(page.words.split())


def test_it_is_a_chronicler_and_asks_for_few_drawings(tmp_path: Path) -> None:
    output = ReportOutput(tmp_path / "run.html")
    assert isinstance(output, Chronicler)
    assert not output.wants_drawn


@given(st.floats(1e-3, 1e7))
def test_ticks_of_time_are_few_and_inside(seconds: float) -> None:
    axis = time_axis(seconds)
    assert 1 <= len(axis.ticks) <= 7
    assert axis.ticks[0][0] == 0
    assert all(0 <= place <= 1 + 1e-9 for place, _ in axis.ticks)
    assert len({label for _, label in axis.ticks}) == len(axis.ticks)


@given(st.floats(0, 1e7))
def test_ticks_of_values_reach_the_greatest_and_not_far_beyond(most: float) -> None:
    axis = value_axis(most)
    assert axis.high >= most * (1 - 1e-9)
    assert most < 1e-8 or axis.high <= 2.01 * most
    assert 2 <= len(axis.ticks) <= 6


def test_numbers_are_short_and_never_lie_about_nothing_and_all() -> None:
    said = [percent(share).replace("\N{NO-BREAK SPACE}", " ") for share in (0, 0.0001, 0.031, 0.5, 0.9999, 1)]
    assert said == ["0 %", "< 0.1 %", "3.1 %", "50 %", "> 99 %", "100 %"]
    assert [short(value) for value in (0, 0.123, 6.94, 48, 123.4, 12_345.6)] == [
        "0",
        "0.12",
        "6.9",
        "48",
        "123",
        "12,346",
    ]
    assert [moment(value).replace("\N{NO-BREAK SPACE}", " ") for value in (7.44, 123.5, 59.96, 3723)] == [
        "7.4 s",
        "2:03.5",
        "1:00.0",
        "1:02:03",
    ]
