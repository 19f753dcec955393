"""PyTorch's file formats: what torch saves is read as it was, what is something else is told apart."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import tarfile
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from contracts.errors import EngineError
from tests.training.handmade import Odd, archive, inner, odd, pickled, saved
from training.containers import read_pickled
from training.contents import content_of
from training.inert import Shell


def a_tar() -> bytes:
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w") as writer:
        writer.addfile(tarfile.TarInfo("storages"))
    return memory.getvalue()


def a_zip(entries: list[tuple[str, bytes]], compression: int = zipfile.ZIP_STORED) -> bytes:
    memory = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(memory, "w", compression) as writer:
        warnings.simplefilter("ignore")  # of a name twice
        for entry_name, data in entries:
            writer.writestr(entry_name, data)
    return memory.getvalue()


PICKLE = ("a/data.pkl", pickled({"a": 1}))


def lying() -> bytes:
    """An archive whose last entry says it is 2 GB long, in both places."""
    data = a_zip([PICKLE, ("a/data/0", b"1234")])
    at, listed = data.rfind(b"PK\x03\x04"), data.rfind(b"PK\x01\x02")
    sizes = (0x7FFFFFFF).to_bytes(4, "little") * 2
    return data[: at + 18] + sizes + data[at + 26 : listed + 20] + sizes + data[listed + 28 :]


def encrypted() -> bytes:
    data = bytearray(a_zip([PICKLE]))
    data[data.rfind(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


CONTAINERS: dict[str, tuple[Callable[[], bytes], str]] = {
    "gzip": (lambda: gzip.compress(saved({})), "gzip"),
    "tar": (a_tar, "tar archive"),
    "safetensors": (lambda: (64).to_bytes(8, "little") + b'{"a":{"dtype":"F32"}}', "safetensors"),
    "web page": (lambda: b"<!DOCTYPE html><html>", "web page"),
    "git lfs": (lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "git lfs pull"),
    "empty": (lambda: b"", "is empty"),
    "text": (lambda: b"hello", "not a PyTorch checkpoint"),
    "plain pickle": (lambda: pickled({"a": 1}), "torch.save did not write"),
    "torchscript": (lambda: a_zip([PICKLE, ("a/constants.pkl", b""), ("a/code/x.py", b"")]), "TorchScript"),
    "pt2": (lambda: a_zip([("m/archive_format", b"pt2"), ("m/models/model.json", b"{}")]), "exported program"),
    "numpy": (lambda: a_zip([("a.npy", b"")]), "not one of torch.save"),
    "two pickles": (lambda: a_zip([PICKLE, ("b/data.pkl", b"")]), "not one of torch.save"),
    "name twice": (lambda: a_zip([PICKLE, PICKLE]), "the same name"),
    "a way out": (lambda: a_zip([PICKLE, ("a/../../data/0", b"")]), "odd entry"),
    "from the root": (lambda: a_zip([PICKLE, ("/a/data/0", b"")]), "odd entry"),
    "compressed": (lambda: a_zip([PICKLE], zipfile.ZIP_DEFLATED), "compressed archive"),
    "bomb": (lambda: a_zip([("a/data.pkl", bytes(10_000_000))], zipfile.ZIP_DEFLATED), "compressed archive"),
    "sizes that lie": (lying, "more than the file holds"),
    "encrypted": (encrypted, "encrypted"),
    "big-endian": (lambda: a_zip([PICKLE, ("a/byteorder", b"big")]), "big-endian"),
    "no directory": (lambda: a_zip([PICKLE])[:-30], "damaged"),
}


@pytest.mark.parametrize("case", CONTAINERS)
def test_files_of_other_kinds_are_told_apart(tmp_path: Path, case: str) -> None:
    make, words = CONTAINERS[case]
    path = tmp_path / "file.pt"
    path.write_bytes(make())
    with pytest.raises(EngineError) as caught:
        read_pickled(path)
    assert words in str(caught.value)
    assert str(caught.value).isprintable()


def test_what_is_no_file_is_said(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "absent.pt"):
        with pytest.raises(EngineError, match=r"not a file|cannot read"):
            read_pickled(path)


@st.composite
def tensors(draw: st.DrawFn) -> Tensor:
    """Tensors of every dtype there is a storage for, also as views into larger ones."""
    kinds = [torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.int32, torch.uint8]
    dtype = draw(st.sampled_from([*kinds, torch.int8, torch.int16, torch.bool]))
    size = draw(st.lists(st.integers(0, 3), max_size=3))
    values = torch.arange(int(np.prod([*size, 2]))).reshape(*size, 2).to(dtype)
    view = draw(st.sampled_from(["itself", "turned", "cut", "spread"]))
    if view == "turned":
        return values.transpose(0, -1)
    if view == "cut":
        return values[..., 1:]
    return values[..., None].expand(*values.shape, 3) if view == "spread" else values


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary() | tensors(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text() | st.integers(-9, 9), inner, max_size=3)
    ),
    max_leaves=12,
)


def same(found: Any, wanted: Any) -> bool:
    """Equal in type, value, shape and strides (those of empty tensors mean nothing)."""
    if isinstance(wanted, Tensor):
        as_laid_out = found.stride() == wanted.stride() or not wanted.numel()
        return found.dtype == wanted.dtype and as_laid_out and torch.equal(found, wanted)
    if isinstance(wanted, dict):
        pairs = zip(found.items(), wanted.items(), strict=True)
        return all(one[0] == other[0] and same(one[1], other[1]) for one, other in pairs)
    if isinstance(wanted, list | tuple):
        return type(found) is type(wanted) and all(map(same, found, wanted)) and len(found) == len(wanted)
    return type(found) is type(wanted) and bool(found == wanted)


@settings(max_examples=150, deadline=None)
@given(value=PLAIN, protocol=st.sampled_from([2, 3, 4, 5]), old=st.booleans())
def test_it_reads_what_torch_saves(value: Any, protocol: int, old: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "value.pt"
        torch.save(value, path, pickle_protocol=protocol, _use_new_zipfile_serialization=not old)
        assert same(read_pickled(path), value)


@pytest.mark.parametrize("old", [False, True])
def test_a_pickled_module_becomes_shells(tmp_path: Path, old: bool) -> None:
    path = tmp_path / "odd.pt"
    path.write_bytes(odd(old))
    value = read_pickled(path)
    torch.manual_seed(1)
    reference = Odd().half()
    content = content_of(value, "odd")
    assert isinstance(value["model"], Shell)
    assert not callable(value["model"])
    assert list(content.state) == list(reference.state_dict())
    for key, wanted in reference.state_dict().items():
        assert torch.equal(content.state[key], wanted.float() if wanted.is_floating_point() else wanted)
    assert content.modules == {
        "": "models.odd.Odd",
        "body": "torch.nn.modules.container.Sequential",
        "body.0": "torch.nn.modules.conv.Conv2d",
        "body.1": "torch.nn.modules.batchnorm.BatchNorm2d",
        "body.2": "torch.nn.modules.activation.SiLU",
    }
    assert content.model == {"training": True, "names": ["car"]}
    assert content.facts["curve"].tolist() == [[0, 3], [1, 4], [2, 5]]
    expected = {"epoch": 7, "best_fitness": 0.5, "counts": {"a": 2, "b": 1}, "dtype": torch.float16, "size": (1, 2)}
    assert {**expected, "device": "cuda:1", "defaults": {"a": [1]}}.items() <= {
        key: fact for key, fact in content.facts.items() if key != "curve"
    }.items()


SAMPLES = {"archive": odd(), "old format": odd(old=True)}


def reads_or_refuses(data: bytes) -> None:
    """Whatever the bytes are: a value or an EngineError, nothing else."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "any.pt"
        path.write_bytes(data)
        with contextlib.suppress(EngineError):
            content_of(read_pickled(path), "any")


@pytest.mark.parametrize("sample", SAMPLES)
@settings(max_examples=120, deadline=None)
@given(share=st.floats(0, 1))
def test_cut_off_anywhere(sample: str, share: float) -> None:
    data = SAMPLES[sample]
    cut = data[: int(share * (len(data) - 1))]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cut.pt"
        path.write_bytes(cut)
        with pytest.raises(EngineError):
            read_pickled(path)


@pytest.mark.parametrize("sample", SAMPLES)
@settings(max_examples=200, deadline=None)
@given(flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=8))
@example(flips=[(0.866819958903117, 92)])  # a backslash in a name: Python warns of its escape
def test_bytes_changed_anywhere(sample: str, flips: list[tuple[float, int]]) -> None:
    data = bytearray(SAMPLES[sample])
    for share, value in flips:
        data[int(share * len(data))] = value
    reads_or_refuses(bytes(data))


@settings(max_examples=500, deadline=None)
@given(flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=6))
def test_a_pickle_changed_anywhere_under_right_checksums(flips: list[tuple[float, int]]) -> None:
    whole, storages = inner(SAMPLES["archive"])
    data = bytearray(whole)
    for share, value in flips:
        data[int(share * len(data))] = value
    with tempfile.TemporaryDirectory() as folder:
        reads_or_refuses(archive(Path(folder) / "any.pt", bytes(data), storages).read_bytes())
