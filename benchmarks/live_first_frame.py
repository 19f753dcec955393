"""Live RTSP: seconds from opening to the first annotated frame, with a keyframe every half second.

    python -m benchmarks.live_first_frame --rounds 20

Warm: the network is loaded before the clock starts, as where another source is running. Cold: all of a run, loading
included. Both in turn. The server is gst-rtsp-server on this machine, so the network costs nothing; what is left is
FFmpeg looking at the stream, the wait for a keyframe (a quarter second on average), the network and the drawing.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from contextlib import closing

from contracts.config import RunConfig
from contracts.picture import Picture
from contracts.result import Result
from outputs.draw.painter import Painter
from pipeline.default_network import with_checked_network
from pipeline.figures import Figures
from pipeline.runner import Run
from pipeline.session import open_sessions
from pipeline.stream import stream
from sources.open import open_source
from tests.support.rtsp_server import Mount, rtsp_server


def warm(url: str) -> tuple[float, float]:
    """Seconds to the first annotated frame, and of these to the first picture."""
    config = with_checked_network(RunConfig.build({"sources": [url]}))
    sessions = open_sessions(config, live=True)
    painter = Painter(config.layers, config.alpha, config.palette)
    begun = time.monotonic()
    source = open_source(url, patience=config.patience())
    opened = time.monotonic() - begun

    def paint(result: Result) -> Picture:
        return painter.paint(result, figures.panel())

    figures = Figures([], [session.engine.name for session in sessions])
    run = Run(config, source, sessions, [], paint=paint, figures=figures)
    with closing(run):
        next(run.results()).drawn()
        return time.monotonic() - begun, opened


def cold(url: str) -> tuple[float, float]:
    """The same of a whole run."""
    begun = time.monotonic()
    with stream(url) as run:
        for result in run:
            result.drawn()
            break
        first = time.monotonic() - begun
        assert run.source is not None
        return first, float(run.statistics()["sources"][0]["first_frame_ms"]) / 1e3


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    ways: dict[str, Callable[[str], tuple[float, float]]] = {"warm": warm, "cold": cold}
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    with rtsp_server(Mount(width=1280, height=720, rate=30, keyframe_s=0.5)) as server:
        for _ in range(rounds):
            for name, way in ways.items():
                taken[name].append(way(server.url()))
                time.sleep(0.13)  # so that rounds begin at different places between two keyframes
    for name, pairs in taken.items():
        whole, pictures = sorted(first for first, _ in pairs), [picture for _, picture in pairs]
        print(
            f"{name}: first annotated frame after {statistics.median(whole):.2f} s (median), {whole[-1]:.2f} s at most;"
            f" first picture after {statistics.median(pictures):.2f} s"
        )


if __name__ == "__main__":
    main()
