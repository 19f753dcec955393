"""``stream()``: the one way through the house, for programs and for the command line."""

from __future__ import annotations

import atexit
import logging
from collections.abc import Generator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from contracts.config import RunConfig
from contracts.control import Control
from contracts.errors import SourceError, UsageError
from contracts.protocols import Ending, Output, Source
from contracts.result import Result
from contracts.secrets import without_login
from outputs.open import check_paths, check_paths_of_several
from pipeline.channels import Channels
from pipeline.closing import Closing
from pipeline.default_network import with_network
from pipeline.figures import Progress
from pipeline.only_source import OnlySource
from pipeline.queues import Aborted
from pipeline.source_state import SourceState
from pipeline.stats import write_statistics
from pipeline.warning_log import WarningLog
from sources.names import unique_names
from sources.open import has_truth, places_read

log = logging.getLogger(__name__)


class Stream:
    """One run. Iterate it once for its results; leaving the loop early ends the run in order.

    As a context manager it also tells what went wrong while files were finished after a ``break``.
    """

    def __init__(self, config: RunConfig, outputs: Sequence[Output] = ()) -> None:
        """Check everything that can be checked without opening the source; raises UsageError, OutputError."""
        self._control = Control(self.stop)
        self._used = self._entered = self._finished = False
        self._error: BaseException | None = None
        self._warnings = WarningLog()
        self._ended_early = ""
        _check_sources(config)
        inputs = [*config.sources, *_places_read(with_network(config))]
        self._work: OnlySource | Channels
        if len(config.sources) == 1:
            check_paths(config, inputs)
            self._work = OnlySource(config, self._control, outputs)
        else:
            check_paths_of_several(config, unique_names(config.sources), inputs)
            self._work = Channels(config, self._control, outputs)

    def __iter__(self) -> Generator[Result]:
        """Give every result. Raises the run's first error when everything is closed."""
        if self._used:
            raise UsageError("this stream has run already", "call stream() again")
        self._used = True
        try:
            self._open()
        except Aborted:  # stopped while its source was still opening
            return
        atexit.register(self.close)  # a program that forgets the iterator still gets finished files
        try:
            yield from self._work.results()
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
        if not self._work.opened or self._finished:
            return
        self._finished = True
        steps = Closing()
        steps.step(self._work.close)
        self._warnings.stop()
        data = self.statistics()
        if self.config.stats is not None:
            steps.step(partial(write_statistics, self.config.stats, data))
        for tell in self._work.conclude(Ending(data, self._warnings.texts(), steps.error, self._ended_early)):
            steps.step(tell)
        self._error = steps.error

    def stop(self) -> None:
        """End the run in order, from any thread or signal handler: frames on their way are finished."""
        self._control.stopping.set()
        self._ended_early = self._ended_early or "stopped before the end of its source"
        self._work.stop()

    @property
    def config(self) -> RunConfig:
        """What the run was asked for, with the networks that it takes."""
        return self._work.config

    @property
    def source(self) -> Source | None:
        """The open source of a run with one; None before the first result was asked for, and of several."""
        return self._work.source if isinstance(self._work, OnlySource) else None

    @property
    def sources(self) -> list[SourceState]:
        """Where each of several sources is, in the order given; empty in a run with one."""
        return self._work.states() if isinstance(self._work, Channels) else []

    @property
    def failures(self) -> dict[str, SourceError]:
        """Which of several sources failed, by name: the others went on. Where all failed, the loop raises."""
        return self._work.failures if isinstance(self._work, Channels) else {}

    def progress(self) -> Progress | None:
        """Where the run is; None before it started."""
        return self._work.progress()

    def statistics(self) -> dict[str, Any]:
        """Figures of the run so far, in the schema of ``--stats``; empty before it started."""
        return self._work.statistics()

    def _open(self) -> None:
        self._warnings.start()
        try:
            self._work.open()
        except BaseException:
            self._warnings.stop()
            raise


def _check_sources(config: RunConfig) -> None:
    if not config.sources:
        raise UsageError("no source given", "name a file or 'synthetic:' (see --help)")
    if config.sources.count("-") > 1:
        raise UsageError("standard input can be read once, and - stands twice", "name it once")
    strange = next((uri for uri in config.sources if not has_truth(uri)), None)
    if config.truth and strange is not None:
        cure = "leave --truth out; dataset:FOLDER and synthetic: have it"
        raise UsageError(f"{without_login(strange)} has no truth to draw", cure)


def _places_read(config: RunConfig) -> list[str]:
    """Files and folders that no output may be: what the sources read, and the engines'."""
    engines = config.engine_configs()
    files = [path for engine in engines for path in (engine.file, engine.card) if path is not None]
    files += [engine.file.with_suffix(".bin") for engine in engines if engine.file.suffix.lower() == ".xml"]
    return [str(path) for path in (*(place for uri in config.sources for place in places_read(uri)), *files)]


def stream(
    *sources: str | Path, config: str | Path | None = None, outputs: Sequence[Output] = (), **options: Any
) -> Stream:
    """Run networks over a source and give a Result per frame.

    sources: as on the command line; of several, results come as they are ready (``frame.source.id`` tells whose).
    config: a YAML preset. outputs: your own outputs, beside those the options name; one that is given to a run of
    several sources is opened for each, and what it counts itself stands once in the statistics. options: the names of
    RunConfig (``engines=["x.onnx"]``, ``save="out.mp4"``, ``score=0.4`` …).
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
