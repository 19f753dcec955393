"""Checkpoint files made by hand: archives around any pickle, and pickles written instruction by instruction."""

from __future__ import annotations

import argparse
import collections
import datetime as dt
import io
import pathlib
import pickle
import struct
import sys
import types
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn


def archive(path: Path, data: bytes, storages: Mapping[str, bytes] | None = None, folder: str = "archive") -> Path:
    """A file as torch.save writes them, around a pickle and storages by name."""
    with zipfile.ZipFile(path, "w") as writer:
        writer.writestr(f"{folder}/data.pkl", data)
        writer.writestr(f"{folder}/byteorder", "little")
        for name, memory in (storages or {}).items():
            writer.writestr(f"{folder}/data/{name}", memory)
        writer.writestr(f"{folder}/version", "3\n")
    return path


def pickled(value: Any, protocol: int = 2) -> bytes:
    """A pickle as Python writes it."""
    memory = io.BytesIO()
    pickle.Pickler(memory, protocol).dump(value)
    return memory.getvalue()


def text(value: str) -> bytes:
    """BINUNICODE."""
    encoded = value.encode()
    return b"X" + struct.pack("<I", len(encoded)) + encoded


def number(value: int) -> bytes:
    """LONG1."""
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def name(module: str, attribute: str) -> bytes:
    """GLOBAL."""
    return f"c{module}\n{attribute}\n".encode()


def numbers(*values: int) -> bytes:
    """A tuple of numbers."""
    return b"(" + b"".join(map(number, values)) + b"t"


def storage(key: str, count: int, kind: str = "FloatStorage") -> bytes:
    """BINPERSID of a storage."""
    return b"(" + text("storage") + name("torch", kind) + text(key) + text("cpu") + number(count) + b"tQ"


def tensor(stored: bytes, offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> bytes:
    """A call of _rebuild_tensor_v2."""
    rebuild = name("torch._utils", "_rebuild_tensor_v2")
    hooks = name("collections", "OrderedDict") + b")R"
    return rebuild + b"(" + stored + number(offset) + numbers(*size) + numbers(*stride) + b"\x89" + hooks + b"tR"


def entry(key: str, value: bytes) -> bytes:
    """A dict of one entry, as a whole pickle."""
    return b"\x80\x02}" + text(key) + value + b"s."


def saved(value: Any, **options: Any) -> bytes:
    memory = io.BytesIO()
    torch.save(value, memory, **options)
    return memory.getvalue()


class Odd(nn.Module):
    """A module of a class that no code base of the readers has; pickled as ``models.odd.Odd``."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.SiLU())
        self.register_buffer("scale", torch.tensor([1.0, 2.0]))
        self.register_buffer("hidden", torch.zeros(1), persistent=False)
        self.names = ["car"]


def odd(old: bool = False) -> bytes:
    """A checkpoint of a whole pickled module, as the YOLO code bases write them."""
    module = types.ModuleType("models.odd")
    module.Odd = Odd  # type: ignore[attr-defined]
    place, Odd.__module__ = Odd.__module__, "models.odd"
    sys.modules |= {"models": types.ModuleType("models"), "models.odd": module}
    try:
        torch.manual_seed(1)
        value = {
            "epoch": 7,
            "best_fitness": np.float64(0.5),
            "model": Odd().half(),
            "train_args": argparse.Namespace(imgsz=640, data=pathlib.PurePosixPath("a/b"), lr=np.float32(0.1)),
            "counts": collections.Counter("aab"),
            "curve": np.arange(6, dtype=np.int16).reshape(2, 3).T,
            "date": dt.datetime(2024, 5, 1),
            "dtype": torch.float16,
            "size": torch.Size([1, 2]),
            "device": torch.device("cuda:1"),
            "defaults": collections.defaultdict(list, a=[1]),
        }
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the old format wants the source of the class
            return saved(value, _use_new_zipfile_serialization=not old)
    finally:
        Odd.__module__ = place
        del sys.modules["models"], sys.modules["models.odd"]


def inner(data: bytes) -> tuple[bytes, dict[str, bytes]]:
    """An archive's pickle and storages."""
    with zipfile.ZipFile(io.BytesIO(data)) as reader:
        entries = {listed.split("/", 1)[1]: reader.read(listed) for listed in reader.namelist()}
    storages = {key.removeprefix("data/"): value for key, value in entries.items() if key.startswith("data/")}
    return entries["data.pkl"], storages


def pictures(count: int, size: tuple[int, int]) -> NDArray[np.float32]:
    """Blocks of colour under some noise, (count, 3, height, width), 0 … 1; size is (width, height)."""
    generator = np.random.default_rng(5)
    blocks = generator.random((count, 3, size[1] // 16, size[0] // 16)).repeat(16, 2).repeat(16, 3)
    return (0.8 * blocks + 0.2 * generator.random((count, 3, size[1], size[0]))).astype(np.float32)
