"""Which shift weights mend, with every estimator, and that they are what the method says they are."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import Trainer, seed_everything
from torch import Tensor
from torch.nn import functional
from torch.utils.data import Dataset

from adapt.backbones import Identity
from adapt.data import DomainDataModule, Labelled, Pair, TensorDomain, Unlabelled
from adapt.errors import AdaptError
from adapt.methods import ImportanceWeighting, Method, SourceOnly, TargetOnly
from tests.methods.test_resume import StopAt, run
from tests.toy import build, target_accuracy, train
from tests.zoo import CASES

ESTIMATORS = ["logistic", "kmm", "kliep", "rulsif"]
SEEDS = (0, 1, 2)
SAMPLES = 900


class Curved(DomainDataModule):
    """Covariate shift: one curved boundary; the line that fits it on the source's side does not on the target's."""

    known_domains = ("source", "target")
    class_names = tuple("ab")
    input_shape = (2,)

    def domain(self, name: str, split: str) -> Dataset[Any]:
        seed = 10 * self.known_domains.index(name) + (split == "test")
        dataset = TensorDomain(*self.samples(name == "target", torch.Generator().manual_seed(seed)))
        return dataset if split == "test" else self.holdout(dataset, split)

    def samples(self, target: bool, draw: torch.Generator) -> tuple[Tensor, Tensor]:
        x, noise = torch.randn(SAMPLES, 2, generator=draw), torch.randn(SAMPLES, generator=draw)
        x[:, 0] = 1.2 + 0.6 * x[:, 0] if target else x[:, 0] - 0.3
        x[:, 1] = 0.6 + 1.2 * x[:, 1]
        return x, x[:, 1] + 0.2 * noise > 0.6 * x[:, 0].square()


class Priors(Curved):
    """Label shift: two overlapping Gaussians, of which the second has 40 % of the source and 90 % of the target."""

    def samples(self, target: bool, draw: torch.Generator) -> tuple[Tensor, Tensor]:
        y = torch.rand(SAMPLES, generator=draw) < (0.9 if target else 0.4)
        x = torch.randn(SAMPLES, 2, generator=draw)
        x[:, 0] += torch.where(y, 0.9, -0.9)
        return x, y


def linear(method: type[Method], module: type[DomainDataModule], seed: int, **kwargs: Any) -> tuple[Any, Any, Trainer]:
    """Train a linear classifier."""
    seed_everything(seed, verbose=False)
    data = module("source", "target", batch_size=90, shots="all" if method is TargetOnly else None)
    options: Any = {"optimizer": lambda p: torch.optim.Adam(p, lr=0.05), "problem": 2, "backbone": Identity((2,))}
    built = method(**options, **kwargs)
    quiet: Any = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    fit = Trainer(accelerator="cpu", max_steps=200, limit_val_batches=0, enable_model_summary=False, **quiet)
    fit.fit(built, datamodule=data)
    return built, data, fit


@cache
def accuracies(
    method: type[Method], module: type[DomainDataModule], estimator: str | None = None, bound: float | None = None
) -> Tensor:
    options: Any = {"estimator": estimator, "source_fraction": 0.2, "max_weight": bound} if estimator else {}
    return torch.tensor([target_accuracy(*linear(method, module, seed, **options)) for seed in SEEDS])


@pytest.mark.slow
@pytest.mark.parametrize(("estimator", "bound"), [("logistic", 10.0), ("kmm", None), ("kliep", None), ("rulsif", None)])
def test_every_estimator_mends_covariate_shift_where_the_network_cannot_fit_the_source(
    estimator: str, bound: float | None
) -> None:
    found = accuracies(ImportanceWeighting, Curved, estimator, bound)
    gain = found - accuracies(SourceOnly, Curved)
    assert gain.mean() > 0.15
    assert gain.min() > 0.1
    assert found.mean() <= accuracies(TargetOnly, Curved).mean() + 0.01


def test_a_log_linear_ratio_is_too_large_far_out_and_unbounded_gains_less() -> None:
    # The target is narrower than the source, which logistic regression without squares cannot say.
    unbounded = accuracies(ImportanceWeighting, Curved, "logistic")
    assert (unbounded - accuracies(SourceOnly, Curved)).min() > 0.03
    assert (accuracies(ImportanceWeighting, Curved, "logistic", 10.0) - unbounded).min() > 0.08


@pytest.mark.slow
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_no_estimator_mends_label_shift_which_changes_what_an_input_says_of_its_class(estimator: str) -> None:
    gain = accuracies(ImportanceWeighting, Priors, estimator) - accuracies(SourceOnly, Priors)
    assert gain.abs().mean() < 0.03
    assert (accuracies(TargetOnly, Priors) - accuracies(SourceOnly, Priors)).min() > 0.1


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_weights_belong_to_the_training_samples_by_index_and_have_mean_one(estimator: str) -> None:
    trained, data, _ = linear(ImportanceWeighting, Curved, 0, estimator=estimator, max_weight=None)
    x = torch.cat([batch.x for batch in data.domain_dataloader("source")])
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))[:50].tolist()
    view = data.train_dataloader().source.dataset
    assert torch.equal(view.__getitems__(order).x, x[order])
    assert trained.weights.shape == (len(x),)
    assert trained.weights.mean().item() == pytest.approx(1, abs=1e-5)
    assert trained.weights[x[:, 0] > 0.7].mean() > 2 * trained.weights[x[:, 0] < 0].mean()


def test_the_loss_is_the_mean_of_weighted_cross_entropies() -> None:
    method = build(ImportanceWeighting, label_smoothing=0.1)
    draw = torch.Generator().manual_seed(0)
    x, index = torch.randn(5, 8, generator=draw), torch.tensor([7, 0, 3, 9, 4])
    batch = Pair(Labelled(x, torch.tensor([0, 3, 1, 2, 2]), index), Unlabelled(x, index))
    plain = method.losses(batch)["source"].item()
    assert plain == pytest.approx(method.cross_entropy(method(x).logits, batch.source.y).item())
    method.weights = torch.rand(10, generator=draw)  # type: ignore[assignment]
    each = [functional.cross_entropy(method(x).logits[i], batch.source.y[i], label_smoothing=0.1) for i in range(5)]
    expected = np.mean([float(method.weights[j]) * e.item() for j, e in zip(index, each, strict=True)])  # type: ignore[index]
    assert method.losses(batch)["source"].item() == pytest.approx(expected, rel=1e-5)


def test_a_bound_caps_the_weights_and_what_is_logged_says_how_many_samples_they_rest_on(tmp_path: Path) -> None:
    trained, _, fit = train(ImportanceWeighting, tmp_path, steps=20, max_weight=3.0, trainer={"log_every_n_steps": 1})
    w = trained.weights.double().numpy()  # type: ignore[union-attr, operator]
    assert w.max() == pytest.approx(3)
    logged = {name: value.item() for name, value in fit.logged_metrics.items()}
    assert logged["train/effective_sample_size"] == pytest.approx(w.sum() ** 2 / (w**2).sum(), rel=1e-5)
    assert logged["train/largest_weight"] == pytest.approx(3)


def test_a_continued_run_has_the_same_weights_bit_for_bit_and_does_not_estimate_them_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop, name = tmp_path / "stop.ckpt", "ImportanceWeighting"
    first: Any = run(name, tmp_path / "first", [StopAt(30, stop)])
    monkeypatch.setattr(ImportanceWeighting, "encode_domain", None)
    continued: Any = run(name, tmp_path / "second", [], ckpt_path=stop, seed=77)
    assert torch.equal(first.weights, continued.weights)
    loaded: Any = CASES[name].build()
    loaded.on_load_checkpoint(torch.load(stop, weights_only=True))
    assert torch.equal(first.weights, loaded.weights)


def test_after_a_source_run_the_weights_are_there_from_the_first_batch(tmp_path: Path) -> None:
    _, _, fit = train(SourceOnly, tmp_path, steps=5)
    fit.save_checkpoint(tmp_path / "source.ckpt")
    scratch, _, _ = train(ImportanceWeighting, tmp_path, steps=1)
    after, _, _ = train(ImportanceWeighting, tmp_path, steps=1, init_from=str(tmp_path / "source.ckpt"))
    assert scratch.weights is None
    assert after.weights is not None


def test_a_source_without_any_sample_like_the_target_is_refused() -> None:
    method: Any = build(ImportanceWeighting, estimator="rulsif", bandwidth=1e-3)
    with pytest.raises(AdaptError, match="no source sample that resembles"):
        method.normalised(method.estimated(torch.rand(9, 3), 100 + torch.rand(8, 3)))


def test_what_a_bound_takes_from_some_weights_the_others_get() -> None:
    draw = torch.Generator().manual_seed(0)
    raw = (4 * torch.randn(300, generator=draw, dtype=torch.float64)).exp()
    found = build(ImportanceWeighting, max_weight=10.0).normalised(raw).numpy()
    free = found < 10 - 1e-9
    assert found.max() == pytest.approx(10)
    assert found.mean() == pytest.approx(1)
    assert found.sum() ** 2 / (found**2).sum() >= 30
    ratio = found[free] / raw.numpy()[free]
    assert ratio == pytest.approx(ratio[0])
    assert (raw.numpy()[~free] * ratio[0]).min() >= 10 - 1e-9
    few = build(ImportanceWeighting, max_weight=10.0).normalised(torch.tensor([1.0] + 99 * [0.0]))
    assert few.tolist() == [10.0] + 99 * [0.0]
    assert build(ImportanceWeighting, max_weight=None).normalised(raw).max() > 50


@pytest.mark.parametrize("option", [{"source_fraction": 1.0}, {"max_weight": 0.5}])
def test_arguments_out_of_range_are_refused(option: dict[str, float]) -> None:
    with pytest.raises(AdaptError, match=next(iter(option))):
        build(ImportanceWeighting, **option)
