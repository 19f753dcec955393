"""The synthetic drive as a source: its address, its frames, its end."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import UsageError
from contracts.fit import Stretch
from contracts.prediction import Detections, Mask
from contracts.protocols import Losses, Source
from sources.synthetic import SyntheticSource
from sources.synthetic.address import Address

ROOT = Path(__file__).resolve().parents[2]
SMALL = "size=320x180"


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("synthetic:", Address()),
        ("synthetic:night", Address(look="night")),
        ("SYNTHETIC:rain?seed=7", Address(look="rain", seed=7)),
        ("synthetic:?size=853x479", Address(width=853, height=479)),
        (
            "synthetic:city?seconds=0.5&fps=30000/1001",
            Address("city", seconds=Fraction(1, 2), fps=Fraction(30000, 1001)),
        ),
    ],
)
def test_addresses_that_are_right(uri: str, expected: Address) -> None:
    assert Address.parse(uri) == expected


@pytest.mark.parametrize(
    ("uri", "message", "cure"),
    [
        ("synthetic:higway", "unknown look 'higway'", "did you mean 'highway'?"),
        ("synthetic:zzzz", "unknown look", "known: city, highway, night, rain"),
        ("synthetic:city?sead=1", "unknown option 'sead'", "did you mean 'seed'?"),
        ("synthetic:?size=63x720", "out of bounds", "between 64 and 4096"),
        ("synthetic:?size=1280x4097", "out of bounds", "between 64 and 4096"),
        ("synthetic:?size=big", "not WIDTHxHEIGHT", "size=1280x720"),
        ("synthetic:?seed=-1", "seed '-1'", "write"),
        ("synthetic:?seed=1.5", "not a whole number", "seed=7"),
        ("synthetic:?seed=", "not a number", "write"),
        ("synthetic:?fps=0", "above 0", "write"),
        ("synthetic:?fps=1/0", "not a number", "write"),
        ("synthetic:?fps=5000", "out of bounds", "1000"),
        ("synthetic:?seconds=0", "above 0", "write"),
        ("synthetic:?seconds=nan", "not a number", "write"),
        ("synthetic:?seed=1&seed=2", "stands twice", "once"),
        ("video:city", "no synthetic drive", "synthetic:highway"),
    ],
)
def test_addresses_that_are_wrong(uri: str, message: str, cure: str) -> None:
    with pytest.raises(UsageError) as caught:
        Address.parse(uri)
    assert message in caught.value.message
    assert cure in caught.value.cure


@given(
    look=st.sampled_from(["highway", "city", "night", "rain"]),
    seed=st.integers(0, 2**63 - 1),
    size=st.tuples(st.integers(64, 4096), st.integers(64, 4096)),
    seconds=st.fractions(Fraction(1, 100), 86_400, max_denominator=1001),
    fps=st.fractions(Fraction(1, 10), 1000, max_denominator=1001),
)
def test_the_printed_address_reads_back(
    look: str, seed: int, size: tuple[int, int], seconds: Fraction, fps: Fraction
) -> None:
    address = Address(look, seed, *size, seconds, fps)
    assert Address.parse(str(address)) == address


def test_info_and_frames() -> None:
    source: Source = SyntheticSource(f"synthetic:highway?{SMALL}&seconds=0.4&fps=30000/1001")
    info = source.info
    assert (info.id, info.width, info.height, info.live, info.frames) == ("synthetic", 320, 180, False, 11)
    assert info.rate == Fraction(30000, 1001)
    frames = list(source.frames())
    assert [frame.index for frame in frames] == list(range(11))
    assert all(frame.pts == frame.index / Fraction(30000, 1001) for frame in frames)
    assert all(a.arrival <= b.arrival for a, b in pairwise(frames))
    for frame in frames:
        assert frame.picture.bgr().shape == (180, 320, 3)
        assert frame.source is info
        truth = frame.truth
        assert truth is not None
        boxes, drivable, lane = truth["boxes"], truth["drivable"], truth["lane"]
        assert isinstance(boxes, Detections)
        assert boxes.names == ("person", "car", "bus", "truck", "two_wheeler")
        assert isinstance(drivable, Mask)
        assert isinstance(lane, Mask)
        assert (drivable.role, lane.role) == ("drivable", "lane")
        assert drivable.fit == lane.fit == Stretch(320, 180, 320, 180)
    assert source.losses == Losses()


def test_frames_kept_by_a_consumer_never_change() -> None:
    source = SyntheticSource(f"synthetic:rain?{SMALL}&seconds=0.5")
    kept = []
    for frame in source.frames():
        assert frame.truth is not None
        arrays = [frame.picture.bgr(), *(mask.data for mask in frame.truth.masks().values())]
        kept.append((arrays, [array.copy() for array in arrays]))
    for arrays, copies in kept:
        assert all(np.array_equal(array, copy) for array, copy in zip(arrays, copies, strict=True))


def test_close_from_another_thread_ends_the_frames() -> None:
    source = SyntheticSource("synthetic:highway?size=64x64&seconds=80000")
    frames = source.frames()
    next(frames)
    closer = threading.Timer(0.1, source.close)
    closer.start()
    given = sum(1 for _ in frames)  # without close() this takes hours: the test's time limit would end it
    closer.join()
    assert given < source.info.frames  # type: ignore[operator]
    source.close()
    assert not list(source.frames())


def _digest(uri: str) -> str:
    """One hash over every pixel and all truth of a drive."""
    digest = hashlib.sha256()
    for frame in SyntheticSource(uri).frames():
        assert frame.truth is not None
        digest.update(frame.picture.bgr().tobytes())
        digest.update(frame.truth.detections()["boxes"].boxes.tobytes())
        for mask in frame.truth.masks().values():
            digest.update(mask.data.tobytes())
    return digest.hexdigest()


@pytest.mark.parametrize("look", ["highway", "city", "night", "rain"])
def test_the_same_seed_gives_the_same_bits_in_any_process(look: str) -> None:
    uri = f"synthetic:{look}?{SMALL}&seed=5&seconds=0.3"
    script = (
        "import importlib.util, sys; sys.path.insert(0, sys.argv[1]); "
        "spec = importlib.util.spec_from_file_location('digests', sys.argv[2]); "
        "module = importlib.util.module_from_spec(spec); spec.loader.exec_module(module); "
        "print(module._digest(sys.argv[3]))"
    )
    command = [sys.executable, "-c", script, str(ROOT), __file__, uri]
    elsewhere = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout.strip()
    assert elsewhere == _digest(uri) == _digest(uri)


def test_other_seeds_give_other_drives() -> None:
    digests = {_digest(f"synthetic:city?{SMALL}&seconds=0.1&seed={seed}") for seed in range(4)}
    assert len(digests) == 4
