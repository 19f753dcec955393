"""ONNX Runtime: ONNX files on the CPU, one after the other on a thread that the engine owns."""

from __future__ import annotations

import importlib
import os
import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from contracts.config import EngineConfig
from contracts.errors import EngineError
from contracts.pool import Pool
from contracts.protocols import EngineFacts, Tensors
from contracts.tensor import TensorSpec
from engines.cards import check_card, find_card
from engines.contents import Contents
from engines.files import hashes_of, require_readable
from engines.inputs import buffer_for, resolve_input, tensor_for
from engines.places import STOP_DEADLINE_S, SUBMIT_DEADLINE_S, Places, closed_error, late_error, places_each
from engines.warm_up import warm_up


def _without_telemetry(module: str) -> Any:
    """Imports ONNX Runtime, whose official builds keep a device id and report usage from the moment they load."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    return importlib.import_module(module)


onnxruntime = _without_telemetry("onnxruntime")
states = _without_telemetry("onnxruntime.capi.onnxruntime_pybind11_state")

_FAULTS: tuple[type[Exception], ...] = (
    RuntimeError,
    states.EPFail,
    states.Fail,
    states.InvalidArgument,
    states.InvalidGraph,
    states.InvalidProtobuf,
    states.NoSuchFile,
    states.NotImplemented,
    states.RuntimeException,
)
_DTYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(bfloat16)": "bfloat16",
    "tensor(double)": "float64",
    "tensor(uint8)": "uint8",
    "tensor(int8)": "int8",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(bool)": "bool",
}
_QUANTISED = (b"QuantizeLinear", b"QLinearConv", b"ConvInteger", b"MatMulInteger")
_WAIT_SLICE_S = 0.1  # so that Ctrl-C is noticed
_DEPTH = 2  # one runs, one waits: more would only wait


class OnnxRuntimeEngine:
    """One network in ONNX Runtime. The input is what the file says, with the card's arithmetic done by the caller.

    live changes no inference here: they run one after the other on all threads anyway. users: how many share it;
    each may hold tickets while ``depth`` others run. deadline_s: how long ``submit`` waits for a place. Raises
    EngineError for whatever does not fit or run.
    """

    def __init__(
        self, config: EngineConfig, *, live: bool = False, users: int = 1, deadline_s: float = SUBMIT_DEADLINE_S
    ) -> None:
        _require_onnx(config)
        self.name = config.file.stem
        self._session = _session(config)
        raw = [_spec(port) for port in self._session.get_inputs()]
        self.outputs = tuple(_spec(port) for port in self._session.get_outputs())
        texts = self._session.get_modelmeta().custom_metadata_map
        self.card = find_card(config.file, config.card, texts, raw)
        check_card(self.card, raw, self.outputs)
        self.inputs = (_numpy_input(resolve_input(self.card, raw)),)
        self.depth = _DEPTH
        self.facts = EngineFacts(
            name=self.name,
            file=str(config.file),
            backend="onnxruntime",
            device="CPU",
            precision=_precision(config.file, self.inputs[0]),
            sha256="+".join(hashes_of(config.file)),
        )
        places = max(_DEPTH, users * places_each(_DEPTH, users, live=live))
        self._pool = Pool(self.inputs[0].shape, self.inputs[0].dtype, keep=places + 2)
        self._output_pools = _pools(self.outputs, keep=places + 1)
        self._places: Places[int] = Places(self.name, range(places), deadline_s)
        self._jobs: queue.SimpleQueue[OnnxRuntimeTicket | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=f"onnxruntime {self.name}", daemon=True)
        self._thread.start()
        try:
            warm_up(self, 1)
        except BaseException:
            self.close()
            raise

    def buffer(self, spec: TensorSpec) -> NDArray[Any]:
        """A writable array of the input's shape and dtype."""
        return buffer_for(self.name, self.inputs[0], spec, self._pool)

    def submit(self, tensors: Tensors) -> OnnxRuntimeTicket:
        """Queues one inference; waits for a place while ``depth`` are on their way. Raises EngineError."""
        array = tensor_for(self.name, self.inputs[0], tensors)
        ticket = OnnxRuntimeTicket(self.name, self._places, self._places.take(), array)
        self._places.hold(ticket)
        self._jobs.put(ticket)
        return ticket

    def close(self) -> None:
        """Stops what is on its way and joins the thread; those who wait get an EngineError. May be called twice.

        Raises EngineError when the thread does not end in time.
        """
        if not self._places.close():
            return
        self._jobs.put(None)
        self._thread.join(STOP_DEADLINE_S)
        if self._thread.is_alive():
            raise EngineError(f"engine {self.name} did not stop in {STOP_DEADLINE_S:g} s: {self._thread.name}")
        self._session = None

    def _work(self) -> None:
        """The thread's life: inferences in the order of submission until a None comes."""
        while (ticket := self._jobs.get()) is not None:
            ticket.run(self._infer)

    def _infer(self, array: NDArray[Any], options: Any) -> dict[str, NDArray[Any]]:
        """One inference on this thread; outputs of known shape go straight into arrays of a pool."""
        (spec,) = self.inputs
        binding = self._session.io_binding()
        binding.bind_input(spec.name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
        outputs: dict[str, NDArray[Any]] = {}
        for output in self.outputs:
            pool = self._output_pools.get(output.name)
            if pool is None:
                binding.bind_output(output.name, "cpu")
                continue
            memory = outputs[output.name] = pool.take()
            binding.bind_output(output.name, "cpu", 0, memory.dtype.type, memory.shape, memory.ctypes.data)
        self._session.run_with_iobinding(binding, options)
        for output, value in zip(self.outputs, binding.get_outputs(), strict=True):
            if output.name not in outputs:
                outputs[output.name] = value.numpy()
        return outputs


class OnnxRuntimeTicket:
    """One inference on its way; owns its place, its input and its outputs until it is closed."""

    def __init__(self, engine: str, places: Places[int], place: int, array: NDArray[Any]) -> None:
        self._engine = engine
        self._places, self._place = places, place
        self._array = array
        self._options = onnxruntime.RunOptions()
        self._outputs: dict[str, NDArray[Any]] = {}
        self._fault: Exception | None = None
        self._done = threading.Event()
        self._lock = threading.Lock()
        self._running = self._closed = False

    def run(self, infer: Callable[[NDArray[Any], Any], dict[str, NDArray[Any]]]) -> None:
        """Called by the engine's thread, once; whatever goes wrong is kept for ``result``."""
        with self._lock:
            if self._closed:
                return
            self._running = True
        try:
            self._outputs = infer(self._array, self._options)
            for array in self._outputs.values():
                array.flags.writeable = False
        except Exception as fault:  # noqa: BLE001 - a thread's outermost frame: handed to who asks for the result
            self._fault = fault
        finally:
            self._done.set()

    def result(self, timeout_s: float) -> Tensors:
        """Outputs by name: read-only arrays, valid until ``close``. Raises EngineError."""
        deadline = time.monotonic() + timeout_s
        while not self._closed and not self._done.wait(min(_WAIT_SLICE_S, max(0.0, deadline - time.monotonic()))):
            if time.monotonic() >= deadline:
                raise late_error(self._engine, timeout_s)
        with self._lock:
            if self._closed:
                raise closed_error(self._engine)
            if self._fault is not None:
                raise EngineError(
                    f"engine {self._engine} failed: {_reason(self._fault)}", "try --backend openvino"
                ) from self._fault
            return dict(self._outputs)

    def close(self) -> None:
        """Gives place and memory back, stopping the inference if it runs. May be called twice."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            running = self._running
        if running and not self._done.is_set():
            self._options.terminate = True
            if not self._done.wait(STOP_DEADLINE_S):
                raise EngineError(f"engine {self._engine} did not stop in {STOP_DEADLINE_S:g} s")
        self._outputs = {}
        self._places.give_back(self._place, self)


def read_contents(file: Path) -> Contents:
    """What an ONNX file says about itself; raises EngineError."""
    session = _session(EngineConfig(file=file, threads=1))
    texts = session.get_modelmeta().custom_metadata_map
    return Contents(tuple(map(_spec, session.get_inputs())), tuple(map(_spec, session.get_outputs())), texts)


def _require_onnx(config: EngineConfig) -> None:
    require_readable(config.file)
    if config.file.suffix.lower() != ".onnx":
        raise EngineError(f"{config.file} is an OpenVINO IR, which ONNX Runtime cannot run", "use --backend openvino")
    if config.precision == "bf16":
        raise EngineError("ONNX Runtime has no bf16 on CPUs", "use --backend openvino, or --precision fp32")


def _session(config: EngineConfig) -> Any:
    """The session of an ONNX file; raises EngineError."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only: warnings are for those who write networks
    options.intra_op_num_threads = config.threads or 0  # 0: one per core
    # Waiting threads that spin would burn the cores that decode, draw and encode.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(str(config.file), options, providers=["CPUExecutionProvider"])
    except states.InvalidProtobuf as fault:
        raise EngineError(
            f"{config.file} is damaged or cut off: not readable ONNX", "copy or export it again"
        ) from fault
    except _FAULTS as fault:
        raise EngineError(
            f"ONNX Runtime cannot run {config.file}: {_reason(fault)}", "try --backend openvino, or export it again"
        ) from fault


def _spec(port: Any) -> TensorSpec:
    """A port of the session; raises EngineError where it is no tensor of numbers."""
    if port.type not in _DTYPES:
        raise EngineError(f"{port.name} of the network is {port.type}, which no head reads", "export it without that")
    shape = tuple(size if isinstance(size, int) else -1 for size in port.shape)
    return TensorSpec(port.name, shape, _DTYPES[port.type])


def _numpy_input(spec: TensorSpec) -> TensorSpec:
    if spec.dtype == "bfloat16":
        raise EngineError(f"the network's input {spec} cannot be fed by ONNX Runtime", "use --backend openvino")
    return spec


def _pools(outputs: tuple[TensorSpec, ...], keep: int) -> dict[str, Pool]:
    """A pool for each output whose shape the file fixes; the others are allocated by the runtime."""
    fixed = [spec for spec in outputs if spec.shape and min(spec.shape) > 0 and spec.dtype != "bfloat16"]
    return {spec.name: Pool(spec.shape, spec.dtype, keep=keep) for spec in fixed}


def _precision(file: Path, spec: TensorSpec) -> str:
    """Float layers run as they are in the file; a file with quantised operators says so in their names."""
    data = file.read_bytes()
    base = "fp16" if spec.dtype == "float16" else "fp32"
    return f"int8+{base}" if any(operator in data for operator in _QUANTISED) else base


def _reason(fault: Exception) -> str:
    """What the runtime says, without its code and number."""
    return str(fault).rpartition(" : ")[2].strip() or type(fault).__name__
