"""What all mappings share: one map, two sides, and a classifier that alone is trained."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from adapt.backbones import MLP, Identity
from adapt.data.batches import Labelled, Pair, Unlabelled
from adapt.encoding import DomainEncoding
from adapt.errors import AdaptError
from adapt.methods import TCA, LinearCORAL, MappingMethod, OTMapping, SourceOnly, SubspaceAlignment
from adapt.penalties import MinEnt
from tests.toy import WIDTH, build, train
from tests.zoo.mapping import FROZEN

MAPPINGS: Mapping[type[MappingMethod], dict[str, Any]] = {
    LinearCORAL: {"regularization": 0.01},
    SubspaceAlignment: {"components": 5},
    TCA: {"components": 5, "landmarks": 60},
    OTMapping: {"max_samples": 800},
}
NAMES = pytest.mark.parametrize("method", MAPPINGS, ids=lambda m: m.__name__)


@NAMES
def test_only_the_classifier_learns_and_the_network_keeps_its_mode(method: type[MappingMethod], tmp_path: Path) -> None:
    backbone = MLP((WIDTH,), (32, 16), dropout=0.5)  # wide enough that five of its units live, whatever is drawn
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    trained, _, _ = train(method, tmp_path, steps=5, **MAPPINGS[method] | {"backbone": backbone})
    assert all(torch.equal(value, before[name]) for name, value in trained.backbone.state_dict().items())
    assert {name for name, p in trained.named_parameters() if p.requires_grad} == {
        "classifier.weight",
        "classifier.bias",
    }
    for _ in range(2):
        assert not trained.backbone.training and trained.classifier.training
        trained.train()


@NAMES
def test_each_domain_is_evaluated_on_its_side_and_predicted_on_the_targets(
    method: type[MappingMethod], tmp_path: Path
) -> None:
    trained, data, trainer = train(method, tmp_path, steps=150, **FROZEN | MAPPINGS[method])
    assert isinstance(trained, MappingMethod)
    (x, y), (x_t, y_t) = (data.domain(name, "test").__getitems__(range(900)) for name in ("source", "target"))
    with torch.no_grad():
        source, target = (
            trained.classifier(trained.mapped(x, "source")),
            trained.classifier(trained.mapped(x_t, "target")),
        )
        assert torch.equal(trained(x_t).logits, target)
    results = {k: v for part in trainer.test(trained, datamodule=data, verbose=False) for k, v in part.items()}
    assert results["test/source_accuracy"] == pytest.approx((source.argmax(1) == y.y).float().mean().item())
    assert results["test/target_accuracy"] == pytest.approx((target.argmax(1) == y_t.y).float().mean().item())
    assert results["test/source_accuracy"] > 0.8


@NAMES
def test_a_pass_over_a_domain_is_seen_from_its_side(method: type[MappingMethod], tmp_path: Path) -> None:
    trained, data, trainer = train(method, tmp_path, steps=2, **FROZEN | MAPPINGS[method])
    assert isinstance(trained, MappingMethod)
    trainer.datamodule = data  # type: ignore[attr-defined]
    x, _ = data.domain("source", "train").__getitems__(range(810))
    found = trained.encode_domain("source")
    torch.testing.assert_close(found.features, trained.mapped(x, "source"), atol=1e-5, rtol=1e-4)
    assert found.logits.shape == (810, 4)


def test_a_continued_run_keeps_the_map_of_its_checkpoint(tmp_path: Path) -> None:
    class Once(TCA):
        def fit_map(self, source: DomainEncoding, target: DomainEncoding) -> dict[str, Tensor]:
            return super().fit_map(source, target)

    _, _, trainer = train(Once, tmp_path / "a", steps=5, **FROZEN | MAPPINGS[TCA])
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    Once.fit_map = lambda *_: pytest.fail("computed the map again")  # type: ignore[method-assign]
    again, _, _ = train(Once, tmp_path / "b", steps=9, ckpt_path=tmp_path / "a.ckpt", seed=3, **FROZEN | MAPPINGS[TCA])
    saved = torch.load(tmp_path / "a.ckpt", weights_only=True)["state_dict"]
    assert torch.equal(again.state_dict()["map.landmarks"], saved["map.landmarks"])


def test_landmarks_differ_between_seeds_and_small_domains_give_all(tmp_path: Path) -> None:
    one, two = (
        train(TCA, tmp_path / str(s), s, steps=1, **FROZEN | MAPPINGS[TCA])[0].state_dict()["map.landmarks"]
        for s in (0, 1)
    )
    assert one.shape == two.shape == (60, WIDTH) and not torch.equal(one, two)
    everything, data, _ = train(TCA, tmp_path / "all", steps=1, **FROZEN | {"components": 5, "landmarks": 5000})
    x, _ = data.domain("source", "train").__getitems__(range(810))
    assert torch.equal(everything.state_dict()["map.landmarks"][:810], x)


def test_training_samples_move_as_the_plan_says_and_others_as_their_neighbours(tmp_path: Path) -> None:
    trained, data, _ = train(OTMapping, tmp_path, steps=1, **FROZEN | {"max_samples": 5000})
    x, _ = data.domain("source", "train").__getitems__(range(810))
    goals, _ = data.domain("target", "train").__getitems__(range(810))
    assert isinstance(trained, OTMapping)
    moved = trained.map["moved"]
    # Inside the target's hull, and onto the means of its classes, whose labels the plan never saw.
    assert (moved >= goals.min(0).values - 1e-4).all() and (moved <= goals.max(0).values + 1e-4).all()
    torch.testing.assert_close(trained.mapped(x[7:9], "source"), moved[7:9], atol=1e-4, rtol=1e-4)


def test_penalties_see_both_sides_and_train_the_classifier(tmp_path: Path) -> None:
    options = FROZEN | MAPPINGS[OTMapping]
    plain, _, _ = train(OTMapping, tmp_path / "a", steps=5, **options)
    other, _, _ = train(OTMapping, tmp_path / "b", steps=5, **options | {"penalties": [MinEnt()]})
    assert not torch.equal(plain.classifier.weight, other.classifier.weight)


def test_a_source_run_brings_bottleneck_and_classifier(tmp_path: Path) -> None:
    start = tmp_path / "source.ckpt"
    source, _, trainer = train(SourceOnly, tmp_path / "a", steps=150, bottleneck=6)
    trainer.save_checkpoint(start)
    trained, _, _ = train(LinearCORAL, tmp_path / "b", steps=3, bottleneck=6, init_from=str(start))
    for name, value in source.bottleneck.state_dict().items():
        assert torch.equal(trained.bottleneck.state_dict()[name], value)
    assert (trained.classifier.weight - source.classifier.weight).abs().max() < 0.05
    narrow, _, _ = train(SubspaceAlignment, tmp_path / "c", steps=3, bottleneck=6, components=3, init_from=str(start))
    assert narrow.classifier.weight.shape == (4, 3)


def test_what_would_train_on_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AdaptError, match=r"an untrained bottleneck.*--model.init_from"):
        train(LinearCORAL, tmp_path, steps=1, bottleneck=6)
    with pytest.raises(AdaptError, match="LinearCORAL has no map yet"):
        build(LinearCORAL)(torch.zeros(3, WIDTH))
    for options in ({"components": 0}, {"landmarks": 1}):
        with pytest.raises(AdaptError, match="at least"):
            build(TCA, **options)
    with pytest.raises(AdaptError, match="max_samples of at least 1"):
        build(OTMapping, max_samples=0)
    with pytest.raises(AdaptError, match="has to define fit_map"):
        train(MappingMethod, tmp_path, steps=1, **FROZEN)


def test_the_width_of_the_features_bounds_the_components() -> None:
    assert build(SubspaceAlignment, components=50, backbone=Identity((WIDTH,))).num_features == WIDTH


def test_the_penalty_keeps_the_classifier_small_because_a_large_one_undoes_the_alignment() -> None:
    # On the source only: an axis that the target's subspace hardly has. Its singular value is small, and a classifier
    # without a penalty divides by it.
    method = build(SubspaceAlignment, **FROZEN | {"components": 4, "ridge": 0.5})
    draw = torch.Generator().manual_seed(0)
    x, y = torch.randn(6, WIDTH, generator=draw), torch.arange(6) % 4
    source, target = (DomainEncoding(x + k, x[:, :0], y) for k in range(2))
    method.map.fill({k: v.float() for k, v in method.fit_map(source, target).items()})  # type: ignore[operator]
    terms = method.losses(Pair(Labelled(x, y, torch.arange(6)), Unlabelled(x, torch.arange(6))))
    weight = method.classifier.weight
    assert terms["ridge"].item() == pytest.approx(0.25 * weight.square().sum().item())
    (gradient,) = torch.autograd.grad(terms["ridge"], weight)
    torch.testing.assert_close(gradient, 0.5 * weight)
    with pytest.raises(AdaptError, match="ridge of at least 0"):
        build(SubspaceAlignment, **FROZEN | {"ridge": -1.0})
