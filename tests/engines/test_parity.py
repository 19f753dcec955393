"""Two independent runtimes see the same: boxes and scores on real frames, each through the whole shipped way."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest

from contracts.overlap import overlaps
from contracts.picture import Picture
from contracts.prediction import Detections
from contracts.protocols import Thresholds
from tests.engines.looking import boxes_in, frames_of, seen


@pytest.mark.shared
def test_openvino_in_fp32_and_onnx_runtime_find_the_same_boxes(shared: Path) -> None:
    pictures: list[Picture] = []
    for name in ("highway720_300.mp4", "city_seattle_a.mp4"):
        with av.open(str(shared / "clips" / name)) as container:
            pictures += [Picture.from_av(frame) for frame in islice(container.decode(video=0), 5, 130, 60)]
    file, thresholds = shared / "weights" / "yolov8n-fp32.onnx", Thresholds()
    found = (map(boxes_in, seen(file, runtime, pictures, thresholds)) for runtime in ("openvino", "onnxruntime"))
    pairs = list(zip(*found, strict=True))
    assert sum(len(one) for one, _ in pairs) >= 20
    for one, other in pairs:
        np.testing.assert_array_equal(one.class_ids, other.class_ids)
        np.testing.assert_allclose(one.boxes, other.boxes, atol=0.02)
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-4)


SURE, LEAST_IOU, SHARE = 0.3, 0.8, 0.9


def found_again(candidate: Detections, reference: Detections) -> tuple[int, int]:
    """How many of the reference's boxes above ``SURE`` the candidate has, of one class, and how many there are.

    One box answers for one only, the reference's best ones choose first.
    """
    sure = reference.scores > SURE
    ious = overlaps(reference.boxes[sure].astype(np.float64), candidate.boxes.astype(np.float64))
    ious[reference.class_ids[sure][:, None] != candidate.class_ids] = 0
    found = 0
    for row in ious:
        if row.max(initial=0) >= LEAST_IOU:
            found += 1
            ious[:, row.argmax()] = 0
    return found, len(ious)


@pytest.mark.shared
@pytest.mark.parametrize("clip", ["city_ringroad_8fps.mp4", "mjpeg_city.avi"])
@pytest.mark.parametrize("network", ["yolov8n-seg-int8-320.onnx", "yolov10n-int8.onnx"])
def test_both_runtimes_agree_on_int8_files_meant_for_both(shared: Path, network: str, clip: str) -> None:
    """All frames of the clip. What one is sure of may score a little less in the other: looked for from 0.2 on."""
    frames, low = frames_of(shared / "clips" / clip), Thresholds(score=0.2)
    assert len(frames) >= 72
    one, other = (
        list(map(boxes_in, seen(shared / "weights" / network, runtime, frames, low)))
        for runtime in ("openvino", "onnxruntime")
    )
    for candidates, references in ((one, other), (other, one)):
        counts = [
            found_again(candidate, reference) for candidate, reference in zip(candidates, references, strict=True)
        ]
        found, total = np.sum(counts, axis=0)
        assert total >= 100
        assert found >= SHARE * total, f"{found} of {total}"
