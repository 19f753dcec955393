"""Several sources in one run: each as it would be alone, with files, limits, tracks and segments of its own."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from roadstream import UsageError, stream
from tests.support.clips import write_clip
from tests.support.events import events_of
from tests.support.networks import mask_network


def clips(folder: Path) -> list[Path]:
    """Three of other lengths and sizes; two have one name, in two folders."""
    (folder / "b").mkdir()
    return [
        write_clip(folder / "clip.mp4", 12),
        write_clip(folder / "b" / "clip.mp4", 7, size=(96, 128), rate=10),
        write_clip(folder / "short.mp4", 1),
    ]


def test_each_gives_exactly_what_it_gives_alone(tmp_path: Path, network: Path) -> None:
    sources, engines = clips(tmp_path), [network, mask_network(tmp_path / "mask.onnx")]
    names = ["clip", "clip-2", "short"]
    run = stream(
        *sources,
        engines=engines,
        events=tmp_path / "e.jsonl",
        save=tmp_path / "out.mp4",
        stats=tmp_path / "s.json",
        report=tmp_path / "r.html",
        labels=tmp_path / "labels",
    )
    counts = Counter(result.frame.source.id for result in run)
    assert counts == {"clip": 12, "clip-2": 7, "short": 1}
    for name, source in zip(names, sources, strict=True):
        alone = tmp_path / f"alone-{name}.jsonl"
        list(stream(source, engines=engines, events=alone))
        assert events_of(tmp_path / f"e-{name}.jsonl") == [{**line, "source": name} for line in events_of(alone)]
        assert (tmp_path / f"out-{name}.mp4").exists()
        assert (tmp_path / f"r-{name}.html").exists()
        assert len(list((tmp_path / "labels" / name / "images").iterdir())) == counts[name]
    data = json.loads((tmp_path / "s.json").read_text(encoding="utf-8"))
    assert data == run.statistics()
    assert [source["id"] for source in data["sources"]] == names
    assert [source["frames"]["written"] for source in data["sources"]] == [12, 7, 1]
    assert data["frames"] == {"read": 20, "inferred": 20, "written": 20, "dropped": 0, "lost": 0, "reconnects": 0}
    assert [engine["inferred"] for engine in data["engines"]] == [20, 20]
    assert data["outputs"]["encode"] == {"written": 20, "dropped": 0}
    assert data["throughput_fps"] == pytest.approx(20 / data["seconds"], rel=0.01, abs=0.01)
    assert run.failures == {}


def test_leaving_the_loop_ends_all_and_finishes_their_files(tmp_path: Path, network: Path) -> None:
    sources = [write_clip(tmp_path / f"{name}.mp4", 200) for name in "abc"]
    for result in stream(*sources, engines=[network], save=tmp_path / "out.mp4", max_frames=150):
        if result.frame.index == 5:
            break
    assert {file.name for file in tmp_path.glob("out*")} == {"out-a.mp4", "out-b.mp4", "out-c.mp4"}


def test_limits_are_those_of_each(tmp_path: Path, network: Path) -> None:
    sources = [write_clip(tmp_path / "a.mp4", 20), write_clip(tmp_path / "b.mp4", 3)]
    counts = Counter(result.frame.source.id for result in stream(*sources, engines=[network], max_frames=5))
    assert counts == {"a": 5, "b": 3}


def test_tracks_and_regions_are_counted_for_each(tmp_path: Path, network: Path) -> None:
    pytest.importorskip("trackers")
    sources = [write_clip(tmp_path / f"{name}.mp4", 8) for name in "ab"]
    whole = {"all": ["0%,0% 100%,0% 100%,100% 0%,100%"]}
    run = stream(*sources, engines=[network], track="bytetrack", regions=whole)
    tracks = {
        (result.frame.source.id, number)
        for result in run
        for found in result.prediction.detections().values()
        for number in ([] if found.track_ids is None else found.track_ids.tolist())
    }
    assert {name for name, _ in tracks} == {"a", "b"}
    assert {number for name, number in tracks if name == "a"} == {number for name, number in tracks if name == "b"}
    for source in run.statistics()["sources"]:
        assert source["regions"]["all"]["car"]["frames"] == 8


def test_each_has_its_segments_and_its_share_of_the_disk(tmp_path: Path, network: Path) -> None:
    sources = [write_clip(tmp_path / f"{name}.mp4", 60) for name in "ab"]
    options: dict[str, Any] = {"engines": [network], "save": tmp_path / "out.mp4", "segment": "1s"}
    run = stream(*sources, **options, keep="100MB")
    assert len(list(run)) == 120
    assert len(list(tmp_path.glob("out-a-00000*.mp4"))) == len(list(tmp_path.glob("out-b-00000*.mp4"))) == 3
    found = run.statistics()
    assert found["outputs"]["encode"]["segments"] == 6
    assert [source["outputs"]["encode"]["segments"] for source in found["sources"]] == [3, 3]
    with pytest.raises(UsageError, match="of each source keep holds not even two segments"):
        stream(*sources, **{**options, "segment": "20MB"}, keep="50MB")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"save": "a.mp4"}, None),
        ({"save": "x.mp4", "existing": "x-a.mp4"}, "the output .*x-a.mp4 exists"),
        ({"events": "a.jsonl", "report": "a.jsonl"}, "does not end in"),
        ({"save": "in.mp4", "existing": "in-a.mp4", "also": "in-a.mp4"}, "is the input"),
        ({"pictures": "p", "labels": "p"}, "two outputs would write into"),
        ({"stats": "s.json", "existing": "s.json"}, "exists"),
        ({"grid": True}, "nothing would show it"),
        ({"truth": True}, "no truth to draw"),
    ],
)
def test_names_that_collide_are_refused_before_anything_starts(
    options: dict[str, Any], message: str | None, tmp_path: Path, network: Path
) -> None:
    sources = [write_clip(tmp_path / "a.mp4", 2), write_clip(tmp_path / "b.mp4", 2)]
    existing, also = options.pop("existing", None), options.pop("also", None)
    if existing is not None:
        (tmp_path / existing).write_bytes(b"mine")
    if also is not None:
        sources.append(tmp_path / also)
    given: dict[str, Any] = {
        key: tmp_path / value if isinstance(value, str) else value for key, value in options.items()
    }
    if message is None:
        list(stream(*sources, engines=[network], **given))
        return
    with pytest.raises(UsageError, match=message):
        stream(*sources, engines=[network], **given)
    if existing is not None:
        assert (tmp_path / existing).read_bytes() == b"mine"


def test_standard_input_is_read_once() -> None:
    with pytest.raises(UsageError, match="stands twice"):
        stream("-", "-")
