"""OnlySource: a run with one source, opened where it was asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from contracts.config import RunConfig
from contracts.control import Control
from contracts.protocols import Ending, Output, Source
from contracts.result import Result
from pipeline.channel import Channel
from pipeline.default_network import with_checked_network, with_network
from pipeline.figures import Progress
from pipeline.session import Session, open_sessions


class OnlySource:
    """What a Stream does its work with where it has one source (``Channels`` where it has several)."""

    def __init__(self, config: RunConfig, control: Control, extra: Sequence[Output]) -> None:
        """config: as asked for, with or without networks. extra: outputs of the caller's own."""
        self._asked, self.config = config, with_network(config)
        self._channel = Channel(self.config, config.sources[0], control, extra)

    def open(self) -> None:
        """Open source, networks and outputs, in this order; raises their errors."""
        self._channel.open(self._sessions)

    def _sessions(self, live: bool) -> list[Session]:
        self.config = with_checked_network(self._asked)
        return open_sessions(self.config, live=live)

    def results(self) -> Iterator[Result]:
        """Start and give results as they come. Raises nothing."""
        assert self._channel.run is not None
        yield from self._channel.run.results()

    def stop(self) -> None:
        """Ask for an early, orderly end. Any thread."""
        if self._channel.run is not None:
            self._channel.run.stop()

    def close(self) -> None:
        """End it and free everything; raises its first error."""
        if self._channel.run is not None:
            self._channel.run.close()

    @property
    def opened(self) -> bool:
        """Whether there is something to tell of."""
        return self._channel.run is not None

    @property
    def source(self) -> Source | None:
        """The source, once it is open."""
        return self._channel.source

    def progress(self) -> Progress | None:
        """Where it is; None before it is open."""
        return self._channel.run.figures.progress() if self._channel.run is not None else None

    def statistics(self) -> dict[str, Any]:
        """Figures in the schema of ``--stats``; empty before it is open."""
        return self._channel.statistics()

    def conclude(self, ending: Ending) -> Iterator[Callable[[], None]]:
        """Steps that tell every chronicler how the run went."""
        return (partial(chronicler.conclude, ending) for chronicler in self._channel.chroniclers)
