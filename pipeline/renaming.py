"""A source under the name that it has among several."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from contracts.frame import Frame, SourceInfo
from contracts.live import HasStatus, LiveStatus
from contracts.protocols import Losses, Source


def renamed(source: Source, name: str) -> Source:
    """The same source, its frames and facts under another id; itself where that is its own."""
    if source.info.id == name:
        return source
    return _RenamedLive(source, name) if isinstance(source, HasStatus) else _Renamed(source, name)


class _Renamed:
    def __init__(self, source: Source, name: str) -> None:
        self._source, self._name = source, name

    @property
    def info(self) -> SourceInfo:
        return replace(self._source.info, id=self._name)

    @property
    def losses(self) -> Losses:
        return self._source.losses

    def frames(self) -> Iterator[Frame]:
        last, info = None, self.info
        for frame in self._source.frames():
            if frame.source is not last:
                last, info = frame.source, replace(frame.source, id=self._name)
            yield replace(frame, source=info)

    def close(self) -> None:
        self._source.close()


class _RenamedLive(_Renamed):
    @property
    def status(self) -> LiveStatus:
        assert isinstance(self._source, HasStatus)
        return self._source.status
