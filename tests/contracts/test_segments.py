"""Lengths of segments and disk budgets, as people write them."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.config import RunConfig
from contracts.errors import UsageError
from contracts.segments import SegmentLimit, parse_budget, parse_segment, size_text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10m", 600),
        ("90s", 90),
        ("1h", 3600),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("10min", 600),
        ("90sec", 90),
        ("2d", 172_800),
        (" 10m ", 600),
        ("10:00", 600),
        ("1:00:00", 3600),
        ("1.001s", Fraction(1001, 1000)),
    ],
)
def test_lengths_in_time(text: str, seconds: Fraction) -> None:
    assert parse_segment(text) == SegmentLimit(seconds=Fraction(seconds))


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("2GB", 2 * 10**9),
        ("2 GB", 2 * 10**9),
        ("2gb", 2 * 10**9),
        ("2GiB", 2 * 2**30),
        ("500MB", 5 * 10**8),
        ("1.5GB", 1_500_000_000),
        ("1536MiB", 1536 * 2**20),
        ("4000kB", 4_000_000),
        ("4096KiB", 4096 * 1024),
        ("3TB", 3 * 10**12),
        ("5000000B", 5_000_000),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_segment(text) == SegmentLimit(bytes=size)
    assert parse_budget(text) == size


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("600", "write 600s, 600m or 600MB"),
        ("10M", "write 10MB for a size, 10m for minutes"),
        ("2G", "write 2GB"),
        ("2Gi", "write 2GiB"),
        ("10 minutes", "10m, 90s or 1h"),
        ("m", "10m, 90s or 1h"),
        ("", "10m, 90s or 1h"),
        ("-10m", "10m, 90s or 1h"),
        ("30m1h", "10m, 90s or 1h"),
        ("10m10m", "10m, 90s or 1h"),
        ("1,5GB", "10m, 90s or 1h"),
        ("1e9B", "10m, 90s or 1h"),
        ("nan", "10m, 90s or 1h"),
        ("0s", "1s to 366d"),
        ("0.5s", "1s to 366d"),
        ("367d", "1s to 366d"),
        ("999999999999999d", "1s to 366d"),
        ("0GB", "1MB is the least"),
        ("900kB", "1MB is the least"),
        (600, "write 600s, 600m or 600MB"),
        (True, "10m, 90s or 1h"),
        (["10m"], "10m, 90s or 1h"),
    ],
)
def test_what_is_no_length(value: Any, says: str) -> None:
    with pytest.raises(UsageError) as raised:
        RunConfig.build({"save": "out.mp4", "segment": value})
    assert str(raised.value).count("segment") >= 1
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("50", "write 50GB or 50MB"),
        (50, "write 50GB or 50MB"),
        ("50G", "write 50GB"),
        ("10m", "such as 50GB"),
        ("1MB", "2MB is the least"),
        (None, None),
    ],
)
def test_what_is_no_budget(value: Any, says: str | None) -> None:
    options = {"save": "out.mp4", "segment": "10m", "keep": value}
    if says is None:
        assert RunConfig.build(options).keep is None
        return
    with pytest.raises(UsageError) as raised:
        RunConfig.build(options)
    assert says in str(raised.value)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"save": "out.mp4", "keep": "50GB"}, "add segment, such as 10m"),
        ({"segment": "10m"}, "give a name to save"),
        ({"save": "out.mp4", "segment": "2GB", "keep": "3GB"}, "two segments of 2GB → at least 4GB"),
    ],
)
def test_what_does_not_go_together(options: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError) as raised:
        RunConfig.build(options)
    assert says in str(raised.value)


@given(st.integers(1, 10**18))
def test_every_size_is_read_as_it_is_written(size: int) -> None:
    if size >= 2_000_000:
        assert parse_budget(size_text(size)) == size
    if size >= 1_000_000:
        assert parse_segment(str(SegmentLimit(bytes=size))) == SegmentLimit(bytes=size)


@given(st.integers(10**9, 366 * 86_400 * 10**9))
def test_every_time_is_read_as_it_is_written(nanoseconds: int) -> None:
    limit = SegmentLimit(seconds=Fraction(nanoseconds, 10**9))
    assert parse_segment(str(limit)) == limit


@given(st.text())
def test_any_text_is_read_or_refused_with_a_cure(text: str) -> None:
    for parse in (parse_segment, parse_budget):
        try:
            found = parse(text)
        except ValueError as refused:
            says = str(refused)
        else:
            says = f"{found} is the least"
        assert " → " in says or "is the least" in says


def test_a_resolved_configuration_can_be_read_again() -> None:
    config = RunConfig.build({"save": "out.mp4", "segment": "1h30m", "keep": "1.5TB"})
    data = config.model_dump(mode="json")
    assert (data["segment"], data["keep"]) == ("5400s", "1500GB")
    assert RunConfig.build(data) == config
