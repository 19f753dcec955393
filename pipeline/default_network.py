"""The network of a run that names none: the embedded int8 file where it is good, else the embedded float one."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing

from contracts.config import RunConfig
from contracts.errors import EngineError
from contracts.picture import Picture
from engines.embedded import FLOAT, embedded_engine, embedded_float
from engines.gate import gate_against
from engines.open import open_engine
from sources.open import open_source

log = logging.getLogger(__name__)

_ROAD = "synthetic:city?size=640x360&seconds=8&fps=1"
"""What the int8 file is checked on: it is known that both files are sure of this road. On a road that they are unsure
of, small differences would refuse a good file, and the verdict is remembered."""


def with_network(config: RunConfig) -> RunConfig:
    """The configuration itself, or with the embedded network that is meant where it names none."""
    if config.engines:
        return config
    return config.model_copy(update={"engines": (embedded_engine(config.backend, config.precision),)})


def with_checked_network(config: RunConfig) -> RunConfig:
    """As ``with_network``, but the float file, and a warning why, where the int8 file is refused or cannot run.

    The check takes seconds, once for a processor and runtime; then it is remembered. Raises EngineError where the
    float file cannot run either.
    """
    meant = with_network(config)
    if config.engines or meant.engines[0].file == FLOAT:
        return meant
    spare = config.model_copy(update={"engines": (embedded_float(config.backend),)})
    reason = _objection(meant, spare)
    if reason is None:
        return meant
    log.warning("the int8 network in the box is no good here, the float one (slower) is used: %s", reason)
    return spare


def _objection(meant: RunConfig, spare: RunConfig) -> str | None:
    """Why a run must not take the network that is meant; None: it is good. Raises EngineError if ``spare`` is not."""
    (engine,), (reference,) = meant.engine_configs(), spare.engine_configs()
    try:
        verdict = gate_against(engine, reference, _pictures())
    except EngineError as fault:
        open_engine(reference).close()  # a mistake of the user's (--device cuda) stops this one too
        return fault.message
    return verdict.reason if verdict.state == "refused" else None


def _pictures() -> Iterator[Picture]:
    with closing(open_source(_ROAD)) as road:
        yield from (frame.picture for frame in road.frames())
