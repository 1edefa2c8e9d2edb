"""Feature widths, blocks, and weights from files."""

import copy
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import torchvision
from jsonargparse import ArgumentParser
from torch import nn

from adapt.backbones import MLP, Backbone, Identity, LeNet, SmallCNN, TimmBackbone, TorchvisionBackbone
from adapt.errors import AdaptError


def weights(name: str) -> str:
    root = os.environ.get("ADAPT_DATA")
    if root is None:
        pytest.skip("ADAPT_DATA is unset")
    path = Path(root, "weights", name)
    if not path.is_file():
        pytest.skip(f"{path} is missing")
    return str(path)


@pytest.mark.parametrize(
    ("backbone", "shape", "width"),
    [
        (LeNet(), (1, 28, 28), 500),
        (LeNet((3, 16, 21)), (3, 16, 21), 500),
        (SmallCNN((3, 16, 16)), (3, 16, 16), 256),
        (SmallCNN((1, 8, 15), width=4, dropout=0.5), (1, 8, 15), 32),
        (SmallCNN((3, 64, 63), width=8), (3, 64, 63), 64),
        (SmallCNN((3, 16, 19), width=8, grid=4), (3, 16, 19), 256),
        (SmallCNN((3, 16, 19), width=8, grid=3), (3, 16, 19), 144),
        (MLP(), (2,), 100),
        (MLP((3, 4), hidden=(7, 5), dropout=0.1), (3, 4), 5),
        (Identity((3, 4)), (3, 4), 12),
    ],
)
def test_features_have_the_promised_width(backbone: Backbone, shape: tuple[int, ...], width: int) -> None:
    assert backbone.num_features == width
    assert backbone(torch.randn(4, *shape)).shape == (4, width)


def test_lenet_has_tllibs_parameters() -> None:
    sizes = [tuple(p.shape) for p in LeNet().parameters() if p.ndim > 1]
    assert sizes == [(20, 1, 5, 5), (50, 20, 5, 5), (500, 800)]


@pytest.mark.parametrize("backbone", [LeNet((3, 20, 20)), SmallCNN((3, 20, 20)), MLP((3, 20, 20), hidden=(9, 9, 9))])
def test_every_parameter_gets_a_gradient_and_lies_in_one_block(backbone: Backbone) -> None:
    torch.manual_seed(0)
    backbone(torch.randn(16, 3, 20, 20)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in backbone.parameters())
    assert len(backbone.blocks) == 3
    assert [p for block in backbone.blocks for p in block.parameters()] == list(backbone.parameters())


def test_identity_flattens_and_has_nothing_to_train() -> None:
    x = torch.randn(5, 2, 3)
    assert torch.equal(Identity((2, 3))(x), x.flatten(1))
    assert Identity((2, 3)).blocks == []
    assert list(Identity((2, 3)).parameters()) == []


def test_an_image_below_the_grid_is_named() -> None:
    with pytest.raises(AdaptError, match="16"):
        SmallCNN((3, 15, 16), grid=4)


@pytest.mark.parametrize(("kind", "shape"), [(LeNet, (1, 15, 28)), (SmallCNN, (3, 7, 16)), (LeNet, (784,))])
def test_images_too_small_are_named(kind: type[LeNet] | type[SmallCNN], shape: Any) -> None:
    with pytest.raises(AdaptError, match="at least"):
        kind(shape)


def test_mlp_without_layers_is_named() -> None:
    with pytest.raises(AdaptError, match="Identity"):
        MLP((4,), hidden=())


def test_command_line_builds_one_from_its_class_path() -> None:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--backbone", type=Backbone)
    values = parser.parse_args(["--backbone=adapt.backbones.LeNet", "--backbone.input_shape=[3,32,32]"])
    backbone = parser.instantiate_classes(values).backbone
    assert isinstance(backbone, LeNet)
    assert backbone(torch.randn(2, 3, 32, 32)).shape == (2, 500)


@pytest.mark.parametrize(
    ("name", "width", "blocks"),
    [("resnet18", 512, 5), ("squeezenet1_1", 512, 9), ("mobilenet_v3_small", 1024, 14), ("googlenet", 1024, 12)],
)
def test_torchvision_networks_lose_their_classifier(name: str, width: int, blocks: int) -> None:
    backbone = TorchvisionBackbone(name)
    x = torch.randn(2, 3, 64, 64)
    assert backbone.num_features == width
    assert backbone.train()(x).shape == (2, width)
    in_blocks = [p for block in backbone.blocks for p in block.parameters()]
    assert len(backbone.blocks) == blocks
    assert sum(p.numel() for p in in_blocks) == sum(p.numel() for p in backbone.parameters())


def test_torchvision_features_feed_the_original_classifier() -> None:
    torch.manual_seed(0)
    whole = torchvision.models.get_model("resnet18").eval()
    backbone = TorchvisionBackbone("resnet18").eval()
    backbone.model.load_state_dict({k: v for k, v in whole.state_dict().items() if not k.startswith("fc.")})
    x = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(whole.fc(backbone(x)), whole(x))


def test_vgg_keeps_its_hidden_layers_and_loses_the_dropout_of_the_classifier() -> None:
    backbone = TorchvisionBackbone("vgg11")
    assert backbone.num_features == 4096
    classifier = backbone.model.get_submodule("classifier")
    last = [type(module) for module in classifier.children()][-4:]
    assert last == [nn.Linear, nn.ReLU, nn.Identity, nn.Identity]


@pytest.mark.parametrize("name", ["resnet18", "mobilenetv3_small_050", "convnext_atto"])
def test_timm_networks_lose_their_classifier(name: str) -> None:
    backbone = TimmBackbone(name)
    assert backbone(torch.randn(2, 3, 64, 64)).shape == (2, backbone.num_features)
    in_blocks = [p for block in backbone.blocks for p in block.parameters()]
    assert sum(p.numel() for p in in_blocks) == sum(p.numel() for p in backbone.parameters())


def test_blocks_run_from_input_to_output_with_norms_joined() -> None:
    backbone = TimmBackbone("tf_efficientnet_lite0")
    first, *stages, last = backbone.blocks
    model = backbone.model
    assert list(first.children()) == [model.conv_stem, model.bn1]
    assert stages == list(model.get_submodule("blocks").children())
    assert list(last.children()) == [model.conv_head, model.bn2]


def test_missing_timm_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(AdaptError, match=r"adapt-lightning\[timm\]"):
        TimmBackbone("resnet18")


def test_checkpoint_loads_whatever_the_classifier_and_precision(tmp_path: Path) -> None:
    torch.manual_seed(0)
    whole = timm.create_model("resnet18", num_classes=7)
    path = tmp_path / "resnet18.pth"
    torch.save({k: v.half() if v.is_floating_point() else v for k, v in whole.state_dict().items()}, path)
    for backbone in (
        TimmBackbone("resnet18", checkpoint=str(path)),
        TorchvisionBackbone(checkpoint=str(path), name="resnet18"),
    ):
        own = backbone.model.state_dict()
        assert not any(key.startswith("fc.") for key in own)
        assert {v.dtype for v in own.values() if v.is_floating_point()} == {torch.float32}
        for key, value in own.items():
            expected = whole.state_dict()[key]
            torch.testing.assert_close(value, expected.half().float() if value.is_floating_point() else expected)


def test_checkpoint_that_does_not_fit_is_named_by_a_few_keys(tmp_path: Path) -> None:
    state = torchvision.models.get_model("resnet18").state_dict()
    del state["conv1.weight"]
    state["bn1.bias"] = torch.zeros(3)
    state["stem.weight"] = torch.zeros(3)
    path = str(tmp_path / "odd.pth")
    torch.save(state, path)
    expected = r"1 missing \(conv1.weight\); 1 unexpected \(stem.weight\); 1 of another shape \(bn1.bias\)"
    with pytest.raises(AdaptError, match=expected):
        TorchvisionBackbone("resnet18", checkpoint=path)
    torch.save({}, path)
    with pytest.raises(AdaptError, match=r"missing \(conv1.weight, bn1.weight, bn1.bias, \.\.\.\)") as caught:
        TimmBackbone("resnet18", checkpoint=path)
    assert len(str(caught.value)) < 400


def test_files_that_are_no_state_dict_are_named(tmp_path: Path) -> None:
    with pytest.raises(AdaptError, match="found nothing"):
        TorchvisionBackbone("resnet18", checkpoint=str(tmp_path / "none.pth"))
    wrapped, text, pickled = (tmp_path / name for name in ("wrapped.pth", "text.pth", "pickled.pth"))
    torch.save({"state_dict": {}, "epoch": 3}, wrapped)
    text.write_text("no weights")
    torch.save({"weight": Path("x")}, pickled)
    # The unpickler takes their first letters for commands, and stumbles over each in its own way.
    words = [tmp_path / f"{word}.pth" for word in ("hello", "raise", "setup")]
    for path in words:
        path.write_text(f"{path.stem} world")
    for path in (wrapped, text, pickled, *words):
        with pytest.raises(AdaptError, match="state dict"):
            TorchvisionBackbone("resnet18", checkpoint=str(path))


def test_wrong_names_are_answered_with_close_ones() -> None:
    with pytest.raises(AdaptError, match="resnet50"):
        TorchvisionBackbone("resnet5O")
    with pytest.raises(AdaptError, match="no model 'fasterrcnn_resnet50_fpn'"):
        TorchvisionBackbone("fasterrcnn_resnet50_fpn")
    with pytest.raises(AdaptError, match="tf_efficientnet_lite0"):
        TimmBackbone("tf_efficientnet_lite_0")
    with pytest.raises(AdaptError, match="IMAGENET1K_V1"):
        TorchvisionBackbone("resnet18", weights="IMAGENET")
    with pytest.raises(AdaptError, match="both"):
        TorchvisionBackbone("resnet18", weights="DEFAULT", checkpoint="x.pth")
    with pytest.raises(AdaptError, match="both"):
        TimmBackbone("resnet18", pretrained=True, checkpoint="x.pth")


def test_real_squeezenet_gives_the_features_of_the_whole_network() -> None:
    path = weights("squeezenet1_1.pth")
    backbone = TorchvisionBackbone("squeezenet1_1", checkpoint=path).eval()
    whole = torchvision.models.get_model("squeezenet1_1").eval()
    whole.load_state_dict(torch.load(path, weights_only=True))
    x = torch.randn(2, 3, 96, 96)
    torch.testing.assert_close(backbone(x), whole.features(x).mean((2, 3)))


def test_real_efficientnet_gives_the_features_of_the_whole_network() -> None:
    path = weights("tf_efficientnet_lite0.pth")
    backbone = TimmBackbone("tf_efficientnet_lite0", checkpoint=path).eval()
    whole = timm.create_model("tf_efficientnet_lite0", checkpoint_path=path).eval()
    x = torch.randn(2, 3, 96, 96)
    assert backbone.num_features == 1280
    torch.testing.assert_close(whole.classifier(backbone(x)), whole(x))


def test_a_relative_checkpoint_is_also_looked_for_in_the_data_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADAPT_DATA", str(tmp_path))
    weights = torchvision.models.resnet18().state_dict()
    (tmp_path / "weights").mkdir()
    torch.save(weights, tmp_path / "weights" / "small.pth")
    loaded = TorchvisionBackbone("resnet18", checkpoint="weights/small.pth").model
    assert torch.equal(loaded.state_dict()["conv1.weight"], weights["conv1.weight"])
    with pytest.raises(AdaptError, match=r"found nothing at weights/none.pth nor .*/weights/none\.pth\."):
        TorchvisionBackbone("resnet18", checkpoint="weights/none.pth")


@pytest.mark.parametrize("trainable", [0, 2])
def test_only_the_last_blocks_train_where_it_says_so(trainable: int) -> None:
    backbone = TimmBackbone("tf_efficientnet_lite0", trainable=trainable)
    free = [p for block in backbone.blocks[len(backbone.blocks) - trainable :] for p in block.parameters()]
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    backbone.train()
    features = backbone(torch.randn(4, 3, 64, 64))
    if trainable:
        features.square().sum().backward()
    assert [p for p in backbone.parameters() if p.grad is not None] == free
    changed = {name for name, value in backbone.state_dict().items() if not torch.equal(value, before[name])}
    # What a forward pass changes are the statistics of batch norm, and those of the last blocks alone.
    assert bool(changed) == bool(trainable)
    assert all("blocks.6" in name or "bn2" in name for name in changed)
    assert not backbone.eval().model.training


def test_frozen_blocks_stay_frozen_when_the_whole_trains_and_their_number_is_checked() -> None:
    with pytest.raises(AdaptError, match=r"Expected trainable between 0 and the 9 blocks, found 10\."):
        TimmBackbone("tf_efficientnet_lite0", trainable=10)
    backbone = TorchvisionBackbone("resnet18", trainable=1)
    outer = nn.Sequential(backbone, nn.Linear(512, 2))
    outer.eval()
    outer.train()
    assert not backbone.model.bn1.training
    assert backbone.model.layer4.training
    assert {name.split(".")[1] for name, p in backbone.named_parameters() if p.requires_grad} == {"layer4"}


def resnet18_weights() -> dict[str, torch.Tensor]:
    torch.manual_seed(3)
    return dict(torchvision.models.resnet18().state_dict())


def named(prefix: str, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {prefix + key: value for key, value in state.items()}


FORMS: dict[str, tuple[Any, str]] = {
    "data parallel": (lambda w: named("module.", w), "'module.' stripped"),
    "compiled": (lambda w: named("_orig_mod.", w), "'_orig_mod.' stripped"),
    "parallel within": (lambda w: named("net._orig_mod.module.", w), "the prefix 'net.' stripped"),
    "a part": (lambda w: named("encoder.", w) | {"fc.bias": w["fc.bias"]}, "left out 1 weights (fc.bias)"),
    "Lightning's": (lambda w: {"state_dict": named("model.", w), "epoch": 3}, "read 'state_dict' of it"),
    "a script's": (lambda w: {"model": named("module.", w), "optimizer": {"state": {}}}, "read 'model' of it"),
    "nested": (lambda w: {"net": {"model_state_dict": w}}, "read 'net' of it, read 'model_state_dict' of it"),
    "averaged": (
        lambda w: {"state_dict": named("", {k: torch.zeros_like(v) for k, v in w.items()}), "state_dict_ema": w},
        "read 'state_dict_ema' of it",
    ),
    "AveragedModel": (lambda w: named("module.", w) | {"n_averaged": torch.tensor(2)}, "(n_averaged)"),
    "contrastive": (
        lambda w: named("module.q.", w) | named("module.k.", {k: torch.zeros_like(v) for k, v in w.items()}),
        "left out 122 weights (k.conv1.weight",
    ),
    "another head": (lambda w: named("backbone.", w) | {"head.0.weight": torch.zeros(3, 512)}, "(head.0.weight)"),
}


@pytest.mark.parametrize("form", FORMS)
def test_weights_are_read_as_people_have_them_and_a_line_says_how(form: str, tmp_path: Path) -> None:
    make, words = FORMS[form]
    weights, path = resnet18_weights(), str(tmp_path / "weights.pth")
    torch.save(make(weights), path)
    with pytest.warns(UserWarning) as said:
        own = TorchvisionBackbone("resnet18", checkpoint=path).model.state_dict()
    assert all(torch.equal(value, weights[key]) for key, value in own.items())
    lines = [str(warning.message) for warning in said if "weights.pth" in str(warning.message)]
    assert len(lines) == 1
    assert words in lines[0]


def test_weights_are_read_from_safetensors_and_from_our_own_checkpoints(tmp_path: Path) -> None:
    save_file = pytest.importorskip("safetensors.torch").save_file
    weights = resnet18_weights()
    save_file(weights, tmp_path / "weights.safetensors")
    first = TorchvisionBackbone("resnet18", checkpoint=str(tmp_path / "weights.safetensors"))
    ours = named("backbone.", dict(first.state_dict())) | {"classifier.weight": torch.zeros(2, 512)}
    torch.save({"state_dict": ours, "adapt": {"method": "DANN"}}, tmp_path / "last.ckpt")
    with pytest.warns(UserWarning, match=r"'backbone.model.' stripped, left out 1 weights \(classifier.weight\)"):
        second = TorchvisionBackbone("resnet18", checkpoint=str(tmp_path / "last.ckpt"))
    for backbone in (first, second):
        assert all(torch.equal(value, weights[key]) for key, value in backbone.model.state_dict().items())


def test_weights_of_a_deeper_network_are_refused(tmp_path: Path) -> None:
    # Each of ResNet-18's weights is there, in its shape, and half of the network would be lost without a word.
    path = str(tmp_path / "deeper.pth")
    torch.save(named("module.", torchvision.models.resnet34().state_dict()), path)
    with pytest.raises(AdaptError, match=r"does not fit ResNet: 96 unexpected \(layer1.2.conv1.weight"):
        TorchvisionBackbone("resnet18", checkpoint=path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<!DOCTYPE html><html>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1", "git lfs pull"),
        (b"", "not a state dict"),
        (nn.Linear(2, 2), "it holds a torch.nn.modules.linear.Linear. Save `model.state_dict"),
        ([torch.zeros(2)], "expects a state dict of tensors"),
        (None, "found the folder"),
    ],
)
def test_what_lies_there_instead_of_weights_is_named(content: Any, words: str, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    if content is None:
        path.mkdir()
    elif isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(AdaptError, match=words):
        TorchvisionBackbone("resnet18", checkpoint=str(path))


def test_a_transformer_takes_another_image_size_with_its_weights(tmp_path: Path) -> None:
    torch.manual_seed(0)
    x, path = torch.randn(2, 3, 96, 96), str(tmp_path / "vit.pth")
    torch.save(timm.create_model("vit_tiny_patch16_224").state_dict(), path)
    small = TimmBackbone("vit_tiny_patch16_224", checkpoint=path, input_shape=(3, 96, 96))
    assert small(x).shape == (2, 192)
    whole = TimmBackbone("vit_tiny_patch16_224", checkpoint=path).model.state_dict()
    own = small.model.state_dict()
    assert {key for key in own if own[key].shape != whole[key].shape} == {"pos_embed"}
    assert all(torch.equal(own[key], whole[key]) for key in own if key != "pos_embed")
    torchs = TorchvisionBackbone("vit_b_32", input_shape=(3, 96, 96))
    assert torchs(x).shape == (2, 768)


@pytest.mark.parametrize(
    ("name", "shape", "words"),
    [
        ("squeezenet1_1", (3, 8, 8), "the smallest is 17×17"),
        ("resnet18", (1, 28, 28), "it has 3 channels"),
        ("resnet18", (784,), "take MLP for vectors"),
    ],
)
def test_images_that_do_not_pass_through_a_network_are_named(name: str, shape: tuple[int, ...], words: str) -> None:
    with pytest.raises(AdaptError, match=words):
        TorchvisionBackbone(name, input_shape=shape)
    fitting = TorchvisionBackbone(name, input_shape=(3, 32, 32))
    assert all(module.training for module in fitting.modules())


@pytest.mark.parametrize(
    ("kind", "name", "side"),
    [
        (TorchvisionBackbone, "resnet18", 64),
        (TorchvisionBackbone, "efficientnet_b0", 32),
        pytest.param(TorchvisionBackbone, "vit_b_32", 64, marks=pytest.mark.slow),  # 88 million weights
        (TimmBackbone, "tf_efficientnet_lite0", 32),
        (TimmBackbone, "resnet18", 64),
        (TimmBackbone, "vit_tiny_patch16_224", 32),
    ],
)
def test_gradient_checkpointing_keeps_less_and_changes_nothing(kind: Any, name: str, side: int) -> None:
    found: list[list[Any]] = []
    kept = []
    shape = (3, side, side)
    for less in (False, True):
        torch.manual_seed(0)
        backbone = kind(name, input_shape=shape, gradient_checkpointing=less)
        # A copy, as a teacher is one, has blocks of its own.
        backbone = copy.deepcopy(backbone)
        torch.manual_seed(1)
        size = [0]
        weights = {p.untyped_storage().data_ptr() for p in backbone.parameters()}

        def pack(x: torch.Tensor, size: list[int] = size, weights: set[int] = weights) -> torch.Tensor:
            if x.untyped_storage().data_ptr() not in weights:
                size[0] += x.numel() * x.element_size()
            return x

        for _ in range(2):
            x = torch.randn(4, *shape)
            with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
                features = backbone(x)
            features.square().mean().backward()
        kept.append(size[0])
        gradients = [p.grad for p in backbone.parameters()]
        found.append([features, *gradients, *backbone.buffers()])
        backbone.eval()
        with torch.no_grad():
            assert torch.isfinite(backbone(x)).all()
    assert all(a is b or torch.equal(a, b) for a, b in zip(*found, strict=True))
    assert kept[1] < kept[0] / 2


def test_gradient_checkpointing_takes_several_passes_through_one_graph() -> None:
    # The monitor takes the gradient of each loss term before the step does.
    found = []
    for less in (False, True):
        torch.manual_seed(0)
        backbone = TorchvisionBackbone("resnet18", input_shape=(3, 32, 32), gradient_checkpointing=less)
        loss = backbone(torch.randn(4, 3, 32, 32)).square().mean()
        once = torch.autograd.grad(loss, [*backbone.parameters()], retain_graph=True)
        loss.backward()
        assert all(torch.equal(a, p.grad) for a, p in zip(once, backbone.parameters(), strict=True))
        found.append([*once, *backbone.buffers()])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_gradient_checkpointing_of_frozen_blocks_leaves_them_alone() -> None:
    backbone = TorchvisionBackbone("resnet18", trainable=1, input_shape=(3, 32, 32), gradient_checkpointing=True)
    backbone.train()
    before = [buffer.clone() for buffer in backbone.model.layer1.buffers()]
    backbone(torch.randn(4, 3, 32, 32)).square().mean().backward()
    assert backbone.model.layer1[0].conv1.weight.grad is None
    assert backbone.model.layer4[0].conv1.weight.grad is not None
    assert all(torch.equal(a, b) for a, b in zip(before, backbone.model.layer1.buffers(), strict=True))
