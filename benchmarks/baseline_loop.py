"""The loop RoadStream replaces, as its users write it today; run by the interpreter of `.venv-baseline`.

Per frame: write a JPEG, run ultralytics on the file, let it write the annotated JPEG, read that back, write it into
an mp4v video. Prints one JSON object: frames, seconds from the first frame in to the video closed, load excluded.

    python benchmarks/baseline_loop.py CLIP NETWORK FOLDER [FRAMES]

NETWORK is an ONNX file, or an OpenVINO .xml (its ultralytics metadata is read from inside).
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import cv2
from ultralytics import YOLO


def openvino_folder(xml: Path, folder: Path) -> Path:
    """Lay out the IR as ultralytics wants it: a folder NAME_openvino_model with a metadata.yaml."""
    target = folder / f"{xml.stem}_openvino_model"
    target.mkdir()
    for file in (xml, xml.with_suffix(".bin")):
        shutil.copy(file, target / file.name)
    names = ET.parse(xml).getroot().find("rt_info/model_info/labels")  # noqa: S314  # our own file
    labels = names.get("value", "").split() if names is not None else []
    lines = ["task: detect", "stride: 32", "batch: 1", "imgsz: [640, 640]", "end2end: false", "names:"]
    lines += [f"  {index}: {label}" for index, label in enumerate(labels)]
    (target / "metadata.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return target


def main(clip: str, network: str, folder: str, limit: int) -> None:
    """Run the loop and print its figures."""
    work = Path(folder)
    file = Path(network)
    model = YOLO(str(openvino_folder(file, work) if file.suffix == ".xml" else file), task="detect")
    capture = cv2.VideoCapture(clip)
    size = (int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)))
    writer = cv2.VideoWriter(
        str(work / "out.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), capture.get(cv2.CAP_PROP_FPS), size
    )
    jpeg = work / "frame.jpg"
    options: dict[str, Any] = {"imgsz": 640, "conf": 0.25, "iou": 0.45, "verbose": False, "save": True}
    options |= {"project": str(work), "name": "predict", "exist_ok": True}
    ok, picture = capture.read()
    cv2.imwrite(str(jpeg), picture)
    model.predict(str(jpeg), **options)  # loading and warming up count for neither side
    capture.set(cv2.CAP_PROP_POS_FRAMES, 0)
    frames, start = 0, time.monotonic()
    while frames < limit:
        ok, picture = capture.read()
        if not ok:
            break
        before = time.monotonic()
        cv2.imwrite(str(jpeg), picture)
        model.predict(str(jpeg), **options)
        annotated = cv2.imread(str(work / "predict" / jpeg.name))
        assert annotated is not None
        text = f"{(time.monotonic() - before) * 1e3:.1f} ms"
        cv2.putText(annotated, text, (20, 40), cv2.FONT_HERSHEY_SIMPLEX, 1, (0, 255, 0), 2)
        writer.write(annotated)
        frames += 1
    writer.release()
    capture.release()
    print(json.dumps({"frames": frames, "seconds": time.monotonic() - start}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]) if len(sys.argv) > 4 else 10**9)
