"""Pacing a recorded source at its own speed, and estimating how old a live frame is."""

from __future__ import annotations

from fractions import Fraction

from contracts.control import Control

_NS = 1_000_000_000
_DRIFT_PPM = 100  # by so much a camera's crystal and ours may differ: in a day that is nine seconds of age


class Pacer:
    """Holds every frame back until its time has come: first frame now, each later one at its pts.

    It goes by the run's clock, which stands while the run is paused, so nothing is made up for afterwards.
    """

    def __init__(self, control: Control) -> None:
        self._control = control
        self._zero: int | None = None

    def wait(self, pts: Fraction) -> None:
        """Return when ``pts`` (seconds) is due, or at once when it is late or the run stops."""
        now = self._control.clock_ns()
        if self._zero is None:
            self._zero = now - int(pts * _NS)
        due, stopping = self._zero + int(pts * _NS), self._control.stopping
        while (left := due - self._control.clock_ns()) > 0 and not stopping.wait(left / _NS):
            self._control.wait_while_paused()


class AgeEstimate:
    """Age of a live frame on arrival: arrival − pts, against the smallest value seen on its connection.

    What the smallest value hides (a constant delay of network and camera) cannot be known from outside; growth of
    buffers in socket and decoder shows.
    """

    def __init__(self) -> None:
        self._least: int | None = None
        self._connection = self._arrival = 0

    def on_arrival_ms(self, arrival_ns: int, pts: Fraction, connection: int = 0) -> float:
        """Estimated ms between capture and arrival. connection: ``Frame.connection``, whose clock ``pts`` goes by."""
        offset = arrival_ns - int(pts * _NS)
        if connection != self._connection:
            self._connection, self._least = connection, None
        if self._least is not None:
            self._least += max(arrival_ns - self._arrival, 0) * _DRIFT_PPM // 1_000_000
        self._arrival = arrival_ns
        self._least = offset if self._least is None else min(self._least, offset)
        return (offset - self._least) / 1e6
