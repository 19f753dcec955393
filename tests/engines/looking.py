"""What a run sees in given frames, through the whole shipped way from picture to part."""

from __future__ import annotations

import itertools
from contextlib import closing
from pathlib import Path

import av
import cv2
import numpy as np

from contracts.config import EngineConfig
from contracts.picture import Picture, Pixels
from contracts.prediction import Detections, InstanceMasks, Part
from contracts.protocols import Thresholds
from engines.heads.open import open_head
from engines.open import open_engine
from engines.prepare import Preparer


def frames_of(
    clip: Path, count: int | None = None, every: int = 1, size: tuple[int, int] | None = None
) -> list[Pixels]:
    """BGR frames, all or ``count`` of them, ``every`` so many-th; ``size`` shrinks them."""
    with av.open(str(clip)) as container:
        chosen = itertools.islice(container.decode(video=0), 0, None if count is None else count * every, every)
        frames = [np.asarray(frame.to_ndarray(format="bgr24"), np.uint8) for frame in chosen]
    if size is None:
        return frames
    return [np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8) for frame in frames]


def seen(file: Path, backend: str, pictures: list[Pixels] | list[Picture], thresholds: Thresholds) -> list[Part]:
    """A part per picture (or BGR frame), by the file's only head, its float layers in fp32."""
    config = EngineConfig.model_validate({"file": file, "backend": backend, "precision": "fp32"})
    found = []
    with closing(open_engine(config)) as engine:
        preparer, head = Preparer(engine), open_head(engine.card.heads[0])
        for given in pictures:
            picture = given if isinstance(given, Picture) else Picture.from_bgr(given)
            tensors, fit = preparer.prepare(picture)
            with closing(engine.submit(tensors)) as ticket:
                found.append(head.decode(ticket.result(60), fit, (picture.width, picture.height), thresholds))
    return found


def boxes_in(part: Part) -> Detections:
    """The boxes of a part, those of instance masks too."""
    if isinstance(part, InstanceMasks):
        return part.detections
    assert isinstance(part, Detections)
    return part
