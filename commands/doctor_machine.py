"""What ``doctor`` sees of the machine: processor, memory, GPU, cameras, display, disk.

Everything below ``/`` is looked up under ``root``.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from commands.doctor_finding import Finding, one_line
from commands.doctor_probe import Probes
from sources.cameras import PERMISSION_CURE, camera_files, kernel_cameras

ROOT = Path("/")
_SECTION = "machine"
_DRIVER_S = 8.0  # seconds for the GPU's driver to answer; the first call after boot takes some
_DISPLAY_S = 15.0  # seconds for the display to answer; one far away takes some
_GIB = 1 << 30
_LITTLE_MEMORY = _GIB  # a run of the network in the box at 1080p takes about half
_LITTLE_DISK = 2 * _GIB  # about an hour of 720p at crf 23
_INSTRUCTIONS = {  # the kernel's name → the usual one; what the runtimes choose their kernels by
    "avx2": "AVX2",
    "avx512f": "AVX-512",
    "avx512_vnni": "AVX-512 VNNI",
    "avx_vnni": "AVX VNNI",
    "avx512_bf16": "AVX-512 BF16",
    "amx_int8": "AMX int8",
    "amx_bf16": "AMX bf16",
    "asimd": "NEON",
    "asimddp": "NEON dotprod",
    "i8mm": "int8 matrix",
    "bf16": "bf16",
    "sve": "SVE",
}
_FORBIDDING = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")


def processor(root: Path = ROOT, environment: Mapping[str, str] = os.environ) -> Finding:
    """The processor: model, cores this process may use, instruction sets that matter."""
    facts = dict(_fields(_read(root / "proc/cpuinfo")))
    flags = set(f"{facts.get('flags', '')} {facts.get('Features', '')}".split())
    sets = [usual for name, usual in _INSTRUCTIONS.items() if name in flags]
    model = facts.get("model name") or _read(root / "proc/device-tree/model").strip("\0\n ") or platform.processor()
    parts = [model or platform.machine(), _cores(root)]
    parts += [", ".join(sets)] if sets else []
    limits = [f"{name}={environment[name]}" for name in _FORBIDDING if environment.get(name)]
    if limits:
        parts.append(f"limited by {' '.join(limits)}")
        return _finding("processor", "warning", parts, f"unset {limits[0].partition('=')[0]}, unless that is meant")
    if "flags" in facts and "avx2" not in flags:
        return _finding("processor", "warning", parts, "it lacks AVX2: networks run, but slowly")
    return _finding("processor", "ok", parts)


def _cores(root: Path) -> str:
    """``4 of 16 cores usable``: what the affinity and the container's quota leave of them."""
    there = os.cpu_count() or 1
    allowed = float(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else there)
    quota = min(_quotas(root), default=allowed)
    usable = min(allowed, quota)
    why = " (the container's limit)" if quota < allowed else " (its affinity)" if allowed < there else ""
    return f"{usable:g} of {there} cores usable{why}"


def _quotas(root: Path) -> Iterator[float]:
    """Cores each control group over this process allows."""
    for folder in _groups(root, "cpu"):
        quota, _, period = _read(folder / "cpu.max").strip().partition(" ")
        if not quota:
            quota, period = (_read(folder / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period"))
        if quota.isdecimal() and period.isdecimal() and int(period):
            yield round(int(quota) / int(period), 2)


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """Folders of the control groups this process is in, the innermost first (version 2 and version 1)."""
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controllers and controller not in controllers.split(","):
            continue
        top = root / "sys/fs/cgroup" / controllers
        inner = top / path.lstrip("/")
        yield from (folder for folder in (inner, *inner.parents) if folder == top or top in folder.parents)


def memory(root: Path = ROOT) -> Finding:
    """Main memory: how much, how much of it is free, and the container's limit."""
    facts = dict(_fields(_read(root / "proc/meminfo")))
    total, free = (_kib(facts.get(name, "")) for name in ("MemTotal", "MemAvailable"))
    if total is None or free is None:
        return _finding("memory", "ok", ["this system does not say how much"])
    limits = [int(text) for folder in _groups(root, "memory") for text in _memory_limit(folder) if text.isdecimal()]
    limit = min(limits, default=total)
    parts = [f"{_size(total)}, {_size(free)} of it free"]
    if limit < total:
        parts.append(f"limited to {_size(limit)} here")
    if min(free, limit) < _LITTLE_MEMORY:
        return _finding("memory", "warning", parts, "a run needs about 1 GB: close other programs, or raise the limit")
    return _finding("memory", "ok", parts)


def _memory_limit(folder: Path) -> tuple[str, ...]:
    return tuple(_read(folder / name).strip() for name in ("memory.max", "memory.limit_in_bytes"))


def nvidia_there(root: Path = ROOT) -> bool:
    """Whether an NVIDIA driver is loaded (a Jetson's counts)."""
    return any(
        (root / path).exists() for path in ("proc/driver/nvidia/version", "etc/nv_tegra_release", "dev/nvhost-gpu")
    )


def gpu(probes: Probes, root: Path = ROOT) -> Finding:
    """The GPU and its driver. None is no fault: networks and encoders run on the CPU."""
    jetson = _read(root / "etc/nv_tegra_release").partition("\n")[0].lstrip("# ")
    if jetson:
        return _finding("gpu", "ok", [f"Jetson: {one_line(jetson, 80)}"])
    program = shutil.which("nvidia-smi")
    driver = one_line(_read(root / "proc/driver/nvidia/version").partition("\n")[0], 100)
    if program is not None:
        query = "--query-gpu=name,driver_version,memory.total"
        answer = probes.call([program, query, "--format=csv,noheader"], deadline_s=_DRIVER_S)
        cards = [one_line(line) for line in answer.text.splitlines() if line.strip()]
        if not answer.fault and cards:
            return _finding("gpu", "ok", ["; ".join(f"{card.replace(', ', ' (driver ', 1)})" for card in cards)])
        cure = "reboot, or install the driver again; networks run on the CPU meanwhile"
        return _finding("gpu", "warning", [f"nvidia-smi: {answer.fault or 'it names no GPU'}"], cure)
    if driver:
        cure = "install nvidia-smi (in a container: start it with --gpus all)"
        return _finding("gpu", "warning", [f"{driver}, but no nvidia-smi to ask"], cure)
    others = _other_gpus(root)
    if others:
        return _finding("gpu", "ok", [f"{others}; no NVIDIA GPU: networks run on the CPU"])
    return _finding("gpu", "ok", ["none found; networks run on the CPU"])


def _other_gpus(root: Path) -> str:
    """``Intel graphics``: makers of what the kernel draws with, "" without any."""
    makers = {"0x8086": "Intel", "0x1002": "AMD"}
    vendors = {_read(path).strip() for path in sorted((root / "sys/class/drm").glob("card*/device/vendor"))}
    return ", ".join(f"{makers[vendor]} graphics" for vendor in sorted(vendors) if vendor in makers)


def cameras(root: Path = ROOT) -> Finding:
    """USB and CSI cameras, and whether this user may read them."""
    if sys.platform != "linux":
        return _finding("cameras", "ok", ["not looked for on this system"])
    found = camera_files(root)
    if not found:
        known = kernel_cameras(root)
        if known:
            where = f"the kernel has {', '.join(known)}, but not under /dev"
            return _finding("cameras", "missing", [where], f"start the container with --device /dev/{known[0]}")
        return _finding("cameras", "missing", ["none found"], "plug one in; files and streams need none")
    named = ", ".join(map(str, found))
    if all(camera.usable for camera in found):
        return _finding("cameras", "ok", [named])
    return _finding("cameras", "warning", [f"{named}: no permission"], PERMISSION_CURE)


def display(probes: Probes, environment: Mapping[str, str] = os.environ) -> Finding:
    """Where --show would open its window, tried with its library."""
    needed = "only --show needs one: log in at the screen, or with ssh -X"
    own = sys.platform in ("darwin", "win32")
    names = [name for name in ("DISPLAY", "WAYLAND_DISPLAY") if environment.get(name)]
    if not own and not names:
        return _finding("display", "missing", ["neither DISPLAY nor WAYLAND_DISPLAY is set"], needed)
    where = "this system's own" if own else f"{names[0]}={one_line(environment[names[0]], 60)}"
    answer = probes.ask("display", deadline_s=_DISPLAY_S)
    if answer.fault == "ModuleNotFoundError: No module named 'pygame'":
        return _finding("display", "ok", [where, "not tried: --show needs the extra 'show'"])
    if answer.fault:
        return _finding("display", "warning", [where, f"no window: {answer.fault}"], needed)
    width, height = answer.facts["screen"]
    return _finding("display", "ok", [where, f"{answer.facts['driver']}, {width}×{height}, tried"])


def current_folder() -> Finding:
    """The folder that outputs with a bare name go to."""
    return _folder("current folder", Path(os.path.curdir), "cd to a folder of yours, or name outputs by a full path")


def cache() -> Finding:
    """The folder for compiled networks and verdicts."""
    from engines.files import cache_root

    cure = "name one in XDG_CACHE_HOME; without it each start compiles the networks anew"
    try:
        folder = cache_root()
    except RuntimeError:  # no home folder
        return Finding("disk", "cache folder", "warning", "this user has no home folder", cure)
    return _folder("cache folder", folder, cure)


def _folder(name: str, folder: Path, cure: str) -> Finding:
    """Free space and a trial file, in the folder or, where it is not there yet, in the one it would be made in."""
    try:
        shown = folder.resolve()
        there = next(path for path in (shown, *shown.parents) if path.exists())
        free = shutil.disk_usage(there).free
        with tempfile.TemporaryFile(dir=there):  # permission bits say nothing to root or on a read-only mount
            pass
    except OSError as fault:
        found = f"{one_line(str(folder.absolute() if folder.is_absolute() else _here()))} cannot be written"
        return Finding("disk", name, "warning", f"{found}: {fault.strerror}", cure)
    found = f"{one_line(str(shown))}: {_size(free)} free"
    if free < _LITTLE_DISK:
        return Finding("disk", name, "warning", found, "free some space: an hour of 720p takes about 2 GB")
    return Finding("disk", name, "ok", found)


def _here() -> str:
    """The current folder's path; it may have been deleted under us."""
    try:
        return str(Path.cwd())
    except OSError:
        return "the current folder"


def _finding(name: str, state: str, parts: list[str], cure: str = "") -> Finding:
    return Finding(_SECTION, name, state, "; ".join(one_line(part) for part in parts), cure)  # type: ignore[arg-type]


def _read(path: Path) -> str:
    """A file of the kernel's; "" where there is none."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _fields(text: str) -> Iterator[tuple[str, str]]:
    """``name : value`` lines; of several with one name the last counts."""
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if colon:
            yield name.strip(), value.strip()


def _kib(text: str) -> int | None:
    """``16384 kB`` in bytes."""
    number = text.removesuffix("kB").strip()
    return int(number) * 1024 if number.isdecimal() else None


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
