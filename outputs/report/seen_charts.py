"""What was seen over stream time: boxes per class, areas, class maps, kinds of frames, regions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from outputs.report.axes import value_axis
from outputs.report.charts import Key, Row, legend, plot, rows
from outputs.report.facts import Facts, css
from outputs.report.parts import section, table
from outputs.report.seen import OTHERS, Tallies, Tally
from outputs.report.shapes import area, slices, tips
from outputs.report.sight import Named
from outputs.report.timeline import Numbers
from outputs.report.words import moment, percent, short

_MOST = 8
_STACK = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#56b4e9", "#cc79a7", "#f0e442", "#5b3f8c")
"""Okabe and Ito's, their black as a violet that shows on dark pages too: for what has no colour in the pictures."""
_OTHERS_COLOUR = "#8a9099"
_TABLE_ROWS = 24


def detections(facts: Facts) -> str:
    """Boxes per class over time, and their sums."""
    seen = facts.seen
    if not seen.boxed or not seen.frames:
        return ""
    if not seen.boxes:
        return section("Detections", '<p class="lead">No box was found in any frame.</p>')
    names = _labels(seen.boxes, len(seen.boxed) > 1)
    made = [
        _row(facts, names.get(name, name[1]), tally, _class_colour(facts, name)) for name, tally in _shown(seen.boxes)
    ]
    share = percent(seen.with_boxes / seen.frames)
    return section(
        "Detections per class",
        rows(made, facts.across),
        _class_table(facts, names),
        lead=f"Mean number per frame; every row has its own scale. {share} of the frames show something.",
    )


def _shown(tallies: Tallies) -> Iterator[tuple[Named, Tally]]:
    return tallies.shown(_MOST)


def _class_colour(facts: Facts, name: Named) -> str:
    return _OTHERS_COLOUR if name == OTHERS else facts.class_colour(name[1])


def _labels(tallies: Tallies, several: bool) -> dict[Named, str]:
    """Class names; with their head's where several heads have boxes."""
    return {
        name: name[1] if not several or name == OTHERS else f"{name[1]} ({name[0]})" for name, _ in tallies.ranked()
    }


def _row(facts: Facts, label: str, tally: Tally, colour: str, *, shares: bool = False) -> Row:
    """One thing's mean over time, filled; its greatest value is the row's height."""
    view = facts.seen.view()
    means = facts.seen.means(tally, view)
    most = float(np.nanmax(means, initial=0.0))
    places = (means / (most or 1) * 0.92).tolist()
    where = slices(view.points, view.width_s, facts.across)
    shown = percent if shares else _mean
    words = [
        "" if math.isnan(value) else f"{moment(index * view.width_s)}: {label} {shown(value)}"
        for index, value in enumerate(means.tolist())
    ]
    drawn = (
        facts.ground()
        + area(where, [0.0] * view.points, places, f'style="fill:{colour}" class="fill"')
        + tips(where, words)
    )
    mean = float(np.nansum(means * np.isfinite(means)) / max(np.isfinite(means).sum(), 1))
    told = f"{label} over stream time: {shown(mean)} per point on average, {shown(most)} at most"
    return Row(label, f"up to {shown(most)}", drawn, told)


def _mean(value: float) -> str:
    return short(round(value, 2))


def _class_table(facts: Facts, names: dict[Named, str]) -> str:
    seen = facts.seen
    heading = ["class", "boxes", "frames with it", "of the frames", "most in a frame"]
    heading += ["tracks started"] if facts.tracked else []
    rows_ = []
    for name, tally in seen.boxes.ranked()[:_TABLE_ROWS]:
        looked = seen.looked[name[0]] or seen.frames
        row = [names[name], f"{tally.total:,.0f}", f"{tally.frames:,}", percent(tally.frames / looked)]
        row += [f"{tally.most:.0f}", *([f"{tally.started:,}"] if facts.tracked else [])]
        rows_.append(row)
    return table(heading, rows_)


def areas(facts: Facts) -> str:
    """Shares of masks over time."""
    tallies = facts.seen.shares
    if not tallies:
        return ""
    made = [_row(facts, name[1], tally, _area_colour(facts, name[1]), shares=True) for name, tally in tallies.ranked()]
    rows_ = [
        (name[1], percent(tally.total / max(facts.seen.looked[name[0]], 1)), percent(tally.most))
        for name, tally in tallies.ranked()
    ]
    return section(
        "Areas",
        rows(made, facts.across),
        table(("area", "mean share of the picture", "largest"), rows_),
        lead="Share of the picture; every row has its own scale.",
    )


def _area_colour(facts: Facts, name: str) -> str:
    """As drawn, where the head has the name of what it shows."""
    known = {"drivable": css(facts.colours.drivable), "lane": css(facts.colours.lane)}
    return known.get(name) or facts.class_colour(name)


def class_maps(facts: Facts) -> str:
    """What every pixel shows, a stack per head."""
    return "".join(
        section(
            f"Class map: {head}",
            _stack(facts, head, shown, "share of the picture"),
            lead="Beside each class: its mean.",
        )
        for head, shown in _by_head(facts.seen.areas)
    )


def classifications(facts: Facts) -> str:
    """Which class was the best one, a stack per head."""
    title = "share of the frames whose best class it is"
    return "".join(
        section(f"What the frames show: {head}", _stack(facts, head, shown, title), kind="low")
        for head, shown in _by_head(facts.seen.best)
    )


def _by_head(tallies: Tallies) -> list[tuple[str, list[tuple[Named, Tally]]]]:
    """Per head, its greatest classes and all others as one."""
    heads = dict.fromkeys(name[0] for name, _ in tallies.ranked() if name != OTHERS)
    found = []
    for head in heads:
        mine = [(name, tally) for name, tally in tallies.ranked() if name[0] == head or name == OTHERS]
        shown = mine[:_MOST]
        if len(mine) > _MOST:
            rest = [tally for _, tally in mine[_MOST:]]
            sums = np.sum([tally.sums for tally in rest], axis=0)
            shown = [*shown, (OTHERS, Tally(sums, sum(tally.total for tally in rest)))]
        found.append((head, shown))
    return found


def _stack(facts: Facts, head: str, shown: Sequence[tuple[Named, Tally]], title: str) -> str:
    """Shares on top of one another, the greatest below; the legend has their means."""
    looked = max(facts.seen.looked[head], 1)
    view, across, up = facts.seen.view(), facts.across, value_axis(1, "%")
    where = slices(view.points, view.width_s, across)
    low: Numbers = np.zeros(view.points)
    drawn, keys, columns = [facts.ground(up)], [], []
    for index, (name, tally) in enumerate(shown):
        means = facts.seen.means(tally, view)
        colour = _stack_colour(facts, name, index)
        drawn.append(area(where, low.tolist(), (low + means).tolist(), f'style="fill:{colour}" class="layer"'))
        keys.append(Key(f"{name[1]} {percent(tally.total / looked)}", f"background:{colour}"))
        columns.append((name[1], means))
        low = low + means
    words = [_stack_tip(index, view.width_s, columns) for index in range(view.points)]
    told = f"{title} over stream time, stacked: " + ", ".join(key.label for key in keys)
    return plot(told, "".join(drawn) + tips(where, words), across, up, title=title) + legend(keys)


def _stack_colour(facts: Facts, name: Named, index: int) -> str:
    """A class map's as in the pictures."""
    if name == OTHERS:
        return _OTHERS_COLOUR
    drawn = facts.map_colours.get(name)
    return css(drawn) if drawn is not None else _STACK[index % len(_STACK)]


def _stack_tip(index: int, width_s: float, columns: Sequence[tuple[str, Numbers]]) -> str:
    there = [(name, means[index]) for name, means in columns if means[index] > 0.005]
    words = ", ".join(f"{name} {percent(share)}" for name, share in there)
    return f"{moment(index * width_s)}: {words}" if words else ""


def regions(facts: Facts) -> str:
    """Per region of the run: who was in it, when, how often; the table has the figures of ``--stats``."""
    counted: Mapping[str, Mapping[str, Mapping[str, int]]] = facts.ending.statistics.get("regions", {})
    ranked = sorted(facts.seen.regions.ranked(), key=lambda item: item[0][0])
    made = [
        _row(facts, f"{name} in {region}" if region else name, tally, facts.class_colour(name))
        for (region, name), tally in ranked[: 2 * _MOST]
    ]
    entered = any("entries" in each for inside in counted.values() for each in inside.values())
    heading = ["region", "class", "frames with it", "of the frames", "most at once", *(["entered"] if entered else [])]
    return section(
        "Regions",
        rows(made, facts.across) if made else "",
        table(heading, _region_rows(counted, facts.ending.statistics["frames"]["inferred"]), words=2),
        lead="Mean number of boxes in each region; every row has its own scale." if made else "",
    )


def _region_rows(counted: Mapping[str, Mapping[str, Mapping[str, int]]], frames: int) -> Iterator[tuple[str, ...]]:
    """A line per region and class; a region that nobody was in has one too."""
    for region, inside in counted.items():
        for name, each in sorted(inside.items(), key=lambda item: -item[1]["frames"]):
            times = (f"{each['entries']:,}",) if "entries" in each else ()
            yield (
                region,
                name,
                f"{each['frames']:,}",
                percent(each["frames"] / max(frames, 1)),
                f"{each['most']}",
                *times,
            )
        if not inside:
            yield region, "nobody", "0", percent(0), "0"
