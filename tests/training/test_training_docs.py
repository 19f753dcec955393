"""docs/training.md: every command that it prints as one to run is run, in the order of the page."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "training.md"
_BLOCK = re.compile(r"<!-- (run: ultralytics|run|file)(?:: (\S+))? -->\n```\w+\n(.*?)```", re.DOTALL)


def blocks() -> list[tuple[str, str, str]]:
    """(run, file or run: ultralytics; name of the file; text), in order."""
    return [(kind, name or "", text) for kind, name, text in _BLOCK.findall(PAGE.read_text(encoding="utf-8"))]


def run(command: str, folder: Path) -> None:
    words = shlex.split(command)
    tools = {"python": [sys.executable], "yolo": [str(Path(sys.executable).with_name("yolo"))]}
    words = [*tools[words[0]], *(str(ROOT / word) if word == "run_stream.py" else word for word in words[1:])]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "2", "YOLO_OFFLINE": "true"}
    environment |= {"XDG_CACHE_HOME": str(folder / "cache"), "YOLO_CONFIG_DIR": str(folder / "ultralytics")}
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"


def follow(folder: Path, *kinds: str) -> None:
    (folder / "toy").mkdir(exist_ok=True)
    for kind, name, text in blocks():
        if kind == "file":
            (folder / name).write_text(text, encoding="utf-8")
        elif kind in kinds:
            for line in text.strip().splitlines():
                run(line, folder)


@pytest.mark.timeout(600)
def test_the_page_leads_from_a_folder_of_pictures_to_a_running_engine(tmp_path: Path) -> None:
    assert sum(kind == "run" for kind, _, _ in blocks()) >= 5
    follow(tmp_path, "run")
    made = {"toy/report/index.html", "toy/run/best.pt", "toy/run/curves.png", "toy/eval.html", "toy/out.mp4"}
    assert {name for name in made if (tmp_path / name).is_file()} == made


def has_torchvision() -> bool:
    """Whether its operators load: ultralytics cannot train without; those of a wheel for CUDA need a torch for CUDA."""
    probe = "import torchvision; torchvision.ops.nms; torchvision.extension._assert_has_ops()"
    return subprocess.run([sys.executable, "-c", probe], capture_output=True, check=False).returncode == 0


@pytest.mark.timeout(600)
def test_the_page_leads_through_ultralytics_and_back(tmp_path: Path) -> None:
    pytest.importorskip("ultralytics")
    (tmp_path / "toy").mkdir()
    lines = [line for kind, _, text in blocks() if kind == "run" for line in text.splitlines()]
    for line in lines:
        if " data convert " in line or " data split " in line:
            run(line, tmp_path)
    if not has_torchvision():
        convert = next(text for kind, _, text in blocks() if kind == "run: ultralytics").splitlines()[0]
        run(convert, tmp_path)
        assert (tmp_path / "toy" / "yolo" / "data.yaml").is_file()
        return
    follow(tmp_path, "run: ultralytics")
    assert (tmp_path / "toy" / "yolo11n.onnx").is_file()
