"""Consistency and class balance against NumPy and SciPy."""

import numpy as np
import pytest
import torch
from scipy.special import rel_entr, softmax
from scipy.stats import entropy

from adapt.errors import AdaptError
from adapt.losses import class_balance, consistency


def views(n: int = 12, k: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(3)
    student, teacher = (3 * torch.randn(n, k, generator=draw, dtype=torch.float64) for _ in range(2))
    return student, teacher


@pytest.mark.parametrize("threshold", [0.0, 0.8, 0.968])
def test_consistency_is_the_mean_squared_difference_where_the_teacher_is_certain(threshold: float) -> None:
    student, teacher = views(60)
    s, t = (softmax(x.numpy(), axis=1) for x in (student, teacher))
    certain = t.max(1) >= threshold
    assert 0 < certain.sum() < len(s) or threshold == 0
    expected = ((s - t)[certain] ** 2).sum() / s.size
    assert consistency(student, teacher, threshold=threshold).item() == pytest.approx(expected)


def test_views_that_agree_cost_nothing_and_only_the_student_learns() -> None:
    student, teacher = (x.requires_grad_() for x in views())
    assert consistency(student, student).item() == 0
    assert torch.autograd.gradcheck(lambda s: consistency(s, teacher), (student,))
    loss = consistency(student, teacher)
    loss.backward()
    assert teacher.grad is None
    assert student.grad is not None
    assert consistency(student - student.grad, teacher) < loss


def test_class_balance_equals_scipys_binary_cross_entropies_and_the_code_s_sum() -> None:
    logits = views()[0]
    p, u = softmax(logits.numpy(), axis=1).mean(0), 1 / 5
    expected = sum(entropy([u, 1 - u]) + rel_entr([u, 1 - u], [x, 1 - x]).sum() for x in p)
    assert class_balance(logits).item() == pytest.approx(expected, rel=1e-4)


def test_class_balance_is_least_for_balanced_predictions_however_certain() -> None:
    balanced, collapsed = 1e3 * torch.eye(4)[[0, 1, 2, 3]], 1e3 * torch.eye(4)[[2, 2, 2, 2]]
    least = 4 * entropy([1 / 4, 3 / 4])
    assert class_balance(balanced).item() == pytest.approx(least, rel=1e-4)
    assert class_balance(torch.zeros(3, 4)).item() == pytest.approx(least, rel=1e-4)
    assert np.isfinite(class_balance(collapsed).item())
    assert class_balance(collapsed).item() > 3 * least


def test_descending_class_balance_raises_the_rare_class() -> None:
    logits = (torch.randn(9, 3, dtype=torch.float64) + torch.tensor([0.0, 0.0, -3.0])).requires_grad_()
    assert torch.autograd.gradcheck(class_balance, (logits,))
    (gradient,) = torch.autograd.grad(class_balance(logits), logits)
    assert (logits - gradient).softmax(1).mean(0)[2] > logits.softmax(1).mean(0)[2]


def test_order_of_samples_does_not_matter() -> None:
    student, teacher = views()
    torch.testing.assert_close(consistency(student.flip(0), teacher.flip(0)), consistency(student, teacher))
    torch.testing.assert_close(class_balance(student.flip(0)), class_balance(student))


def test_bad_input_is_named() -> None:
    with pytest.raises(AdaptError, match="two views"):
        consistency(torch.zeros(4, 3), torch.zeros(4, 2))
    with pytest.raises(AdaptError, match="logits"):
        class_balance(torch.zeros(0, 3))
