"""The network in the box: CPU time per frame against another detector's, and its int8 file against its float one.

    python benchmarks/embedded_network.py --against yolov8n-int8-ov.xml --frames drive.mp4 night.mp4

Both look at the same pictures on one thread, round by round in turn, so that a busy neighbour slows both; the ratio is
the median of the rounds'. Inference and heads are counted; preparing is left out, it is the same work for all.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path

from contracts.config import EngineConfig
from contracts.picture import Picture
from contracts.protocols import Engine, Thresholds
from engines.embedded import FLOAT, embedded_engine
from engines.gate import check
from engines.heads.open import open_head
from engines.open import open_engine
from engines.prepare import Preparer
from sources.open import open_source

SHARED = Path(__file__).resolve().parent.parent.parent / "shared"
CLIPS = ("portrait_motorbike_60fps.mp4", "night_twolane_720.mp4", "city_seattle_b.mp4", "udacity_solidWhiteRight.mp4")
EVERY = 10
ROUND = 20
"""Frames that a network looks at before it is the other's turn."""


def spread(clips: Sequence[str]) -> Iterator[Picture]:
    """Every tenth frame of each clip."""
    for clip in clips:
        with closing(open_source(clip)) as source:
            yield from (frame.picture for frame in source.frames() if frame.index % EVERY == 0)


def looking(engine: Engine) -> Callable[[Picture], float]:
    """A function from a picture to the CPU seconds that inference and heads took."""
    preparer = Preparer(engine)
    heads = [open_head(card) for card in engine.card.heads]

    def look(picture: Picture) -> float:
        tensors, fit = preparer.prepare(picture)
        started = time.process_time()
        with closing(engine.submit(tensors)) as ticket:
            outputs = ticket.result(60)
            for head in heads:
                head.decode(outputs, fit, (picture.width, picture.height), Thresholds())
        return time.process_time() - started

    return look


def measured(own: EngineConfig, other: EngineConfig, pictures: Sequence[Picture], rounds: int) -> None:
    """Prints CPU ms per frame of both and the ratio."""
    with closing(open_engine(own)) as first, closing(open_engine(other)) as second:
        looks = (looking(first), looking(second))
        ms: tuple[list[float], list[float]] = ([], [])
        for number in range(rounds):
            shown = [pictures[(number * ROUND + index) % len(pictures)] for index in range(ROUND)]
            for look, kept in zip(looks, ms, strict=True):
                kept.append(sum(map(look, shown)) / len(shown) * 1e3)
        ratio = statistics.median(mine / theirs for mine, theirs in zip(*ms, strict=True))
        for engine, kept in zip((first, second), ms, strict=True):
            print(f"{engine.name:<22} {engine.facts.precision:<12} {statistics.median(kept):6.2f} CPU-ms per frame")
        print(f"ratio {ratio:.3f}, median of {rounds} rounds of {ROUND} frames, one thread each")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", type=Path, default=SHARED / "weights" / "yolov8n-int8-ov.xml")
    parser.add_argument("--frames", nargs="+", default=[str(SHARED / "clips" / clip) for clip in CLIPS])
    parser.add_argument("--rounds", type=int, default=15)
    given = parser.parse_args()
    own = embedded_engine(None, None)
    one_thread = {"threads": 1}
    pictures = list(islice(spread(given.frames), 200))
    measured(own.model_copy(update=one_thread), EngineConfig(file=given.against, threads=1), pictures, given.rounds)
    print(check(own, EngineConfig(file=FLOAT), pictures).report())


if __name__ == "__main__":
    main()
