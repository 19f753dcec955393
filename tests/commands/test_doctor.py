"""``doctor``: it tells what is there, what is missing and how to get it, whatever state the machine is in."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from commands import doctor, doctor_machine, doctor_software
from commands.doctor_finding import Finding
from commands.doctor_probe import Probes
from contracts.errors import RoadStreamError
from engines import embedded
from tests.support.program import ROOT, command
from tests.support.screen import screen

_KEYS = {"section", "name", "state", "found", "cure"}
_LINES = {
    "program": ["roadstream", "python"],
    "machine": ["processor", "memory", "gpu", "cameras", "display"],
    "disk": ["current folder", "cache folder"],
    "packages": ["av", "numpy", "opencv-python-headless", "pydantic", "pyyaml"],
    "runtimes": ["openvino", "onnxruntime", "torch", "tensorrt", "network in the box"],
    "video": ["h264", "hevc", "av1", "decoders"],
    "extras": ["train", "ultralytics", "parquet", "track", "show"],
}
_SLOW = 60  # seconds; each check's own deadline is far below

Checks = dict[str, dict[str, str | None]]


def _doctor(
    *words: str, path: Path | None = None, cwd: Path = ROOT, **environment: str
) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own; path: a folder whose modules come before the installed ones."""
    chosen = os.environ | environment | ({"PYTHONPATH": f"{path}{os.pathsep}{ROOT}"} if path else {})
    return subprocess.run(
        command("doctor", *words), capture_output=True, text=True, timeout=_SLOW, env=chosen, cwd=cwd, check=False
    )


def _checks(done: subprocess.CompletedProcess[str]) -> Checks:
    assert "Traceback" not in done.stdout + done.stderr
    return {check["name"]: check for check in json.loads(done.stdout)["checks"]}


def _blocker(folder: Path, *modules: str) -> Path:
    """A folder that, first on PYTHONPATH, makes modules impossible to import as if they were not installed."""
    (folder / "sitecustomize.py").write_text(
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.partition('.')[0] in {modules!r}:\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Absent())\n"
    )
    return folder


def test_every_line_is_there_and_nothing_is_left_behind(tmp_path: Path) -> None:
    home, scratch = tmp_path / "cache", tmp_path / "scratch"
    scratch.mkdir()
    done = _doctor("--json", XDG_CACHE_HOME=str(home), TMPDIR=str(scratch), cwd=scratch)
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert {key: told[key] for key in ("version", "ok", "exit_code")} == {"version": 1, "ok": True, "exit_code": 0}
    names: dict[str, list[str]] = {}
    for check in told["checks"]:
        assert set(check) == _KEYS
        assert check["state"] in ("ok", "missing", "warning")
        assert check["state"] != "missing" or check["cure"], check
        names.setdefault(check["section"], []).append(check["name"])
    for section, wanted in _LINES.items():
        assert [name for name in names[section] if name in wanted] == wanted
    checks = _checks(done)
    assert all(checks[name]["state"] == "ok" for name in _LINES["packages"])
    assert (checks["network in the box"]["state"], checks["h264"]["state"]) == ("ok", "ok")
    assert not home.exists()
    assert list(scratch.iterdir()) == []


def test_broken_packages_are_a_line_each_and_hold_nobody_up(tmp_path: Path) -> None:
    (tmp_path / "tensorrt.py").write_text("raise OSError('libnvinfer.so.10: cannot open shared object file')")
    (tmp_path / "torch.py").write_text("import time; print('loading'); time.sleep(3600)")
    (tmp_path / "openvino.py").write_text("import os; os._exit(3)")
    done = _doctor(path=tmp_path)
    assert "Traceback" not in done.stdout + done.stderr
    assert done.returncode == 0, done.stderr  # ONNX Runtime suffices
    lines = {line.split()[1]: line for line in done.stdout.splitlines() if line.startswith("  ")}
    assert "does not import: OSError: libnvinfer.so.10: cannot open shared object file" in lines["tensorrt"]
    assert "no answer within 15 s" in lines["torch"]
    assert "ended with exit code 3" in lines["openvino"]
    assert done.stdout.splitlines()[-1] == "runs work here: networks on onnxruntime, video in h264, hevc, av1"


def test_without_any_runtime_the_last_line_says_so(tmp_path: Path) -> None:
    done = _doctor("--json", path=_blocker(tmp_path, "openvino", "onnxruntime", "torch"))
    checks = _checks(done)
    assert done.returncode == json.loads(done.stdout)["exit_code"] == 4
    for name in ("openvino", "onnxruntime"):
        assert (checks[name]["state"], checks[name]["found"]) == ("missing", "not installed")
        assert f'pip install "{name}>=' in str(checks[name]["cure"])
    assert done.stderr.startswith("roadstream: no run works here, for want of a runtime")
    assert len(done.stderr.splitlines()) == 1


def test_packages_that_runs_need_are_named_by_a_doctor_that_needs_none(tmp_path: Path) -> None:
    done = _doctor("--json", path=_blocker(tmp_path, "av", "pydantic", "cv2", "yaml", "torch"))
    checks = _checks(done)
    for name in ("av", "pydantic", "opencv-python-headless", "pyyaml"):
        assert (checks[name]["state"], checks[name]["found"]) == ("missing", "not installed")
    assert done.returncode == 4
    assert "no run works here: av: not installed → pip install" in done.stderr


def test_a_folder_that_cannot_be_written_is_a_warning(tmp_path: Path) -> None:
    if not Path("/proc/self").exists():
        pytest.skip("/proc is what nobody can write to")
    found = subprocess.run(
        [sys.executable, "-c", "from commands import doctor_machine as m; print(m.current_folder())"],
        cwd="/proc", env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert "state='warning'" in found
    assert "/proc cannot be written" in found


def test_a_cache_folder_that_cannot_be_made_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a file"))
    found = doctor_machine.cache()
    assert (found.state, "XDG_CACHE_HOME" in found.cure) == ("warning", True)


def test_a_driver_that_hangs_is_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\nsleep 3600 &\nsleep 3600\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(doctor_machine, "_DRIVER_S", 0.5)
    with Probes() as probes:
        found = doctor_machine.gpu(probes, tmp_path)
    assert (found.state, found.found) == ("warning", "nvidia-smi: no answer within 0.5 s")


@pytest.mark.parametrize(
    ("script", "state", "found"),
    [
        ("echo 'NVIDIA L4, 550.54.15, 23034 MiB'", "ok", "NVIDIA L4 (driver 550.54.15, 23034 MiB)"),
        ("echo 'Failed to initialize NVML: no'; exit 18", "warning", "nvidia-smi: Failed to initialize NVML: no"),
        ("exit 0", "warning", "nvidia-smi: it names no GPU"),
        (None, "ok", "none found; networks run on the CPU"),
    ],
)
def test_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None, state: str, found: str) -> None:
    if script is not None:
        program = tmp_path / "nvidia-smi"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with Probes() as probes:
        line = doctor_machine.gpu(probes, tmp_path)
    assert (line.state, line.found) == (state, found)


def _tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_a_jetson_names_its_release(tmp_path: Path) -> None:
    root = _tree(tmp_path, {"etc/nv_tegra_release": "# R36 (release), REVISION: 4.3, GCID: 1\nmore"})
    with Probes() as probes:
        assert doctor_machine.gpu(probes, root).found == "Jetson: R36 (release), REVISION: 4.3, GCID: 1"
    assert doctor_machine.nvidia_there(root)


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"proc/self/cgroup": "0::/a/b", "sys/fs/cgroup/a/cpu.max": "50000 100000"}, "0.5 of"),
        ({"proc/self/cgroup": "0::/a", "sys/fs/cgroup/a/cpu.max": "max 100000"}, None),
        (
            {
                "proc/self/cgroup": "4:cpu,cpuacct:/x",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "25000",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
            },
            "0.25 of",
        ),
        ({}, None),
    ],
)
def test_the_processor_is_named_with_what_a_container_leaves_of_it(
    tmp_path: Path, files: dict[str, str], cores: str | None
) -> None:
    cpu = "model name : Some CPU\nflags : fpu avx2 avx512_vnni amx_int8\n"
    line = doctor_machine.processor(_tree(tmp_path, {"proc/cpuinfo": cpu} | files), {})
    assert (line.state, "Some CPU; " in line.found) == ("ok", True)
    assert line.found.endswith("AVX2, AVX-512 VNNI, AMX int8")
    assert (f"; {cores} " in line.found and "container" in line.found) if cores else "container" not in line.found


def test_an_arm_processor_and_one_without_avx2(tmp_path: Path) -> None:
    arm = {"proc/cpuinfo": "Features : fp asimd asimddp\n", "proc/device-tree/model": "Jetson Orin\0"}
    line = doctor_machine.processor(_tree(tmp_path / "arm", arm), {})
    assert line.found.startswith("Jetson Orin; ")
    assert line.found.endswith("NEON, NEON dotprod")
    old = doctor_machine.processor(_tree(tmp_path / "old", {"proc/cpuinfo": "flags : sse2\n"}), {})
    assert (old.state, "AVX2" in old.cure) == ("warning", True)
    limited = doctor_machine.processor(tmp_path / "arm", {"ONEDNN_MAX_CPU_ISA": "AVX2"})
    assert (limited.state, "ONEDNN_MAX_CPU_ISA=AVX2" in limited.found) == ("warning", True)


def test_little_memory_is_a_warning(tmp_path: Path) -> None:
    plenty = "MemTotal: 16000000 kB\nMemAvailable: 8000000 kB\n"
    assert doctor_machine.memory(_tree(tmp_path, {"proc/meminfo": plenty})).state == "ok"
    limit = {"proc/self/cgroup": "0::/", "sys/fs/cgroup/memory.max": "500000000"}
    line = doctor_machine.memory(_tree(tmp_path, limit))
    assert (line.state, "limited to 0.5 GB" in line.found) == ("warning", True)


@pytest.mark.skipif(sys.platform != "linux", reason="cameras are looked for on Linux")
def test_cameras(tmp_path: Path) -> None:
    assert doctor_machine.cameras(tmp_path).state == "missing"
    named = {"sys/class/video4linux/video0/name": "HD Webcam\n"}
    assert "--device /dev/video0" in doctor_machine.cameras(_tree(tmp_path, named)).cure
    line = doctor_machine.cameras(_tree(tmp_path, {"dev/video0": ""}))
    assert (line.state, line.found) == ("ok", "/dev/video0 (HD Webcam)")


def test_the_display_is_tried_as_the_window_uses_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with Probes() as probes, screen(tmp_path) as shown:
        monkeypatch.setenv("DISPLAY", shown.name)
        line = doctor_machine.display(probes)
        assert (line.state, line.found) == ("ok", f"DISPLAY={shown.name}; x11, 1600×1000, tried")
        monkeypatch.setenv("DISPLAY", ":4093")
        line = doctor_machine.display(probes)
        assert line.state == "warning"
        assert line.found.startswith("DISPLAY=:4093; no window: ")
        monkeypatch.setenv("PYTHONPATH", str(_blocker(tmp_path, "pygame")))
        line = doctor_machine.display(probes)
        assert (line.state, line.found) == ("ok", "DISPLAY=:4093; not tried: --show needs the extra 'show'")
        monkeypatch.delenv("DISPLAY")
        line = doctor_machine.display(probes)
        assert (line.state, line.found) == ("missing", "neither DISPLAY nor WAYLAND_DISPLAY is set")


def test_a_network_file_cut_short_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(embedded.damaged()) == [], "other weights: write their SHA-256 into engines/embedded.py"
    cut = tmp_path / embedded.FLOAT.name
    cut.write_bytes(embedded.FLOAT.read_bytes()[:-1])
    gone = tmp_path / "gone.xml"
    monkeypatch.setattr(embedded, "_SHA256", {cut: "0" * 64, gone: "0" * 64})
    assert list(embedded.damaged()) == [(cut, "damaged"), (gone, "No such file or directory")]


@pytest.mark.parametrize(
    ("found", "requirement", "meets"),
    [
        ("18.1.0", "av>=18,<19", True),
        ("19.0", "av>=18,<19", False),
        ("2.13.0+cpu", "torch==2.13.0", True),
        ("2.12.1", "torch==2.13.0", False),
        ("2026.1", "openvino>=2026.1.0", True),
        ("10.2", "x>=9.9", True),
        ("5", "rich", True),
    ],
)
def test_versions_against_requirements(found: str, requirement: str, meets: bool) -> None:
    assert doctor_software.satisfies(found, requirement) is meets


def test_extras_are_known_from_a_checkout_and_from_an_installed_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed, extras = doctor_software.requirements()
    assert (needed["openvino"][:10], extras["train"]["torch"][:7]) == ("openvino>=", "torch==")
    cures = {found.name: found.cure for found in doctor_software.extras()}
    assert set(cures) == set(extras) - {"dev"}
    monkeypatch.setattr(doctor_software, "_HOME", tmp_path)
    texts = ["openvino>=2026.1", 'gone-package>=1; extra == "maps"', 'torch==0.1; extra == "train"']
    monkeypatch.setattr(metadata, "requires", lambda name: texts)
    assert doctor_software.requirements()[0] == {"openvino": "openvino>=2026.1"}
    found = {line.name: line for line in doctor_software.extras()}
    assert (found["maps"].state, found["maps"].found) == ("missing", "not installed: gone-package")
    assert found["maps"].cure == 'pip install "roadstream[maps]"'
    assert found["train"].state in ("warning", "missing")  # another version, or none


_WORKING = [
    Finding("packages", "av", "ok", "18", works=True),
    Finding("runtimes", "openvino", "ok", "2026", works=True),
    Finding("video", "h264", "ok", "libx264", works=True),
]


@pytest.mark.parametrize(
    ("broken", "code"),
    [(None, None), (0, 4), (1, 4), (2, 5)],
)
def test_the_verdict_is_about_what_a_run_needs(broken: int | None, code: int | None) -> None:
    findings = [
        Finding(line.section, line.name, "missing", "gone", "get it", works=False) if number == broken else line
        for number, line in enumerate(_WORKING)
    ]
    fault = doctor.verdict(findings)
    assert (fault.exit_code if isinstance(fault, RoadStreamError) else None) == code
    assert fault is None or ("gone" in fault.message and fault.cure == "get it")


@pytest.mark.parametrize("width", [80, 120])
def test_a_page_fits_the_terminal_and_a_pipe_gets_a_line_each(width: int) -> None:
    findings = [Finding("video", "h264", "missing", "word " * 60, "do " * 40), *_WORKING]
    assert max(map(len, doctor.page(findings, width).splitlines())) <= width
    lines = doctor.page(findings, None).splitlines()
    assert len([line for line in lines if line.startswith("  ")]) == len(findings)


def test_a_probe_leaves_nothing_running(tmp_path: Path) -> None:
    shell = shutil.which("sh")
    assert shell is not None
    mark = tmp_path / "alive"
    with Probes() as probes:
        late = probes.call([shell, "-c", f"(sleep 1.5; touch '{mark}') & sleep 60"], deadline_s=0.3)
        probes.call([shell, "-c", "sleep 1.7"], deadline_s=10)
    assert late.late
    assert not mark.exists()


@pytest.mark.parametrize("words", [(), ("--backend", "openvino")])
def test_a_run_without_openvino_is_no_traceback(tmp_path: Path, words: tuple[str, ...]) -> None:
    environment = os.environ | {"PYTHONPATH": f"{_blocker(tmp_path, 'openvino')}{os.pathsep}{ROOT}"}
    environment["XDG_CACHE_HOME"] = str(tmp_path / "cache")
    run = command("synthetic:?seconds=0.2&size=320x180", "--events", tmp_path / "out.jsonl", *words)
    done = subprocess.run(run, capture_output=True, text=True, timeout=_SLOW, env=environment, check=False)
    assert "Traceback" not in done.stderr
    assert "openvino cannot be imported: No module named 'openvino'" in done.stderr
    assert done.returncode == (4 if words else 0), done.stderr
