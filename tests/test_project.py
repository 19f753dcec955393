"""The project as a whole: what is written about it is true."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from commands import bench, run
from configs.schema import FILE, schema
from contracts.card import Card
from contracts.config import RunConfig
from contracts.protocols import Source
from tests.support.clips import write_clip
from tests.support.networks import mask_network

ROOT = Path(__file__).resolve().parent.parent
_NOT_A_SETTING = {"help", "config", "quiet", "debug", "dry_run", "version", "out", "rounds", "json"}


@pytest.mark.parametrize("command", [run, bench])
def test_every_setting_has_an_option_of_the_same_name_and_the_other_way_round(command: object) -> None:
    actions = command.parser()._actions  # type: ignore[attr-defined]
    assert {action.dest for action in actions} - _NOT_A_SETTING == set(RunConfig.model_fields)


def test_the_schema_is_fresh() -> None:
    assert FILE.read_text(encoding="utf-8") == schema(), "run: .venv/bin/python -m configs.schema"
    assert json.loads(schema())["additionalProperties"] is False


@pytest.mark.parametrize("path", sorted((ROOT / "configs" / "networks").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_card_is_valid_and_says_where_its_network_comes_from(path: Path) -> None:
    card = Card.from_file(path)
    assert card.name == path.stem
    assert card.sha256 or card.url, "neither found by its hash nor to be had"
    assert card.licence
    assert card.origin


def test_the_readme_s_python_runs_as_printed(tmp_path: Path) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    write_clip(tmp_path / "drive.mp4", 20)
    mask_network(tmp_path / "network.onnx")
    script = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{code}"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "of the picture" in done.stdout
    assert (tmp_path / "out.mp4").exists()


def test_the_readme_s_card_is_a_card() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert [head.role for head in Card.from_yaml(block, "README").heads] == ["drivable", "lane"]


def test_a_wheel_holds_every_room_the_cards_and_the_schema(tmp_path: Path) -> None:
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    tracked = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    copy = tmp_path / "copy"  # setuptools builds in the tree and would pick up what an earlier build left there
    for name in tracked:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copy / name)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(tmp_path)]
    done = subprocess.run([*pip, str(copy)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("roadstream-*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    ours = [name for name in tracked if name.endswith(".py") or name.startswith(("configs/", "engines/weights/"))]
    wanted = {name for name in ours if not name.startswith(("tests/", "soak/", "benchmarks/"))}
    assert wanted <= names
    assert (
        "run_stream:main"
        in zipfile.ZipFile(wheel).read(next(name for name in names if name.endswith("entry_points.txt"))).decode()
    )


def test_nothing_of_torch_or_a_gui_is_pulled_in() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    base = text.split("dependencies = [", 1)[1].split("]", 1)[0]
    assert "torch" not in base
    assert "opencv-python-headless" in base


def test_protocols_are_kept_by_what_open_gives(tmp_path: Path) -> None:
    from sources.open import open_source

    for uri in (str(write_clip(tmp_path / "clip.mp4", 3)), "synthetic:?seconds=1"):
        source: Source = open_source(uri)
        first = next(iter(source.frames()))
        assert first.index == first.pts == 0
        assert (first.picture.width, first.picture.height) == (source.info.width, source.info.height)
        source.close()
        source.close()
