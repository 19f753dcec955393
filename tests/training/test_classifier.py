"""Classifiers: timm's networks behind our promises; whose weights are fetched, and when."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from contracts.errors import SourceError, UsageError
from sources.datasets.sample import LABEL
from tests.training.classifiers import COLOURS, classifier, settled
from training.blueprint import Blueprint, Checkpoint, Option
from training.checkpoints import read_checkpoint, save_checkpoint
from training.networks.families import build, family, usual_input

# -- what a family promises --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variant", "size"),
    [
        ("resnet18", 64),
        ("resnet50", 64),
        ("efficientnet_b0", 64),
        ("densenet121", 64),
        ("mobilenetv3_small_050", 64),
        ("repvgg_a0", 64),
        ("swin_tiny_patch4_window7_224", 224),
        ("test_vit.r160_in1k", 160),
    ],
)
def test_networks_of_every_kind_give_logits_and_probabilities(variant: str, size: int) -> None:
    network = settled(classifier(variant), size)
    images = torch.randn(2, 3, size, size)
    with torch.inference_mode():
        logits = network(images)
        (plain,), (deployed,) = network.plain([LABEL])(images), network.deployed([LABEL])(images)
    assert logits.shape == (2, 3)
    torch.testing.assert_close(plain, logits.softmax(1))
    torch.testing.assert_close(deployed, plain, atol=1e-4, rtol=0)
    assert plain.sum(1).tolist() == pytest.approx([1, 1])


def test_the_deployed_form_leaves_the_network_as_it_is() -> None:
    network = classifier("repvgg_a0").train()
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    network.deployed([LABEL])
    assert network.training
    assert all(torch.equal(tensor, before[key]) for key, tensor in network.state_dict().items())


@pytest.mark.parametrize("variant", ["test_efficientnet", "test_resnet"])
def test_norms_that_several_devices_share_change_nothing_else(variant: str) -> None:
    """EfficientNet's hold an activation, which torch's own conversion drops."""
    network = settled(classifier(variant), 64)
    images = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        before = network(images)
    parameters = list(network.parameters())
    network.join_norms()
    assert all(one is other for one, other in zip(parameters, network.parameters(), strict=True))
    norms = [type(each) for each in network.modules() if isinstance(each, nn.modules.batchnorm._BatchNorm)]
    assert norms
    assert all(issubclass(each, nn.SyncBatchNorm) for each in norms)
    with torch.inference_mode():
        torch.testing.assert_close(network(images), before)


def test_a_network_that_is_trained_with_branches_is_deployed_without() -> None:
    network = classifier("repvgg_a0")
    trained, deployed = (
        sum(isinstance(module, nn.Conv2d) for module in each.modules()) for each in (network, network.deployed([LABEL]))
    )
    assert deployed < trained / 1.5


def test_the_head_says_what_it_is() -> None:
    (head,) = classifier().heads
    assert (head.name, head.kind, head.outputs, head.classes) == (LABEL, "classification", (LABEL,), COLOURS)


def test_pictures_are_fed_as_timm_says_but_padded_to_a_square() -> None:
    def fed(variant: str) -> tuple[Any, ...]:
        card = usual_input(Blueprint("classifier", variant, {LABEL: COLOURS}))
        return card.fit, card.colour, card.scale, card.size, card.mean[0], card.std[0]

    assert fed("resnet18") == ("letterbox", "rgb", 255.0, (224, 224), 0.485, 0.229)
    assert fed("test_vit") == ("letterbox", "rgb", 255.0, (160, 160), 0.5, 0.5)
    assert fed("vit_base_patch16_384") == ("letterbox", "rgb", 255.0, (384, 384), 0.5, 0.5)
    assert family("classifier").input == usual_input(Blueprint("classifier", "resnet18", {}))
    assert usual_input(Blueprint("yolop", "standard", {})) == family("yolop").input


def test_the_size_of_a_network_that_cannot_be_scaled_is_its_stride() -> None:
    assert classifier("test_vit").stride == (160, 160)
    assert classifier("test_resnet").stride == (32, 32)
    with pytest.raises(UsageError, match="takes pictures of 160x160, not 320x160"):
        classifier("test_vit")(torch.zeros(1, 3, 160, 320))


@pytest.mark.parametrize(
    ("variant", "classes", "options", "message", "cure"),
    [
        ("resnet81", COLOURS, {}, "no classifier 'resnet81'", "did you mean 'resnet"),
        ("qqqq", COLOURS, {}, "no classifier 'qqqq'", "resnet18"),
        ("hf-hub:someone/something", COLOURS, {}, "no classifier 'hf-hub:someone/something'", ""),
        ("test_resnet.no_such_tag", COLOURS, {}, "no classifier", "did you mean 'test_resnet"),
        ("qwen3_vit_88m_enc", COLOURS, {}, "no classifier 'qwen3_vit_88m_enc'", ""),
        ("test_resnet", ("one",), {}, "one class", "2 or more"),
        ("test_resnet", (), {}, "0 classes for 'label'", "name 1 to"),
        ("test_resnet", COLOURS, {"dropuot": 0.1}, "no option 'dropuot'", "did you mean 'dropout'"),
        ("test_resnet", COLOURS, {"dropout": 1.0}, "dropout of a classifier is 1.0", "below 1"),
        ("test_resnet", COLOURS, {"dropout": True}, "dropout of a classifier is True", "below 1"),
        ("test_resnet", COLOURS, {"pretrained": "yes"}, "pretrained of a classifier is 'yes'", "true or false"),
        ("davit_giant", COLOURS, {"pretrained": True}, "no published weights for davit_giant", "leave out pretrained"),
    ],
)
def test_what_cannot_be_built_is_an_error_with_a_cure(
    variant: str, classes: tuple[str, ...], options: dict[str, Option], message: str, cure: str
) -> None:
    with pytest.raises(UsageError) as caught:
        build(Blueprint("classifier", variant, {LABEL: classes}, options))
    assert message in caught.value.message
    assert cure in caught.value.cure


def test_dropout_is_of_the_last_features() -> None:
    network = classifier(dropout=0.5).train()
    images = torch.randn(1, 3, 64, 64).expand(8, 3, 64, 64)
    assert network(images).std(0).max() > 1e-4


def test_where_only_shapes_are_wanted_nothing_is_fetched(hub: Path) -> None:
    with torch.device("meta"):
        network = classifier(pretrained=True)
    assert {tensor.device.type for tensor in network.state_dict().values()} == {"meta"}


# -- published weights -------------------------------------------------------------------------------------------------


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty store of downloads, and no way to the hub."""
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    return tmp_path


def test_weights_that_cannot_be_fetched_are_an_error_with_a_cure(hub: Path) -> None:
    with pytest.raises(SourceError, match="weights of test_resnet cannot be fetched") as caught:
        classifier(pretrained=True)
    assert "start:" in caught.value.cure


def test_fetched_weights_are_in_the_network_and_its_last_layer_is_fresh(hub: Path) -> None:
    torch.manual_seed(5)
    published = build(Blueprint("classifier", "test_resnet", {LABEL: tuple(map(str, range(1000)))}))
    state = {key.removeprefix("backbone."): tensor for key, tensor in published.state_dict().items()}
    folder = hub / "models--timm--test_resnet.r160_in1k"
    (folder / "snapshots" / "0").mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("0", encoding="utf-8")
    pytest.importorskip("safetensors.torch").save_file(state, folder / "snapshots" / "0" / "model.safetensors")
    mine = classifier(pretrained=True).state_dict()
    assert torch.equal(mine["backbone.conv1.0.weight"], state["conv1.0.weight"])
    assert mine["backbone.fc.weight"].shape == (3, 96)


def test_a_checkpoint_never_has_anything_fetched(hub: Path, tmp_path: Path) -> None:
    """Neither ours, from a training that began with published weights, nor one that a stranger wrote."""
    asking = Blueprint("classifier", "test_resnet", {LABEL: COLOURS}, {"pretrained": True, "dropout": 0.25})
    state, path = classifier().state_dict(), tmp_path / "ours.pt"
    save_checkpoint(Checkpoint(asking, state, usual_input(asking), "a test", ""), path)
    assert read_checkpoint(path).blueprint.options == {"dropout": 0.25}
    content = torch.load(path, weights_only=True)
    assert "pretrained" not in content["options"]
    content["options"]["pretrained"] = True
    torch.save(content, tmp_path / "strange.pt")
    assert read_checkpoint(tmp_path / "strange.pt").blueprint.options == {"dropout": 0.25}


def test_timm_comes_up_whatever_torchvision_was_built_for() -> None:
    """In a process of its own, with warnings as errors: the import is made once per process."""
    program = """
        import sys
        from training.networks import families
        families.family("classifier")
        assert not {"timm", "torchvision", "huggingface_hub"} & set(sys.modules), "imported too early"
        from training.networks.timm_backbones import names
        assert "resnet18" in names()
        import torchvision.transforms
    """
    lines = "\n".join(line.strip() for line in program.strip().splitlines())
    subprocess.run([sys.executable, "-W", "error", "-c", lines], check=True, timeout=120)


def test_a_torchvision_that_is_whole_is_left_alone(tmp_path: Path) -> None:
    """One that only says it is imported stands for it: nothing is declared in its name."""
    (tmp_path / "torchvision.py").write_text("", encoding="utf-8")
    program = (
        "import torch; from training.networks.timm_backbones import _import_torchvision as bring_up; bring_up();"
        "import sys; assert 'torchvision' in sys.modules; assert not hasattr(torch.ops.torchvision, 'nms')"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True, timeout=120, env=environment)
