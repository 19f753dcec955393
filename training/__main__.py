"""``python -m training``: pictures and checkpoints in, trained networks and network files out."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from commands.parser import Parser, add_command
from commands.terminal import answer, guarded, say
from contracts.errors import UsageError
from contracts.text import pixel_size
from training.data_command import add_data_command, run_data
from training.train_command import add_train_command, run_train

if TYPE_CHECKING:
    from training.order import Batch, Order

_NETWORKS = (".onnx", ".xml")
_LONGEST_SIDE = 8192
_LARGEST_BATCH = 1024

_IMPORT = """\
What is recognised: checkpoints of A-YOLOM, YOLOP, YOLOv5, DDRNet, TwinLiteNet, TwinLiteNet+ and the road-agents
network, whatever program wrote them, and those of ultralytics (v8, v10, 11 …) where it is installed. Nothing of the
program that wrote the file is needed, and nothing inside the file is run.

  python -m training import best.pt                     writes best.onnx, for run_stream.py --engine
  python -m training import model_best.pth --output road.onnx
  python -m training import best.pt --output road.pt    keeps it as a checkpoint of ours, to train or export later
  python -m training import net.onnx                    an ONNX file gets a card: net.card.yaml
  python -m training import net.onnx --output road.onnx a copy with the card inside

The file written is compared with the PyTorch network on frames first; one that gives something else is not written.
"""
_EXPORT = """\
  python -m training export best.pt --size 640x384 --heads boxes,lane
  python -m training export best.pt --precision fp16 --output road.onnx
  python -m training export best.onnx --precision int8 --frames drive1.mp4 --frames drive2.mp4
  python -m training export best.onnx --precision int8 --frames drive.mp4 --output best-int8.xml

From a checkpoint everything can be chosen. From an ONNX file: heads, precision, and size and batch where its graph is
not tied to its own. The result is compared with the original, output by output, on frames of --frames (else of the
synthetic drive); one that fails is not written. int8 needs --frames of your own road: some calibrate, the others
judge. An .onnx in int8 is for TensorRT and ONNX Runtime, an .xml for OpenVINO. Made from a float ONNX file in the same
folder, it names that file as its reference, and a run checks itself against it.
"""


def parser() -> argparse.ArgumentParser:
    """Build the parser."""
    made = Parser(
        prog="python -m training",
        description="Train networks; turn checkpoints into files that run, small and exact.",
        allow_abbrev=False,
    )
    commands = made.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=Parser)

    def add(name: str, text: str, epilog: str) -> argparse.ArgumentParser:
        command = add_command(commands, name, text, epilog)
        command.add_argument("--output", metavar="FILE", help="what to write (a name beside the file given)")
        command.add_argument("--overwrite", action="store_true", help="replace the output if it exists")
        command.add_argument(
            "--frames",
            action="append",
            metavar="SOURCE",
            help="frames to compare on: a video, or synthetic: (the default); repeat for several",
        )
        return command

    imported = add("import", "turn a checkpoint of any origin into a file that runs", _IMPORT)
    imported.add_argument("file", metavar="FILE", help="a checkpoint (.pt, .pth, .tar …) or an ONNX file")
    exported = add("export", "write a network at the size and precision you want", _EXPORT)
    exported.add_argument("file", metavar="FILE", help="a checkpoint of any origin, or an ONNX file")
    exported.add_argument("--precision", choices=("fp32", "fp16", "int8"), default="fp32", help="numbers (fp32)")
    exported.add_argument("--size", metavar="WxH", help="input size in pixels (the one its authors use)")
    exported.add_argument("--batch", metavar="N", help="pictures at once: a number, or dynamic (1)")
    exported.add_argument("--heads", metavar="A,B", help="only these heads; the others are left out (all)")
    exported.add_argument(
        "--fast-classmap",
        action="store_true",
        help="DDRNet: choose classes at 1/8 of the size; faster, but borders become steps of 8 pixels",
    )
    add_data_command(commands, add_command)
    add_train_command(commands, add_command)
    return made


def main(arguments: Sequence[str]) -> int:
    """Run one of the commands; returns the exit code."""
    parsed = parser().parse_args(arguments)
    if parsed.command == "data":
        _require(("matplotlib",))
        return run_data(parsed, say, answer)
    if parsed.command == "train":
        _require(("torch", "albumentations", "faster_coco_eval", "tensorboard"))
        answer(str(run_train(parsed, say)))
        return 0
    file = Path(parsed.file)
    network = file.suffix.lower() in _NETWORKS
    _require_packages(network, int8=parsed.command == "export" and parsed.precision == "int8")
    if parsed.command == "export":
        output: Path | None = _export(file, parsed, network=network)
    else:
        output = _import_network(file, parsed) if network else _import_checkpoint(file, parsed)
    if output is not None:
        answer(str(output))
    return 0


def _require_packages(network: bool, *, int8: bool) -> None:
    """Raises UsageError where something is missing that this work needs."""
    _require((*(("onnx",) if network else ("onnx", "onnxscript", "torch")), *(("nncf",) if int8 else ())))


def _require(packages: Sequence[str]) -> None:
    """Raises UsageError where one of them is not installed."""
    for package in packages:
        if importlib.util.find_spec(package) is None:
            raise UsageError(
                f"this needs {package}, which is not installed",
                'pip install -e ".[train]" in the checkout of roadstream',
            )


def _import_checkpoint(file: Path, parsed: argparse.Namespace) -> Path:
    """Reads a checkpoint, says what it is, and writes a network or a checkpoint of ours."""
    output = Path(parsed.output) if parsed.output else file.with_suffix(".onnx")
    _check(output, (".onnx", ".pt"), file, parsed)

    from training.checkpoints import open_subject, save_checkpoint
    from training.export import export
    from training.order import Order

    subject = open_subject(file)
    for line in subject.report:
        say(line)
    if output.suffix == ".onnx":
        export(subject, output, Order(sources=_sources(parsed), overwrite=parsed.overwrite), say)
    elif subject.checkpoint is not None:
        save_checkpoint(subject.checkpoint, output, overwrite=parsed.overwrite)
    else:
        raise UsageError(f"{file} is another library's checkpoint and stays one", "give --output X.onnx")
    return output


def _import_network(file: Path, parsed: argparse.Namespace) -> Path | None:
    """Finds or makes the card of a network file, and writes it where it is not there yet; None: nothing to write."""
    from training.importing import UnclearError, found_card, write_card, write_copy
    from training.report import card_lines

    output = Path(parsed.output) if parsed.output else file.with_suffix(".card.yaml")
    _require_ending(output, (".onnx", ".yaml"))
    try:
        found = found_card(file)
    except UnclearError as unclear:
        answer(unclear.card.rstrip())
        raise
    say(f"card: {found.where}")
    for line in (*card_lines(found.card, None), *(f"assumed: {doubt}" for doubt in found.assumed)):
        say(line)
    if not parsed.output and found.there:
        say(f"{file} runs as it is")
        return None
    _check(output, (".onnx", ".yaml"), file, parsed)
    if output.suffix == ".onnx":
        write_copy(file, found.card, output, overwrite=parsed.overwrite)
    else:
        write_card(found, output, overwrite=parsed.overwrite)
    return output


def _export(file: Path, parsed: argparse.Namespace, *, network: bool) -> Path:
    """Writes a network as ordered."""
    order = _order(parsed)
    int8 = parsed.precision == "int8"
    if int8 and not parsed.frames:
        raise UsageError("int8 is calibrated on frames, and there are none", "give --frames of your own road")
    if network and order.fast_classmap:
        raise UsageError(f"--fast-classmap is decided while exporting a checkpoint, not in {file}", "give that")
    name = _named(file, order, parsed.precision)
    if network and name == file:
        raise UsageError(f"there is nothing to do to {file}", "order --heads, --size, --batch or --precision")
    output = Path(parsed.output) if parsed.output else name
    _check(output, (".onnx", ".xml") if int8 else (".onnx",), file, parsed)
    write: Callable[[Path, Path, Order, Callable[[str], None]], object]
    if int8:
        from training.int8 import export_int8 as write
    elif network:
        from training.rework import rework as write
    else:
        from training.export import export_checkpoint as write
    write(file, output, order, say)
    if isinstance(order.batch, int) and order.batch > 1:
        say("a run feeds one picture at a time: this file is for programs that feed more")
    return output


def _order(parsed: argparse.Namespace) -> Order:
    """The options as the exporter takes them; raises UsageError."""
    from training.order import Order

    heads = None if parsed.heads is None else tuple(name.strip() for name in parsed.heads.split(",") if name.strip())
    if heads == ():
        raise UsageError("--heads names none, nothing would be left", "leave it out for all heads")
    return Order(
        size=_size(parsed.size),
        batch=_batch(parsed.batch),
        heads=heads,
        precision="fp16" if parsed.precision == "fp16" else "fp32",
        sources=_sources(parsed),
        fast_classmap=parsed.fast_classmap,
        overwrite=parsed.overwrite,
    )


def _sources(parsed: argparse.Namespace) -> tuple[str, ...]:
    from training.order import DEFAULT_SOURCE

    return tuple(parsed.frames or (DEFAULT_SOURCE,))


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    sides = pixel_size(text)
    if sides is None or not all(1 <= side <= _LONGEST_SIDE for side in sides):
        raise UsageError(f"--size {text}: not WIDTHxHEIGHT in pixels, {_LONGEST_SIDE} at most", "write --size 640x384")
    return sides


def _batch(text: str | None) -> Batch | None:
    if text is None or text == "dynamic":
        return "dynamic" if text else None
    if not text.isdecimal() or not 1 <= int(text) <= _LARGEST_BATCH:
        raise UsageError(
            f"--batch {text}: neither a number from 1 to {_LARGEST_BATCH} nor dynamic", "leave it out for 1"
        )
    return int(text)


def _named(file: Path, order: Order, precision: str) -> Path:
    """A name beside the file that says what was ordered: ``best-boxes-640x384-fp16.onnx``."""
    words = [file.stem, *(order.heads or ())]
    words += [f"{order.size[0]}x{order.size[1]}"] if order.size else []
    words += [order.batch if order.batch == "dynamic" else f"batch{order.batch}"] if order.batch else []
    words += ["fast"] if order.fast_classmap else []
    words += [precision] if precision != "fp32" else []
    return file.with_name("-".join(words) + ".onnx")


def _check(output: Path, endings: tuple[str, ...], file: Path, parsed: argparse.Namespace) -> None:
    """Fails early where the output could not be written, or would destroy something."""
    from training.files import check_output

    _require_ending(output, endings)
    check_output(output, [file], overwrite=parsed.overwrite)


def _require_ending(output: Path, endings: tuple[str, ...]) -> None:
    if output.suffix not in endings:
        raise UsageError(f"--output {output}: the name does not end in {' or '.join(endings)}", "choose such a name")


if __name__ == "__main__":
    sys.exit(guarded(main, sys.argv[1:]))
