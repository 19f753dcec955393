"""The report: one HTML file with everything in it. Nothing is fetched, nothing runs."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape

from training.evaluation.page_style import STYLE
from training.evaluation.plots import confusion, curves
from training.evaluation.results import EngineResult, Evaluation, HeadResult, Scene
from training.evaluation.table import main_of, text_of
from training.metrics.meanings import COUNTS, MEANINGS
from training.metrics.measure import Figures

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""The browser itself refuses whatever would come from elsewhere."""
Named = list[tuple[str, HeadResult]]
"""Engines that have a head, by name."""


def page(evaluation: Evaluation) -> str:
    """The whole file as text."""
    data = evaluation.data
    title = f"Evaluation on {data['path']}"
    sections = "".join(_section(head, evaluation) for head in evaluation.heads())
    contents = "".join(f'<a href="#{escape(head)}">{escape(head)}</a>' for head in evaluation.heads())
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><style>{STYLE}</style></head><body>'
        f"<header><h1>{escape(title)}</h1><p>{_facts(evaluation)}</p><nav>{contents}</nav></header><main>"
        f"{_engines(evaluation.engines)}{sections}{_meanings(evaluation)}</main></body></html>\n"
    )


def _facts(evaluation: Evaluation) -> str:
    data = evaluation.data
    words = [f"{data['pictures']} pictures", f"layout {data['layout']}", f"split {data['split']}"]
    words += [f"{key}: {' '.join(data[key])}" for key in ("classes", "remap") if key in data]
    terms = {key: value for key, value in evaluation.terms.items() if value}
    words += [f"{key}: {_term(value)}" for key, value in terms.items()]
    return " · ".join(escape(word) for word in words)


def _term(value: object) -> str:
    if isinstance(value, Mapping):
        return "; ".join(f"{name} = {', '.join(parts)}" for name, parts in value.items())
    return str(value)


def _engines(engines: Sequence[EngineResult]) -> str:
    facts = list(dict.fromkeys(fact for engine in engines for fact in engine.facts))
    rows = [(engine.name, [_short(fact, engine.facts.get(fact, "–")) for fact in facts]) for engine in engines]
    notes = "".join(
        f"<li><b>{escape(engine.name)}</b> {escape(note)}</li>" for engine in engines for note in engine.notes
    )
    return f"<section><h2>Networks</h2>{_grid('network', facts, rows, numbers=False)}<ul>{notes}</ul></section>"


def _short(fact: str, value: str) -> str:
    return value[:12] if fact == "sha256" else value


def _section(head: str, evaluation: Evaluation) -> str:
    named = [(engine.name, engine.heads[head]) for engine in evaluation.engines if head in engine.heads]
    parts = [
        _grid("figure", [name for name, _ in named], _figure_rows(named)),
        _breakdown("Classes", named, lambda result: result.details.rows),
        _breakdown("Groups", named, lambda result: result.groups),
        _curves(named),
        '<div class="beside">',
        *(_confusion(name, result) for name, result in named),
        "</div>",
        *(_blank(name, result) for name, result in named),
        *(_worst(name, result) for name, result in named),
    ]
    main = main_of(named[0][1].figures)
    best = " · ".join(f"{escape(name)} {text_of(main, result.figures.get(main))}" for name, result in named)
    title = f'<h2>{escape(head)}</h2><p class="main">{main}: {best}</p>'
    return f'<section id="{escape(head)}">{title}{"".join(parts)}</section>'


def _figure_rows(named: Named) -> list[tuple[str, list[str]]]:
    names = dict.fromkeys(figure for _, result in named for figure in result.figures)
    return [(name, [text_of(name, result.figures.get(name)) for _, result in named]) for name in names]


def _breakdown(title: str, named: Named, of: Callable[[HeadResult], Mapping[str, Figures]]) -> str:
    """A table per engine: classes or groups down, their figures across."""
    tables = []
    for name, result in named:
        rows = of(result)
        if not rows:
            continue
        figures = list(dict.fromkeys(figure for row in rows.values() for figure in row))
        cells = [(each, [text_of(figure, row.get(figure)) for figure in figures]) for each, row in rows.items()]
        tables.append(f"<div><h4>{escape(name)}</h4>{_grid('', figures, cells)}</div>")
    return f'<h3>{title}</h3><div class="beside">{"".join(tables)}</div>' if tables else ""


def _curves(named: Named) -> str:
    known = [(name, result.details.curve) for name, result in named if result.details.curve is not None]
    return f"<h3>Precision over recall, all classes together</h3>{curves(known)}" if known else ""


def _confusion(name: str, result: HeadResult) -> str:
    table = confusion(result.details)
    masks = {"iou", "miou"} & set(result.figures)
    of = "pixels" if masks else "boxes" if result.details.curve else "pictures"
    return f"<div><h3>What was taken for what: {escape(name)}, {of}</h3>{table}</div>" if table else ""


def _blank(name: str, result: HeadResult) -> str:
    if not result.blank:
        return ""
    names = ", ".join(escape(picture) for picture in result.blank)
    count = len(result.blank)
    return f"<details><summary>{escape(name)}: no box found in {count} pictures</summary><p>{names}</p></details>"


def _worst(name: str, result: HeadResult) -> str:
    scenes = [scene for scene in result.worst if scene.jpeg]
    if not scenes:
        return ""
    figures = "".join(_scene(scene) for scene in scenes)
    of = "blue: labelled, green: predicted, grey: does not count"
    return (
        f"<details open><summary>Seen worst by {escape(name)}: truth left, prediction right ({of})</summary>"
        f'<div class="scenes">{figures}</div></details>'
    )


def _scene(scene: Scene) -> str:
    picture = base64.b64encode(scene.jpeg).decode("ascii")
    text = f"{escape(scene.name)} · {scene.goodness:.3f}"
    return (
        f'<figure><img loading="lazy" alt="{text}" src="data:image/jpeg;base64,{picture}">'
        f"<figcaption>{text}</figcaption></figure>"
    )


def _meanings(evaluation: Evaluation) -> str:
    used = {
        figure
        for engine in evaluation.engines
        for result in engine.heads.values()
        for row in (result.figures, *result.details.rows.values())
        for figure in row
    }
    items = "".join(f"<dt>{name}</dt><dd>{escape(text)}</dd>" for name, text in MEANINGS.items() if name in used)
    return f"<section><h2>What the figures mean</h2><dl>{items}</dl></section>"


def _grid(corner: str, heading: Iterable[str], rows: Iterable[tuple[str, list[str]]], *, numbers: bool = True) -> str:
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in heading)
    body = "".join(
        f'<tr{_count_class(label)}><th scope="row">{escape(label)}</th>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in cells)
        + "</tr>"
        for label, cells in rows
    )
    kind = ' class="numbers"' if numbers else ""
    return (
        f'<div class="wide"><table{kind}><thead><tr><th scope="col">{corner}</th>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _count_class(label: str) -> str:
    return ' class="count"' if label in COUNTS else ""
