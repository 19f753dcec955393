"""Words of the page: everything that comes from elsewhere goes through ``text``."""

from __future__ import annotations

import math
import re
from html import escape

from contracts.secrets import redact
from contracts.text import encodable

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
NONE = "–"
SPACE = "\N{NO-BREAK SPACE}"
"""Between a number and its unit."""


def text(value: object) -> str:
    """Any text as HTML, also inside an attribute, without secrets."""
    plain = _CONTROL.sub("\N{REPLACEMENT CHARACTER}", encodable(str(value)))
    return escape(redact(plain))


def ms(value: float | None) -> str:
    """``48 ms``, ``6.9 ms``: as the summary rounds a latency, finer where it would be nothing."""
    return NONE if value is None or math.isnan(value) else f"{short(value)}{SPACE}ms"


def short(value: float) -> str:
    """Three digits or so: ``0.42``, ``6.9``, ``48``, ``1,234``; whole numbers without a point."""
    if value == round(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 1 else f"{value:.2f}"


def percent(share: float) -> str:
    """``0 %``, ``0.4 %``, ``31 %``; never 0 or 100 for what is not."""
    value = 100 * share
    if 0 < value < 0.05:
        return f"<{SPACE}0.1{SPACE}%"
    if value < 10 and value != round(value):
        return f"{value:.1f}{SPACE}%"
    return f">{SPACE}99{SPACE}%" if 99.5 <= value < 100 else f"{value:.0f}{SPACE}%"


def moment(seconds: float) -> str:
    """``7.4 s``, ``2:03.5``, ``1:02:03``: a place in stream time."""
    tenths = round(seconds * 10)
    if tenths < 600:
        return f"{tenths / 10:.1f}{SPACE}s"
    if tenths < 36_000:
        return f"{tenths // 600}:{tenths % 600 / 10:04.1f}"
    whole = tenths // 10
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
