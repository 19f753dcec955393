"""Places of an engine: handed out one at a time, and at the end nobody keeps one."""

from __future__ import annotations

import threading

import pytest

from contracts.errors import EngineError
from engines.places import Places


class Ticket:
    """Gives its place back when it is closed."""

    def __init__(self, places: Places[int]) -> None:
        self.places, self.place = places, places.take()
        self.closes = 0

    def close(self) -> None:
        self.closes += 1
        self.places.give_back(self.place, self)


def test_a_place_is_somebody_else_s_once_its_ticket_is_closed() -> None:
    places = Places("net", range(2), deadline_s=60)
    first, second = Ticket(places), Ticket(places)
    assert {first.place, second.place} == {0, 1}
    places.hold(first)
    waiting: list[int] = []
    thread = threading.Thread(target=lambda: waiting.append(places.take()))
    thread.start()
    first.close()
    thread.join(60)
    assert waiting == [first.place]


def test_the_end_closes_the_tickets_that_are_open_and_no_other() -> None:
    places = Places("net", range(3), deadline_s=60)
    done, held, never_held = (Ticket(places) for _ in range(3))
    for ticket in (done, held):
        places.hold(ticket)
    done.close()
    assert places.close()
    assert not places.close()
    assert [ticket.closes for ticket in (done, held, never_held)] == [1, 1, 0]


def test_a_ticket_made_while_the_engine_ended_is_not_begun() -> None:
    """Its place was taken before, so nobody else would ever close it."""
    places = Places("net", range(2), deadline_s=60)
    late = Ticket(places)
    places.close()
    with pytest.raises(EngineError, match="net or its ticket is closed"):
        places.hold(late)
    with pytest.raises(EngineError, match="net or its ticket is closed"):
        places.take()


def test_where_no_ticket_is_ever_closed_that_is_said() -> None:
    places = Places("net", range(1), deadline_s=0.05)
    places.take()
    with pytest.raises(EngineError, match="no place became free"):
        places.take()
