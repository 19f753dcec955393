"""The first inferences of an engine, before there is a frame."""

from __future__ import annotations

from contracts.protocols import Engine, Ticket
from contracts.tensor import TensorSpec
from engines.cards import check_heads
from engines.places import SUBMIT_DEADLINE_S


def warm_up(engine: Engine, times: int, pixel: int = 0) -> None:
    """Runs a picture of one ``pixel`` value so many times at once: a runtime allocates when each place runs first.

    Holds the card against the real outputs, too. Raises EngineError.
    """
    (spec,) = engine.inputs
    array = engine.buffer(spec)
    array[:] = pixel
    tickets: list[Ticket] = []
    try:
        for _ in range(times):
            tickets.append(engine.submit({spec.name: array}))  # noqa: PERF401  # closed on error
        for ticket in tickets:
            outputs = ticket.result(SUBMIT_DEADLINE_S)
            check_heads(engine.card, [TensorSpec(name, a.shape, str(a.dtype)) for name, a in outputs.items()])
    finally:
        for ticket in tickets:
            ticket.close()
