"""``stream()``: the one way through the house, for programs and for the command line."""

from __future__ import annotations

import atexit
import logging
import threading
from collections.abc import Generator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from contracts.config import RunConfig
from contracts.control import Control
from contracts.errors import UsageError
from contracts.picture import Picture
from contracts.protocols import Chronicler, Ending, EngineFacts, Output, Source
from contracts.result import Result
from engines.open import open_generator
from outputs.draw.painter import Painter
from outputs.open import check_paths, outputs_of
from pipeline.closing import Closing
from pipeline.default_network import with_checked_network, with_network
from pipeline.figures import Figures, Progress
from pipeline.ignoring import Ignoring
from pipeline.regions import check_areas, open_regions
from pipeline.runner import Run
from pipeline.session import Session, open_sessions
from pipeline.stats import statistics, write_statistics
from pipeline.tracking import Tracking
from pipeline.warning_log import WarningLog
from sources.open import has_truth, open_source, places_read

log = logging.getLogger(__name__)


class Stream:
    """One run. Iterate it once for its results; leaving the loop early ends the run in order.

    As a context manager it also tells what went wrong while files were finished after a ``break``.
    """

    def __init__(self, config: RunConfig, outputs: Sequence[Output] = ()) -> None:
        """Check everything that can be checked without opening the source; raises UsageError, OutputError."""
        self._asked = config
        self.config = config = with_network(config)
        self._extra = tuple(outputs)
        self._run: Run | None = None
        self._source: Source | None = None
        self._engines: tuple[EngineFacts, ...] = ()
        self._control = Control(self.stop)
        self._regions = open_regions(config)
        self._used = self._entered = self._finished = False
        self._error: BaseException | None = None
        self._chroniclers: list[Chronicler] = []
        self._warnings = WarningLog()
        self._ended_early = ""
        if len(config.sources) != 1:
            raise UsageError(
                f"one source per run, {len(config.sources)} given", "name one file or 'synthetic:' (see --help)"
            )
        if config.truth and not has_truth(config.sources[0]):
            cure = "leave --truth out; dataset:FOLDER and synthetic: have it"
            raise UsageError(f"{config.sources[0]} has no truth to draw", cure)
        check_paths(config, [*config.sources, *_places_read(config)])

    def __iter__(self) -> Generator[Result]:
        """Give every result. Raises the run's first error when everything is closed."""
        if self._used:
            raise UsageError("this stream has run already", "call stream() again")
        self._used = True
        run = self._open()
        atexit.register(self.close)  # a program that forgets the iterator still gets finished files
        try:
            yield from run.results()
        except KeyboardInterrupt:
            self._ended_early = "interrupted"
            self._finish()
            raise
        except GeneratorExit:  # the caller left the loop; from here nobody hears an exception
            self._ended_early = "stopped before the end of its source"
            self._finish()
            if self._error is not None and not self._entered:
                log.error("%s", self._error)
            raise
        except BaseException:
            self._finish()
            raise
        self.close()

    def __enter__(self) -> Stream:
        self._entered = True
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        steps = Closing(error)
        steps.step(self.close)
        if error is None and steps.error is not None:
            raise steps.error

    def close(self) -> None:
        """End the run, finish every file, write the statistics; raises the run's first error, once."""
        self._finish()
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _finish(self) -> None:
        atexit.unregister(self.close)
        if self._run is None or self._finished:
            return
        self._finished = True
        steps = Closing()
        steps.step(self._run.close)
        self._warnings.stop()
        data = self.statistics()
        if self.config.stats is not None:
            steps.step(partial(write_statistics, self.config.stats, data))
        ending = Ending(data, self._warnings.texts(), steps.error, self._ended_early)
        for chronicler in self._chroniclers:
            steps.step(partial(chronicler.conclude, ending))
        self._error = steps.error

    def stop(self) -> None:
        """End the run in order, from any thread or signal handler: frames on their way are finished."""
        self._control.stopping.set()
        self._ended_early = self._ended_early or "stopped before the end of its source"
        if self._run is not None:
            self._run.stop()

    @property
    def source(self) -> Source | None:
        """The open source; None before it is open."""
        return self._source

    def progress(self) -> Progress | None:
        """Where the run is; None before it started."""
        return self._run.figures.progress() if self._run else None

    def statistics(self) -> dict[str, Any]:
        """Figures of the run so far, in the schema of ``--stats``; empty before it started."""
        if self._run is None or self._source is None:
            return {}
        found = statistics(self._run.figures, self._source, self._engines, live=self._run.live)
        return found if self._regions is None else {**found, "regions": self._regions.summary()}

    def _open(self) -> Run:
        config = self.config
        tracking = Tracking(config.track, config.track_buffer) if config.track is not None else None
        self._warnings.start()
        try:
            return self._opened(config, tracking)
        except BaseException:
            self._warnings.stop()
            raise

    def _opened(self, config: RunConfig, tracking: Tracking | None) -> Run:
        source = open_source(
            config.sources[0],
            start=config.start,
            loop=config.loop,
            maker=open_generator,
            patience=config.patience(),
        )
        self._source = source
        sessions: list[Session] = []
        opened: list[Output] = []
        try:
            check_areas(config, source.info)
            self.config = config = with_checked_network(self._asked)
            sessions = open_sessions(config, live=source.info.live or config.live)
            outputs = [*outputs_of(config, self._control), *self._extra]
            for output in outputs:
                opened.append(output)
                output.open([source.info])
        except BaseException as error:
            steps = Closing(error)
            steps.step(source.close)
            for output in opened:
                steps.step(partial(output.close, error))
            for session in sessions:
                steps.step(session.engine.close)
            raise
        self._chroniclers = [output for output in outputs if isinstance(output, Chronicler)]
        self._engines = tuple(session.engine.facts for session in sessions)
        figures = Figures(outputs, [_shown(session) for session in sessions], self._control.clock_ns)
        paint = _painting(config, figures)
        self._run = Run(
            config,
            source,
            sessions,
            outputs,
            paint=paint,
            figures=figures,
            tracking=tracking,
            ignoring=Ignoring(config.ignore) if config.ignore else None,
            regions=self._regions,
            control=self._control,
        )
        if self._control.stopping.is_set():
            self._run.stop()
        return self._run


def _places_read(config: RunConfig) -> list[str]:
    """Files and folders that no output may be: what the sources read, and the engines'."""
    engines = config.engine_configs()
    files = [path for engine in engines for path in (engine.file, engine.card) if path is not None]
    files += [engine.file.with_suffix(".bin") for engine in engines if engine.file.suffix.lower() == ".xml"]
    return [str(path) for path in (*(place for uri in config.sources for place in places_read(uri)), *files)]


def _shown(session: Session) -> str:
    """The engine's line in the panel; its skipping first, because a long name is cut."""
    every = session.config.every
    return session.engine.name if every == 1 else f"every {every}: {session.engine.name}"


def _painting(config: RunConfig, figures: Figures) -> Any:
    """Give what ``Result.drawn()`` calls; one painter, so one picture at a time."""
    painter = Painter(
        config.layers,
        config.alpha,
        config.palette,
        truth=config.truth,
        regions=config.regions,
        ignore=config.ignore,
        output_size=config.output_size,
    )
    lock = threading.Lock()

    def paint(result: Result) -> Picture:
        with lock:
            return painter.paint(result, figures.panel())

    return paint


def stream(
    *sources: str | Path, config: str | Path | None = None, outputs: Sequence[Output] = (), **options: Any
) -> Stream:
    """Run networks over a source and give a Result per frame.

    sources: as on the command line (one, for now). config: a YAML preset. outputs: your own outputs, beside those
    the options name. options: the names of RunConfig (``engines=["x.onnx"]``, ``save="out.mp4"``, ``score=0.4`` …).
    Raises UsageError at once; SourceError, EngineError and OutputError from the loop.
    """
    if not all(isinstance(source, str | Path) for source in sources):
        raise UsageError(
            f"a source is a path or a URI, not {sources!r}", "stream('drive.mp4', engines=['network.onnx'])"
        )
    if sources:
        options["sources"] = tuple(str(source) for source in sources)
    preset = Path(config) if config is not None else None
    return Stream(RunConfig.build(options, preset), outputs)
