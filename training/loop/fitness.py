"""What the figures of a validation say: how good on the whole, and whether a head sees nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Set
from statistics import fmean

from contracts.errors import UsageError
from contracts.text import nearest

Figures = Mapping[str, Mapping[str, float]]
"""Head → figure → value."""
MAIN = ("map50", "tolerant_iou", "miou", "iou", "top1")
"""A head's main figure is the first of these that it has: boxes, lane lines, class maps, areas, whole pictures."""
PATIENCE = 3
"""Validations in a row in which a head sees nothing, before that is said."""
_NOTHING = 0.005


def main_figures(figures: Figures) -> dict[str, tuple[str, float]]:
    """Head → name and value of its main figure; not where that could not be judged."""
    found: dict[str, tuple[str, float]] = {}
    for head, values in figures.items():
        name = next((name for name in MAIN if name in values), None)
        if name is not None and not math.isnan(values[name]):
            found[head] = name, values[name]
    return found


def flat(figures: Figures) -> dict[str, float]:
    """``head/figure`` → value, as logs and ``fitness:`` name them."""
    return {f"{head}/{name}": value for head, values in figures.items() for name, value in values.items()}


def fitness(figures: Figures, weights: Mapping[str, float]) -> float:
    """The weighted sum of the figures named, else the mean of each head's main figure; 0 where nothing was judged.

    Raises UsageError for a figure that no head has.
    """
    known = flat(figures)
    for name in weights:
        if name not in known:
            near = nearest(name, known)
            usual = (f"{head}/{next(each for each in MAIN if each in values)}" for head, values in figures.items())
            cure = f"did you mean {near!r}?" if near else f"HEAD/FIGURE, such as {', '.join(usual)}"
            raise UsageError(f"fitness: there is no figure {name!r}", cure)
    judged = {name: weight for name, weight in weights.items() if not math.isnan(known[name])}
    if weights:
        return sum(weight * known[name] for name, weight in judged.items())
    main = [value for _, value in main_figures(figures).values()]
    return fmean(main) if main else 0.0


def watch_blindness(blind: dict[str, int], figures: Figures, constant: Set[str]) -> list[str]:
    """Counts for each head the validations in a row in which it saw nothing; lines about those it is time to name.

    blind: the counts so far, updated. constant: heads whose every prediction was the same all over.
    """
    lines = []
    for head, (name, value) in main_figures(figures).items():
        seen = value > _NOTHING and head not in constant
        blind[head] = 0 if seen else blind.get(head, 0) + 1
        if blind[head] and blind[head] % PATIENCE == 0:
            what = "predicts the same everywhere" if head in constant else f"its {name} is {value:.3f}"
            lines.append(
                f"warning: {head} sees nothing: for {blind[head]} validations {what} → look whether its labels are"
                f" right (a plot of the set), raise its weight under loss:, or lower optimizer.learning_rate"
            )
    return lines
