"""Which options of a run are outputs and what each of them is: the one list that all others follow from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any


class Form(Enum):
    """What is written to."""

    FILE = auto()
    FOLDER = auto()
    STREAM = auto()
    WINDOW = auto()


class Whose(Enum):
    """Whose an output is where a run has several sources."""

    SOURCE = auto()
    """Each has its own: a file or a folder named after it."""
    GRID = auto()
    """One, of the picture that shows all of them."""
    RUN = auto()
    """One, about all of them."""


@dataclass(frozen=True, slots=True)
class OutputOption:
    """One output as RunConfig names it. grid: whose it is with ``grid``, where that differs. endings: of its file."""

    form: Form
    whose: Whose
    grid: Whose | None = None
    endings: tuple[str, ...] = ()

    def belongs(self, *, grid: bool) -> Whose:
        """Whose it is in a run of several sources, with ``grid`` or without."""
        return self.grid if grid and self.grid is not None else self.whose

    @property
    def off(self) -> Any:
        """Its value in RunConfig where it is not asked for."""
        return False if self.form is Form.WINDOW else None


OUTPUTS: Mapping[str, OutputOption] = {
    "save": OutputOption(Form.FILE, Whose.SOURCE, grid=Whose.GRID, endings=(".mp4",)),
    "events": OutputOption(Form.FILE, Whose.SOURCE, endings=(".jsonl", ".csv", ".parquet")),
    "stats": OutputOption(Form.FILE, Whose.RUN, endings=(".json",)),
    "report": OutputOption(Form.FILE, Whose.SOURCE, endings=(".html",)),
    "pictures": OutputOption(Form.FOLDER, Whose.SOURCE),
    "masks": OutputOption(Form.FOLDER, Whose.SOURCE),
    "labels": OutputOption(Form.FOLDER, Whose.SOURCE),
    "findings": OutputOption(Form.FOLDER, Whose.SOURCE),
    "push": OutputOption(Form.STREAM, Whose.GRID),
    "show": OutputOption(Form.WINDOW, Whose.GRID),
}
"""By its name in RunConfig, in the order in which they are named to people."""


def without_outputs() -> dict[str, Any]:
    """What a RunConfig says that asks for none of them."""
    return {name: option.off for name, option in OUTPUTS.items()}
