"""The nuclear-norm Wasserstein discrepancy against NumPy's singular values, and its minimax against two gradients."""

import numpy as np
import pytest
import torch
from scipy.special import softmax
from torch import nn

from adapt.encoding import Encoding
from adapt.errors import AdaptError
from adapt.losses import nwd
from adapt.penalties import NWD


def logits(n: int = 7, m: int = 5, k: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(4)
    return tuple(3 * torch.randn(rows, k, generator=draw, dtype=torch.float64) for rows in (n, m))


@pytest.mark.parametrize(("n", "m", "k"), [(7, 5, 4), (3, 3, 9), (1, 2, 2)])
def test_equals_the_difference_of_numpys_nuclear_norms(n: int, m: int, k: int) -> None:
    source, target = logits(n, m, k)
    norms = [np.linalg.norm(softmax(x.numpy(), axis=1), "nuc") / len(x) for x in (source, target)]
    assert nwd(source, target).item() == pytest.approx(norms[0] - norms[1])


def test_equal_predictions_differ_by_nothing_and_exchange_changes_the_sign() -> None:
    source, target = logits()
    assert nwd(source, source.flip(0)).item() == pytest.approx(0, abs=1e-12)
    torch.testing.assert_close(nwd(source, target), -nwd(target, source))


def test_gradient_equals_finite_differences() -> None:
    source, target = (x.requires_grad_() for x in logits())
    assert torch.autograd.gradcheck(nwd, (source, target))


def test_the_classifier_maximises_and_the_features_minimise() -> None:
    draw = torch.Generator().manual_seed(3)
    classifier = nn.Linear(6, 4).double()
    features = [torch.randn(n, 6, generator=draw, dtype=torch.float64, requires_grad=True) for n in (7, 5)]
    plain = nwd(*(classifier(f) for f in features))
    of_weight, *of_features = torch.autograd.grad(plain, [classifier.weight, *features])
    penalty = NWD(0.3, schedule="constant", max_lambda=0.5)
    source, target = (Encoding(f, classifier(f)) for f in features)
    value = penalty.weight * penalty.classifier_value(source, target, classifier, 0.0, 0)
    found = torch.autograd.grad(value, [classifier.weight, *features])
    torch.testing.assert_close(found[0], -0.3 * of_weight)
    for one, other in zip(found[1:], of_features, strict=True):
        torch.testing.assert_close(one, 0.3 * 0.5 * other)


def test_half_precision_equals_full() -> None:
    source, target = (x.half() for x in logits(60, 50, 6))
    torch.testing.assert_close(
        nwd(source, target).double(), nwd(source.double(), target.double()), rtol=1e-4, atol=1e-6
    )


def test_bad_input_is_named() -> None:
    with pytest.raises(AdaptError, match="nwd expects features"):
        nwd(torch.zeros(5), torch.zeros(5))
    with pytest.raises(AdaptError, match="one width"):
        nwd(torch.zeros(5, 2), torch.zeros(5, 3))
