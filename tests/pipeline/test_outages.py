"""Outages of live runs: told by the first frame that gets through, and counts that add up when networks are slow."""

from __future__ import annotations

import time
from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from contracts.frame import Frame, SourceInfo
from contracts.live import Outage, Patience
from contracts.picture import Picture
from contracts.protocols import Tensors
from pipeline.outages import UntoldOutages
from pipeline.stats import statistics
from sources.live.connection import Fault
from sources.live.source import Identity, LiveSource
from tests.support.connections import Script, Step
from tests.support.fakes import EchoEngine, FakeTicket, ListOutput, make_run

INFO = SourceInfo("cam", "cam:", 8, 8, Fraction(25), Fraction(1, 25), live=True)
PICTURE = Picture.from_bgr(np.zeros((8, 8, 3), np.uint8))


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=30), st.integers(0, 4))
def test_every_outage_is_told_once_by_the_next_frame_that_gets_through(
    frames: list[tuple[bool, bool]], ahead: int
) -> None:
    """frames: whether an outage was before it, and whether it gets through; the source may be some frames ahead."""
    made = [
        Frame(
            PICTURE,
            index,
            Fraction(index),
            0,
            INFO,
            outage=Outage(Fraction(1), 25, f"reason {index}") if lost else None,
        )
        for index, (lost, _) in enumerate(frames)
    ]
    outages, heard, told = UntoldOutages(), 0, []
    for frame, (_, through) in zip(made, frames, strict=True):
        while heard < min(frame.index + 1 + ahead, len(made)):
            outages.heard(made[heard])
            heard += 1
        if through:
            told.append(outages.told(frame))
    last = -1
    for frame in told:
        since = [one.outage for one in made[last + 1 : frame.index + 1] if one.outage is not None]
        assert (frame.outage is None) == (not since)
        if frame.outage is not None:
            assert frame.outage.seconds == Fraction(len(since))
            assert frame.outage.lost == 25 * len(since)
            assert frame.outage.reason == since[-1].reason
        last = frame.index


class SlowEngine(EchoEngine):
    """Takes far longer than pictures take to come."""

    def submit(self, tensors: Tensors) -> FakeTicket:
        time.sleep(0.06)
        return super().submit(tensors)


def test_what_arrives_is_looked_at_or_dropped_by_somebody() -> None:
    burst: list[Step] = []
    for number in range(60):
        burst += [number, 0.004]
    script = Script([[0, 0.3, *burst, Fault("gone")], [*burst, *burst, "end"]], sizes=[(8, 8)])
    source = LiveSource(Identity("cam", "cam:", "cam"), script, Patience(10, 10, None))
    output = ListOutput()
    run = make_run(source, [output], engine=SlowEngine(), max_age_ms=150)  # type: ignore[arg-type]
    outages = [result.frame.outage for result in run.results()]
    run.close()
    data: dict[str, Any] = statistics(run.figures, source, [EchoEngine.facts], live=True)
    frames, by = data["frames"], data["sources"][0]["dropped_by"]
    assert frames["read"] == frames["inferred"] + by["queue"] + by["age"]
    assert frames["dropped"] == by["source"] + by["queue"] + by["age"] > 50
    assert by["queue"] > 20
    last = source._last
    assert last is not None
    assert last[0] + 1 == frames["read"] + by["source"] + frames["lost"]
    assert len(output.indices) == frames["written"] == frames["inferred"]
    assert sum(outage is not None for outage in outages) <= 1
    assert data["sources"][0]["reconnects"] == frames["reconnects"] == 1
    assert data["backlog_ms"]["p50"] is not None
