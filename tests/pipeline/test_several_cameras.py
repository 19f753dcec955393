"""Four cameras of which two are dead: the living two lose nothing by them."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from commands.progress import summary_text
from roadstream import stream
from tests.support.networks import mask_network
from tests.support.numbered_video import number_of
from tests.support.peers import peer, unused_port
from tests.support.rtsp_server import Mount, rtsp_server

_FRAMES = 80  # longer than the dead ones are waited for


def test_the_living_two_of_four_lose_nothing(tmp_path: Path) -> None:
    seen: dict[str, list[tuple[int, int | None]]] = defaultdict(list)
    mounts = [Mount(path, rate=10) for path in ("/a", "/b")]  # slow enough for any machine: a drop has another cause
    with rtsp_server(*mounts) as server, peer() as (quiet, _):
        living = [server.url("/a"), server.url("/b")]
        run = stream(
            *(living[0], f"rtsp://{quiet}/x", living[1], f"rtsp://127.0.0.1:{unused_port()}/x"),
            engines=[mask_network(tmp_path / "network.onnx")],
            events=tmp_path / "e.jsonl",
            max_frames=_FRAMES,
            open_timeout=3,
            reconnect=1,
        )
        for result in run:
            seen[result.frame.source.id].append((result.frame.index, number_of(result.frame)))
    assert len(run.failures) == 2
    sources = {each["uri"]: each for each in run.statistics()["sources"]}
    for uri in living:
        found = sources[uri]
        counts, frames = found["frames"], seen[found["id"]]
        assert (counts["lost"], counts["dropped"], found["reconnects"], found["state"]) == (0, 0, 0, "ended")
        assert [index for index, _ in frames] == list(range(_FRAMES))
        first = frames[0][1] or 0
        assert [number for _, number in frames] == list(range(first, first + _FRAMES))
    assert sorted("error" in each for each in sources.values()) == [False, False, True, True]
    said = summary_text(run.statistics()).splitlines()
    for found in (sources[uri] for uri in living):
        place = next(at for at, line in enumerate(said) if line.startswith(f"{found['id']} "))
        assert said[place + 1].startswith(" " * 12 + "first picture after ")
