"""Which outputs a run asked for: one line per kind of output, one per file ending of the events."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from contracts.config import RunConfig
from contracts.control import Control
from contracts.errors import UsageError
from contracts.output_options import OUTPUTS, Form, Whose, without_outputs
from contracts.protocols import Output
from contracts.segments import check_segments
from outputs.encoder import VideoSettings
from outputs.events import CsvEvents, JsonlEvents
from outputs.events_parquet import ParquetEvents
from outputs.findings import TRACES, FindingsOutput
from outputs.frame_folder import MEMORY
from outputs.labels import LabelsOutput, YoloLabels
from outputs.labels_coco import CocoLabels
from outputs.masks import MasksOutput
from outputs.mp4 import Mp4Output
from outputs.paths import check_folders, check_series, check_targets
from outputs.pictures import PicturesOutput
from outputs.push import PushOutput
from outputs.report.output import ReportOutput
from outputs.segment_names import SegmentNames
from outputs.segments import SegmentedMp4Output
from outputs.window import WindowOutput, check_window

_LABELS: dict[str, type[LabelsOutput]] = {"yolo": YoloLabels, "coco": CocoLabels}
_EVENTS: dict[str, Callable[[Path], Output]] = {".jsonl": JsonlEvents, ".csv": CsvEvents, ".parquet": ParquetEvents}


def outputs_of(config: RunConfig, control: Control | None = None) -> list[Output]:
    """The outputs of a run, none of them open yet. Raises UsageError for endings and settings nobody knows.

    control: the run's, for outputs with keys or buttons.
    """
    outputs: list[Output] = []
    if config.save is not None:
        _check_ending(config.save, "save")
        outputs.append(_video(config, config.save))
    if config.events is not None:
        _check_ending(config.events, "events")
        outputs.append(_EVENTS[config.events.suffix.lower()](config.events))
    if config.pictures is not None:
        outputs.append(PicturesOutput(config.pictures, overwrite=config.overwrite, size=config.output_size))
    if config.masks is not None:
        outputs.append(MasksOutput(config.masks, overwrite=config.overwrite))
    if config.labels is not None:
        outputs.append(_LABELS[config.labels_format](config.labels, overwrite=config.overwrite))
    if config.findings is not None:
        outputs.append(FindingsOutput(config.findings, overwrite=config.overwrite))
    if config.report is not None:
        _check_ending(config.report, "report")
        outputs.append(ReportOutput(config.report, config.palette))
    if config.push is not None:
        outputs.append(PushOutput(config.push, _settings(config), config.output_size))
    if config.show:
        outputs.append(WindowOutput(control or Control(), live=config.live, size=config.output_size))
    return outputs


def _settings(config: RunConfig) -> VideoSettings:
    return VideoSettings(config.codec, config.crf, config.preset)


def _video(config: RunConfig, path: Path) -> Output:
    settings = _settings(config)
    if config.segment is None:
        return Mp4Output(path, settings, config.audio, config.output_size)
    return SegmentedMp4Output(
        path, settings, config.segment, keep=config.keep, audio=config.audio, size=config.output_size
    )


def files_of(config: RunConfig) -> list[Path]:
    """The files that a run was asked to write; segments, which get their names while it runs, are not among them."""
    segmented = ("save",) if config.segment is not None else ()
    return [path for name, path in _asked(config, Form.FILE) if name not in segmented]


def folders_of(config: RunConfig) -> list[Path]:
    """The folders that a run was asked to fill."""
    return [folder for _, folder in _asked(config, Form.FOLDER)]


def _asked(config: RunConfig, form: Form) -> Iterator[tuple[str, Path]]:
    """The files or the folders that a run was asked for, by their options."""
    for name, option in OUTPUTS.items():
        if option.form is form and (path := getattr(config, name)) is not None:
            yield name, path


def for_source(config: RunConfig, name: str) -> RunConfig:
    """What one of several sources is to write: ``out-NAME.mp4`` for ``out.mp4``, ``DIR/NAME`` for a folder.

    What is one for all of them (statistics, the window, the server, the video of a grid) is left out.
    """

    def own(path: Path, form: Form) -> Path:
        return path / name if form is Form.FOLDER else path.with_name(f"{path.stem}-{name}{path.suffix}")

    asked = {option: own(path, form) for form in (Form.FILE, Form.FOLDER) for option, path in _asked(config, form)}
    return config.model_copy(
        update={
            **without_outputs(),
            **{option: path for option, path in asked.items() if _whose(config, option) is Whose.SOURCE},
            "keep": None if config.keep is None else config.keep // len(config.sources),
            "realtime": config.realtime or (config.push is not None and not config.live),
            "grid": False,
            "output_size": None if config.grid else config.output_size,
        }
    )


def places_of(config: RunConfig, names: Sequence[str]) -> list[Path]:
    """Every file and folder that a run was asked to write; names: of its sources, where there are several."""
    if not names:
        return [*files_of(config), *folders_of(config)]
    each = [for_grid(config), *(for_source(config, name) for name in names)]
    return [*(path for one in each for path in files_of(one)), *_files_of_run(config), *folders_of(config)]


def for_grid(config: RunConfig) -> RunConfig:
    """What the grid of several sources is to write: the video where it is one of the grid; the window, the server."""
    its = {option: getattr(config, option) for option in OUTPUTS if _whose(config, option) is Whose.GRID}
    return config.model_copy(update={**without_outputs(), **its, "audio": False})


def _whose(config: RunConfig, option: str) -> Whose:
    return OUTPUTS[option].belongs(grid=config.grid)


def check_paths_of_several(config: RunConfig, names: Sequence[str], inputs: Sequence[str]) -> None:
    """As ``check_paths``, for several sources of these names."""
    own = [for_source(config, name) for name in names]
    for one in (for_grid(config), *own):
        outputs_of(one)
        _check_series(one, inputs)
    files = [path for one in (for_grid(config), *own) for path in files_of(one)]
    check_targets([*files, *_files_of_run(config)], inputs, config.overwrite)
    check_folders(folders_of(config), inputs)
    check_folders([folder for one in own for folder in folders_of(one) if folder.parent.is_dir()], inputs)
    _check_apart([*files, *_files_of_run(config)], [folder for one in own for folder in folders_of(one)])
    _check_statistics_and_window(config)


def _files_of_run(config: RunConfig) -> list[Path]:
    """Those that are about all sources."""
    return [path for option, path in _asked(config, Form.FILE) if _whose(config, option) is Whose.RUN]


def check_paths(config: RunConfig, inputs: Sequence[str]) -> None:
    """Fails before anything starts where an output could not be written or would destroy something.

    ``inputs``: the sources as given; those that are no local files are ignored. Raises UsageError (an ending or a
    setting nobody knows, an existing output without ``overwrite``, an output that is an input or another output,
    a missing library) and OutputError (a place that cannot be written, no display).
    """
    outputs_of(config)
    check_targets(files_of(config), inputs, config.overwrite)
    _check_series(config, inputs)
    check_folders(folders_of(config), inputs)
    _check_apart(files_of(config), folders_of(config))
    _check_statistics_and_window(config)


def _check_series(config: RunConfig, inputs: Sequence[str]) -> None:
    """As ``check_paths``, for the segments of a recording."""
    if config.save is None or config.segment is None:
        return
    names = SegmentNames(config.save)
    check_series(config.save, names.longest, names.includes, inputs)
    try:
        check_segments(config.segment, config.keep, saving=True)
    except ValueError as fault:  # of several sources each has its share of the disk
        what, _, cure = str(fault).partition(" → ")
        raise UsageError(f"of each source {what}", cure) from fault


def _check_statistics_and_window(config: RunConfig) -> None:
    if config.stats is not None:
        _check_ending(config.stats, "stats")
    if config.show:
        check_window()


def _check_apart(files: Sequence[Path], folders: Sequence[Path]) -> None:
    """UsageError for a file that an output's folder would have under the same name."""
    for file in files:
        inside = [folder for folder in folders if folder.resolve() == file.parent.resolve()]
        if inside and file.name in (MEMORY, *TRACES):
            raise UsageError(f"two outputs would write {file}", f"give it another name, or put it beside {inside[0]}")


def _check_ending(path: Path, option: str) -> None:
    known = OUTPUTS[option].endings
    if path.suffix.lower() not in known:
        endings = " or ".join(known)
        raise UsageError(f"--{option} {path}: the name does not end in {endings}", f"write {path.stem}{known[0]}")
