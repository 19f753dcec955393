"""NNCF, kept quiet: nothing is reported to the internet, nothing drawn on the terminal."""

from __future__ import annotations

import functools
import importlib
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import rich
from numpy.typing import NDArray

from contracts.errors import EngineError
from engines.onnxruntime import states
from engines.openvino_runtime import ov  # first: imported by others, OpenVINO would report its usage

__all__ = ["Recipe", "ov", "quantised"]


def _without_telemetry(module: str) -> Any:
    """Imports NNCF without the package it reports usage with, and without its taste in loggers for everybody."""
    reporter = "openvino_telemetry"
    modules: dict[str, Any] = sys.modules
    known, loggers = modules.get(reporter), logging.getLoggerClass()
    modules[reporter] = None  # an ImportError, which NNCF is prepared for
    try:
        return importlib.import_module(module)
    finally:
        logging.setLoggerClass(loggers)
        if known is None:
            del modules[reporter]
        else:
            modules[reporter] = known


nncf = _without_telemetry("nncf")
_ranges = importlib.import_module("nncf.quantization.range_estimator")
nncf.set_log_level(logging.ERROR)

_OUTLIERS = 1e-4
"""Share of an activation's values that may lie outside the range on one side, where outliers are clipped."""
_FAULTS: tuple[type[Exception], ...] = (
    RuntimeError,
    ValueError,
    nncf.InternalError,
    nncf.UnsupportedModelError,
    nncf.ValidationError,
    states.Fail,
    states.InvalidGraph,
    states.NotImplemented,
)


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to quantise.

    floating: operations left float. shifted: the range of an activation need not lie around zero, which makes int8's
    steps finer and costs the kernels a correction. clipped: activations reach to the 1e-4 quantiles of a frame instead
    of its extremes, so that a few outliers do not cost all others their resolution (both: mean over the frames).
    """

    floating: frozenset[str] = frozenset()
    shifted: bool = False
    clipped: bool = False


def quantised(model: Any, feed: str, tensors: Sequence[NDArray[np.float32]], recipe: Recipe) -> Any:
    """A quantised copy of an onnx.ModelProto or openvino.Model.

    Weights are symmetric int8 per channel, activations are per tensor. Biases are corrected for the mean error
    (fast bias correction). feed: the input's name. Raises EngineError.
    """
    console = rich.get_console()
    loud, console.quiet = console.quiet, True
    try:
        return nncf.quantize(
            model,
            nncf.Dataset(tensors, lambda tensor: {feed: tensor}),
            preset=nncf.QuantizationPreset.MIXED if recipe.shifted else nncf.QuantizationPreset.PERFORMANCE,
            subset_size=len(tensors),
            # Not every name is one of NNCF's own: it drops or fuses some operations.
            ignored_scope=nncf.IgnoredScope(names=sorted(recipe.floating), validate=False),
            advanced_parameters=nncf.AdvancedQuantizationParameters(activations_range_estimator_params=_range(recipe)),
        )
    except _FAULTS as fault:
        reason = next((line for line in str(fault).splitlines() if line.strip()), type(fault).__name__)
        raise EngineError(f"NNCF cannot quantise the network: {reason}", "leave it in float (fp32 or fp16)") from fault
    finally:
        console.quiet = loud


def _range(recipe: Recipe) -> Any:
    """How the range of an activation is found: from every frame its bounds, of these the mean over all frames."""
    kinds, mean = _ranges.StatisticsType, _ranges.AggregatorType.MEAN
    lower, upper = kinds.MIN, kinds.MAX
    if recipe.clipped:
        # Around zero the upper bound alone counts, and NNCF's plain quantile forgets what lies below zero.
        lower, upper = (kinds.QUANTILE, kinds.QUANTILE) if recipe.shifted else (kinds.MIN, kinds.ABS_QUANTILE)
    bound = functools.partial(
        _ranges.StatisticsCollectorParameters, aggregator_type=mean, quantile_outlier_prob=_OUTLIERS
    )
    return _ranges.RangeEstimatorParameters(bound(lower), bound(upper))
