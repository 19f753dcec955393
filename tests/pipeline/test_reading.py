"""Frames as a run reads them: recorded sources are paced where that is asked for, live ones pace themselves."""

from __future__ import annotations

import pytest

from contracts.config import RunConfig
from contracts.control import Control
from pipeline.figures import Figures
from pipeline.gating import Gate
from pipeline.reading import Reading
from tests.support.fakes import CountingSource


@pytest.mark.parametrize("option", ["realtime", "live"])
@pytest.mark.parametrize("is_live", [False, True])
def test_what_is_live_is_not_paced_and_keeps_its_arrival(option: str, is_live: bool) -> None:
    source = CountingSource(5, live=is_live)
    given: list[int] = []
    originals = source.frames

    def noted() -> object:
        for frame in originals():
            given.append(frame.arrival)
            yield frame

    source.frames = noted  # type: ignore[method-assign, assignment]
    config = RunConfig.build({"sources": ["fake"], option: True})
    reading = Reading(config, source, [], Figures([], []), Control(), Gate())
    found = [frame.arrival for frame in reading.frames()]
    assert (found == given) is is_live
    assert len(found) == 5
