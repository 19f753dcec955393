"""Pictures that say in themselves which they are, so that a test can read it back from a decoded frame.

Sixteen blocks of black and white a row, three rows from the top: the upper and the lower half of a 32-bit number, and
a check of both. Large enough to come through any encoder. Needs no package: the streaming servers run in the system's
own Python.
"""

from __future__ import annotations

from typing import Any

_BITS = 16
_BLACK, _WHITE = 20, 230


def i420(number: int, width: int, height: int) -> bytes:
    """The picture with this number: planes Y, U and V, even sides."""
    rows = bytearray()
    block = width // _BITS
    for word in _words(number):
        row = b"".join(bytes([_WHITE if word >> (_BITS - 1 - bit) & 1 else _BLACK]) * block for bit in range(_BITS))
        rows += row.ljust(width, b"\x80") * _tall(height)
    ramp = bytes(40 + 160 * x // width for x in range(width))
    rest = height - 3 * _tall(height)
    return bytes(rows) + ramp * rest + b"\x80" * (width // 2 * (height // 2) * 2)


def number_in(luma: Any) -> int | None:
    """The number in a picture's luma (array of height, width); None: it cannot be read, or is damaged."""
    height, width = luma.shape
    tall, block = _tall(height), width // _BITS
    found = []
    for row in range(3):
        middle = luma[row * tall + tall // 4 : row * tall + tall - tall // 4]
        columns = (middle[:, bit * block + block // 4 : (bit + 1) * block - block // 4] for bit in range(_BITS))
        found.append(sum((int(column.mean()) > 125) << (_BITS - 1 - bit) for bit, column in enumerate(columns)))
    number = found[0] << _BITS | found[1]
    return number if tuple(found) == _words(number) else None


def _words(number: int) -> tuple[int, int, int]:
    high, low = number >> _BITS & 0xFFFF, number & 0xFFFF
    return high, low, ~(high ^ low) & 0xFFFF


def _tall(height: int) -> int:
    """Rows of pixels of one row of blocks."""
    return max(8, height // 10)
