"""The benchmark table of the README: limit and ratio, the loop it replaces, memory, start-up.

    make bench                     everything, with the project's shared clip and networks
    python benchmarks/main_job.py --clip drive.mp4 --boxes yolov8n.xml --boxes-float yolov8n.onnx --masks net.onnx

Every comparison is interleaved in one run and given as a ratio: the machines this runs on are noisy. The loop it
replaces needs ultralytics in `.venv-baseline` (`make bench` installs it there, apart from ours).
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"
BASELINE = ROOT / ".venv-baseline" / "bin" / "python"
ENCODING = ["--preset", "ultrafast", "--crf", "23"]  # what the limit's definition names


def run(command: list[str]) -> str:
    """Run a program to its end and give its stdout; its stderr goes to ours."""
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def ours(clip: Path, engines: list[Path], *options: str) -> dict[str, Any]:
    """One run in a fresh process; its statistics."""
    with tempfile.TemporaryDirectory() as folder:
        stats = Path(folder) / "stats.json"
        words = [sys.executable, "run_stream.py", str(clip), "--quiet", "--save", f"{folder}/out.mp4"]
        for engine in engines:
            words += ["--engine", str(engine)]
        run([*words, *ENCODING, "--stats", str(stats), *options])
        loaded: dict[str, Any] = json.loads(stats.read_text(encoding="utf-8"))
        return loaded


def baseline(clip: Path, network: Path) -> float:
    """Frames per second of the loop that is replaced."""
    with tempfile.TemporaryDirectory() as folder:
        words = [str(BASELINE), "benchmarks/baseline_loop.py", str(clip), str(network), folder]
        answer = json.loads(run(words).splitlines()[-1])  # ultralytics talks on stdout too
    return float(answer["frames"] / answer["seconds"])


def limits(clip: Path, networks: dict[str, list[Path]], rounds: int) -> None:
    """Ratio to the limit for each set of networks."""
    for name, engines in networks.items():
        with tempfile.TemporaryDirectory() as folder:
            figures = Path(folder) / "bench.json"
            words = [sys.executable, "run_stream.py", "bench", str(clip), "--save", "out.mp4", *ENCODING]
            words += ["--rounds", str(rounds), "--json", str(figures), "--quiet"]
            for engine in engines:
                words += ["--engine", str(engine)]
            run(words)
            data = json.loads(figures.read_text(encoding="utf-8"))
        alone = data["alone_cpu_ms"]
        print(
            f"{name:<24} D {alone['decode']:5.1f}  I {alone['infer']:5.1f}  E {alone['encode']:5.1f}  own"
            f" {data['own_cpu_ms']:5.2f} CPU-ms  limit {data['limit_fps']:6.1f} FPS  {data['throughput_fps']:6.1f} FPS"
            f"  ratio {data['ratio']:.3f}  ({data['engines'][0]['precision']})",
            flush=True,
        )


def against_the_loop(clip: Path, boxes: Path, boxes_float: Path, rounds: int) -> None:
    """How many times faster than the loop, with the same network and with the float file users have."""
    same: list[float] = []
    floating: list[float] = []
    for number in range(rounds):
        fps = ours(clip, [boxes])["throughput_fps"]
        loop, loop_float = baseline(clip, boxes), baseline(clip, boxes_float)
        same.append(fps / loop)
        floating.append(fps / loop_float)
        print(f"round {number + 1}: ours {fps:.1f} FPS, loop {loop:.1f}, loop with the float file {loop_float:.1f}")
    print(f"against the loop, same network         {statistics.median(same):.2f}×")
    print(f"against the loop, float ONNX on its side {statistics.median(floating):.2f}×", flush=True)


def memory(clip: Path, boxes: Path) -> None:
    """Peak memory of a long run against a short one."""
    short = ours(clip, [boxes], "--loop", "--max-frames", "300")["peak_rss_mb"]
    long = ours(clip, [boxes], "--loop", "--max-frames", "3000")["peak_rss_mb"]
    print(
        f"peak memory              300 frames {short} MiB, 3000 frames {long} MiB, ratio {long / short:.3f}", flush=True
    )


def start_up(repeats: int = 15) -> None:
    """Wall time of --help over that of a bare interpreter, fresh processes, interleaved."""
    probe = "import subprocess,sys,time;t=time.monotonic();subprocess.run({words},stdout=-3);print(time.monotonic()-t)"
    bare, helping = [sys.executable, "-c", "pass"], [sys.executable, "run_stream.py", "--help"]
    times: dict[str, list[float]] = {"bare": [], "help": []}
    for _ in range(repeats):
        for name, words in (("bare", bare), ("help", helping)):
            times[name].append(float(run([sys.executable, "-c", probe.format(words=words)])))
    extra = statistics.median(times["help"]) - statistics.median(times["bare"])
    print(f"--help                   {extra:.3f} s more than a bare interpreter", flush=True)


def main() -> None:
    """Run what was asked for; without a choice, everything."""
    parser = argparse.ArgumentParser(description="The benchmark table of the README.")
    parser.add_argument("--clip", type=Path, default=SHARED / "clips/highway720_300.mp4")
    parser.add_argument("--boxes", type=Path, default=SHARED / "weights/yolov8n-int8-ov.xml")
    parser.add_argument("--boxes-float", type=Path, default=SHARED / "weights/yolov8n-fp32.onnx")
    parser.add_argument("--masks", type=Path, default=SHARED / "weights/twinlitenet.onnx")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=("limit", "loop", "memory", "help"))
    chosen = parser.parse_args()
    parts: dict[str, Callable[[], None]] = {
        "limit": lambda: limits(
            chosen.clip,
            {
                chosen.boxes.name: [chosen.boxes],
                chosen.masks.name: [chosen.masks],
                "both": [chosen.boxes, chosen.masks],
            },
            chosen.rounds,
        ),
        "loop": lambda: against_the_loop(chosen.clip, chosen.boxes, chosen.boxes_float, chosen.rounds),
        "memory": lambda: memory(chosen.clip, chosen.boxes),
        "help": start_up,
    }
    for name, part in parts.items():
        if chosen.only in (None, name):
            part()


if __name__ == "__main__":
    main()
