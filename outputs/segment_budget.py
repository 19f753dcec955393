"""Budget: how much disk a segmented recording may take, and what goes so that it does not take more."""

from __future__ import annotations

import logging
import shutil
import threading
from collections import deque
from pathlib import Path

from contracts.segments import size_text
from outputs.paths import is_full, reason
from outputs.segment_names import Segment, SegmentNames

log = logging.getLogger(__name__)

_AHEAD = 1.25  # of the newest segment's size is what the next one may need
_LOOK_S = 60.0  # thousands of files on a slow disk


class Budget:
    """Keeps finished segments, those being finished and the growing one within ``keep`` bytes; None: deletes nothing.

    The oldest go, and only what ``segment_names`` calls ours. One thread records (``grow``, ``hand_over``), another
    finishes (``settle``); both delete. A file that cannot be deleted is warned of and stays.
    """

    def __init__(self, names: SegmentNames, keep: int | None) -> None:
        self._names, self._keep = names, keep
        self._lock = threading.RLock()
        self._finished: deque[Segment] = deque()
        self._finished_bytes = self._stuck_bytes = self._closing_bytes = self._growing_bytes = 0
        self._gone: set[Path] = set()  # since the last look began
        self._warned: set[str] = set()
        self._looked = threading.Event()  # a disk that is full from the beginning is met before we know what is there
        self.deleted = 0
        """Segments deleted so far."""

    @property
    def most(self) -> int | None:
        """Bytes that one segment may have: half of all, so that there is always a finished one beside the growing."""
        return None if self._keep is None else self._keep // 2

    @property
    def oldest(self) -> Path | None:
        """The oldest segment of this run that is known to be there."""
        with self._lock:
            return next((each.path for each in self._finished if each.number >= self._names.first), None)

    def grow(self, size: int) -> None:
        """The growing segment has so many bytes; makes room where that is too much."""
        self._growing_bytes = size
        if self._keep is not None and self._total() > self._keep:
            with self._lock:
                while self._finished and self._total() > self._keep:
                    self._delete_oldest()

    def hand_over(self, size: int) -> None:
        """The growing segment is being finished; it has so many bytes."""
        with self._lock:
            self._closing_bytes += size
            self._growing_bytes = 0

    def settle(self, size: int = 0) -> None:
        """One that was handed over with so many bytes is finished: looks what there is, and makes room for the next.

        What people deleted, moved or renamed meanwhile no longer counts.
        """
        if self._keep is None:
            return
        with self._lock:
            self._gone.clear()
        try:
            found = self._names.segments()
        except OSError as fault:
            self._warn("look", f"cannot look into {self._names.path.parent}: {reason(fault)}")
            with self._lock:
                found = list(self._finished)
        with self._lock:
            self._closing_bytes -= size
            self._finished = deque(each for each in found if each.path not in self._gone)
            self._finished_bytes, self._stuck_bytes = sum(each.size for each in self._finished), 0
            self._make_room_ahead(self._keep)
        self._looked.set()

    def frees(self, fault: Exception) -> bool:
        """Whether the fault is a full disk, and a segment went so that trying again may help."""
        if self._keep is None or not is_full(fault):
            return False
        self._looked.wait(_LOOK_S)
        with self._lock:
            while self._finished:
                if self._delete_oldest():
                    self._warn_of_the_disk(self._keep)
                    return True
        return False

    def _make_room_ahead(self, keep: int) -> None:
        """For a segment like the newest one, here and not where a frame would wait for it; the newest one stays."""
        if not self._finished:
            return
        wanted = max(int(self._finished[-1].size * _AHEAD) - self._growing_bytes, 0)
        while len(self._finished) > 1 and self._total() + wanted > keep:
            self._delete_oldest()
        try:
            free = shutil.disk_usage(self._names.path.parent).free
        except OSError as fault:
            log.debug("room on the disk: %s", fault)
            return
        while len(self._finished) > 1 and free < wanted:  # counted here: some disks give room back only later
            free += self._delete_oldest()
            self._warn_of_the_disk(keep)

    def _delete_oldest(self) -> int:
        """Takes the oldest one off the list, and off the disk where it is still ours; bytes that are free now."""
        oldest = self._finished.popleft()
        self._finished_bytes -= oldest.size
        try:
            if not oldest.is_still_there():
                return 0
            oldest.path.unlink()
        except FileNotFoundError:
            return 0
        except OSError as fault:
            self._stuck_bytes += oldest.size
            self._warn("delete", f"cannot delete {oldest.path}: {reason(fault)}; it stays, and more than was asked for")
            return 0
        self._gone.add(oldest.path)
        self.deleted += 1
        return oldest.size

    def _total(self) -> int:
        return self._finished_bytes + self._stuck_bytes + self._closing_bytes + self._growing_bytes

    def _warn_of_the_disk(self, keep: int) -> None:
        self._warn("disk", f"the disk is full before {size_text(keep)} are recorded; the oldest segments go")

    def _warn(self, kind: str, words: str) -> None:
        """Once of a kind: a run of weeks would say it thousands of times."""
        if kind not in self._warned:
            self._warned.add(kind)
            log.warning("%s", words)
