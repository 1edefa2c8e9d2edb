"""Cross-entropies of predictions against torch's with soft targets, and against SciPy."""

import numpy as np
import pytest
import torch
from scipy.special import log_softmax, softmax
from torch.nn.functional import cross_entropy

from adapt.errors import AdaptError
from adapt.losses import soft_cross_entropy, symmetric_cross_entropy


def pair() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return tuple(2 * torch.randn(6, 4, generator=generator, dtype=torch.float64) for _ in range(2))  # type: ignore[return-value]


def test_equals_torchs_with_soft_targets_and_teaches_one_way() -> None:
    student, teacher = pair()
    student.requires_grad_()
    teacher.requires_grad_()
    found = soft_cross_entropy(student, teacher)
    expected = cross_entropy(student, teacher.detach().softmax(1), reduction="none")
    torch.testing.assert_close(found, expected)
    found.sum().backward()
    assert teacher.grad is None
    assert student.grad is not None


def test_symmetric_is_the_weighted_sum_of_both_directions_with_gradient_to_both() -> None:
    student, teacher = (x.requires_grad_() for x in pair())
    p, q = (x.detach().numpy() for x in (student, teacher))
    forward = -(softmax(q, axis=1) * log_softmax(p, axis=1)).sum(1)
    backward = -(softmax(p, axis=1) * log_softmax(q, axis=1)).sum(1)
    for alpha in (0.0, 0.3, 0.5, 1.0):
        found = symmetric_cross_entropy(student, teacher, alpha)
        np.testing.assert_allclose(found.detach().numpy(), (1 - alpha) * forward + alpha * backward, rtol=1e-9)
    found.sum().backward()
    assert teacher.grad is not None
    torch.testing.assert_close(symmetric_cross_entropy(student, teacher), symmetric_cross_entropy(teacher, student))


def test_bad_input_is_named() -> None:
    with pytest.raises(AdaptError, match="two views"):
        soft_cross_entropy(torch.zeros(2, 3), torch.zeros(3, 3))
    with pytest.raises(AdaptError, match="alpha"):
        symmetric_cross_entropy(torch.zeros(2, 3), torch.zeros(2, 3), 1.5)
