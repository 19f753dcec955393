"""Parts that sections are made of: a section with its heading, a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from outputs.report.words import text


def section(title: str, *content: str, lead: str = "", kind: str = "") -> str:
    """A card of the page; "" where there is nothing in it. title and lead are plain text, content is HTML."""
    inside = "".join(content)
    if not inside:
        return ""
    words = f'<p class="lead">{text(lead)}</p>' if lead else ""
    return f'<section class="{kind}"><h2>{text(title)}</h2>{words}{inside}</section>'


def table(heading: Sequence[str], rows: Iterable[Sequence[object]], *, words: int = 1) -> str:
    """A table; the first ``words`` columns are words, the others numbers. "" without rows."""
    lines = ["".join(_cell(position, cell, words) for position, cell in enumerate(row)) for row in rows]
    if not lines:
        return ""
    head = "".join(
        f'<th scope="col"{_kind(position, words)}>{text(cell)}</th>' for position, cell in enumerate(heading)
    )
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def pairs(facts: Iterable[tuple[str, str]]) -> str:
    """Names and what is said of them."""
    return "<dl>" + "".join(f"<dt>{text(name)}</dt><dd>{text(said)}</dd>" for name, said in facts if said) + "</dl>"


def _cell(position: int, cell: object, words: int) -> str:
    if position == 0:
        return f'<th scope="row">{text(cell)}</th>'
    return f"<td{_kind(position, words)}>{text(cell)}</td>"


def _kind(position: int, words: int) -> str:
    return "" if position < words else ' class="number"'
