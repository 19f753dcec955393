"""Exported files: what is in them, that they run, and that wrong ones are never written."""

from __future__ import annotations

import math
import re
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from contracts.card import Card
from contracts.config import EngineConfig
from contracts.errors import EngineError, OutputError, SourceError, UsageError
from contracts.picture import Picture
from contracts.protocols import Thresholds
from engines.cards import METADATA_KEY
from engines.heads.open import open_head
from engines.open import open_engine
from engines.prepare import Preparer
from tests.support.clips import write_clip
from tests.support.disks import small_disk
from tests.training.tiny_networks import SIZE, TinyNetwork, subject
from training.export import export, torch_run
from training.files import check_output, written
from training.onnx_files import inputs_of, metadata, outputs_of, read_onnx
from training.order import Order, Say, fitting_size
from training.publish import publish
from training.runtimes import in_onnxruntime

FEW = "synthetic:?size=192x128&seconds=3&fps=1"


def order(**given: Any) -> Order:
    return Order(**{"sources": (FEW,), **given})


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export") / "tiny.onnx"
    export(subject(), path, order(), lambda _: None)
    return path


def publish_again(
    exported: Path, output: Path, network: TinyNetwork | None = None, say: Say = lambda _: None, **given: Any
) -> None:
    """The last step once more: the file exported already, held to ``network``."""
    model = read_onnx(exported)
    card = Card.from_yaml(metadata(model)[METADATA_KEY], "inside")
    original = torch_run(subject(network=network).plain(tuple(head.name for head in card.heads)))
    publish(model, card, output, original=original, order=order(**given), say=say)


@pytest.mark.parametrize("backend", ["openvino", "onnxruntime"])
def test_an_exported_file_runs_in_every_engine_and_gives_what_pytorch_gives(exported: Path, backend: str) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (SIZE[1], SIZE[0], 3), np.uint8)  # no scaling on the way
    images = torch.from_numpy(pixels[..., ::-1].transpose(2, 0, 1)[None] / np.float32(255))
    with torch.inference_mode():
        boxes, drivable, _ = TinyNetwork().plain(("boxes", "drivable", "lane")).eval()(images)
    config = EngineConfig.model_validate({"file": exported, "backend": backend, "precision": "fp32"})
    with closing(open_engine(config)) as engine:
        assert [head.name for head in engine.card.heads] == ["boxes", "drivable", "lane"]
        tensors, fit = Preparer(engine).prepare(Picture.from_bgr(pixels))
        outputs = engine.submit(tensors).result(60)
        np.testing.assert_allclose(outputs["boxes"], boxes, atol=1e-3)
        flipped = np.count_nonzero(outputs["drivable"][0] != drivable[0].argmax(0).numpy())
        assert flipped <= 1e-3 * drivable[0, 0].numel()
        for head in engine.card.heads:
            open_head(head).decode(outputs, fit, SIZE, Thresholds())


def test_the_card_inside_says_everything_and_the_file_nothing_of_this_machine(exported: Path) -> None:
    model = read_onnx(exported)
    card = Card.from_yaml(metadata(model)[METADATA_KEY], "inside")
    wanted = subject().card
    assert card == wanted.model_copy(update={"input": wanted.input.model_copy(update={"size": None})})
    assert [str(spec) for spec in inputs_of(model)] == ["images float32 [1,3,64,96]"]
    assert [str(spec) for spec in outputs_of(model)] == [
        "boxes float32 [1,6,1536]",
        "drivable uint8 [1,64,96]",
        "lane uint8 [1,64,96]",
    ]
    assert [entry.version for entry in model.opset_import if not entry.domain] == [18]
    texts = re.findall(rb"[ -~]{12,}", exported.read_bytes())  # shorter ones are weights that look like letters
    assert any(b"roadstream.card" in text for text in texts)
    assert not [text for text in texts if re.search(rb"/|\.py|site-packages|File|torch\.|class_hierarchy", text)]


def test_the_same_checkpoint_gives_the_same_bytes(exported: Path, tmp_path: Path) -> None:
    export(subject(), tmp_path / "again.onnx", order(), lambda _: None)
    assert (tmp_path / "again.onnx").read_bytes() == exported.read_bytes()


def test_an_open_batch_runs_with_one_and_three_and_a_fixed_one_with_its_own(tmp_path: Path) -> None:
    images = np.random.default_rng(0).random((3, 3, SIZE[1], SIZE[0]), np.float32)
    export(
        subject(),
        tmp_path / "open.onnx",
        order(batch="dynamic", sources=("synthetic:?size=192x128&seconds=4&fps=1",)),
        print,
    )
    run = in_onnxruntime(tmp_path / "open.onnx")
    three, one = run(images), run(images[1:2])
    assert three["lane"].shape == (3, SIZE[1], SIZE[0])
    np.testing.assert_allclose(three["boxes"][1:2], one["boxes"], atol=1e-4)
    assert [spec.shape[0] for spec in outputs_of(read_onnx(tmp_path / "open.onnx"))] == [-1, -1, -1]
    with closing(open_engine(EngineConfig(file=tmp_path / "open.onnx", backend="onnxruntime"))) as engine:
        assert engine.inputs[0].shape == (1, 3, SIZE[1], SIZE[0])

    export(subject(), tmp_path / "three.onnx", order(batch=3), lambda _: None)
    assert in_onnxruntime(tmp_path / "three.onnx")(images)["boxes"].shape == (3, 6, 1536)


def test_heads_that_are_not_wanted_are_gone_from_network_and_card(exported: Path, tmp_path: Path) -> None:
    export(subject(), tmp_path / "lane.onnx", order(heads=("lane",)), lambda _: None)
    model = read_onnx(tmp_path / "lane.onnx")
    assert [spec.name for spec in outputs_of(model)] == ["lane"]
    assert [head.name for head in Card.from_yaml(metadata(model)[METADATA_KEY], "inside").heads] == ["lane"]
    assert len(model.graph.node) < len(read_onnx(exported).graph.node)


@pytest.mark.parametrize(
    ("fault", "said"),
    [("drivable", r"drivable in onnxruntime: pixels differing"), ("boxes", r"boxes in onnxruntime: coordinates")],
)
def test_a_wrong_rewrite_is_refused_by_output_and_nothing_is_written(tmp_path: Path, fault: str, said: str) -> None:
    with pytest.raises(EngineError, match=said):
        export(subject(fault), tmp_path / "tiny.onnx", order(), lambda _: None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("head", "broken"), [("boxes", math.nan), ("lane", math.inf)])
def test_weights_that_are_no_numbers_are_refused_by_output_and_frame(
    exported: Path, tmp_path: Path, head: str, broken: float
) -> None:
    network = TinyNetwork()
    with torch.no_grad():
        network.get_submodule(head).weight[0, 0] = broken  # type: ignore[operator]
    with pytest.raises(EngineError, match=f"the original gives NaN or infinity in output '{head}' on frame 0"):
        publish_again(exported, tmp_path / "tiny.onnx", network)
    assert list(tmp_path.iterdir()) == []


def test_what_exists_stays_when_the_new_file_fails(exported: Path, tmp_path: Path) -> None:
    path = tmp_path / "tiny.onnx"
    path.write_bytes(b"old")
    with pytest.raises(EngineError, match="not shown to be what its original is"):
        publish_again(exported, path, TinyNetwork(seed=4), overwrite=True)
    assert path.read_bytes() == b"old"
    publish_again(exported, path, overwrite=True)
    assert len(outputs_of(read_onnx(path))) == 3
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_said_and_leaves_nothing(exported: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 4096) as disk:
        with pytest.raises(OutputError, match="disk full"):
            publish_again(exported, disk / "tiny.onnx")
        assert list(disk.iterdir()) == []


def test_an_interrupt_leaves_nothing(exported: Path, tmp_path: Path) -> None:
    def interrupting(line: str) -> None:
        if line.startswith("comparing"):
            assert len(list(tmp_path.iterdir())) == 1  # half-way
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        publish_again(exported, tmp_path / "tiny.onnx", say=interrupting)
    assert list(tmp_path.iterdir()) == []


def test_the_default_frames_are_enough_for_any_batch(exported: Path, tmp_path: Path) -> None:
    said: list[str] = []
    done = Order(batch=11, heads=("lane",))
    export(subject(), tmp_path / "t.onnx", done, said.append)
    assert any("11 frames of synthetic:?seconds=11&fps=1" in line for line in said)
    assert inputs_of(read_onnx(tmp_path / "t.onnx"))[0].shape[0] == 11


def test_a_clip_too_short_for_one_batch_is_no_proof(tmp_path: Path) -> None:
    write_clip(tmp_path / "short.mp4", 2)
    with pytest.raises(SourceError, match="too few frames"):
        export(
            subject(),
            tmp_path / "t.onnx",
            order(batch=3, heads=("lane",), sources=(str(tmp_path / "short.mp4"),)),
            print,
        )
    assert not (tmp_path / "t.onnx").exists()


@pytest.mark.parametrize(
    ("size", "stride", "said"),
    [
        (None, (8, 8), "does not say what input size"),
        ((640, 360), (32, 32), "--size 640x352 or 640x384"),
        ((650, 384), (32, 16), "--size 640x384 or 672x384"),
        ((7, 8), (8, 8), "--size 8x8$"),
    ],
)
def test_sizes_that_the_strides_do_not_allow_are_refused_with_the_nearest(
    size: tuple[int, int] | None, stride: tuple[int, int], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        fitting_size(size, stride)


def test_outputs_are_checked_before_the_work(tmp_path: Path) -> None:
    source = tmp_path / "in.pt"
    source.write_bytes(b"x")
    (tmp_path / "link.pt").symlink_to(source)
    (tmp_path / "folder.onnx").mkdir()
    for output in (source, tmp_path / "link.pt"):
        with pytest.raises(UsageError, match="is the input"):
            check_output(output, [source], overwrite=True)
    with pytest.raises(OutputError, match="not a plain file"):
        check_output(tmp_path / "folder.onnx", [source], overwrite=True)
    with pytest.raises(OutputError, match="does not exist"):
        check_output(tmp_path / "no" / "out.onnx", [source], overwrite=True)
    with pytest.raises(OutputError, match="is a file, not a folder"):
        check_output(source / "out.onnx", [source], overwrite=True)
    check_output(tmp_path / "out.onnx", [source], overwrite=False)
    assert not (tmp_path / "out.onnx").exists()


def test_a_file_that_came_into_being_meanwhile_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "out.onnx"

    def write_late() -> None:
        with written(path, overwrite=False) as part:
            part.write_bytes(b"mine")
            path.write_bytes(b"theirs")

    with pytest.raises(UsageError, match="exists"):
        write_late()
    assert path.read_bytes() == b"theirs"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("data", "said"), [(b"", "is empty"), (b"garbage", "damaged or cut off"), (b"\x08\x0a", "no valid ONNX")]
)
def test_what_is_no_onnx_file_is_refused(tmp_path: Path, data: bytes, said: str) -> None:
    (tmp_path / "n.onnx").write_bytes(data)
    with pytest.raises(EngineError, match=said):
        read_onnx(tmp_path / "n.onnx")


def test_weights_outside_the_file_are_refused(exported: Path, tmp_path: Path) -> None:
    onnx.save(onnx.load(exported), tmp_path / "n.onnx", save_as_external_data=True, location="w.bin", size_threshold=0)
    with pytest.raises(EngineError, match="keeps its weights in other files"):
        read_onnx(tmp_path / "n.onnx")
