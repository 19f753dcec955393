"""OpenVINO: ONNX files and IRs on the CPU. The card's arithmetic runs inside the compiled network."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.card import Card
from contracts.config import EngineConfig
from contracts.errors import EngineError
from contracts.pool import Pool
from contracts.protocols import EngineFacts, Tensors
from contracts.tensor import TensorSpec
from engines.cards import check_card, find_card
from engines.contents import Contents
from engines.files import cache_folder, hashes_of, require_readable
from engines.inputs import buffer_for, resolve_input, tensor_for
from engines.openvino_runtime import core, ov, without_converter
from engines.places import STOP_DEADLINE_S, SUBMIT_DEADLINE_S, Places, closed_error, late_error, places_each
from engines.warm_up import warm_up

_frontend = without_converter("openvino.frontend")
_preprocess = without_converter("openvino.preprocess")

FAULTS: tuple[type[Exception], ...] = (
    RuntimeError,
    _frontend.GeneralFailure,
    _frontend.InitializationFailure,
    _frontend.NotImplementedFailure,
    _frontend.OpConversionFailure,
    _frontend.OpValidationFailure,
)
_HINTS = {"fp32": "f32", "bf16": "bf16"}
_PRECISIONS = {"f32": "fp32", "bf16": "bf16", "f16": "fp16", "u8": "int8", "i8": "int8"}
_HEAVY_LAYERS = ("Convolution", "Deconvolution", "FullyConnected", "MatMul")
_WAIT_SLICE_MS = 100  # so that Ctrl-C and close() are noticed while the runtime computes


class OpenVinoEngine:
    """One network in OpenVINO. The input is plain pixels: uint8 (1, height, width, 3) in the card's colour order.

    live: answers as early as possible (one inference on all cores) instead of as many as possible. users: how many
    share it; each may hold tickets while ``depth`` others run. deadline_s: how long ``submit`` waits for a place.
    Raises EngineError for whatever does not fit or run.
    """

    def __init__(
        self, config: EngineConfig, *, live: bool = False, users: int = 1, deadline_s: float = SUBMIT_DEADLINE_S
    ) -> None:
        require_readable(config.file)
        self.name = config.file.stem
        model = read_model(config.file)
        raw = [spec_of(port) for port in model.inputs]
        self.card = find_card(config.file, config.card, _texts(model), raw)
        check_card(self.card, raw, [spec_of(port, self.card) for port in model.outputs])
        network_input = resolve_input(self.card, raw)
        compiled = compiled_on_cpu(
            _with_arithmetic(model, network_input, self.card), _properties(config, live), self.name
        )
        self.inputs = (_plain_pixels(network_input),)
        self.outputs = tuple(spec_of(port, self.card) for port in compiled.outputs)
        # One more than run side by side: the next one starts inside the runtime, without waiting for Python.
        self.depth = int(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")) + 1
        self.facts = EngineFacts(
            name=self.name,
            file=str(config.file),
            backend="openvino",
            device="CPU",
            precision=_precision(compiled),
            sha256="+".join(hashes_of(config.file)),
        )
        self.loaded_from_cache = bool(compiled.get_property("LOADED_FROM_CACHE"))
        places = max(self.depth, users * places_each(self.depth, users, live=live))
        self._pool = Pool(self.inputs[0].shape, np.uint8, keep=places + 2)
        requests = [compiled.create_infer_request() for _ in range(places)]
        self._places: Places[Any] = Places(self.name, requests, deadline_s)
        warm_up(self, places, self.card.input.pad)

    def buffer(self, spec: TensorSpec) -> NDArray[Any]:
        """A writable (1, height, width, 3) uint8 array that the runtime reads in place."""
        return buffer_for(self.name, self.inputs[0], spec, self._pool)

    def submit(self, tensors: Tensors) -> OpenVinoTicket:
        """Starts one inference; waits for a place while ``depth`` are on their way. Raises EngineError."""
        array = tensor_for(self.name, self.inputs[0], tensors)
        request = self._places.take()
        ticket = OpenVinoTicket(self, self._places, request, array)
        self._places.hold(ticket)
        try:
            request.set_input_tensor(ov.Tensor(array, shared_memory=True))
            request.start_async()
        except FAULTS as fault:
            ticket.close()
            raise EngineError(
                f"engine {self.name} cannot start: {reason_of(fault)}", "try --backend onnxruntime"
            ) from fault
        return ticket

    def close(self) -> None:
        """Stops what is on its way and frees everything; those who wait get an EngineError. May be called twice."""
        self._places.close()


class OpenVinoTicket:
    """One inference on its way; owns its request and its input until it is closed."""

    def __init__(self, engine: OpenVinoEngine, places: Places[Any], request: Any, array: NDArray[Any]) -> None:
        self._engine = engine
        self._places, self._request = places, request
        self._array: NDArray[Any] | None = array  # the runtime reads this memory
        self._lock = threading.Lock()
        self._closed = False

    def result(self, timeout_s: float) -> Tensors:
        """Outputs by name: read-only views of the runtime's memory, valid until ``close``. Raises EngineError."""
        deadline = time.monotonic_ns() + int(timeout_s * 1e9)
        finished = False
        while True:
            with self._lock:
                if self._closed:  # the request may be somebody else's by now
                    raise closed_error(self._engine.name)
                if finished:
                    return self._outputs()
            left_ms = max(0, (deadline - time.monotonic_ns()) // 1_000_000)
            finished = self._wait(min(_WAIT_SLICE_MS, left_ms))
            if not finished and left_ms == 0:
                raise late_error(self._engine.name, timeout_s)

    def close(self) -> None:
        """Gives request and input back, stopping the inference if it still runs. May be called twice."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self._stop()
        self._array = None
        self._places.give_back(self._request, self)

    def _wait(self, milliseconds: int) -> bool:
        try:
            return bool(self._request.wait_for(milliseconds))
        except FAULTS as fault:
            with self._lock:
                if self._closed:
                    raise closed_error(self._engine.name) from fault
            raise EngineError(
                f"engine {self._engine.name} failed: {reason_of(fault)}", "try --backend onnxruntime"
            ) from fault

    def _outputs(self) -> Tensors:
        views: dict[str, NDArray[Any]] = {}
        for index, spec in enumerate(self._engine.outputs):
            view = self._request.get_output_tensor(index).data
            view.flags.writeable = False
            views[spec.name] = view
        return views

    def _stop(self) -> None:
        """Leaves the request at rest, so that somebody else may have it and the input's memory."""
        try:
            if not self._request.wait_for(0):
                self._request.cancel()
                if not self._request.wait_for(int(STOP_DEADLINE_S * 1000)):
                    raise EngineError(f"engine {self._engine.name} did not stop in {STOP_DEADLINE_S:g} s")
        except FAULTS:
            pass  # cancelled or failed: at rest either way


def read_contents(file: Path) -> Contents:
    """What a network file says about itself; raises EngineError."""
    model = read_model(file)
    return Contents(tuple(map(spec_of, model.inputs)), tuple(map(spec_of, model.outputs)), _texts(model))


def read_model(file: Path) -> Any:
    """The network of an ONNX file or an IR; raises EngineError."""
    try:
        if file.suffix.lower() == ".onnx":
            # The ONNX reader by name: guessing the format, the runtime tries TensorFlow's and prints its complaints.
            reader = _frontend.FrontEndManager().load_by_framework("onnx")
            model = reader.convert(reader.load(str(file)))
        else:
            if b"<net" not in file.read_bytes()[:4096]:
                raise EngineError(f"{file} is not an OpenVINO IR", "give the .xml file that OpenVINO wrote")
            model = core().read_model(file)
    except _frontend.OpConversionFailure as fault:
        raise EngineError(f"OpenVINO cannot run {file}: {reason_of(fault)}", "try --backend onnxruntime") from fault
    except FAULTS as fault:
        raise EngineError(
            f"{file} is damaged or cut off: OpenVINO cannot read it ({reason_of(fault)})", "copy or export it again"
        ) from fault
    return model


def _texts(model: Any) -> dict[str, str]:
    """What a file says about itself: ONNX metadata and an IR's rt_info, as flat texts."""
    texts: dict[str, str] = {}
    for section, prefix in (("framework", ""), ("model_info", ""), ("roadstream", "roadstream.")):
        if model.has_rt_info([section]):
            values = model.get_rt_info([section]).value
            if isinstance(values, dict):
                texts |= {prefix + key: str(value) for key, value in values.items()}
    return texts


def spec_of(port: Any, card: Card | None = None) -> TensorSpec:
    """A port of a network; of several names the one that the card uses."""
    names = sorted(port.get_names()) or [port.get_node().get_friendly_name()]
    used = {name for head in card.heads for name in head.outputs} if card else set()
    name = next((name for name in names if name in used), names[0])
    shape = tuple(size.get_length() if size.is_static else -1 for size in port.get_partial_shape())
    kind = port.get_element_type()
    return TensorSpec(name, shape, "bfloat16" if kind == ov.Type.bf16 else np.dtype(kind.to_dtype()).name)


def _plain_pixels(spec: TensorSpec) -> TensorSpec:
    """The input as this engine takes it."""
    height, width = spec.shape[2:4] if spec.layout == "NCHW" else spec.shape[1:3]
    return TensorSpec(spec.name, (1, height, width, 3), "uint8", "NHWC")


def _with_arithmetic(model: Any, spec: TensorSpec, card: Card) -> Any:
    """The network with the way from plain pixels to its own input in front: layout, type, scale, mean, std."""
    try:
        model.reshape({model.input(0): list(spec.shape)})
    except FAULTS as fault:
        sizes = f"{spec} in the card {card.name!r}"
        raise EngineError(
            f"the network cannot work at {sizes}: {reason_of(fault)}", "give the size it was made for"
        ) from fault
    builder = _preprocess.PrePostProcessor(model)
    picture = builder.input(0)
    picture.tensor().set_element_type(ov.Type.u8).set_layout(ov.Layout("NHWC"))
    picture.model().set_layout(ov.Layout(spec.layout))
    if spec.dtype != "uint8":
        steps = picture.preprocess().convert_element_type(ov.Type.f32).scale([card.input.scale] * 3)
        steps.mean(list(card.input.mean)).scale(list(card.input.std))
    return builder.build()


def _properties(config: EngineConfig, live: bool) -> dict[str, Any]:
    """What the runtime is asked for; raises EngineError where this CPU cannot do it."""
    properties: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY" if live else "THROUGHPUT"}
    # The cores are shared with decoding, drawing and encoding: a thread tied to one waits while another is free.
    properties["ENABLE_CPU_PINNING"] = False
    if config.threads is not None:
        properties["INFERENCE_NUM_THREADS"] = config.threads
    if config.precision in _HINTS:
        if config.precision == "bf16" and "BF16" not in core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            raise EngineError("this CPU has no bf16 arithmetic", "use --precision auto or fp32")
        properties["INFERENCE_PRECISION_HINT"] = _HINTS[config.precision]
    folder = cache_folder("openvino")
    if folder is not None:
        properties["CACHE_DIR"] = str(folder)
    return properties


def compiled_on_cpu(model: Any, properties: dict[str, Any], name: str) -> Any:
    """The network ready to run; raises EngineError that calls it ``name``."""
    try:
        return core().compile_model(model, "CPU", properties)
    except FAULTS as fault:
        if "INFERENCE_PRECISION_HINT" not in properties:
            # The runtime's own choice may fail: OpenVINO 2026.4 has no bf16 kernels behind some int8 layers.
            return compiled_on_cpu(model, properties | {"INFERENCE_PRECISION_HINT": "f32"}, name)
        raise EngineError(f"OpenVINO cannot compile {name}: {reason_of(fault)}", "try --backend onnxruntime") from fault


def _precision(compiled: Any) -> str:
    """The arithmetic that the compiled network's heavy layers really run in, such as "fp32" or "int8+bf16"."""
    found: set[str] = set()
    for layer in compiled.get_runtime_model().get_ops():
        facts = layer.get_rt_info()
        if "layerType" in facts and str(facts["layerType"].value) in _HEAVY_LAYERS:
            kind = str(facts["runtimePrecision"].value)
            found.add(_PRECISIONS.get(kind, kind))
    if not found:
        hint = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
        found.add(_PRECISIONS.get(hint, hint))
    return "+".join(sorted(found, key=lambda kind: (kind != "int8", kind)))


def reason_of(fault: Exception) -> str:
    """The last line of what the runtime says, which is the one that says why."""
    lines = [line.strip() for line in str(fault).splitlines() if line.strip()]
    return lines[-1] if lines else type(fault).__name__
