"""Fusions of two modalities: shapes, what is missing, what is dropped, and whose learning rate is whose."""

from typing import Any

import pytest
import torch
from torch import Tensor

from adapt.backbones import MLP, BagOfWords, FusionBackbone, Identity, SmallCNN
from adapt.backbones.words import hash_words
from adapt.errors import AdaptError
from adapt.methods import SourceOnly
from adapt.trees import Tree

TEXTS = ["a thin three", "a bold seven with a bar", "", "eight"]
FUSIONS = ("early", "late", "cross", "image", "text")


def inputs(present: Any = None) -> Tree:
    torch.manual_seed(1)
    flags = torch.ones(4, 2, dtype=torch.bool) if present is None else torch.tensor(present)
    return {"image": torch.rand(4, 3, 8, 8), "text": hash_words(TEXTS, 8), "present": flags}


def network(fusion: Any, image: Any = None, **options: Any) -> FusionBackbone:
    torch.manual_seed(0)
    return FusionBackbone(image or SmallCNN((3, 8, 8), width=4), BagOfWords(64, 8), fusion, **{"width": 8} | options)


@pytest.mark.parametrize("fusion", FUSIONS)
@pytest.mark.parametrize("image", [SmallCNN((3, 8, 8), width=4), MLP((3, 8, 8), [12])])
def test_features_have_their_width_and_every_part_learns(fusion: str, image: Any) -> None:
    net = network(fusion, image)
    features = net(inputs([[1, 1], [1, 1], [1, 0], [0, 1]]))
    assert features.shape == (4, net.num_features) == (4, 16 if fusion == "late" else 8)
    features.square().sum().backward()
    idle = [name for name, p in net.named_parameters() if p.requires_grad and p.grad is None]
    allowed = ("absent_text",) if fusion == "image" else ("absent_image",) if fusion == "text" else ()
    assert set(idle) <= set(allowed)
    assert all(torch.isfinite(p.grad).all() for p in net.parameters() if p.grad is not None)


@pytest.mark.parametrize("fusion", ["early", "late", "cross"])
def test_what_is_not_there_is_not_read(fusion: str) -> None:
    net = network(fusion).eval()
    with torch.no_grad():  # as after training
        net.absent_image.normal_()
        net.absent_text.normal_()
    one, other = inputs([[1, 0]] * 4), inputs([[1, 0]] * 4)
    other["text"] = hash_words(["something else"] * 4, 8)
    assert torch.allclose(net(one), net(other), atol=1e-6)
    other["image"] = torch.zeros(4, 3, 8, 8)
    assert not torch.allclose(net(one), net(other))
    one, other = inputs([[0, 1]] * 4), inputs([[0, 1]] * 4)
    other["image"] = torch.zeros(4, 3, 8, 8)
    assert torch.allclose(net(one), net(other), atol=1e-6)


def test_late_fusion_adds_the_logits_of_two_predictions() -> None:
    method = SourceOnly(problem=3, backbone=network("late")).eval()
    x = inputs()
    layer: Any = method.classifier
    image, text = method.backbone(x).split(8, 1)
    apart = image @ layer.weight[:, :8].T + text @ layer.weight[:, 8:].T + layer.bias
    assert torch.allclose(method(x).logits, apart, atol=1e-5)
    with pytest.raises(AdaptError, match="late fusion"):
        SourceOnly(problem=3, backbone=network("late"), bottleneck=4)


def test_early_fusion_mixes_what_late_fusion_keeps_apart() -> None:
    def mixed(net: FusionBackbone) -> Tensor:
        """How far the effect of another image depends on the text."""
        net.eval()
        x, texts = inputs(), hash_words(["zero one two"] * 4, 8)
        image = torch.rand(4, 3, 8, 8)
        change = [net({**x, "image": image, "text": t}) - net({**x, "text": t}) for t in (x["text"], texts)]
        return (change[0] - change[1]).abs().max()

    assert mixed(network("late")) < 1e-5
    assert mixed(network("early")) > 1e-4 and mixed(network("cross")) > 1e-4


def test_dropout_hides_one_modality_at_most_and_only_in_training() -> None:
    net = network("early", modality_dropout=0.4)
    many = {"image": torch.rand(2000, 3, 8, 8), "text": {}, "present": torch.ones(2000, 2, dtype=torch.bool)}
    many["present"][:500, 0] = False
    seen = net.seen(many)
    assert seen.any(1).all()
    assert torch.equal(seen[:500], many["present"][:500])  # who has but one keeps it
    assert ((~seen[500:]).float().mean(0) - 0.4).abs().max() < 0.05
    assert torch.equal(net.eval().seen(many), many["present"])


def test_concatenated_features_are_the_encoders_own() -> None:
    net = network("early", width=None).eval()
    x = inputs([[1, 1], [1, 1], [1, 0], [1, 1]])
    features = net(x)
    assert torch.equal(features[:2], torch.cat([net.image(x["image"]), net.text(x["text"])], 1)[:2])
    assert not features[2, -8:].any()  # the absent embedding is 0 until it learns


def test_encoders_have_their_own_rate_and_are_built_for_the_images() -> None:
    net = network("early", encoder_lr_scale=0.1, input_shape=(1, 16, 16))
    rates = {id(p): factor for factor, group in net.layer_groups() for p in group}
    assert rates.keys() == {id(p) for p in net.parameters()}
    assert {rates[id(p)] for p in [*net.image.parameters(), *net.text.parameters()]} == {0.1}
    assert rates[id(net.absent_text)] == 1
    assert net.image(torch.rand(2, 1, 16, 16)).shape[0] == 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"fusion": "middle"}, "fusion expects 'early'"),
        ({"fusion": "cross", "width": None}, "width"),
        ({"fusion": "cross", "heads": 3}, "divisor"),
        ({"fusion": "early", "modality_dropout": 0.6}, "modality_dropout"),
    ],
)
def test_arguments_out_of_range_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(AdaptError, match=words):
        network(**options)


def test_inputs_of_another_kind_are_named() -> None:
    with pytest.raises(AdaptError, match="use ImageText"):
        network("early")(torch.rand(2, 3, 8, 8))
    with pytest.raises(AdaptError, match="hashed words"):
        network("early")({"image": torch.rand(1, 3, 8, 8), "text": {"ids": torch.ones(1, 2), "mask": torch.ones(1, 2)}})
    assert Identity((3,)).num_features == 3


def test_words_are_the_same_in_any_case_and_the_order_is_lost() -> None:
    x = hash_words(["Thin, three!", "three thin", "four"], 4)
    bag = BagOfWords(512, 8).eval()(x)
    assert torch.allclose(bag[0], bag[1]) and not torch.allclose(bag[0], bag[2])
    assert x["words"].min() >= 0 and x["mask"].sum(1).tolist() == [2, 2, 1]
