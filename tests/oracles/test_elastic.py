"""L1 and elastic terms: against scikit-learn's minima of the same objective, and in a method."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import ElasticNet, Lasso

from adapt.backbones import MLP
from adapt.errors import AdaptError
from adapt.losses import elastic
from adapt.methods import DANN
from adapt.penalties import L1, Elastic


def test_equals_numpys_sums() -> None:
    weights = [torch.randn(3, 4, dtype=torch.float64), torch.randn(5, dtype=torch.float64)]
    flat = np.concatenate([w.numpy().ravel() for w in weights])
    assert elastic(weights).item() == pytest.approx(np.abs(flat).sum())
    assert elastic(weights, l1=0.3, l2=0.7).item() == pytest.approx(0.3 * np.abs(flat).sum() + 0.35 * flat @ flat)


@pytest.mark.parametrize("ratio", [1.0, 0.4])
def test_scikit_learns_solution_is_its_minimum(ratio: float) -> None:
    draw = np.random.default_rng(0)
    x, alpha = draw.normal(size=(60, 5)), 0.2
    y = x @ np.array([2.0, 0.0, -1.0, 0.0, 0.5]) + 0.1 * draw.normal(size=60)
    kind = Lasso(alpha, fit_intercept=False) if ratio == 1 else ElasticNet(alpha, l1_ratio=ratio, fit_intercept=False)
    best = torch.from_numpy(kind.fit(x, y).coef_)

    def objective(w: torch.Tensor) -> float:
        fit = (torch.from_numpy(y) - torch.from_numpy(x) @ w).square().sum() / (2 * len(y))
        return (fit + alpha * elastic([w], l1=ratio, l2=1 - ratio)).item()

    around = [objective(best + 0.02 * torch.from_numpy(draw.normal(size=5))) for _ in range(50)]
    assert objective(best) < min(around)


def test_counts_trained_matrices_of_the_chosen_parts() -> None:
    method = DANN(problem=3, backbone=MLP((4,), (5,)), discriminator_hidden=4, penalties=[L1(0.5), Elastic(2.0, 0.25)])
    weights = [method.backbone.layers[0].weight, method.classifier.weight]
    total = sum(w.abs().sum() for w in weights)
    assert L1(0.5).of_network(method).item() == pytest.approx(0.5 * total.item())
    only = L1(1.0, parts=["classifier"]).of_network(method)
    assert only.item() == pytest.approx(method.classifier.weight.abs().sum().item())
    method.backbone.requires_grad_(False)
    with pytest.raises(AdaptError, match="found none"):
        L1(1.0, parts=["backbone"]).of_network(method)


def test_odd_arguments_are_named() -> None:
    for wrong in (lambda: L1(parts=["head"]), lambda: Elastic(ratio=2.0), lambda: elastic([]), lambda: L1(weight=-1.0)):
        with pytest.raises(AdaptError):
            wrong()
