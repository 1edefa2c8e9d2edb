"""InfoNCE against the paper's sums in NumPy."""

import numpy as np
import pytest
import torch

from adapt.errors import AdaptError
from adapt.losses import info_nce


def by_hand(a: np.ndarray, b: np.ndarray, temperature: float) -> float:
    total = 0.0
    for one, other in ((a, b), (b, a)):
        for i in range(len(one)):
            cosines = [one[i] @ other[j] / np.linalg.norm(one[i]) / np.linalg.norm(other[j]) for j in range(len(other))]
            odds = np.exp(np.array(cosines) / temperature)
            total -= np.log(odds[i] / odds.sum())
    return total / (2 * len(a))


@pytest.mark.parametrize("temperature", [0.07, 0.5, 2.0])
def test_it_is_the_papers_sum(temperature: float) -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(7, 5)), rng.normal(size=(7, 5))
    found = info_nce(torch.tensor(a), torch.tensor(b), temperature=temperature)
    assert found.item() == pytest.approx(by_hand(a, b, temperature), rel=1e-10)


def test_its_gradient_is_right_and_brings_pairs_together() -> None:
    torch.manual_seed(0)
    a, b = torch.randn(4, 3, dtype=torch.double, requires_grad=True), torch.randn(4, 3, dtype=torch.double)
    assert torch.autograd.gradcheck(lambda x: info_nce(x, b), (a,))
    before = info_nce(a, b)
    before.backward()
    assert a.grad is not None
    assert info_nce(a.detach() - 0.01 * a.grad, b) < before


def test_pairs_that_agree_cost_nothing_and_the_order_of_pairs_does_not_matter() -> None:
    torch.manual_seed(0)
    a, b = torch.randn(6, 8), torch.randn(6, 8)
    assert info_nce(torch.eye(6), torch.eye(6)) < 1e-4
    order = torch.randperm(6)
    assert torch.allclose(info_nce(a, b), info_nce(b[order], a[order]))
    assert torch.isfinite(info_nce(a.half(), b.half())) and info_nce(a.half(), b.half()).dtype == torch.float32


def test_what_is_no_pair_of_views_is_refused() -> None:
    for a, b, options in (
        (torch.ones(3, 2), torch.ones(4, 2), {}),
        (torch.ones(1, 2), torch.ones(1, 2), {}),
        (torch.ones(3, 2), torch.ones(3, 3), {}),
        (torch.ones(3, 2), torch.ones(3, 2), {"temperature": 0.0}),
    ):
        with pytest.raises(AdaptError, match="expects"):
            info_nce(a, b, **options)
