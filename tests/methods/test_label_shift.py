"""The shares that the method finds, what its loss is of them, and where they are written."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional

from adapt.data import Labelled, Pair, Unlabelled
from adapt.errors import AdaptError
from adapt.methods import LabelShift
from tests.methods.test_resume import StopAt, run
from tests.toy import build, train
from tests.zoo import CASES
from tests.zoo.reweighting import Priors

ESTIMATORS = ["mlls", "bbse", "bbse_soft"]


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_the_shares_are_near_the_targets_and_the_weights_have_mean_one(estimator: str, tmp_path: Path) -> None:
    each: Any = {"log_every_n_steps": 1, "limit_val_batches": 0, "num_sanity_val_steps": 0}
    options: Any = {"module": Priors, "source_fraction": 0.8, "estimator": estimator, "trainer": each}
    trained, data, fit = train(LabelShift, tmp_path, steps=100, **options)
    shares: Any = trained.shares
    assert (shares - torch.tensor(Priors.shares[::-1])).abs().max() < 0.15
    y = torch.cat([batch.y for batch in data.domain_dataloader("source")])
    weights: Any = trained.weights
    assert weights[y].mean().item() == pytest.approx(1, abs=1e-5)
    logged = {name: value.item() for name, value in fit.logged_metrics.items()}
    assert logged["train/share_d"] == pytest.approx(shares[3].item())
    assert trained.findings()["target_class_shares"]["a"] == pytest.approx(shares[0].item())


def test_the_loss_is_the_mean_of_cross_entropies_weighted_by_class() -> None:
    method: Any = build(LabelShift)
    draw = torch.Generator().manual_seed(0)
    x, y = torch.randn(5, 8, generator=draw), torch.tensor([0, 3, 1, 2, 2])
    batch = Pair(Labelled(x, y, torch.arange(5)), Unlabelled(x, torch.arange(5)))
    assert method.findings() == {}
    assert method.losses(batch)["source"].item() == pytest.approx(method.cross_entropy(method(x).logits, y).item())
    method.weights = torch.tensor([0.1, 2.0, 0.5, 1.5])
    expected = sum(method.weights[k] * functional.cross_entropy(method(x).logits[i], k) for i, k in enumerate(y)) / 5
    assert method.losses(batch)["source"].item() == pytest.approx(float(expected.detach()), rel=1e-5)


def test_a_continued_run_has_the_same_weights_and_does_not_estimate_them_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop, name = tmp_path / "stop.ckpt", "LabelShift"
    first: Any = run(name, tmp_path / "first", [StopAt(30, stop)])
    monkeypatch.setattr(LabelShift, "encode_domain", None)
    continued: Any = run(name, tmp_path / "second", [], ckpt_path=stop, seed=77)
    assert torch.equal(first.weights, continued.weights)
    loaded: Any = CASES[name].build()
    loaded.on_load_checkpoint(torch.load(stop, weights_only=True))
    assert torch.equal(first.shares, loaded.shares)


@pytest.mark.parametrize("option", [{"source_fraction": 1.0}, {"estimator": "em"}, {"calibration": "platt"}])
def test_arguments_out_of_range_are_refused(option: Any) -> None:
    with pytest.raises(AdaptError, match=next(iter(option))):
        build(LabelShift, **option)
