"""What int8 costs: boxes and masks of quantised networks against their float files, on clips that calibrated nothing.

    python benchmarks/int8_accuracy.py                     the project's shared networks and clips
    python benchmarks/int8_accuracy.py my.onnx --calibrate drive1.mp4 --evaluate drive2.mp4

Networks are float ONNX files, or checkpoints, which are exported first. Each is quantised once for OpenVINO (.xml) and
once for ONNX Runtime (.onnx), in the precision they choose. Then every fifth frame of the other clips is looked at by
both files: boxes of the float file above 0.4 that int8 finds again (same class, IoU 0.7), intersection over union of
masks.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from contracts.config import EngineConfig
from contracts.picture import Picture
from engines.gate import check
from engines.verdicts import Verdict
from sources.open import open_source
from training.export import export_checkpoint
from training.order import Order
from training.quantise import Quantised, quantise
from training.quantise_ladder import AIMS

SHARED = Path(__file__).resolve().parent.parent.parent / "shared"
NETWORKS = ("yolov8n-fp32.onnx", "yolov5n.pt", "twinlitenetplus_small.onnx", "twinlitenet.onnx")
CALIBRATE = (
    "udacity_solidWhiteRight.mp4",
    "highway720_300.mp4",
    "city_seattle_a.mp4",
    "city_ringroad_8fps.mp4",
    "night_highway_truck.mp4",
    "rain_highway_audio.mp4",
    "country_curves.mp4",
)
EVALUATE = (
    "city_seattle_b.mp4",
    "hevc_city.mp4",
    "mjpeg_city.avi",
    "night_twolane_720.mp4",
    "mp4v_night_1080.mp4",
    "vp9_rain.webm",
    "portrait_motorbike_60fps.mp4",
)
EVERY = 5


def every_fifth(clips: Sequence[str]) -> Iterator[Picture]:
    """Frames 0, 5, 10 … of each clip."""
    for clip in clips:
        with closing(open_source(clip)) as source:
            yield from (frame.picture for frame in source.frames() if frame.index % EVERY == 0)


def as_network(file: Path, folder: Path) -> Path:
    """The file itself, or the float export of a checkpoint."""
    if file.suffix.lower() == ".onnx":
        return file
    network = folder / f"{file.stem}.onnx"
    export_checkpoint(file, network, Order(), say)
    return network


def say(line: str) -> None:
    """Progress, indented under the table's lines."""
    print(f"  {line}", flush=True)


def evaluated(network: Path, file: Path, clips: Sequence[str]) -> Verdict:
    """The quantised file against the float one."""
    backend = "openvino" if file.suffix == ".xml" else "onnxruntime"
    candidate = EngineConfig.model_validate({"file": file, "backend": backend})
    return check(candidate, EngineConfig(file=network), every_fifth(clips))


def show(network: Path, made: Quantised, verdict: Verdict, seconds: float) -> None:
    """A line per head."""
    for head in verdict.figures:
        looked_at = f"{verdict.frames} frames" + (f", {head.total} boxes" if head.compared == "boxes" else "")
        print(
            f"{network.name:<28} {made.precision:<26} {head.head:<10} {head.share:.3f} (aim {AIMS[head.compared]:.2f})"
            f"  {looked_at:<22} {len(made.floating):>3} of {made.layers} layers float"
            f"  {made.before / 1e6:5.2f} → {made.after / 1e6:.2f} MB  {seconds:4.0f} s",
            flush=True,
        )


def main() -> None:
    """Quantise, evaluate, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", type=Path, default=[SHARED / "weights" / name for name in NETWORKS])
    parser.add_argument("--calibrate", nargs="+", default=[str(SHARED / "clips" / clip) for clip in CALIBRATE])
    parser.add_argument("--evaluate", nargs="+", default=[str(SHARED / "clips" / clip) for clip in EVALUATE])
    parser.add_argument("--endings", nargs="+", choices=(".xml", ".onnx"), default=[".xml", ".onnx"])
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for network in (as_network(file, Path(folder)) for file in given.networks):
            for ending in given.endings:
                started = time.monotonic()
                output = Path(folder) / f"{network.stem}-int8{ending}"
                made = quantise(network, output, given.calibrate, progress=say)
                seconds = time.monotonic() - started
                show(network, made, evaluated(network, output, given.evaluate), seconds)


if __name__ == "__main__":
    main()
