"""The signs of every minimax: a step of the adversary raises the discrepancy, a step of the features lowers it."""

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from adapt.data import Pair
from adapt.data.batches import Labelled, Unlabelled
from adapt.errors import AdaptError
from adapt.losses import class_shares, classifier_discrepancy, critic_gap, domain_adversarial
from adapt.methods import ADDA, CDAN, DANN, MCD, MDD, WDGRL, Method, SourceOnly
from adapt.schedules import reversal_ramp
from tests.toy import build, samples, train
from tests.zoo import CASES, adversarial


@pytest.fixture
def batch() -> Pair:
    (x, y), (target, _) = samples(0, shifted=False), samples(10, shifted=True)
    index = torch.arange(50)
    return Pair(Labelled(x[:50], y[:50], index), Unlabelled(target[:40], index[:40]))


def moved(loss: Tensor, modules: Iterable[nn.Module], measure: Callable[[], Tensor], rate: float = 1e-3) -> float:
    """How much a small step of gradient descent of some modules changes a measure; the step is taken."""
    parameters = [p for module in modules for p in module.parameters()]
    gradients = torch.autograd.grad(loss, parameters, retain_graph=True)
    assert max(g.abs().max() for g in gradients) > 1e-6
    before = measure().item()
    with torch.no_grad():
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter -= rate * gradient
    return measure().item() - before


@pytest.mark.parametrize(
    ("method", "term", "options"),
    [
        (DANN, "domain", {}),
        (CDAN, "domain", {}),
        (CDAN, "domain", {"entropy": True}),
        (CDAN, "domain", {"max_product": 8, "random_features": 32}),
        (MDD, "adversary", {"head_dropout": 0.0}),
    ],
)
def test_behind_a_gradient_reversal(
    method: type[Method], term: str, options: dict[str, object], batch: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(method, "reversal", 1.0)
    torch.manual_seed(0)
    trained = build(method, **options)
    adversary = trained.adversary if method is MDD else trained.discriminator

    def loss() -> Tensor:
        return trained.losses(batch)[term]

    def discrepancy() -> Tensor:
        return -loss()

    assert moved(loss(), [adversary], discrepancy) > 0
    assert moved(loss(), [trained.backbone], discrepancy) < 0
    gradients = torch.autograd.grad(loss(), list(trained.classifier.parameters()), allow_unused=True)
    assert gradients == (None, None)


@pytest.mark.parametrize("kind", ["l1", "sliced_wasserstein"])
def test_mcd_heads_part_and_features_bring_them_together(kind: str, batch: Pair) -> None:
    torch.manual_seed(0)
    method = build(MCD, discrepancy=kind, head_layers=1, head_hidden=16)

    def discrepancy() -> Tensor:
        torch.manual_seed(1)
        heads = method.heads(method.encode(batch).target.features)
        return classifier_discrepancy(*heads, kind=kind)

    everything, heads, *features = method.phases(batch)
    assert [phase.parts for phase in (everything, heads)] == [["features", "heads"], ["heads"]]
    assert [phase.parts for phase in features] == 4 * [["features"]]
    assert moved(heads.terms["disagreement"], method.parts()["heads"], discrepancy) > 0
    lowered = next(phase for i, phase in enumerate(method.phases(batch)) if i == 2)
    assert moved(lowered.terms["discrepancy"], method.parts()["features"], discrepancy) < 0


def test_mcd_s_class_balance_moves_both_heads_and_the_features_to_the_rare_class(batch: Pair) -> None:
    torch.manual_seed(0)
    method = build(MCD, class_balance=0.1)
    with torch.no_grad():
        for head in method.parts()["heads"]:
            last = [layer for layer in head.modules() if isinstance(layer, nn.Linear)][-1]
            last.bias[0] -= 3

    def share() -> Tensor:
        return torch.stack([p.softmax(1)[:, 0].mean() for p in method.heads(method.encode(batch).target.features)])

    everything, heads, *features = method.phases(batch)
    assert ["balance" in phase.terms for phase in (everything, heads, *features)] == [True, True] + 4 * [False]
    for phase, part in ((everything, "features"), (everything, "heads"), (heads, "heads")):
        modules = method.parts()[part]
        assert moved(phase.terms["balance"], modules, lambda: share().sum()) > 0
    expected = sum(class_shares(logits) for logits in method.heads(method.encode(batch).target.features))
    balance = next(iter(method.phases(batch))).terms["balance"]
    torch.testing.assert_close(balance, 0.1 * expected)


def test_mcd_predicts_by_the_mean_of_both_heads(batch: Pair) -> None:
    method = build(MCD)
    encoding = method(batch.target.x)
    first, second = method.heads(encoding.features)
    torch.testing.assert_close(encoding.logits, (first + second) / 2)
    assert not torch.equal(first, second)


def test_adda_s_discriminator_tells_the_domains_apart_and_its_encoder_mixes_them(batch: Pair) -> None:
    torch.manual_seed(0)
    method = build(ADDA)

    def separation() -> Tensor:
        source, target = method.encode(batch)
        return -domain_adversarial(method.discriminator(source.features), method.discriminator(target.features))

    discriminator, encoder = method.phases(batch)
    assert moved(discriminator.terms["domain"], [method.discriminator], separation) > 0
    encoder = list(method.phases(batch))[1]
    assert encoder.parts == ["encoder"]
    assert moved(encoder.terms["fool"], [method.backbone], separation) < 0


def test_wdgrl_s_critic_widens_the_gap_and_the_network_closes_it(batch: Pair) -> None:
    torch.manual_seed(0)
    method = build(WDGRL, penalty_weight=0.0, critic_steps=3)

    def gap() -> Tensor:
        source, target = method.encode(batch)
        return critic_gap(method.critic(source.features), method.critic(target.features))

    *critic, network = method.phases(batch)
    assert [phase.parts for phase in critic] == 3 * [["critic"]]
    assert moved(critic[0].terms["critic"], [method.critic], gap) > 0
    network = list(method.phases(batch))[-1]
    assert moved(network.terms["wasserstein"], [method.backbone], gap) < 0


@pytest.mark.parametrize(
    ("method", "options", "adversarys", "backbones"),
    [(WDGRL, {"critic_lr_scale": 0.25}, 0.25, 0.5), (ADDA, {"encoder_lr_scale": 0.25}, 1.0, 0.5 * 0.25)],
)
def test_adversary_and_network_have_learning_rates_of_their_own(
    method: type[Method], options: dict[str, float], adversarys: float, backbones: float
) -> None:
    built = build(method, backbone_lr_scale=0.5, **options)
    adversary, network = (optimizer["optimizer"] for optimizer in built.configure_optimizers())
    assert [group["lr"] for group in adversary.param_groups] == [adversarys * 2e-3]
    assert network.param_groups[0]["lr"] == backbones * 2e-3


def test_adda_trains_its_encoder_alone_and_keeps_the_source_s(tmp_path: Path) -> None:
    _, _, trainer = train(SourceOnly, tmp_path / "source", steps=5, bottleneck=6)
    trainer.save_checkpoint(tmp_path / "source.ckpt")
    start = torch.load(tmp_path / "source.ckpt", weights_only=True)["state_dict"]
    options = {"steps": 5, "bottleneck": 6, "discriminator_hidden": 16}
    method, _, trainer = train(ADDA, tmp_path / "adda", init_from=str(tmp_path / "source.ckpt"), **options)
    end = method.state_dict()
    for i, part in enumerate(("backbone", "bottleneck")):
        for name in (name for name in start if name.startswith(f"{part}.")):
            kept = end[name.replace(part, f"source_encoder.{i}", 1)]
            assert torch.equal(kept, start[name])
            assert not torch.equal(end[name], start[name])
    assert torch.equal(end["classifier.weight"], start["classifier.weight"])
    assert not method.source_encoder.training

    trainer.save_checkpoint(tmp_path / "adda.ckpt")
    (tmp_path / "source.ckpt").unlink()
    gone = build(ADDA, bottleneck=6, discriminator_hidden=16, init_from=str(tmp_path / "source.ckpt"))
    gone.load_state_dict(torch.load(tmp_path / "adda.ckpt", weights_only=True)["state_dict"])
    probe = torch.randn(3, 8)
    assert torch.equal(gone.eval()(probe).logits, method.eval()(probe).logits)


def test_adda_without_a_source_run_says_how_to_give_one(tmp_path: Path) -> None:
    with pytest.raises(AdaptError, match=r"starts from a source run, found none.*init_from"):
        train(ADDA, tmp_path, steps=1)
    with pytest.raises(AdaptError, match="no file at"):
        train(ADDA, tmp_path, steps=1, init_from=str(tmp_path / "none.ckpt"))


@pytest.mark.parametrize(
    ("method", "options", "named"),
    [
        (MCD, {"feature_steps": 0}, "feature_steps"),
        (WDGRL, {"critic_steps": 0}, "critic_steps"),
        (CDAN, {"random_features": 0}, "random_features"),
        (MDD, {"head_hidden": 0}, "hidden"),
    ],
)
def test_arguments_out_of_range_are_named(method: type[Method], options: dict[str, int], named: str) -> None:
    with pytest.raises(AdaptError, match=named):
        build(method, **options)


def test_cdan_takes_the_random_map_above_4096_entries_only_and_keeps_it_in_the_checkpoint() -> None:
    few, many = (build(CDAN, bottleneck=width) for width in (1024, 1025))
    assert few.discriminator.network[0].in_features == 4 * 1024
    assert few.random_map is None
    assert many.discriminator.network[0].in_features == 1024
    assert many.state_dict()["random_map"].shape == (1025, 1024)
    assert many.state_dict()["random_class_map"].shape == (4, 1024)


def test_an_unknown_schedule_of_the_reversal_is_refused() -> None:
    with pytest.raises(AdaptError, match="'linear'"):
        reversal_ramp("linear", 0.5, 10)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [name for name, case in adversarial.CASES.items() if case.resume])
def test_bfloat16_training_takes_finite_steps(name: str, tmp_path: Path) -> None:
    trained, _, _ = CASES[name].train(tmp_path, steps=8, trainer={"precision": "bf16-mixed"})
    before = CASES[name].build().state_dict()["backbone.layers.0.weight"]
    after = trained.state_dict()["backbone.layers.0.weight"]
    assert after.isfinite().all()
    assert not torch.equal(after, before)


def test_cdans_entropy_gradient_moves_predictions_against_the_discriminator_by_lambda(
    batch: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    def classifiers_gradient(reversal: float) -> Tensor:
        monkeypatch.setattr(CDAN, "reversal", reversal)
        torch.manual_seed(0)
        trained = build(CDAN, entropy=True, entropy_gradient=True)
        return torch.autograd.grad(trained.losses(batch)["domain"], trained.classifier.weight)[0]

    # With λ = −1 the reversal is the identity: the gradient of the weighted loss itself.
    plain = classifiers_gradient(-1.0)
    assert plain.abs().max() > 1e-6
    torch.testing.assert_close(classifiers_gradient(0.5), -0.5 * plain)
    with pytest.raises(AdaptError, match="give entropy, too"):
        build(CDAN, entropy_gradient=True)
