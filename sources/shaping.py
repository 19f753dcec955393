"""Shaper: every picture of a source upright and of one size."""

from __future__ import annotations

import cv2
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from contracts.picture import Picture

_TURNS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}
"""Clockwise degrees → what OpenCV calls them."""
_FULL_RANGE = 2
"""AVCOL_RANGE_JPEG (libavutil/pixfmt.h)."""


class Shaper:
    """Brings decoded frames to the first one's size, and turns them as the container's display matrix says.

    width, height: pixels of a picture as given out (upright).
    rotation: degrees clockwise, 0, 90, 180 or 270; other angles and mirrored pictures are left as they are stored.
    """

    def __init__(self, first: VideoFrame) -> None:
        self._stored = (first.width, first.height)
        # FFmpeg counts counter-clockwise: a display matrix of 90° asks for a quarter turn to the left.
        angle = -first.rotation % 360
        self.rotation = angle if angle in _TURNS else 0
        self.width, self.height = reversed(self._stored) if self.rotation in {90, 270} else self._stored
        self._scaler = VideoReformatter()

    def fits(self, frame: VideoFrame) -> bool:
        """Whether the frame has the size of the first one as it is."""
        return (frame.width, frame.height) == self._stored

    def picture(self, frame: VideoFrame) -> Picture:
        """The frame's picture; without copying where it needs neither scaling nor turning."""
        if not self.fits(frame):
            frame = self._scaler.reformat(frame, *self._stored)
        if not self.rotation:
            return Picture.from_av(frame)
        if self.width % 2 or self.height % 2:
            frame = frame.reformat(format="bgr24")  # half a chroma sample at one edge would land at the other
        return self._turned(Picture.from_av(frame), frame)

    def _turned(self, picture: Picture, frame: VideoFrame) -> Picture:
        """The picture turned plane by plane (exact: no resampling), its colour tags kept."""
        target = VideoFrame(self.width, self.height, picture.format)
        target.colorspace = frame.colorspace
        target.color_range = _FULL_RANGE if picture.full_range else frame.color_range
        turned = Picture.from_av(target)
        for source, view in zip(picture.planes, turned.planes, strict=True):
            view.flags.writeable = True
            cv2.rotate(source, _TURNS[self.rotation], dst=view)
            view.flags.writeable = False
        return turned
