"""The door for programs: ``from roadstream import stream, Frame, Prediction …``."""

from contracts.card import Card
from contracts.config import EngineConfig, RunConfig
from contracts.depth_view import DepthView
from contracts.errors import EngineError, OutputError, RoadStreamError, SourceError, UsageError
from contracts.fit import Fit, Letterbox, Stretch
from contracts.frame import Frame, SourceInfo
from contracts.picture import Picture
from contracts.prediction import Classification, ClassMap, Detections, InstanceMasks, Mask, Prediction
from contracts.protocols import Chronicler, Ending, Engine, Head, Output, Source, Ticket
from contracts.result import Result, Timings
from contracts.sizes import Sizes
from contracts.space import Depth, Intrinsics
from contracts.tensor import TensorSpec
from pipeline.stream import Stream, stream

__all__ = [
    "Card",
    "Chronicler",
    "ClassMap",
    "Classification",
    "Depth",
    "DepthView",
    "Detections",
    "Ending",
    "Engine",
    "EngineConfig",
    "EngineError",
    "Fit",
    "Frame",
    "Head",
    "InstanceMasks",
    "Intrinsics",
    "Letterbox",
    "Mask",
    "Output",
    "OutputError",
    "Picture",
    "Prediction",
    "Result",
    "RoadStreamError",
    "RunConfig",
    "Sizes",
    "Source",
    "SourceError",
    "SourceInfo",
    "Stream",
    "Stretch",
    "TensorSpec",
    "Ticket",
    "Timings",
    "UsageError",
    "stream",
]
