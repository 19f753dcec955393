"""What a training leaves beside its checkpoints: history.csv, curves.png, tensorboard/, and lines for people."""

from __future__ import annotations

import csv
import errno
import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from contracts.errors import OutputError
from training.files import written
from training.loop.curves import plot_curves

Say = Callable[[str], None]
Item = TypeVar("Item")
_BETWEEN_LINES_S = 30.0
"""Where no terminal shows a bar."""
_BETWEEN_PLOTS_S = 60.0
"""A plot takes a second of a slow CPU."""


class Journal:
    """Writes the history of a training into its folder. before: epochs that are in it already."""

    def __init__(self, folder: Path, before: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._folder = folder
        self._plotted = time.monotonic()
        with _as_output_error(folder):
            self._writer = SummaryWriter(str(folder / "tensorboard"), purge_step=before + 1)

    def write(self, history: Sequence[Mapping[str, float]]) -> None:
        """The whole history as a table; its last row to TensorBoard; now and then the curves. Raises OutputError."""
        with _as_output_error(self._folder):
            for name, value in history[-1].items():
                if name != "epoch" and not math.isnan(value):
                    self._writer.add_scalar(name, value, int(history[-1]["epoch"]))
            self._writer.flush()
        write_table(history, self._folder / "history.csv")
        if time.monotonic() - self._plotted > _BETWEEN_PLOTS_S:
            self._plot(history)

    def conclude(self, history: Sequence[Mapping[str, float]]) -> None:
        """Table and curves, also where the training was killed between its last save and them. Raises OutputError."""
        if history:
            write_table(history, self._folder / "history.csv")
            self._plot(history)

    def _plot(self, history: Sequence[Mapping[str, float]]) -> None:
        plot_curves(history, self._folder / "curves.png")
        self._plotted = time.monotonic()

    def close(self) -> None:
        """Ends TensorBoard's thread."""
        with _as_output_error(self._folder):
            self._writer.close()


@contextmanager
def _as_output_error(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as fault:
        cure = "free some space, then --resume" if fault.errno == errno.ENOSPC else "check the path"
        raise OutputError(f"cannot write {folder / 'tensorboard'}: {fault.strerror}", cure) from fault


def write_table(history: Sequence[Mapping[str, float]], path: Path) -> None:
    """One row per epoch, every column that any has; what an epoch did not measure is empty. Raises OutputError."""
    columns = list(dict.fromkeys(name for row in history for name in row))
    with written(path, overwrite=True) as part, part.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(columns)
        for row in history:
            table.writerow(_cell(row.get(name, math.nan)) for name in columns)


def _cell(value: float) -> str:
    if math.isnan(value):
        return ""
    return str(int(value)) if float(value).is_integer() else f"{value:.6g}"


def shown(
    items: Iterable[Item], title: str, say: Say, *, count: int, done: int, describe: Callable[[], str]
) -> Iterator[Item]:
    """The items, with a bar on a terminal, else with a line every half minute. count: in all. done: before these."""
    if sys.stderr.isatty():
        from tqdm import tqdm

        with tqdm(items, title, count, initial=done, leave=False, dynamic_ncols=True, mininterval=0.5) as bar:
            for item in bar:
                yield item
                bar.set_postfix_str(describe(), refresh=False)
        return
    said = time.monotonic()
    for place, item in enumerate(items, done + 1):
        yield item
        if time.monotonic() - said > _BETWEEN_LINES_S:
            said = time.monotonic()
            say(f"{title} {place}/{count}  {describe()}")


def describe_losses(losses: Mapping[str, float], counted: int) -> str:
    """The mean loss and its terms."""
    if not counted:
        return "no step with a finite loss yet"
    means = {name: value / counted for name, value in losses.items()}
    return f"loss {sum(means.values()):.4g} ({', '.join(f'{name} {value:.3g}' for name, value in means.items())})"


def describe_figures(figures: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    """One line per head; what could not be judged is left out."""
    for head, values in figures.items():
        judged = {name: value for name, value in values.items() if not math.isnan(value)}
        yield f"  {head}: " + ", ".join(f"{name} {value:.4g}" for name, value in judged.items())
