"""What people read is one line, whatever names it holds."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import SourceError
from contracts.text import one_line


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\nb\r\n  c\t", "a b c"),
        ("red \x1b[31m bell \x07", "red \\x1b[31m bell \\x07"),
        ("gpj.\u202eexe", "gpj.\\u202eexe"),
        ("Straße 🚗 \u200d %s {x}", "Straße 🚗 \u200d %s {x}"),
        ("bytes \udcff", "bytes \udcff"),
    ],
)
def test_one_line(text: str, expected: str) -> None:
    assert one_line(text) == expected
    assert SourceError(text, text).message == expected


@given(st.text())
def test_nothing_that_moves_a_terminal_is_left(text: str) -> None:
    shown = one_line(text)
    assert len(shown.splitlines()) <= 1
    assert not any(unicodedata.category(letter) == "Cc" for letter in shown)
