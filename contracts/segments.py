"""How long a recording goes on in one file and how much disk it may take, as people write it: ``10m``, ``2GB``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator

_SECONDS = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400}
_BYTES = {"b": 1}
_BYTES |= {f"{letter}b": 1000**power for power, letter in enumerate("kmgt", 1)}
_BYTES |= {f"{letter}ib": 1024**power for power, letter in enumerate("kmgt", 1)}
_NUMBER = r"[0-9]{1,19}(?:\.[0-9]{1,9})?"
_LEAST_S, _MOST_S = 1, 366 * 86_400
_LEAST_BYTES = 1_000_000
_SEGMENT_CURE = "write a time such as 10m, 90s or 1h, or a size such as 2GB, 500MB or 2GiB"
_BUDGET_CURE = "write a size such as 50GB, 800MB or 50GiB"


@dataclass(frozen=True, slots=True)
class SegmentLimit:
    """When a file of a recording is full: after so much stream time or so many bytes; exactly one of them is given."""

    seconds: Fraction | None = None
    bytes: int | None = None

    def __str__(self) -> str:
        if self.bytes is not None:
            return size_text(self.bytes)
        assert self.seconds is not None
        return _decimal(self.seconds) + "s"


def parse_segment(value: Any) -> SegmentLimit:
    """``"10m"``, ``"1h30m"``, ``"10:00"`` or ``"2GB"``, ``"2GiB"`` → SegmentLimit; ValueError ("what → cure")."""
    if isinstance(value, SegmentLimit):
        return value
    text = value.strip() if isinstance(value, str) else ""
    size = _size(text)
    if size is not None:
        if size < _LEAST_BYTES:
            raise ValueError(f"{value!r} is too small for a segment, {size_text(_LEAST_BYTES)} is the least")
        return SegmentLimit(bytes=size)
    seconds = _duration(text)
    if seconds is None:
        raise ValueError(f"{value!r} is neither a time nor a size → {_instead(value, _SEGMENT_CURE)}")
    if not _LEAST_S <= seconds <= _MOST_S:
        raise ValueError(f"{value!r} is no length of a segment, 1s to 366d → {_SEGMENT_CURE}")
    return SegmentLimit(seconds=seconds)


def parse_budget(value: Any) -> int:
    """``"50GB"`` or ``"50GiB"`` → bytes; raises ValueError ("what → cure")."""
    size = _size(value.strip()) if isinstance(value, str) else None
    if size is None:
        raise ValueError(f"{value!r} is no size → {_instead(value, _BUDGET_CURE)}")
    if size < 2 * _LEAST_BYTES:
        raise ValueError(f"{value!r} is too little to record into, {size_text(2 * _LEAST_BYTES)} is the least")
    return size


def check_segments(segment: SegmentLimit | None, keep: int | None, *, saving: bool) -> None:
    """Whether the settings of a recording go together; raises ValueError ("what → cure")."""
    if segment is None:
        if keep is not None:
            raise ValueError("keep deletes the oldest segments, and there are none → add segment, such as 10m")
        return
    if not saving:
        raise ValueError("segment cuts what save records, and nothing is → give a name to save, such as out.mp4")
    if keep is not None and 2 * (segment.bytes or 0) > keep:
        least = size_text(2 * (segment.bytes or 0))
        raise ValueError(f"keep holds not even two segments of {segment} → at least {least}, or shorter segments")


def size_text(size: int) -> str:
    """Bytes in the largest unit that says them exactly: ``2GB``, ``1536MiB``."""
    for letter in "TGM":
        for unit in (f"{letter}B", f"{letter}iB"):
            if size and size % _BYTES[unit.lower()] == 0:
                return f"{size // _BYTES[unit.lower()]}{unit}"
    return f"{size}B"


def _size(text: str) -> int | None:
    """Bytes; None where it is no number with a unit that ends in B."""
    match = re.fullmatch(rf"({_NUMBER}) ?([kmgt]?i?b)", text, re.IGNORECASE)
    unit = _BYTES.get(match[2].lower()) if match else None
    return int(Fraction(match[1]) * unit) if match and unit is not None else None


def _duration(text: str) -> Fraction | None:
    """Seconds; None where it is neither numbers with units of time, the larger ones first, nor ``[h:]mm:ss``."""
    if re.fullmatch(r"([0-9]{1,9}:){1,2}[0-9]{1,9}", text):
        seconds = Fraction(0)
        for part in text.split(":"):
            seconds = seconds * 60 + int(part)
        return seconds
    if not re.fullmatch(rf"(?:{_NUMBER}(?:sec|min|[smhd]))+", text):  # no capitals: 10M may mean a size
        return None
    parts = re.findall(rf"({_NUMBER})([a-z]+)", text)
    units = [_SECONDS[unit] for _, unit in parts]
    if any(later >= sooner for sooner, later in pairwise(units)):
        return None
    return sum((Fraction(number) * unit for (number, _), unit in zip(parts, units, strict=True)), Fraction(0))


def _instead(value: Any, cure: str) -> str:
    """What to write for a number without a unit, or with half of one."""
    text = str(value).strip()
    if re.fullmatch(_NUMBER, text) and "time" in cure:
        return f"write {text}s, {text}m or {text}MB"
    if re.fullmatch(_NUMBER, text):
        return f"write {text}GB or {text}MB"
    if re.fullmatch(rf"{_NUMBER}[kKMGTgt]i?", text):
        return f"write {text}B" + (
            f" for a size, {text.lower()} for minutes" if text[-1] == "M" and "time" in cure else ""
        )
    return cure


def _decimal(number: Fraction) -> str:
    """A number of at most nine decimals as text without loss."""
    whole, rest = divmod(number, 1)
    return str(whole) if rest == 0 else f"{whole}.{int(rest * 10**9):09d}".rstrip("0")


Segment = Annotated[
    SegmentLimit, PlainValidator(parse_segment, json_schema_input_type=str), PlainSerializer(str, return_type=str)
]
DiskBudget = Annotated[
    int, PlainValidator(parse_budget, json_schema_input_type=str), PlainSerializer(size_text, return_type=str)
]
"""Bytes."""
