"""Channels: several sources in one run. Each goes its own way, its networks are everybody's.

One thread per source opens it, runs it and closes it, so a source that hangs or dies holds up itself alone. A source
that fails ends its own channel; whatever else goes wrong ends the run.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from contracts.config import RunConfig
from contracts.control import Control
from contracts.errors import SourceError, UsageError
from contracts.protocols import Chronicler, Ending, Output
from contracts.result import Result
from engines.shared import SharedEngine
from outputs.open import folders_of, for_grid, for_source, outputs_of
from pipeline.channel import Among, Channel
from pipeline.closing import Closing
from pipeline.combined import Combined
from pipeline.default_network import with_checked_network, with_network
from pipeline.figures import Progress
from pipeline.gating import Gate
from pipeline.grid import Grid
from pipeline.member import Member
from pipeline.one_for_all import OneForAll
from pipeline.queues import Aborted
from pipeline.runner import Sharing
from pipeline.session import Session, open_engines, sessions_of
from pipeline.source_state import SourceState
from pipeline.stats import statistics_of
from pipeline.steadfast import Steadfast
from pipeline.turns import Turns
from sources.names import unique_names
from sources.open import is_live

log = logging.getLogger(__name__)

_LOOK_S = 0.2
_OPENING_S = 5.0  # what a source that is still opening gets to give up, once the run is over


class Channels:
    """What a Stream does its work with where it has several sources (``OnlySource`` where it has one)."""

    def __init__(self, config: RunConfig, control: Control, extra: Sequence[Output]) -> None:
        """config: as asked for, with or without networks. extra: outputs of the caller's own, for all sources."""
        self._asked, self.config = config, with_network(config)
        self._control = control
        self._turns: Turns[Result] = Turns(len(config.sources))
        self._extra = [OneForAll(output) for output in extra]
        self._shared: list[SharedEngine] = []
        self._error: BaseException | None = None
        self.opened = False
        """Whether there is something to tell of."""
        self._lock = threading.Lock()
        gate, names = Gate(), unique_names(config.sources)
        self._grid = self._opened_grid(names)
        self._members = [self._member(position, name, gate) for position, name in enumerate(names)]
        self._made = [folder for folder in folders_of(config) if not folder.exists()]

    def _opened_grid(self, names: Sequence[str]) -> Grid | None:
        """The grid that was asked for; None: none. Raises UsageError for one that nobody would see."""
        config = for_grid(self.config)
        outputs = outputs_of(config, self._control)
        if config.grid and not outputs:
            raise UsageError("grid: nothing would show it", "add --save OUT.mp4, --show or --push")
        if not outputs:
            return None
        return Grid(
            names,
            outputs,
            self._control,
            size=config.output_size if config.grid or not _draws(for_source(self.config, names[0])) else None,
            arrival=config.live or any(map(is_live, config.sources)),
            states=self.states,
            failed=self._ended_by,
        )

    def _member(self, position: int, name: str, gate: Gate) -> Member:
        uri, config = self.config.sources[position], for_source(self.config, name)
        outputs = [whole.part() for whole in self._extra]
        draws = _draws(config, outputs)
        if self._grid is not None:
            outputs.insert(0, self._grid.cells[position])  # so that the figures call all of them by their own name
            if any(map(is_live, self.config.sources)) and not (config.live or is_live(uri)):
                config = config.model_copy(update={"realtime": True})  # beside a live picture it shows its own speed
        member = Member(
            name,
            Channel(
                config,
                uri,
                self._control.part(),
                outputs,
                among=Among(
                    name,
                    Sharing(self._turns, lambda error: self._failed(member, error)),
                    gate,
                    self._grid.stages if self._grid is not None else (),
                ),
                painted_size=self._grid.painted_size if self._grid is not None and not draws else None,
            ),
            self._grid.cells[position] if self._grid is not None else None,
        )
        return member

    # -- life -------------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Open the networks, once for all; raises EngineError, UsageError. Sources open in their own threads."""
        self.config = config = with_checked_network(self._asked)
        live = config.live or all(map(is_live, config.sources))
        users = len(self._members)
        self._shared = [SharedEngine(one, users, live=live) for one in open_engines(config, live=live, users=users)]
        self.opened = True

    def results(self) -> Iterator[Result]:
        """Start all sources and give results as they come, of each source in turn. Raises nothing."""
        if self._grid is not None:
            self._grid.start()
        for member in self._members:
            threading.Thread(
                target=self._through, args=(member,), name=f"roadstream-source-{member.name}", daemon=True
            ).start()
        yield from self._turns

    def stop(self) -> None:
        """Ask for an early, orderly end of all sources. Any thread."""
        self._control.stopping.set()
        for member in self._members:
            member.channel.control.stopping.set()
            if member.channel.run is not None:
                member.channel.run.stop()

    def close(self) -> None:
        """End all sources and free the networks.

        Raises the first error that ended the run, or, where every source failed, that of the first one.
        """
        self.stop()
        steps = Closing()
        steps.step(self._join)
        if self._grid is not None:
            steps.step(self._grid.close)
        for whole in self._extra:
            steps.step(partial(whole.close, self._error))
        for shared in self._shared:
            steps.step(shared.close)
        for folder in self._made:
            with suppress(OSError):  # not empty, or never made
                folder.rmdir()
        failures = [member.failure for member in self._members]
        if self._error is None and failures[0] is not None and None not in failures:
            self._error = failures[0]
        if self._error is not None:
            raise self._error
        if steps.error is not None:
            raise steps.error

    def _through(self, member: Member) -> None:
        """One source from its opening to its end: the work of its thread."""
        channel = member.channel
        try:
            run = channel.open(self._sessions)
        except Aborted:
            self._turns.missed()
        except BaseException as error:  # noqa: BLE001  # outermost frame of the thread: handed to the owner
            self._failed(member, error)
            self._turns.missed()
        else:
            run.work()
            member.whole = not channel.control.stopping.is_set()
            try:
                run.close()
            except BaseException as error:  # noqa: BLE001  # outermost frame of the thread: handed to the owner
                self._failed(member, error)
        finally:
            member.ended.set()
            if member.cell is not None:
                member.cell.end()

    def _sessions(self, live: bool) -> list[Session]:  # noqa: ARG002 (the networks are open: for all sources alike)
        if self._control.stopping.is_set():  # it was opened too late for anybody to use it
            raise Aborted
        return sessions_of(self.config, [shared.view() for shared in self._shared])

    def _failed(self, member: Member, error: BaseException) -> None:
        """A source's first error, told by whichever thread met it."""
        if isinstance(error, SourceError):
            with self._lock:
                news, member.failure = member.failure is None, member.failure or error
            if news:
                log.warning("%s is lost: %s", member.name, error)
        else:
            self._ended_by(error)

    def _ended_by(self, error: BaseException) -> None:
        """What ends the whole run; the first one is what the caller gets."""
        with self._lock:
            self._error = self._error or error
        self.stop()

    def _join(self) -> None:
        """Wait for every source's thread; one that is still opening is left behind, and named."""
        steadfast = Steadfast()
        patience = time.monotonic() + _OPENING_S
        while waiting := [member for member in self._members if not member.ended.is_set()]:
            steadfast.wait(waiting[0].ended, _LOOK_S)
            if time.monotonic() > patience and all(member.channel.run is None for member in waiting):
                log.warning("still opening, left behind: %s", ", ".join(member.name for member in waiting))
                break
        steadfast.tell()

    # -- looked at --------------------------------------------------------------------------------------------------

    def states(self) -> list[SourceState]:
        """Where every source is, in the order they were given."""
        return [member.state() for member in self._members]

    @property
    def failures(self) -> dict[str, SourceError]:
        """Sources that failed, by name."""
        return {member.name: member.failure for member in self._members if member.failure is not None}

    def progress(self) -> Progress:
        """Of all sources in one."""
        return self._combined().progress()

    def statistics(self) -> dict[str, Any]:
        """Figures of all sources in the schema of ``--stats``; empty before the networks are open."""
        if not self.opened:
            return {}
        engines = [shared.engine.facts for shared in self._shared]
        return statistics_of([member.facts() for member in self._members], self._combined(), engines)

    def _combined(self) -> Combined:
        runs = [member.channel.run for member in self._members]
        return Combined([run.figures for run in runs if run is not None], len(self._shared), self._grid)

    def conclude(self, ending: Ending) -> Iterator[Callable[[], None]]:
        """Steps that tell every chronicler how the run, or its own source's part of it, went."""
        for member in self._members:
            data = member.channel.statistics()
            if member.whole:
                own = replace(ending, statistics=data, error=None, stopped="")
            else:
                own = replace(ending, statistics=data, error=member.failure or ending.error)
            yield from (partial(chronicler.conclude, own) for chronicler in member.channel.chroniclers)
        for whole in self._extra:
            if isinstance(whole.output, Chronicler):
                yield partial(whole.output.conclude, ending)


def _draws(config: RunConfig, more: Sequence[Output] = ()) -> bool:
    """Whether annotated pictures of a source go somewhere of their own. more: outputs beside the configuration's."""
    return any(output.wants_drawn for output in (*outputs_of(config), *more))
