"""Presets: every one loads, as it is and with all it offers; every setting is explained in one of them."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from commands import run
from contracts.config import PRESETS, RunConfig
from contracts.errors import UsageError

FILES = sorted(PRESETS.glob("*.yaml"))
_KEY = re.compile(r"#?([a-z_]+):")


def explained(text: str) -> list[str]:
    """Keys, set or offered behind a ``#``, with a comment right above."""
    lines = text.splitlines()
    found = []
    for above, line in itertools.pairwise(lines):
        match = _KEY.match(line)
        if match and above.startswith("# "):
            found.append(match[1])
    return found


def test_the_presets_people_were_promised_are_there() -> None:
    promised = {"dashcam", "annotate", "webcam", "hololens", "benchmark", "crack-inspection", "waste-sorting"}
    assert {file.stem for file in FILES} == promised
    help_text = next(action.help for action in run.parser()._actions if action.dest == "config")
    assert all(name in str(help_text) for name in promised)


def test_every_setting_is_explained_in_one_of_them() -> None:
    assert {key for file in FILES for key in explained(file.read_text(encoding="utf-8"))} == set(RunConfig.model_fields)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_preset_loads_by_its_name(file: Path) -> None:
    assert RunConfig.build({}, Path(file.stem)) == RunConfig.build({}, file)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_what_a_preset_offers_is_valid_too(file: Path, tmp_path: Path) -> None:
    text = file.read_text(encoding="utf-8")
    offered = re.sub(r"^#(?=[a-z_]+:)", "", text, flags=re.MULTILINE)
    (tmp_path / "all.yaml").write_text(offered, encoding="utf-8")
    config = RunConfig.build({}, tmp_path / "all.yaml")
    assert set(_keys(offered)) == config.model_fields_set


def _keys(text: str) -> list[str]:
    return [match[1] for line in text.splitlines() if (match := re.match(r"([a-z_]+):", line))]


def test_a_wrong_name_gets_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"no preset is called 'dashcm' → did you mean 'dashcam'"):
        RunConfig.build({}, Path("dashcm"))


def test_a_file_of_that_name_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dashcam").write_text("score: 0.77\n", encoding="utf-8")
    assert RunConfig.build({}, Path("dashcam")).score == 0.77
