"""Gate: networks whose cards name a reference are checked against it on a run's first frames, once in a run."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence

from contracts.frame import Frame
from contracts.picture import Picture
from engines.gate import RUN_FRAMES, gate_engine, needs_pictures
from pipeline.queues import Aborted
from pipeline.session import Session

log = logging.getLogger(__name__)


class Gate:
    """For all sources of a run: whichever has its first frames first shows them, the others wait for the verdict.

    Nobody waits for another one's frames: a source that is slow with its first ones may come in when the verdict is
    there, and one whose frames are there does not wait for it. Where a source was too short for a verdict, the next
    one shows its frames.
    """

    def __init__(self) -> None:
        self._settled = threading.Event()
        self._lock = threading.Lock()

    def passed(self, sessions: Sequence[Session], frames: Iterator[Frame], stopping: threading.Event) -> list[Frame]:
        """Return when the networks are known to be good: with the frames read for that, none where they were before.

        Raises EngineError for a network that is refused, and Aborted where the run stops meanwhile: a verdict on half
        the frames must not be remembered.
        """
        held: list[Frame] = []
        if not self._settled.is_set() and any(needs_pictures(one.config, one.engine.card) for one in sessions):
            while len(held) < RUN_FRAMES and not self._settled.is_set():
                frame = next(frames, None)
                if stopping.is_set():
                    raise Aborted
                if frame is None:
                    break
                held.append(frame)
        with self._lock:
            if not self._settled.is_set():
                decided = _check(sessions, [frame.picture for frame in held])
                if decided or len(held) == RUN_FRAMES:
                    self._settled.set()
        return held


def _check(sessions: Sequence[Session], pictures: Sequence[Picture]) -> bool:
    """Whether nothing is left open. Raises EngineError for a network that is refused."""
    decided = True
    for session in sessions:
        verdict = gate_engine(session.config, session.engine.card, pictures)
        if verdict is None:
            continue
        log.info("%s: accuracy gate: %s", session.engine.name, verdict.reason)
        if verdict.state == "refused":
            raise verdict.error(session.config.file)
        if verdict.state == "no verdict":
            log.warning("%s runs unchecked: %s", session.engine.name, verdict.reason)
            decided = False
    return decided
