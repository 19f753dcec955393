"""Two independent runtimes see the same: boxes and scores on real frames, each through the whole shipped way."""

from __future__ import annotations

from contextlib import closing
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest

from contracts.config import EngineConfig
from contracts.picture import Picture
from contracts.prediction import Detections
from contracts.protocols import Thresholds
from engines.heads.open import open_head
from engines.open import open_engine
from engines.prepare import Preparer


def seen(file: Path, backend: str, pictures: list[Picture]) -> list[Detections]:
    config = EngineConfig.model_validate({"file": file, "backend": backend, "precision": "fp32"})
    with closing(open_engine(config)) as engine:
        preparer, head = Preparer(engine), open_head(engine.card.heads[0])
        found = []
        for picture in pictures:
            tensors, fit = preparer.prepare(picture)
            with closing(engine.submit(tensors)) as ticket:
                part = head.decode(ticket.result(60), fit, (picture.width, picture.height), Thresholds())
            assert isinstance(part, Detections)
            found.append(part)
        return found


@pytest.mark.shared
def test_openvino_in_fp32_and_onnx_runtime_find_the_same_boxes(shared: Path) -> None:
    pictures: list[Picture] = []
    for name in ("highway720_300.mp4", "city_seattle_a.mp4"):
        with av.open(str(shared / "clips" / name)) as container:
            pictures += [Picture.from_av(frame) for frame in islice(container.decode(video=0), 5, 130, 60)]
    file = shared / "weights" / "yolov8n-fp32.onnx"
    pairs = list(zip(seen(file, "openvino", pictures), seen(file, "onnxruntime", pictures), strict=True))
    assert sum(len(one) for one, _ in pairs) >= 20
    for one, other in pairs:
        np.testing.assert_array_equal(one.class_ids, other.class_ids)
        np.testing.assert_allclose(one.boxes, other.boxes, atol=0.02)
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-4)
