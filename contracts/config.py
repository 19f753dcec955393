"""RunConfig: one run, validated once at the door. YAML preset < command line; the same names everywhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import unquote

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from contracts.errors import UsageError
from contracts.live import Patience
from contracts.output_options import OUTPUTS
from contracts.output_size import OutputSize
from contracts.polygon import Polygons, Regions
from contracts.protocols import Thresholds
from contracts.secrets import learn
from contracts.segments import DiskBudget, Segment, check_segments
from contracts.text import did_you_mean
from contracts.validation import read_file, read_yaml, validated

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(ge=1)]
Layer = Literal["boxes", "drivable", "lanes", "panel", "labels", "regions"]
LAYERS: tuple[Layer, ...] = ("boxes", "drivable", "lanes", "panel", "labels", "regions")
Tracker = Literal["bytetrack", "sort", "ocsort"]
TRACKERS: tuple[Tracker, ...] = ("bytetrack", "sort", "ocsort")


def parse_seconds(value: Any) -> Any:
    """``90``, ``"1:30"`` or ``"0:01:30.5"`` → seconds; anything else is left for pydantic to refuse."""
    if isinstance(value, str) and re.fullmatch(r"(\d+:){1,2}\d+(\.\d+)?", value):
        seconds = 0.0
        for part in value.split(":"):
            seconds = seconds * 60 + float(part)
        return seconds
    return value


def _parts(value: Any) -> Any:
    """``"car,truck"`` → ["car", "truck"]; lists stay lists."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _tracker(value: Any) -> Any:
    """A tracker's name, or a refusal with the nearest one; a plain yes is what a bare ``--track`` is."""
    if isinstance(value, bool):
        return "bytetrack" if value else None
    if isinstance(value, str) and value not in TRACKERS:
        cure = did_you_mean(value, TRACKERS)
        swallowed = "; a bare --track stands behind the source" if cure.startswith("known") else ""
        raise ValueError(f"no tracker is called {value!r} → {cure}{swallowed}")
    return value


PRESETS = Path(__file__).resolve().parent.parent / "configs"
"""Presets for people, one YAML file each."""
_YEAR_S = 366 * 86_400
_Time = BeforeValidator(parse_seconds, json_schema_input_type=float | str)
Seconds = Annotated[float, Field(ge=0, le=_YEAR_S), _Time]
SomeSeconds = Annotated[float, Field(gt=0, le=_YEAR_S), _Time]
WaitSeconds = Annotated[float, Field(ge=0.1, le=3600), _Time]


def _named(value: Any) -> Any:
    """A path; the empty one, which a shell variable without a value leaves, would be the current folder."""
    if value == "":
        raise ValueError("the path is empty → give a name, or leave the option out")
    return value


Place = Annotated[Path, BeforeValidator(_named)]


def _tries(value: Any) -> Any:
    """A count, written or not, or ``forever``."""
    if value in (None, "forever"):
        return value
    if not (isinstance(value, int | str) and not isinstance(value, bool) and str(value).isdecimal()):
        raise ValueError(f"{value!r} is no number of tries → write 0, 1, 2 … or forever")
    return int(value)


_Tries = Annotated[int, Field(ge=0)] | Literal["forever"]


def _several(value: Any) -> Any:
    """One engine alone → a tuple of it."""
    return (value,) if isinstance(value, str | Path | dict) else value


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class EngineConfig(_Frozen):
    """One network file and its own options; what is None comes from the run.

    every: it looks at every so many-th frame only, the first one always; its last result is carried on between them.
    """

    file: Path
    card: Path | None = None
    backend: Literal["auto", "openvino", "onnxruntime"] | None = None
    device: str | None = None
    precision: Literal["auto", "fp32", "bf16"] | None = None
    threads: Positive | None = None
    score: Share | None = None
    iou: Share | None = None
    every: Positive = 1

    @classmethod
    def parse(cls, text: str) -> EngineConfig:
        """``x.onnx?device=cpu&score=0.4`` → EngineConfig; raises UsageError."""
        file, mark, query = text.partition("?")
        pairs = [pair.partition("=") for pair in query.split("&")] if mark else []
        options = {key: unquote(value) for key, _, value in pairs}
        if len(options) < len(pairs) or not all(key and equals for key, equals, _ in pairs) or "file" in options:
            raise UsageError(f"engine {text!r}: not KEY=VALUE&… after the '?'", "write FILE?score=0.4&device=cpu")
        return validated(cls, {"file": file, **options}, f"engine {file!r}", UsageError)


def _engine(value: Any) -> Any:
    return EngineConfig.parse(str(value)) if isinstance(value, str | Path) else value


def _preset_file(preset: Path) -> Path:
    """The file itself; where there is none and the name is a bare one, ours of that name. Raises UsageError."""
    if preset.suffix or preset.name != str(preset) or preset.exists():
        return preset
    known = {file.stem: file for file in sorted(PRESETS.glob("*.yaml"))}
    if preset.name not in known:
        raise UsageError(f"no preset is called {preset.name!r}", did_you_mean(preset.name, known))
    return known[preset.name]


_Engine = Annotated[EngineConfig, BeforeValidator(_engine, json_schema_input_type=EngineConfig | str)]


class RunConfig(_Frozen):
    """Everything a run needs to know."""

    # what comes in
    sources: tuple[str, ...] = Field((), description="sources, as on the command line")
    start: Seconds = Field(0.0, description="skip this much of a recorded source: seconds or h:mm:ss")
    seconds: SomeSeconds | None = Field(None, description="stop after this much of the source")
    max_frames: Positive | None = Field(None, description="stop after this many frames")
    loop: bool = Field(False, description="start a recorded source again when it ends (time goes on)")
    realtime: bool = Field(False, description="pace a recorded source at its own speed, never drop")
    live: bool = Field(False, description="pace a recorded source and drop frames as a camera would")
    strict: bool = Field(False, description="exit code 3 when part of the input was unreadable")
    reconnect: Annotated[_Tries | None, BeforeValidator(_tries, json_schema_input_type=_Tries | None)] = Field(
        None,
        description="tries in a row that may fail; default: 5, and forever for cameras and RTSP once live",
    )
    open_timeout: WaitSeconds = Field(10.0, description="seconds to the first picture of a live source")
    read_timeout: WaitSeconds = Field(5.0, description="seconds between two pictures after which it is lost")
    max_age_ms: Annotated[float, Field(gt=0)] | None = Field(
        None, description="drop live frames that are older than this when the networks could have them"
    )
    transport: Literal["tcp", "udp"] = Field("tcp", description="how RTSP pictures come")
    # what looks at it
    engines: Annotated[tuple[_Engine, ...], BeforeValidator(_several)] = Field(
        (), description="network files; none: the embedded network, int8 where that is good on this CPU, else fp32"
    )
    card: Place | None = Field(None, description="the card of the (only) engine")
    backend: Literal["auto", "openvino", "onnxruntime"] = Field("auto", description="runtime")
    device: str = Field("cpu", description="where networks run")
    precision: Literal["auto", "fp32", "bf16"] = Field("auto", description="arithmetic of float layers")
    threads: Positive | None = Field(None, description="CPU threads of each engine; default: all cores")
    score: Share | None = Field(None, description="least score of a box; default: the card's, else 0.25")
    iou: Share | None = Field(None, description="overlap above which boxes are one; default: the card's, else 0.45")
    classes: Annotated[
        tuple[str, ...] | None, BeforeValidator(_parts, json_schema_input_type=list[str] | str | None)
    ] = Field(None, description="keep only these classes")
    max_detections: Positive = Field(300, description="most boxes per frame and head")
    class_agnostic: bool = Field(False, description="boxes of different classes suppress one another too")
    track: Annotated[Tracker | None, BeforeValidator(_tracker, json_schema_input_type=Tracker | bool | None)] = Field(
        None, description="follow boxes from frame to frame with this tracker and give them ids"
    )
    track_buffer: SomeSeconds = Field(1.0, description="how long a tracked thing may be out of sight and keep its id")
    ignore: Polygons = Field((), description="areas left out: boxes that lie in them by more than half, masks' pixels")
    regions: Regions = Field({}, description="areas in which boxes are counted, by their foot: name → polygon")
    # what goes out
    save: Place | None = Field(None, description="annotated MP4")
    segment: Segment | None = Field(
        None, description="begin a new file (out-000001-….mp4) after this time or size: 10m, 1h, 2GB"
    )
    keep: DiskBudget | None = Field(
        None, description="most disk that the segments take, 50GB; the oldest go, only those of this output"
    )
    codec: Literal["h264", "hevc", "av1"] = Field("h264", description="video codec")
    crf: Annotated[int, Field(ge=0, le=63)] = Field(23, description="quality, less is better and larger")
    preset: str = Field("veryfast", description="encoder's speed against size")
    audio: bool = Field(True, description="keep the source's sound")
    overwrite: bool = Field(False, description="replace outputs that exist")
    events: Place | None = Field(None, description="what was seen: .jsonl, .csv or .parquet")
    stats: Place | None = Field(None, description="figures of the run, JSON")
    report: Place | None = Field(None, description="page about the run: .html")
    show: bool = Field(False, description="window with the annotated pictures: q quits, space pauses, s saves one")
    grid: bool = Field(False, description="several sources in one picture: one video, one window")
    pictures: Place | None = Field(None, description="folder for annotated pictures, a JPEG per frame")
    push: str | None = Field(
        None, description="media server for the annotated stream: rtsp(s)://… or rtmp(s)://…; paced as with realtime"
    )
    masks: Place | None = Field(None, description="folder for masks, a PNG per frame and head")
    labels: Place | None = Field(
        None, description="folder for what was found, as labelled pictures; goes on behind old"
    )
    labels_format: Literal["yolo", "coco"] = Field("yolo", description="layout of the labels")
    findings: Place | None = Field(None, description="folder for inspection: a table of findings, crops, statistics")
    # how it looks
    layers: Annotated[tuple[Layer, ...], BeforeValidator(_parts, json_schema_input_type=list[Layer] | str)] = Field(
        LAYERS, description="what is drawn"
    )
    truth: bool = Field(False, description="draw the source's own labels beside what the networks saw")
    output_size: OutputSize | None = Field(None, description="size of annotated pictures; default: the source's")
    alpha: Share = Field(0.45, description="strength of filled areas")
    palette: Literal["okabe-ito", "bright"] = Field("okabe-ito", description="colours")

    @model_validator(mode="after")
    def _together(self) -> Self:
        if self.realtime and self.live:
            raise ValueError("realtime and live exclude one another → choose: live drops frames, realtime never does")
        if self.classes is not None and not self.classes:
            raise ValueError("classes is empty, nothing would be kept → leave it out for all classes")
        check_segments(self.segment, self.keep, saving=self.save is not None)
        if self.card is not None and len(self.engines) > 1:
            raise ValueError("card belongs to one engine → with several write FILE?card=CARD")
        for uri in (*self.sources, *([self.push] if self.push is not None else [])):
            learn(uri)
        return self

    @classmethod
    def build(cls, options: dict[str, Any], preset: Path | None = None) -> RunConfig:
        """Preset file < options, validated; raises UsageError with the nearest known key.

        preset: a file, or the name alone of one in ``configs/`` (``dashcam``).
        """
        data: dict[str, Any] = {}
        if preset is not None:
            preset = _preset_file(preset)
            data = read_yaml(read_file(preset, "configuration", UsageError), str(preset), UsageError)
            unknown = next((key for key in data if key not in cls.model_fields), None)
            if unknown is not None:
                raise UsageError(f"{preset}: unknown key {unknown!r}", did_you_mean(unknown, cls.model_fields))
        config = validated(cls, {**data, **options}, "configuration", UsageError)
        if preset is not None and any(getattr(config, option) == preset for option in OUTPUTS):
            raise UsageError(f"an output would replace the preset {preset}", "choose another name")
        return config

    def patience(self) -> Patience:
        """How long live sources are waited for."""
        tries: int | Literal["auto"] | None
        match self.reconnect:
            case None:
                tries = "auto"
            case "forever":
                tries = None
            case number:
                tries = number
        return Patience(self.open_timeout, self.read_timeout, tries, self.transport)

    def engine_configs(self) -> tuple[EngineConfig, ...]:
        """Every engine with the run's defaults filled in (thresholds excepted: those are per head)."""
        return tuple(
            engine.model_copy(
                update={
                    "card": engine.card or self.card,
                    "backend": engine.backend or self.backend,
                    "device": engine.device or self.device,
                    "precision": engine.precision or self.precision,
                    "threads": engine.threads or self.threads,
                }
            )
            for engine in self.engines
        )

    def thresholds(self, engine: EngineConfig, card_score: float | None, card_iou: float | None) -> Thresholds:
        """Thresholds of one head: engine's own, else the run's, else the card's, else 0.25 and 0.45."""

        def first(*values: float | None) -> float:
            return next(value for value in values if value is not None)

        return Thresholds(
            score=first(engine.score, self.score, card_score, 0.25),
            iou=first(engine.iou, self.iou, card_iou, 0.45),
            max_detections=self.max_detections,
            class_agnostic=self.class_agnostic,
            classes=frozenset(self.classes) if self.classes is not None else None,
        )
