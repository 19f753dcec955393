"""PyTorch's file formats: finds the pickle and the storages in a file, and has the pickle read as data."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from contracts.errors import EngineError
from training.inert import LARGEST, Storage
from training.interpreter import Interpreter
from training.pickles import damaged, read_pickle

_LARGEST_FILE = 4 << 30  # bytes; the largest of these networks has a few hundred MB with its optimizer
_LARGEST_PICKLE = 64 << 20
_MOST_ENTRIES = 100_000
_LONGEST_NAME = 100  # of a storage: numbers, or an address in the old format
_MAGIC = 0x1950A86A20F9469CFC6C  # stands at the beginning of the old format, as a pickle
_MAGIC_BYTES = _MAGIC.to_bytes(10, "little")
_VERSION = 1001  # the only one that the old format ever had
_CHUNK = 1 << 22  # bytes
_ENCRYPTED = 0x1
_ZIP_FAULTS = (zipfile.BadZipFile, EOFError, NotImplementedError, OSError, RuntimeError, ValueError, struct.error)
_WEIGHTS = "give a checkpoint that was written by torch.save (.pt, .pth)"

_OTHERS: tuple[tuple[int, bytes, str, str], ...] = (
    (0, b"\x1f\x8b", "compressed by gzip", "unpack it first: gunzip -k FILE"),
    (0, b"BZh", "compressed by bzip2", "unpack it first"),
    (0, b"\xfd7zXZ", "compressed by xz", "unpack it first"),
    (0, b"7z\xbc\xaf", "a 7-Zip archive", "unpack it first"),
    (0, b"Rar!", "a RAR archive", "unpack it first"),
    (257, b"ustar", "a tar archive, PyTorch's format of before 2017", "load and save it with a newer PyTorch"),
    (0, b"\x89HDF", "an HDF5 file (Keras)", _WEIGHTS),
    (4, b"TFL3", "a TensorFlow Lite file", _WEIGHTS),
    (0, b"version https://git-lfs", "a Git LFS pointer, not the file itself", "fetch it: git lfs pull"),
    (0, b"<", "a web page, not a checkpoint: the download went wrong", "download it again and look at its size"),
)
"""(offset, bytes that give it away, what it is, cure)."""


def read_pickled(path: Path) -> Any:
    """What a checkpoint file holds: plain values, tensors, and shells for objects of other classes.

    Nothing of the file is run. Raises EngineError for whatever cannot be read.
    """
    where = f"checkpoint {path}"
    try:
        size = _require_plausible(path, where)
        with path.open("rb") as stream:
            return _read(stream, size, where)
    except OSError as fault:
        raise EngineError(f"cannot read {where}: {fault.strerror}", "check the path") from fault


def _require_plausible(path: Path, where: str) -> int:
    """The file's size in bytes; raises EngineError for what is no file, empty or beyond all measure."""
    size = path.stat().st_size
    if not path.is_file():
        raise EngineError(f"{where} is not a file", "give the path of a .pt or .pth file")
    if size == 0:
        raise EngineError(f"{where} is empty", "copy or download it again")
    if size > _LARGEST_FILE:
        raise EngineError(f"{where} is larger than {_LARGEST_FILE >> 30} GiB", "no road network needs that much")
    return size


def _read(stream: IO[bytes], size: int, where: str) -> Any:
    head = stream.read(512)
    stream.seek(0)
    if head.startswith(b"PK\x03\x04"):
        return _read_zip(stream, size, where)
    if head[:1] == b"\x80" and _MAGIC_BYTES in head[:32]:
        return _Legacy(stream.read(size), where).read()
    raise _unknown(head, where)


def _unknown(head: bytes, where: str) -> EngineError:
    for offset, mark, what, cure in _OTHERS:
        if head[offset:].startswith(mark):
            return EngineError(f"{where} is {what}", cure)
    if head[8:9] == b"{" and head[6:8] == b"\0\0":
        return EngineError(f"{where} is a safetensors file", "load it in Python and torch.save the state dict")
    if head[:1] == b"\x80":
        return EngineError(f"{where} is a pickle that torch.save did not write", _WEIGHTS)
    return EngineError(f"{where} is not a PyTorch checkpoint, or its beginning is lost", _WEIGHTS)


def _read_zip(stream: IO[bytes], size: int, where: str) -> Any:
    """The format of PyTorch 1.6 and later: a zip archive of one pickle and one entry per storage."""
    if _count(stream, b"PK\x01\x02") > _MOST_ENTRIES:
        raise EngineError(f"{where} refused: its archive has over {_MOST_ENTRIES} entries", _WEIGHTS)
    try:
        with zipfile.ZipFile(stream) as archive:
            entries = _entries(archive, size, where)
            folder = _folder(archive, entries, where)
            return _Zip(archive, entries, folder, where).read()
    except _ZIP_FAULTS as fault:
        raise damaged(where, str(fault)) from fault


def _count(stream: IO[bytes], mark: bytes) -> int:
    """How often the mark of an archive's entry stands in a file: zipfile would read any number of them into memory."""
    count, tail = 0, b""
    while chunk := stream.read(_CHUNK):
        count += (tail + chunk).count(mark)
        tail = chunk[1 - len(mark) :]
    return count


def _entries(archive: zipfile.ZipFile, size: int, where: str) -> Mapping[str, zipfile.ZipInfo]:
    """The archive's entries by name; raises EngineError unless they are what torch.save writes.

    Entries are stored as they are, so all of them together are no longer than the file: nothing can unfold.
    """
    listed = archive.infolist()
    entries = {entry.filename: entry for entry in listed}
    if len(entries) != len(listed):
        raise EngineError(f"{where} refused: two entries of its archive have the same name", _WEIGHTS)
    for entry in listed:
        if entry.flag_bits & _ENCRYPTED:
            raise EngineError(f"{where} is encrypted", "unpack it first")
        if entry.compress_type != zipfile.ZIP_STORED:
            raise EngineError(
                f"{where} is a compressed archive, which torch.save does not write", "unpack it if it holds the file"
            )
        if entry.file_size != entry.compress_size or not _is_inside(entry.filename):
            raise EngineError(f"{where} refused: its archive has an odd entry {ascii(entry.filename)[:80]}", _WEIGHTS)
    if sum(entry.file_size for entry in listed) > size:
        raise EngineError(f"{where} refused: its archive claims more than the file holds", _WEIGHTS)
    return entries


def _is_inside(name: str) -> bool:
    parts = name.split("/")
    return ".." not in parts and parts[0] != "" and "\\" not in name


def _folder(archive: zipfile.ZipFile, entries: Mapping[str, zipfile.ZipInfo], where: str) -> str:
    """The one folder that everything lies in; raises EngineError for archives of other kinds."""
    folders = {name.split("/", 1)[0] for name in entries}
    pickled = [folder for folder in sorted(folders) if f"{folder}/data.pkl" in entries]
    if any(f"{folder}/constants.pkl" in entries for folder in pickled):
        raise EngineError(f"{where} is a TorchScript program", "give the checkpoint that it was made of")
    if any(name.endswith(("archive_format", "serialized_exported_program.json")) for name in entries):
        raise EngineError(f"{where} is an exported program (.pt2)", "give the checkpoint that it was made of")
    if len(pickled) != 1:
        raise EngineError(f"{where} is a zip archive, but not one of torch.save", _WEIGHTS)
    (folder,) = pickled
    order = entries.get(f"{folder}/byteorder")
    if order is not None and (order.file_size > 10 or archive.read(order) != b"little"):
        raise EngineError(f"{where} was written on a machine with big-endian numbers", "save it on another machine")
    return folder


def _is_storage(key: Any, count: Any) -> bool:
    """Whether a persistent id has a name and a number of values that a file can have."""
    return type(key) is str and len(key) <= _LONGEST_NAME and type(count) is int and 0 <= count < LARGEST


class _Zip:
    """One archive being read. Storages are read when a tensor asks for them, each once."""

    def __init__(
        self, archive: zipfile.ZipFile, entries: Mapping[str, zipfile.ZipInfo], folder: str, where: str
    ) -> None:
        self._archive = archive
        self._entries = entries
        self._folder = folder
        self._where = where
        self._storages: dict[str, Storage] = {}
        self._interpreter = Interpreter(where, sum(entry.file_size for entry in entries.values()))

    def read(self) -> Any:
        """The value of the archive's pickle."""
        entry = self._entries[f"{self._folder}/data.pkl"]
        if entry.file_size > _LARGEST_PICKLE:
            raise EngineError(f"{self._where} refused: its pickle is longer than that of any network", _WEIGHTS)
        data = io.BytesIO(self._archive.read(entry))
        return read_pickle(data, self._where, self._interpreter, self._storage)

    def _storage(self, identity: Any) -> Storage:
        """Persistent ids are ("storage", class, key, location, number of values)."""
        kind, wanted, key, _location, count = identity
        if kind != "storage" or not _is_storage(key, count):
            raise TypeError("a storage without a name")
        dtype = self._interpreter.storage_dtype(wanted)
        if key not in self._storages:
            entry = self._entries.get(f"{self._folder}/data/{key}")
            if entry is None:
                raise ValueError(f"storage {key} is not there")
            if entry.file_size != count * dtype.itemsize:
                raise ValueError(f"storage {key} has {entry.file_size} bytes for {count} values")
            self._storages[key] = Storage.of(bytearray(self._archive.read(entry)), dtype)
        return self._storages[key].of_dtype(dtype)


class _Legacy:
    """The format before PyTorch 1.6: five pickles (magic number, version, system, value, names), then storages."""

    def __init__(self, data: bytes, where: str) -> None:
        self._stream = io.BytesIO(data)
        self._left = len(data)
        self._where = where
        self._storages: dict[str, Storage] = {}
        self._interpreter = Interpreter(where, len(data))

    def read(self) -> Any:
        """The file's value, its storages filled."""
        magic, version, system = (self._pickle() for _ in range(3))
        if magic != _MAGIC or version != _VERSION or type(system) is not dict:
            raise damaged(self._where, "of an unknown version")
        if system.get("little_endian") is not True:
            raise EngineError(f"{self._where} was written on a machine with big-endian numbers", "save it on another")
        value = self._pickle()
        names = self._pickle()
        if not self._are_storages(names):
            raise damaged(self._where, "its storages are not those it names")
        for name in names:
            self._fill(self._storages[name])
        return value

    def _are_storages(self, names: Any) -> bool:
        """Whether these are the names of all storages, each once."""
        if type(names) is not list or len(names) != len(self._storages):
            return False
        return all(type(name) is str and name in self._storages for name in names) and len(set(names)) == len(names)

    def _pickle(self) -> Any:
        return read_pickle(self._stream, self._where, self._interpreter, self._storage)

    def _storage(self, identity: Any) -> Any:
        """Persistent ids are as in archives, with a view at the end; or ("module", class, source file, source)."""
        if identity[0] == "module":
            return identity[1]
        kind, wanted, key, _location, count, view = identity
        if kind != "storage" or not _is_storage(key, count) or view is not None:
            raise TypeError("a storage without a name, or a view of one")
        dtype = self._interpreter.storage_dtype(wanted)
        if key not in self._storages:
            self._left -= count * dtype.itemsize
            if self._left < 0:
                raise ValueError("its storages are larger than the file")
            self._storages[key] = Storage.of(bytearray(count * dtype.itemsize), dtype)
        return self._storages[key].of_dtype(dtype)

    def _fill(self, storage: Storage) -> None:
        head = self._stream.read(8)
        data = self._stream.read(len(storage.memory))
        count = int.from_bytes(head, "little")
        if len(head) != 8 or len(data) != len(storage.memory) or count != storage.values.numel():
            raise damaged(self._where, "a storage is cut off")
        storage.memory[:] = data
