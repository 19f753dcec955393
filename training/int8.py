"""int8 as ordered: the float network first, proven like every export, then quantised."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from contracts.errors import UsageError
from training.order import Order, Say
from training.quantise import quantise


def export_int8(file: Path, output: Path, order: Order, say: Say) -> None:
    """Writes an int8 version of a checkpoint or an ONNX file: ``output`` is an .onnx or an .xml with its .bin.

    An ONNX file that is to change in nothing else is its own float network, and the reference of the new file where
    both lie in one folder. Raises what ``rework``, ``export_checkpoint`` and ``quantise`` raise.
    """
    if isinstance(order.batch, int) and order.batch > 1:
        raise UsageError(f"int8 is judged one picture at a time, not {order.batch}", "leave --batch out, or dynamic")
    network = file.suffix.lower() == ".onnx"
    if network and order == Order(sources=order.sources, overwrite=order.overwrite):
        done = quantise(file, output, order.sources, progress=say, overwrite=order.overwrite)
    else:
        with tempfile.TemporaryDirectory(prefix="roadstream-export-") as folder:
            floating = Path(folder) / f"{file.stem}.onnx"
            if network:
                from training.rework import rework as write
            else:
                from training.export import export_checkpoint as write
            write(file, floating, replace(order, overwrite=False), say)
            done = quantise(floating, output, order.sources, progress=say, overwrite=order.overwrite)
    for line in done.lines():
        say(line)
