"""What our export is worth: A-YOLOM n at 384×672 in OpenVINO on two threads, against a plain export.

    python -m benchmarks.network_export              the table
    python -m benchmarks.network_export --profile    and where the time goes

plain: the same weights exported as the network is; its float masks become ids with NumPy. ours: with the exact
rewrites, masks leave as ids. int8: ours, every layer quantised on the synthetic drive (speed does not depend on what
the accuracy ladder would leave float here, with random weights). Boxes are decoded inside the network on all sides.
Everything is interleaved in one run, ratios are medians over rounds: the machines this runs on are noisy. Time on the
processor is what other programs disturb least.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from contracts.card import Card
from engines.openvino_runtime import core, ov
from training.blueprint import Blueprint
from training.calibration import PackedTensors
from training.networks.ayolom import FAMILY, AYolom
from training.networks.families import build
from training.networks.network import Network
from training.onnx_files import inputs_of, with_card, write_onnx
from training.pictures import frames_of
from training.quantise_nncf import Recipe
from training.quantise_openvino import OpenVinoTarget
from training.tracing import traced

HEADS = ("boxes", "drivable", "lane")
MASKS = HEADS[1:]
SIZE = (672, 384)  # width, height
THREADS = 2
CALIBRATION_FRAMES = 24
PRECISIONS = {"as the runtime chooses": {}, "fp32": {"INFERENCE_PRECISION_HINT": "f32"}}
Read = Callable[[Any], Mapping[str, NDArray[Any]]]
"""The outputs of a finished request as a user wants them: boxes float, masks uint8 (H, W)."""


@dataclass(frozen=True, slots=True)
class Side:
    """One file under comparison."""

    name: str
    file: Path
    read: Read


def random_network() -> Network:
    """A network whose features neither vanish nor explode and whose masks have both ids, like a trained one's."""
    torch.manual_seed(0)
    network = build(Blueprint("ayolom", "n", {"boxes": ("vehicle",)}))
    for key, value in network.named_buffers():
        if key.endswith("running_mean"):
            nn.init.normal_(value, 0, 0.1)
        elif key.endswith("running_var"):
            nn.init.uniform_(value, 0.5, 1.5)
    for value in network.parameters():
        if value.ndim == 4:
            nn.init.kaiming_normal_(value, nonlinearity="relu")
    assert isinstance(network, AYolom)
    for head in (network.drivable, network.lane):
        _balance(network, head.scores.norm, int(head is network.lane))
    return network.eval()


def _balance(network: Network, norm: nn.Module, mask: int) -> None:
    """Shifts one channel's bias until about a third of the mask is foreground."""
    picture = torch.rand(1, 3, SIZE[1], SIZE[0])
    bias = norm.get_parameter("bias")
    shares = {}
    with torch.no_grad():
        start = bias[1].item()
        for shift in np.linspace(-3, 3, 13):
            bias[1] = start + shift
            ids = network.eval().deployed((MASKS[mask],))(picture)[0]
            shares[shift] = ids.float().mean().item()
        bias[1] = start + min(shares, key=lambda shift: abs(shares[shift] - 1 / 3))


def sides(network: Network, folder: Path) -> list[Side]:
    """The three files, made in ``folder``."""
    card = Card(name="ayolom-n", input=FAMILY.input, heads=network.heads)
    plain, ours, int8 = folder / "plain.onnx", folder / "ours.onnx", folder / "int8.xml"
    write_onnx(traced(network.plain(HEADS), SIZE), plain)
    model = traced(network.deployed(HEADS), SIZE)
    with_card(model, card)
    write_onnx(model, ours)
    target = OpenVinoTarget(ours)
    tensors = PackedTensors(card, inputs_of(model), frames_of(("synthetic:",), CALIBRATION_FRAMES))
    target.save(target.quantised(tensors, Recipe()), int8, card)
    return [Side("plain", plain, _with_numpy), Side("ours", ours, _as_it_is), Side("int8", int8, _as_it_is)]


def _as_it_is(request: Any) -> Mapping[str, NDArray[Any]]:
    return {name: request.get_tensor(name).data.copy() for name in HEADS}


def _with_numpy(request: Any) -> Mapping[str, NDArray[Any]]:
    scores = {name: request.get_tensor(name).data for name in MASKS}
    masks = {name: (two[:, 1] > two[:, 0]).view(np.uint8) for name, two in scores.items()}
    return {"boxes": request.get_tensor("boxes").data.copy(), **masks}


def compiled(side: Side, properties: Mapping[str, Any]) -> Any:
    """The file in OpenVINO, one inference at a time on two threads."""
    shared = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": THREADS, "ENABLE_CPU_PINNING": False}
    if side.file.suffix == ".xml":
        return core().compile_model(core().read_model(side.file), "CPU", shared | dict(properties))
    reader = ov.frontend.FrontEndManager().load_by_framework("onnx")
    return core().compile_model(reader.convert(reader.load(str(side.file))), "CPU", shared | dict(properties))


def compare(chosen: Sequence[Side], precision: str, picture: NDArray[np.float32], rounds: int) -> None:
    """Times all sides in turn and prints one line each."""
    networks = [compiled(side, PRECISIONS[precision]) for side in chosen]
    requests = [network.create_infer_request() for network in networks]
    wall: list[list[float]] = [[] for _ in chosen]
    processor: list[list[float]] = [[] for _ in chosen]
    for _ in range(rounds + 2):
        for index, (side, request) in enumerate(zip(chosen, requests, strict=True)):
            started = time.perf_counter(), time.process_time()
            request.infer([picture])
            side.read(request)
            wall[index].append(time.perf_counter() - started[0])
            processor[index].append(time.process_time() - started[1])
    print(f"{precision}:")
    for index, (side, network) in enumerate(zip(chosen, networks, strict=True)):
        ratio, on_processor = _ratio(wall[index][2:], wall[0][2:]), _ratio(processor[index][2:], processor[0][2:])
        print(
            f"  {side.name:<6} {1e3 * statistics.median(wall[index][2:]):7.2f} ms, ratio to plain {ratio:.3f}"
            f" (processor {on_processor:.3f}, {1e3 * min(processor[index]):.1f} ms at best; {arithmetic_of(network)})",
            flush=True,
        )


def _ratio(times: Sequence[float], reference: Sequence[float]) -> float:
    return statistics.median(one / other for one, other in zip(times, reference, strict=True))


def arithmetic_of(network: Any) -> str:
    """The arithmetic of the compiled convolutions, such as "bf16 × 112"."""
    kinds = [
        str(layer.get_rt_info()["runtimePrecision"].value)
        for layer in network.get_runtime_model().get_ops()
        if str(layer.get_rt_info()["layerType"].value) == "Convolution"
    ]
    return ", ".join(f"{kind} × {kinds.count(kind)}" for kind in sorted(set(kinds)))


def agreement(chosen: Sequence[Side], picture: NDArray[np.float32]) -> None:
    """Prints how far the answers of each side are from the plain ones, in fp32."""
    answers = []
    for side in chosen:
        request = compiled(side, PRECISIONS["fp32"]).create_infer_request()
        request.infer([picture])
        answers.append(side.read(request))
    shares = ", ".join(f"{name} {answers[0][name].mean():.2f}" for name in MASKS)
    print(f"share of foreground in the plain masks: {shares}")
    for side, answer in zip(chosen[1:], answers[1:], strict=True):
        boxes = np.abs(answer["boxes"] - answers[0]["boxes"]).max()
        flips = ", ".join(f"{name} {(answer[name] != answers[0][name]).mean():.1e}" for name in MASKS)
        print(f"{side.name} against plain: boxes {boxes:.1e}, mask pixels that differ: {flips}")


def profile(side: Side, precision: str, picture: NDArray[np.float32], runs: int = 10) -> None:
    """Prints the time of each kind of layer and of the ten most expensive layers."""
    request = compiled(side, {**PRECISIONS[precision], "PERF_COUNT": True}).create_infer_request()
    times: dict[tuple[str, str, str], list[float]] = {}
    for _ in range(runs):
        request.infer([picture])
        for layer in request.profiling_info:
            key = layer.node_type, layer.exec_type, layer.node_name
            times.setdefault(key, []).append(layer.real_time.total_seconds() * 1e3)
    best = {key: min(values) for key, values in times.items()}
    kinds = {key[0]: sum(value for other, value in best.items() if other[0] == key[0]) for key in best}
    print(f"{side.name}, {precision}: {sum(best.values()):.1f} ms in layers")
    print(
        "  " + ", ".join(f"{kind} {value:.1f}" for kind, value in sorted(kinds.items(), key=_slowest) if value > 0.05)
    )
    for (_, kernel, name), value in sorted(best.items(), key=_slowest)[:10]:
        print(f"  {value:6.2f} ms  {kernel:<28} {name}")


def _slowest(entry: tuple[Any, float]) -> float:
    return -entry[1]


def main() -> None:
    """The table, and with --profile where the time goes."""
    parser = argparse.ArgumentParser(description="Our export of A-YOLOM n against a plain one, in OpenVINO.")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    picture = np.random.default_rng(0).random((1, 3, SIZE[1], SIZE[0]), dtype=np.float32)
    with tempfile.TemporaryDirectory() as folder:
        chosen = sides(random_network(), Path(folder))
        agreement(chosen, picture)
        for precision in PRECISIONS:
            compare(chosen, precision, picture, options.rounds)
        if options.profile:
            for precision in PRECISIONS:
                for side in chosen:
                    profile(side, precision, picture)


if __name__ == "__main__":
    main()
