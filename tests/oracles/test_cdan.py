"""CDAN's conditioning against NumPy, SciPy and scikit-learn."""

import numpy as np
import pytest
import torch
from scipy.special import expit, softmax
from scipy.stats import entropy
from sklearn.metrics import log_loss

from adapt.errors import AdaptError
from adapt.losses import domain_adversarial, entropy_weights, multilinear


def draw(*shape: int, seed: int = 3) -> torch.Tensor:
    return 2 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_product_is_the_kronecker_product_of_features_and_softmax() -> None:
    features, logits = draw(7, 4), draw(7, 3, seed=4)
    expected = [np.kron(f, softmax(g)) for f, g in zip(features.numpy(), logits.numpy(), strict=True)]
    np.testing.assert_allclose(multilinear(features, logits), expected)


def test_the_random_map_estimates_the_product_s_inner_products() -> None:
    features, logits = draw(5, 4), draw(5, 3, seed=4)
    full = multilinear(features, logits)
    maps = (draw(4, 200_000, seed=5) / 2, draw(3, 200_000, seed=6) / 2)
    projected = multilinear(features, logits, maps=maps)
    assert projected.shape == (5, 200_000)
    torch.testing.assert_close(projected @ projected.T, full @ full.T, atol=0.3, rtol=0.05)
    f, p = features[0].numpy(), softmax(logits[0].numpy())
    expected = (maps[0].numpy().T @ f) * (maps[1].numpy().T @ p) / np.sqrt(200_000)
    np.testing.assert_allclose(projected[0], expected)


def test_the_gradient_reaches_the_features_and_not_the_predictions() -> None:
    features, logits = draw(6, 4).requires_grad_(), draw(6, 3).requires_grad_()
    assert torch.autograd.gradcheck(lambda f: multilinear(f, logits.detach()), (features,))
    multilinear(features, logits).square().sum().backward()
    assert features.grad is not None
    assert features.grad.abs().min() > 0
    assert logits.grad is None


def test_the_weights_are_one_plus_exp_of_the_negative_entropy_over_their_joint_mean() -> None:
    source, target = draw(5, 3), draw(11, 3, seed=4).requires_grad_()
    raw = [1 + np.exp(-entropy(softmax(x.detach().numpy(), axis=1), axis=1)) for x in (source, target)]
    mean = np.concatenate(raw).mean()
    for found, expected in zip(entropy_weights(source, target), raw, strict=True):
        np.testing.assert_allclose(found, expected / mean)
        assert not found.requires_grad


def test_the_weights_gradient_takes_their_mean_for_constant_and_is_none_unless_asked_for() -> None:
    source, target = draw(6, 3).requires_grad_(), draw(5, 3, seed=4).requires_grad_()
    assert not entropy_weights(source, target)[0].requires_grad
    factors = draw(11, seed=5)
    weights = torch.cat(entropy_weights(source, target, gradient=True))
    found = torch.autograd.grad(weights @ factors, (source, target))
    both = [x.detach().clone().requires_grad_() for x in (source, target)]
    p = torch.cat(both).softmax(1)
    raw = 1 + (p * p.log()).sum(1).exp()
    expected = torch.autograd.grad(raw @ factors / raw.mean().item(), both)
    for one, other in zip(found, expected, strict=True):
        assert one.abs().max() > 1e-3
        torch.testing.assert_close(one, other)


def test_a_certain_sample_weighs_twice_an_undecided_one_of_many_classes() -> None:
    certain, undecided = torch.zeros(1, 10_000), torch.zeros(4, 10_000)
    certain[0, 7] = 1e4
    of_certain, of_undecided = entropy_weights(certain, undecided)
    torch.testing.assert_close(of_certain / of_undecided[0], torch.tensor([2.0]), rtol=1e-3, atol=0)
    torch.testing.assert_close((of_certain.sum() + of_undecided.sum()) / 5, torch.tensor(1.0))


def test_the_weighted_domain_loss_is_the_mean_of_weighted_log_losses() -> None:
    source, target = draw(5), draw(12, seed=4)
    weights = (draw(5, seed=5).abs(), draw(12, seed=6).abs())
    found = domain_adversarial(source, target, weights=weights)
    sides = [
        log_loss([label] * len(x), expit(x.numpy()), sample_weight=w.numpy(), labels=[0, 1]) * w.numpy().mean()
        for label, x, w in ((1, source, weights[0]), (0, target, weights[1]))
    ]
    assert found.item() == pytest.approx(sum(sides) / 2)
    equal = (torch.ones(5, dtype=torch.float64), torch.ones(12, dtype=torch.float64))
    torch.testing.assert_close(domain_adversarial(source, target, weights=equal), domain_adversarial(source, target))


def test_order_of_samples_does_not_matter() -> None:
    source, target = draw(5, 3), draw(11, 3, seed=4)
    order = torch.randperm(11, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(entropy_weights(source, target[order])[1], entropy_weights(source, target)[1][order])
    torch.testing.assert_close(multilinear(draw(11, 4)[order], target[order]), multilinear(draw(11, 4), target)[order])


def test_half_precision_is_kept_for_features_and_left_for_weights() -> None:
    assert multilinear(draw(5, 4).half(), draw(5, 3).half()).dtype == torch.float16
    source, target = draw(5, 3).half(), draw(8, 3).half()
    found = entropy_weights(source, target)[1].double()
    torch.testing.assert_close(found, entropy_weights(source.double(), target.double())[1], rtol=1e-5, atol=0)


def test_bad_input_is_named() -> None:
    with pytest.raises(AdaptError, match="same samples"):
        multilinear(torch.zeros(4, 3), torch.zeros(5, 2))
    with pytest.raises(AdaptError, match=r"maps \(3, D\) and \(2, D\)"):
        multilinear(torch.zeros(4, 3), torch.zeros(4, 2), maps=(torch.zeros(3, 9), torch.zeros(2, 8)))
    with pytest.raises(AdaptError, match="one width"):
        entropy_weights(torch.zeros(4, 3), torch.zeros(4, 2))
    with pytest.raises(AdaptError, match="one weight per target sample"):
        domain_adversarial(torch.zeros(4), torch.zeros(4), weights=(torch.ones(4), torch.ones(3)))
