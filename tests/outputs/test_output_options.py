"""Every output of a run is in one table, and all that is said of outputs elsewhere follows from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from commands.options import run_options
from commands.run import parser
from contracts.config import RunConfig
from contracts.errors import UsageError
from contracts.output_options import OUTPUTS, Form, Whose
from outputs.open import files_of, folders_of, for_grid, for_source, outputs_of, places_of
from pipeline.limit import _with_output

_SETTINGS = {"segment", "keep", "codec", "crf", "preset", "audio", "labels_format", "grid", "overwrite"}
"""Options that say how outputs are made, and are none themselves."""
_FILES = [(option, ending) for option, each in OUTPUTS.items() for ending in each.endings]
_NAMES = ["front", "rear"]


def value_of(option: str, folder: Path) -> Any:
    """What somebody who asks for an output writes."""
    match OUTPUTS[option].form:
        case Form.FILE:
            return folder / f"{option}{OUTPUTS[option].endings[0]}"
        case Form.FOLDER:
            return folder / option
        case Form.STREAM:
            return "rtsp://localhost/x"
        case Form.WINDOW:
            return True


def asking(option: str, folder: Path, **more: Any) -> RunConfig:
    return RunConfig.build({"sources": ["synthetic:", "synthetic:"], option: value_of(option, folder), **more})


def test_every_option_among_the_outputs_is_classified() -> None:
    """By the groups of the help, which name every option that there is, and by the options that are places."""
    (group,) = (group for group in parser()._action_groups if group.title == "outputs")
    options = {action.dest for action in group._group_actions} - {"out"}
    assert options - _SETTINGS == OUTPUTS.keys()
    places = {name for name, field in RunConfig.model_fields.items() if "Path" in str(field.annotation)}
    assert places - OUTPUTS.keys() == {"card"}, "a place that is written to, or one that is read?"


def test_what_is_not_asked_for_is_what_a_run_has_by_default() -> None:
    config = RunConfig.build({})
    assert {name: option.off for name, option in OUTPUTS.items()} == {name: getattr(config, name) for name in OUTPUTS}


@pytest.mark.parametrize("grid", [False, True])
@pytest.mark.parametrize("option", OUTPUTS)
def test_of_several_sources_an_output_is_each_one_s_the_grid_s_or_the_run_s(
    option: str, grid: bool, tmp_path: Path
) -> None:
    config, off = asking(option, tmp_path, grid=grid), OUTPUTS[option].off
    asked = getattr(config, option)
    each, whole = [for_source(config, name) for name in _NAMES], for_grid(config)
    own = [getattr(one, option) for one in each]
    match OUTPUTS[option].belongs(grid=grid):
        case Whose.SOURCE:
            assert own == [own_place(asked, option, name) for name in _NAMES]
            assert getattr(whole, option) == off
            assert [len(outputs_of(one)) for one in (*each, whole)] == [1, 1, 0]
        case Whose.GRID:
            assert own == [off, off]
            assert getattr(whole, option) == asked
            assert [len(outputs_of(one)) for one in (*each, whole)] == [0, 0, 1]
        case Whose.RUN:
            assert [*own, getattr(whole, option)] == [off, off, off]
            assert places_of(config, _NAMES) == [asked]
    if OUTPUTS[option].form is Form.FILE:
        told = own if off not in own else [asked]
        assert places_of(config, _NAMES) == told
    elif OUTPUTS[option].form is Form.FOLDER:
        assert places_of(config, _NAMES) == [asked], "the folder in which each has its own"


def own_place(asked: Path, option: str, name: str) -> Path:
    if OUTPUTS[option].form is Form.FOLDER:
        return asked / name
    return asked.parent / f"{option}-{name}{asked.suffix}"


@pytest.mark.parametrize("option", OUTPUTS)
def test_what_is_measured_writes_nothing_that_was_asked_for(option: str, tmp_path: Path) -> None:
    measured = _with_output(asking(option, tmp_path), tmp_path / "measured.mp4")
    own = [tmp_path / "measured.mp4"] if option == "save" else []
    assert (files_of(measured), folders_of(measured)) == (own, [])
    assert len(outputs_of(measured)) == len(own)


@pytest.mark.parametrize("option", OUTPUTS)
def test_files_and_folders_are_known_before_the_run(option: str, tmp_path: Path) -> None:
    config = asking(option, tmp_path)
    place = [getattr(config, option)]
    form = OUTPUTS[option].form
    assert files_of(config) == (place if form is Form.FILE else [])
    assert folders_of(config) == (place if form is Form.FOLDER else [])
    assert (places_of(config, []) == place) is (form in (Form.FILE, Form.FOLDER))


@pytest.mark.parametrize(("option", "ending"), _FILES)
def test_an_ending_says_which_output_is_meant(option: str, ending: str, tmp_path: Path) -> None:
    for name in (f"x{ending}", f"x{ending.upper()}"):
        options, _ = run_options(parser().parse_args(["synthetic:", "-o", str(tmp_path / name)]))
        assert options == {"sources": ["synthetic:"], option: str(tmp_path / name)}
        assert len(outputs_of(RunConfig.build(options))) == (OUTPUTS[option].whose is not Whose.RUN)


@pytest.mark.parametrize("option", [option for option, each in OUTPUTS.items() if each.form is Form.FILE])
def test_no_output_replaces_the_preset_that_asks_for_it(option: str, tmp_path: Path) -> None:
    preset = tmp_path / "mine.yaml"
    preset.write_text(f"{option}: {preset}\n", encoding="utf-8")
    with pytest.raises(UsageError, match="would replace the preset"):
        RunConfig.build({}, preset)
