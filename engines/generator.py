"""GeneratorEngine: a network that makes pictures out of random numbers (DCGAN and its like), in OpenVINO on the CPU.

It needs no card. What must be known is in the file: how many numbers a picture is made of is the size of the input,
[N, Z] or [N, Z, 1, 1]; the picture is the output, [N, 3, H, W] (red, green, blue) or [N, 1, H, W] (grey). What its
numbers mean says the last operator: Tanh −1 … 1, Sigmoid 0 … 1, Clip its own bounds. Where that is another, the
numbers of some pictures say it, which is a guess and is told.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.errors import EngineError
from contracts.picture import Pixels
from engines.files import require_readable
from engines.openvino import FAULTS, compiled_on_cpu, read_model, reason_of, spec_of

log = logging.getLogger(__name__)

Range = tuple[float, float]
"""What is black and what is white."""
_RANGES: frozenset[Range] = frozenset({(0.0, 1.0), (-1.0, 1.0), (0.0, 255.0)})
_BEYOND = 0.5
"""How far a network without a last bound may leave 0 … 1 or −1 … 1; above it, numbers are bytes."""
_BELOW = -0.25
"""Numbers below it are no accident: black is −1."""
_MOST_LATENT, _MOST_SIDE = 1 << 16, 16_384
_PASSED_OVER = ("Result", "Convert", "Reshape", "Transpose", "Squeeze", "Unsqueeze")
"""Operators that change no number."""
_TRIALS = 16
_INFERENCE_S, _SLICE_MS = 60.0, 100
_CURE = "a generator has one input [N,Z] or [N,Z,1,1] and one output [N,3,H,W] or [N,1,H,W]"


class GeneratorEngine:
    """One generator network. latent: numbers a picture is made of. batch: pictures made at once, as the file says.

    width, height: of a picture, in pixels. Used by one thread at a time. Raises EngineError for a file that cannot be
    read and for a network that is no generator.
    """

    def __init__(self, file: Path) -> None:
        require_readable(file)
        self.name = file.stem
        model = read_model(file)
        self._shape = _latent_shape(model, file)
        self.batch, self.latent = self._shape[0], self._shape[1]
        try:
            model.reshape({model.input(0): list(self._shape)})
        except FAULTS as fault:
            raise EngineError(f"{file} cannot make {self.batch} pictures: {reason_of(fault)}", _CURE) from fault
        self._colours, self.height, self.width = _picture_shape(model, file, self.batch)
        bounds = _bounds_of_last(model)
        # In fp32: the same seed is to give the same picture, whatever arithmetic this CPU would like best.
        properties = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32", "ENABLE_CPU_PINNING": False}
        self._request = compiled_on_cpu(model, properties, self.name).create_infer_request()
        self._range = bounds if bounds is not None else self._guessed_range(file)

    def pictures(self, latents: NDArray[np.float32]) -> Pixels:
        """uint8 (batch, height, width, 3) BGR from float32 (batch, latent). Raises EngineError."""
        values = self._infer(latents)
        black, white = self._range
        scaled = np.clip((values - np.float32(black)) * np.float32(255 / (white - black)), 0, 255)
        pixels = np.rint(scaled).astype(np.uint8).transpose(0, 2, 3, 1)
        if self._colours == 1:
            return np.ascontiguousarray(np.repeat(pixels, 3, axis=3))
        return np.ascontiguousarray(pixels[..., ::-1])

    def close(self) -> None:
        """Frees the network; may be called twice."""
        self._request = None

    def _infer(self, latents: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32 (batch, colours, height, width). Raises EngineError."""
        if latents.shape != (self.batch, self.latent) or latents.dtype != np.float32:
            want = f"float32 [{self.batch},{self.latent}]"
            raise EngineError(f"{self.name} wants {want}, but was given {latents.dtype} {list(latents.shape)}", _CURE)
        request: Any = self._request
        deadline = time.monotonic() + _INFERENCE_S
        try:
            request.start_async({0: np.ascontiguousarray(latents.reshape(self._shape))})
            while not request.wait_for(_SLICE_MS):
                if time.monotonic() > deadline:
                    raise EngineError(f"{self.name} made no picture in {_INFERENCE_S:g} s", "try a smaller network")
            values = np.array(request.get_output_tensor(0).data, np.float32)
        except FAULTS as fault:
            raise EngineError(f"{self.name} failed: {reason_of(fault)}", "export it again") from fault
        if not np.isfinite(values).all():
            raise EngineError(f"{self.name} makes numbers that are none (NaN or infinite)", "export it again in fp32")
        return values

    def _guessed_range(self, file: Path) -> Range:
        """From the numbers of some pictures. Raises EngineError where no range holds them."""
        random = np.random.default_rng(0)
        rounds = -(-_TRIALS // self.batch)
        made = [self._infer(random.standard_normal((self.batch, self.latent), np.float32)) for _ in range(rounds)]
        least, most = float(min(one.min() for one in made)), float(max(one.max() for one in made))
        what = f"its pictures hold numbers from {least:.2g} to {most:.2g}"
        if least >= -1 - _BEYOND and most <= 1 + _BEYOND:
            found: Range = (-1.0, 1.0) if least < _BELOW else (0.0, 1.0)
        elif least >= -255 * _BEYOND and most <= 255 * (1 + _BEYOND):
            found = (0.0, 255.0)
        else:
            cure = "end the network in Tanh or Sigmoid"
            raise EngineError(f"{file} is no generator of pictures: {what}, which is no brightness", cure)
        log.warning("%s says no range itself; %s: taken for %g … %g", file, what, *found)
        return found


def _latent_shape(model: Any, file: Path) -> tuple[int, ...]:
    """The input's shape with the batch filled in: (N, Z) or (N, Z, 1, 1). Raises EngineError."""
    inputs = [spec_of(port) for port in model.inputs]
    shown = ", ".join(map(str, inputs)) or "none"
    fault = EngineError(f"{file} is no generator of pictures: its input is {shown}", _CURE)
    if len(inputs) != 1 or inputs[0].dtype not in ("float32", "float16"):
        raise fault
    shape = inputs[0].shape
    latent = shape[1] if len(shape) in (2, 4) else 0
    if not 1 <= latent <= _MOST_LATENT or any(side not in (1, -1) for side in shape[2:]):
        raise fault
    return (max(shape[0], 1), latent, *([1] * len(shape[2:])))


def _picture_shape(model: Any, file: Path, batch: int) -> tuple[int, int, int]:
    """(colours, height, width) of the output. Raises EngineError."""
    outputs = [spec_of(port) for port in model.outputs]
    shape = outputs[0].shape if len(outputs) == 1 else ()
    pictures = len(shape) == 4 and shape[0] in (batch, -1) and shape[1] in (1, 3)
    if pictures and 2 <= min(shape[2:]) <= max(shape[2:]) <= _MOST_SIDE:
        return shape[1], shape[2], shape[3]
    shown = ", ".join(map(str, outputs)) or "none"
    raise EngineError(f"{file} is no generator of pictures: its output is {shown}", _CURE)


def _bounds_of_last(model: Any) -> Range | None:
    """What the last operator that changes numbers says of its range; None: nothing."""
    node: Any = model.outputs[0].get_node()
    while node.get_type_name() in _PASSED_OVER and node.get_input_size():
        node = node.input_value(0).get_node()
    kind = str(node.get_type_name())
    if kind == "Clamp":
        facts = node.get_attributes()
        bounds = float(facts["min"]), float(facts["max"])
        return bounds if bounds in _RANGES else None
    known: dict[str, Range] = {"Tanh": (-1.0, 1.0), "Sigmoid": (0.0, 1.0)}
    if kind in known:
        log.info("generator: %s … %s, for it ends in %s", *known[kind], kind)
    return known.get(kind)
