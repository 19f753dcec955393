"""What ``doctor`` sees of the software: Python, packages, runtimes, the network in the box, encoders, extras."""

from __future__ import annotations

import platform
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from commands.doctor_finding import Finding, one_line
from commands.doctor_machine import nvidia_there
from commands.doctor_probe import Answer, Probes

_HOME = Path(__file__).resolve().parent.parent
_NAME = re.compile(r"[A-Za-z0-9._-]+")
_RELEASE = re.compile(r"\d+(?:\.\d+)*")
_EXTRA = re.compile(r"""extra\s*==\s*['"]([^'"]+)['"]""")
_IMPORT_S, _RUNTIME_S, _ENCODER_S = 15.0, 20.0, 15.0  # seconds; on slow disks a first import takes some
LIBRARIES = {"av": "av", "numpy": "numpy", "opencv-python-headless": "cv2", "pydantic": "pydantic", "pyyaml": "yaml"}
"""Packages that every run needs → the module they give; the runtimes are looked at by themselves."""
_BESIDE = {"track": "trackers"}
"""Packages an extra needs and cannot name itself (pyproject.toml says why): installed with --no-deps."""


def python() -> Finding:
    """The interpreter everything runs in."""
    where = f"{platform.python_version()} on {platform.system()} {platform.machine()}; {sys.executable}"
    return Finding("program", "python", "ok", one_line(where))


def version() -> Finding:
    """RoadStream's own version, and where it lies."""
    project = _project()
    known = str(project["version"]) if "version" in project else _version_of("roadstream")
    return Finding("program", "roadstream", "ok", f"{known or 'unknown version'}; {one_line(str(_HOME))}")


def library(probes: Probes, package: str) -> Finding:
    """A package that every run needs."""
    answer = probes.ask("library", LIBRARIES[package], deadline_s=_IMPORT_S)
    requirement = requirements()[0].get(package, package)
    found = _version_of(package) or str(answer.facts.get("version", ""))
    if answer.fault:
        return _not_there(package, "packages", answer, LIBRARIES[package], f'pip install "{requirement}"')
    if not satisfies(found, requirement):
        what = f"{found}, where {requirement} is needed"
        return Finding("packages", package, "warning", what, f'pip install "{requirement}"', works=True)
    return Finding("packages", package, "ok", found or "installed", works=True)


def openvino(probes: Probes) -> Finding:
    """OpenVINO: the default runtime."""
    answer = probes.ask("openvino", deadline_s=_RUNTIME_S)
    return _runtime(
        "openvino", answer, ", ".join(answer.facts.get("devices", [])), "use --backend onnxruntime meanwhile"
    )


def onnxruntime(probes: Probes) -> Finding:
    """ONNX Runtime: the other one."""
    answer = probes.ask("onnxruntime", deadline_s=_RUNTIME_S)
    providers = answer.facts.get("providers", [])
    return _runtime(
        "onnxruntime", answer, f"providers: {', '.join(providers)}" if providers else "", "OpenVINO suffices"
    )


def _runtime(name: str, answer: Answer, has: str, meanwhile: str) -> Finding:
    requirement = requirements()[0].get(name, name)
    install = f'pip install "{requirement}"; {meanwhile}'
    if "version" not in answer.facts:
        return _not_there(name, "runtimes", answer, name, install)
    parts = [str(answer.facts["version"]), *([has] if has else [])]
    if not answer.facts.get("runs"):
        found = "; ".join([*parts, f"the network in the box does not run: {answer.fault}"])
        return Finding("runtimes", name, "warning", one_line(found), meanwhile, works=False)
    if not satisfies(str(answer.facts["version"]), requirement):
        return Finding("runtimes", name, "warning", f"{'; '.join(parts)}; {requirement} is needed", install, works=True)
    return Finding("runtimes", name, "ok", one_line("; ".join(parts)), works=True)


def torch(probes: Probes) -> Finding:
    """PyTorch: for training and checkpoints."""
    answer = probes.ask("torch", deadline_s=_IMPORT_S)
    if "imported" not in answer.facts:
        return _not_there("torch", "runtimes", answer, "torch", f"for training: {_pip('train')}", critical=False)
    found = f"{answer.facts['version']}; {answer.facts['gpu'] or 'CPU'}"
    return Finding("runtimes", "torch", "ok", one_line(found))


def tensorrt(probes: Probes) -> Finding:
    """TensorRT: networks on NVIDIA GPUs."""
    answer = probes.ask("library", "tensorrt", deadline_s=_IMPORT_S)
    if "imported" not in answer.facts:
        gone = _absent(answer, "tensorrt")
        if gone and not nvidia_there():
            return Finding("runtimes", "tensorrt", "ok", "not installed; without an NVIDIA GPU it is of no use")
        return _not_there("tensorrt", "runtimes", answer, "tensorrt", "pip install tensorrt", critical=False)
    unused = "" if find_spec("engines.tensorrt") else "; this version of RoadStream does not use it"
    return Finding("runtimes", "tensorrt", "ok", one_line(f"{answer.facts['version']}{unused}"))


def network(probes: Probes) -> Finding:
    """The network in the box: its files are there and whole."""
    answer = probes.ask("network", deadline_s=_IMPORT_S)
    cure = "install RoadStream again (in a checkout: git checkout -- engines/weights)"
    if answer.fault:
        return Finding("runtimes", "network in the box", "warning", f"cannot be checked: {answer.fault}")
    broken = [f"{name}: {how}" for name, how in answer.facts["damaged"].items()]
    if broken:
        return Finding("runtimes", "network in the box", "missing", one_line("; ".join(broken)), cure)
    return Finding("runtimes", "network in the box", "ok", "its files are there and whole")


def encoder(probes: Probes, codec: str) -> Finding:
    """An encoder of one codec, tried out: its pictures are decoded again."""
    answer = probes.ask("encoder", codec, deadline_s=_ENCODER_S)
    cure = 'pip install --force-reinstall "av>=18,<19" (its own FFmpeg has it)'
    name = answer.facts.get("encoder")
    if name is None or not answer.facts.get("complete"):
        return Finding("video", codec, "missing", answer.fault or f"{name} loses pictures", cure, works=False)
    if not answer.facts.get("decoded"):
        why = answer.fault or "pictures are lost"
        return Finding("video", codec, "warning", f"{name} encodes, but decoding fails: {why}", cure, works=True)
    if nvidia_there() and not name.endswith("_nvenc"):
        found = f"{name}; the GPU does not encode this (some have no encoder)"
        container = "where it should: a newer driver; in a container NVIDIA_DRIVER_CAPABILITIES=all"
        return Finding("video", codec, "ok", found, container, works=True)
    return Finding("video", codec, "ok", f"{name}, tried", works=True)


def decoders(probes: Probes) -> Finding:
    """Which codecs can be read."""
    answer = probes.ask("decoders", deadline_s=_IMPORT_S)
    cure = 'pip install --force-reinstall "av>=18,<19"'
    if answer.fault:
        return Finding("video", "decoders", "missing", answer.fault, cure)
    found = f"FFmpeg {answer.facts['ffmpeg']}: {', '.join(answer.facts['known'])}"
    if answer.facts["lacking"]:
        return Finding("video", "decoders", "warning", f"{found}; not {', '.join(answer.facts['lacking'])}", cure)
    return Finding("video", "decoders", "ok", one_line(found))


def extras() -> Iterator[Finding]:
    """Optional parts of RoadStream: installed, or how to get them."""
    for name, packages in requirements()[1].items():
        if name == "dev":  # for working on RoadStream itself: `make test` sees to it
            continue
        wanted = dict(packages)
        if name in _BESIDE:
            wanted[_BESIDE[name]] = _BESIDE[name]
        lacking = [package for package in wanted if not _version_of(package)]
        odd = [f"{package} {_version_of(package)}" for package in wanted if package not in lacking]
        odd = [text for text in odd if not satisfies(text.split()[-1], wanted[text.split()[0]])]
        cure = _pip(name) + (f" && pip install --no-deps {_BESIDE[name]}" if name in _BESIDE else "")
        if lacking:
            yield Finding("extras", name, "missing", f"not installed: {', '.join(lacking)}", cure)
        elif odd:
            needed = ", ".join(wanted[text.split()[0]] for text in odd)
            yield Finding("extras", name, "warning", f"{', '.join(odd)}, where {needed} is needed", cure)
        else:
            yield Finding("extras", name, "ok", ", ".join(f"{package} {_version_of(package)}" for package in wanted))


def requirements() -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """What RoadStream needs, by package, and what each extra adds: from pyproject.toml or the installed package."""
    project = _project()
    if project:
        texts = list(project["dependencies"])
        more = {name: list(group) for name, group in project["optional-dependencies"].items()}
    else:
        texts, more = [], {}
        for text in _installed_requirements():
            extra = _EXTRA.search(text)
            group = more.setdefault(extra[1], []) if extra else texts
            group.append(text.partition(";")[0].strip())
    return _by_package(texts), {name: _by_package(group) for name, group in more.items()}


def satisfies(found: str, requirement: str) -> bool:
    """Whether a version meets a requirement's ``>=``, ``<`` and ``==`` parts, by the numbers at its front."""
    have = _numbers(found)
    for operator, text in re.findall(r"(>=|<|==)\s*([0-9][^,;\s]*)", requirement):
        wanted = _numbers(text)
        width = max(len(have), len(wanted))
        left, right = (numbers + (0,) * (width - len(numbers)) for numbers in (have, wanted))
        if not {">=": left >= right, "<": left < right, "==": left == right}[operator]:
            return False
    return True


def _numbers(text: str) -> tuple[int, ...]:
    match = _RELEASE.match(text)
    return tuple(map(int, match[0].split("."))) if match else ()


def _by_package(texts: list[str]) -> dict[str, str]:
    named = ((match[0], text) for text in texts if (match := _NAME.match(text)))
    return {name: text for name, text in named if name != "roadstream"}


def _project() -> dict[str, Any]:
    """The project table of the pyproject.toml beside, in a checkout; {} where RoadStream is installed."""
    try:
        project = tomllib.loads((_HOME / "pyproject.toml").read_text(encoding="utf-8")).get("project", {})
    except (OSError, ValueError):
        return {}
    found: dict[str, Any] = project if project.get("name") == "roadstream" else {}
    return found


def _installed_requirements() -> list[str]:
    try:
        return metadata.requires("roadstream") or []
    except metadata.PackageNotFoundError:
        return []


def _version_of(package: str) -> str:
    """The installed version; "" where it is not installed, or its description is broken."""
    try:
        return metadata.version(package) or ""
    except (metadata.PackageNotFoundError, KeyError):
        return ""


def _pip(extra: str) -> str:
    return f'pip install -e ".[{extra}]"' if _project() else f'pip install "roadstream[{extra}]"'


def _absent(answer: Answer, module: str) -> bool:
    return answer.fault == f"ModuleNotFoundError: No module named '{module}'"


def _not_there(name: str, section: str, answer: Answer, module: str, cure: str, *, critical: bool = True) -> Finding:
    """The finding for a package that is not installed, or is broken."""
    works = False if critical and not answer.late else None
    if _absent(answer, module):
        return Finding(section, name, "missing", "not installed", cure, works)
    return Finding(section, name, "warning", f"does not import: {answer.fault}", cure, works)
