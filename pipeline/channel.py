"""Channel: one source of a run with everything that is its own: outputs, tracks, regions, figures, threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from contracts.config import RunConfig
from contracts.control import Control
from contracts.errors import SourceError
from contracts.frame import SourceInfo
from contracts.picture import Picture
from contracts.protocols import Chronicler, EngineFacts, Output, Source
from contracts.result import Result
from engines.open import open_generator
from outputs.draw.painter import Painter
from outputs.open import folders_of, outputs_of
from pipeline.closing import Closing
from pipeline.figures import Figures
from pipeline.gating import Gate
from pipeline.ignoring import Ignoring
from pipeline.queues import Aborted
from pipeline.regions import check_areas, open_regions
from pipeline.renaming import renamed
from pipeline.runner import Run, Sharing
from pipeline.session import Session
from pipeline.stats import statistics
from pipeline.tracking import Tracking
from sources.open import open_source

OpenSessions = Callable[[bool], Sequence[Session]]
"""Opens the networks of a source; told whether it is live."""


@dataclass(frozen=True, slots=True)
class Among:
    """What makes a channel one of several.

    name: of the source. sharing: between their runs. gate: the networks'. stages: that work for all of them.
    """

    name: str
    sharing: Sharing
    gate: Gate
    stages: Collection[str] = ()


class Channel:
    """``open`` makes its ``run``; whoever owns the channel runs and closes that.

    config: of this source alone. extra: outputs of the caller's own. among: None for a run's only source. painted_size:
    of drawn pictures, once the source is known, where it is not the configuration's.
    """

    def __init__(
        self,
        config: RunConfig,
        uri: str,
        control: Control,
        extra: Sequence[Output] = (),
        *,
        among: Among | None = None,
        painted_size: Callable[[SourceInfo], tuple[int, int]] | None = None,
    ) -> None:
        self.uri = uri
        self.control = control
        self.run: Run | None = None
        self.source: Source | None = None
        self.engines: tuple[EngineFacts, ...] = ()
        self.chroniclers: list[Chronicler] = []
        self.regions = open_regions(config)
        self._config, self._extra, self._among = config, tuple(extra), among
        self._painted_size = painted_size

    def open(self, sessions: OpenSessions) -> Run:
        """Open the source, its networks and outputs, in this order; what is open is closed again on an error."""
        config = self._config
        tracking = Tracking(config.track, config.track_buffer) if config.track is not None else None
        source = self._open_source()
        networks: Sequence[Session] = ()
        opened: list[Output] = []
        try:
            if self._among is not None:
                source = renamed(source, self._among.name)
            self.source = source
            check_areas(config, source.info)
            networks = sessions(source.info.live or config.live)
            outputs = [*outputs_of(config, self.control), *self._extra]
            if self._among is not None:
                _make_parents(config)
            for output in outputs:
                opened.append(output)
                output.open([source.info])
        except BaseException as error:
            steps = Closing(error)
            steps.step(source.close)
            for output in opened:
                steps.step(partial(output.close, error))
            for session in networks:
                steps.step(session.engine.close)
            raise
        self.chroniclers = [output for output in outputs if isinstance(output, Chronicler)]
        self.engines = tuple(session.engine.facts for session in networks)
        size = config.output_size if self._painted_size is None else self._painted_size(source.info)
        others = self._among.stages if self._among is not None else ()
        figures = Figures(outputs, [_shown(session) for session in networks], self.control.clock_ns, others)
        self.run = Run(
            config,
            source,
            networks,
            outputs,
            paint=_painting(config, figures, size),
            figures=figures,
            tracking=tracking,
            ignoring=Ignoring(config.ignore) if config.ignore else None,
            regions=self.regions,
            control=self.control,
            gate=self._among.gate if self._among is not None else None,
            sharing=self._among.sharing if self._among is not None else None,
        )
        if self.control.stopping.is_set():
            self.run.stop()
        return self.run

    def _open_source(self) -> Source:
        """Raises Aborted where the run was stopped meanwhile, and the source's errors."""
        config, stopped = self._config, self.control.stopping.is_set
        patience = replace(config.patience(), stopped=stopped)
        try:
            return open_source(self.uri, start=config.start, loop=config.loop, maker=open_generator, patience=patience)
        except SourceError as fault:
            if stopped():  # nobody waits for it: no error
                raise Aborted from fault
            raise

    def statistics(self) -> dict[str, Any]:
        """Figures of this source in the schema of ``--stats``; empty before it is open."""
        if self.run is None or self.source is None:
            return {}
        found = statistics(self.run.figures, self.source, self.engines, live=self.run.live)
        return found if self.regions is None else {**found, "regions": self.regions.summary()}


def _make_parents(config: RunConfig) -> None:
    """The folder in which every source has its own; a fault shows when that one is made."""
    for folder in folders_of(config):
        with suppress(OSError):
            folder.parent.mkdir(exist_ok=True)


def _shown(session: Session) -> str:
    """The engine's line in the panel; its skipping first, because a long name is cut."""
    every = session.config.every
    return session.engine.name if every == 1 else f"every {every}: {session.engine.name}"


def _painting(config: RunConfig, figures: Figures, size: tuple[int, int] | None) -> Callable[[Result], Picture]:
    """Give what ``Result.drawn()`` calls; one painter, so one picture at a time."""
    painter = Painter(
        config.layers,
        config.alpha,
        config.palette,
        truth=config.truth,
        regions=config.regions,
        ignore=config.ignore,
        output_size=size,
    )
    lock = threading.Lock()

    def paint(result: Result) -> Picture:
        with lock:
            return painter.paint(result, figures.panel())

    return paint
