"""``generator:``: addresses, and pictures that are the same for the same seed."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from contracts.errors import UsageError
from contracts.picture import Pixels
from engines.open import open_generator
from roadstream import stream
from sources.generator import GeneratorAddress
from sources.open import open_source, places_read
from tests.support.generators import LATENT, generator
from tests.support.networks import mask_network


def pictures(uri: str) -> list[Pixels]:
    source = open_source(uri, maker=open_generator)
    found = [frame.picture.bgr() for frame in source.frames()]
    source.close()
    return found


def test_frames_count_from_zero_at_an_even_rate(tmp_path: Path) -> None:
    file = generator(tmp_path / "net.onnx")
    source = open_source(f"generator:{file}?count=7&fps=10", maker=open_generator)
    assert (source.info.id, source.info.width, source.info.height, source.info.frames) == ("net", 16, 16, 7)
    assert not source.info.live
    frames = list(source.frames())
    assert [frame.index for frame in frames] == list(range(7))
    assert [frame.pts for frame in frames] == [Fraction(index, 10) for index in range(7)]
    assert len(pictures(f"generator:{file}")) == 16


def test_a_picture_is_made_of_its_own_random_numbers(tmp_path: Path) -> None:
    """Written out: picture i of seed s from NumPy's generator of (s, i), whatever the count."""
    file = generator(tmp_path / "net.onnx")
    maker = open_generator(file)
    found = pictures(f"generator:{file}?count=3&seed=9")
    for index, picture in enumerate(found):
        latent = np.random.default_rng((9, index)).standard_normal(LATENT, np.float32)
        assert np.array_equal(picture, maker.pictures(latent[None])[0])
    assert np.array_equal(np.stack(found), np.stack(pictures(f"generator:{file}?count=8&seed=9")[:3]))
    assert not np.array_equal(found[0], found[1])
    assert not np.array_equal(found[0], pictures(f"generator:{file}?count=1&seed=10")[0])


def test_another_process_makes_the_same_pictures(tmp_path: Path) -> None:
    file = generator(tmp_path / "net.onnx")
    uri = f"generator:{file}?count=4&seed=2"
    script = (
        "import sys, zlib; from engines.open import open_generator; from sources.open import open_source;"
        f"s = open_source({uri!r}, maker=open_generator);"
        "print(*(zlib.crc32(f.picture.bgr().tobytes()) for f in s.frames()))"
    )
    done = [
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert done[0] == done[1]
    assert len(done[0].split()) == 4


def test_networks_that_make_several_at_once_give_every_one(tmp_path: Path) -> None:
    many = pictures(f"generator:{generator(tmp_path / 'many.onnx', batch=4)}?count=6&seed=3")
    one = pictures(f"generator:{generator(tmp_path / 'one.onnx')}?count=6&seed=3")
    assert len(many) == 6
    assert max(np.abs(a.astype(int) - b.astype(int)).max() for a, b in zip(many, one, strict=True)) <= 1


def test_close_ends_the_frames(tmp_path: Path) -> None:
    source = open_source(f"generator:{generator(tmp_path / 'net.onnx')}?count=1000", maker=open_generator)
    frames = source.frames()
    next(frames)
    source.close()
    assert list(frames) == []
    source.close()


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("generator:", "names no network"),
        ("generator:a.onnx?cuont=3", "'cuont'.*did you mean 'count'"),
        ("generator:a.onnx?count=0", "count 0 .*between 1"),
        ("generator:a.onnx?count=1.5", "not a whole number"),
        ("generator:a.onnx?count=-4", "not a number → write count=7$"),
        ("generator:a.onnx?seed=x", "not a number"),
        ("generator:a.onnx?fps=0", "above 0"),
    ],
)
def test_addresses_that_are_none(uri: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        open_source(uri, maker=open_generator)


def test_it_neither_starts_later_nor_loops_nor_does_without_an_engine(tmp_path: Path) -> None:
    file = generator(tmp_path / "net.onnx")
    with pytest.raises(UsageError, match="cannot loop"):
        open_source(f"generator:{file}", loop=True, maker=open_generator)
    with pytest.raises(UsageError, match="is for runs"):
        open_source(f"generator:{file}")
    assert GeneratorAddress.parse(f"generator:{file}") == GeneratorAddress(file)


def test_a_run_on_generated_pictures_never_overwrites_the_network(tmp_path: Path) -> None:
    file = generator(tmp_path / "net.onnx")
    network = mask_network(tmp_path / "mask.onnx")
    results = list(stream(f"generator:{file}?count=5", engines=[network], save=tmp_path / "out.mp4"))
    assert len(results) == 5
    assert places_read(f"generator:{file}?count=5") == [file]
    link = tmp_path / "link.mp4"
    link.symlink_to(file)
    with pytest.raises(UsageError, match="is the input"):
        stream(f"generator:{file}", engines=[network], save=link, overwrite=True)
