"""What a recorder wrote about a whole recording (when, where, with what), as tags for an MP4 that begins later."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from fractions import Fraction

log = logging.getLogger(__name__)

_OF_THE_FILE = frozenset({
    "major_brand", "minor_version", "compatible_brands", "encoder", "encoding_tool", "duration", "rotate", "timecode",
    "creation_time_utc", "media_type", "gapless_playback", "itunsmpb", "xmp",
})  # fmt: skip
"""Said of the container, the encoder or the stored picture: it does not hold for the file written (in lower case)."""
_APPLE_LOCATION = "com.apple.quicktime.location.ISO6709"
_APPLE_TIME = "com.apple.quicktime.creationdate"
_TIMES = ("creation_time", _APPLE_TIME, "date")
_BOXES = frozenset({
    "title", "artist", "album_artist", "composer", "album", "date", "comment", "genre", "copyright", "grouping",
    "lyrics", "description", "synopsis", "show", "episode_id", "network", "keywords", "creation_time",
})  # fmt: skip
"""Tags with a box of their own in every MP4; all others need a list of keys (FFmpeg's ``use_metadata_tags``)."""


def kept_tags(tags: Mapping[str, str], skipped: Fraction) -> dict[str, str]:
    """The tags that are true of a recording that begins ``skipped`` seconds after the one they were written for.

    Its times are those of its own first picture. A place is named in both ways readers look for.
    """
    named = {name.lower() if name.isupper() else name: text for name, text in tags.items()}  # Matroska writes MAKE
    kept = {name: text for name, text in named.items() if name.lower() not in _OF_THE_FILE and text}
    for name in _TIMES:
        if name in kept and (moved := _later(kept.pop(name), skipped)) is not None:
            kept[name] = moved
    place = kept.get(_APPLE_LOCATION) or kept.get("location")
    if place:
        kept = {"location": place, _APPLE_LOCATION: place} | kept
    return kept


def need_keys(tags: Mapping[str, str]) -> bool:
    """Whether some of the tags have no box of their own in an MP4."""
    return any(name not in _BOXES for name in tags)


def _later(text: str, seconds: Fraction) -> str | None:
    """A time of day moved; what is only a date stays; None for what would be wrong and cannot be moved."""
    if seconds == 0 or len(text) <= len("2026-11-27"):
        return text
    try:
        moved = datetime.fromisoformat(text) + timedelta(microseconds=round(seconds * 1_000_000))
    except (ValueError, OverflowError) as fault:
        log.debug("the time %r is left out: %s", text, fault)
        return None
    if moved.tzinfo == UTC:  # as FFmpeg writes and reads it
        return moved.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return moved.isoformat()
