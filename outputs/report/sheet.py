"""The contact sheet: the most eventful frames with the reason for each."""

from __future__ import annotations

from outputs.report.facts import Facts
from outputs.report.moments import Moment
from outputs.report.parts import section
from outputs.report.thumbnails import data_uris
from outputs.report.words import moment, text

_REASONS = 3


def sheet(facts: Facts) -> str:
    """Pictures in the order of time."""
    uris = data_uris([each.picture for each in facts.moments])
    figures = "".join(_figure(each, uri) for each, uri in zip(facts.moments, uris, strict=True))
    upright = any(each.picture.size[1] > each.picture.size[0] for each in facts.moments)
    return section(
        "Most eventful frames",
        f'<div class="sheet{" upright" if upright else ""}">{figures}</div>' if figures else "",
        lead="Chosen for what was new, rare, sudden or many in them, and spread over the run.",
    )


def _figure(one: Moment, uri: str) -> str:
    width, height = one.picture.size
    why = " · ".join(one.why[:_REASONS])
    reasons = f"<span>{text(why)}</span>" if why else ""
    where = f"{moment(one.seconds)} · frame {one.index:,}"
    return (
        f'<figure><img src="{uri}" width="{width}" height="{height}" alt="{text(f"{where}: {one.seen}")}">'
        f"<figcaption><b>{text(where)}</b>{reasons}<small>{text(one.seen)}</small></figcaption></figure>"
    )
