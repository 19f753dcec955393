"""PyTorch → ONNX: torch's exporter, kept quiet, and rid of what it notes about this machine."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from onnx import ModelProto

from contracts.errors import EngineError
from training.networks.network import Deployed
from training.onnx_files import LARGEST_BYTES, without_traces
from training.order import Batch

OPSET = 18
"""Read by TensorRT 10, OpenVINO 2024 and ONNX Runtime 1.14, and everything newer."""
INPUT = "images"


def traced(network: Deployed, size: tuple[int, int], batch: Batch = 1) -> ModelProto:
    """The network as ONNX: input ``images`` float32 (batch, 3, height, width), outputs ``network.names``.

    size: (width, height). Raises EngineError where it is too large for one file or cannot be traced.
    """
    weights = sum(value.numel() * value.element_size() for value in network.state_dict().values())
    if weights > LARGEST_BYTES:
        raise EngineError(
            f"the network has {weights / 2**30:.1f} GB of weights, an ONNX file holds 2 GB", "export a smaller variant"
        )
    # An example of one picture would be taken for "always one".
    images = torch.zeros(2 if batch == "dynamic" else batch, 3, size[1], size[0])
    open_sizes = ({0: torch.export.Dim("batch", min=1)},) if batch == "dynamic" else None
    with _quietly(), torch.inference_mode():
        try:
            program = torch.onnx.export(
                network.eval(),
                (images,),
                dynamo=True,
                verbose=False,
                opset_version=OPSET,
                input_names=[INPUT],
                output_names=list(network.names),
                dynamic_shapes=open_sizes,
            )
        except torch.onnx.errors.OnnxExporterError as fault:
            reason = str(fault.__cause__ or fault).strip().splitlines()[0]
            raise EngineError(f"torch cannot export this network: {reason}", "try --batch 1") from fault
    assert program is not None  # dynamo=True gives a program
    model = program.model_proto
    without_traces(model)
    return model


@contextmanager
def _quietly() -> Iterator[None]:
    """Without the one warning that torch.export raises about torch's own code."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r".*isinstance\(treespec, LeafSpec\).*", FutureWarning)
        yield
