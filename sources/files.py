"""What can be said about a file before anything decodes it."""

from __future__ import annotations

import errno
import stat
from pathlib import Path

from contracts.errors import SourceError
from contracts.text import nearest


def check_readable(path: Path, kind: str) -> None:
    """Raises SourceError, with the cure, where ``path`` is no file with something in it.

    kind: what it should be ("video", "picture"), for the message.
    """
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise SourceError(f"{path} is a folder, not a {kind}", "name one of the files in it")
        if not stat.S_ISREG(status.st_mode):
            raise SourceError(f"{path} is not a file on disk", f"name a {kind} file")
        if status.st_size == 0:
            raise SourceError(f"{path} is empty (0 bytes)", "copy or record it again")
        path.open("rb").close()
    except (FileNotFoundError, NotADirectoryError) as fault:
        raise SourceError(f"no such file: {path}", _cure_for_missing(path)) from fault
    except OSError as fault:
        cure = "check the path" if fault.errno == errno.ENAMETOOLONG else "check the file's permissions"
        raise SourceError(f"cannot read {path}: {fault.strerror}", cure) from fault


def _cure_for_missing(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f"there is no folder {folder}"
    match = nearest(path.name, (each.name for each in folder.iterdir() if each.is_file()))
    return f"did you mean {str(folder / match)!r}?" if match else "check the path"
