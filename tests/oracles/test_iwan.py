"""IWAN's weights against the formula in NumPy, and against the ratio of densities that they stand for."""

import numpy as np
import pytest
import torch
from scipy.special import expit
from scipy.stats import norm

from adapt.errors import AdaptError
from adapt.losses import importance_weights


def test_they_are_one_minus_the_discriminator_over_its_mean() -> None:
    z = 3 * torch.randn(9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    target = 1 - expit(z.numpy())
    np.testing.assert_allclose(importance_weights(z).numpy(), target / target.mean())
    np.testing.assert_allclose(importance_weights(z[:, None]).numpy(), target / target.mean())


def test_the_best_discriminator_gives_most_weight_where_the_target_is_dense() -> None:
    x = np.linspace(-3, 3, 7)
    of_source, of_target = norm.pdf(x), norm.pdf(x, loc=1)
    weights = importance_weights(torch.from_numpy(np.log(of_source / of_target))).numpy()
    share = of_target / (of_source + of_target)  # what the best discriminator says
    np.testing.assert_allclose(weights, share / share.mean())
    assert (np.diff(weights) > 0).all()


def test_a_batch_that_is_surely_of_the_source_has_finite_weights_and_no_gradient() -> None:
    z = torch.tensor([200.0, 201.0, 300.0], requires_grad=True)
    weights = importance_weights(z)
    assert weights.isfinite().all() and not weights.requires_grad
    assert weights.mean().item() == pytest.approx(1.0)
    assert importance_weights(torch.tensor([5.0])).item() == 1.0


def test_more_than_one_logit_is_refused() -> None:
    with pytest.raises(AdaptError, match="importance_weights expects one logit per source sample"):
        importance_weights(torch.zeros(3, 2))
