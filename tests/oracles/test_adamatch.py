"""AdaMatch's alignment and bar against the paper's sums, written out in NumPy."""

import numpy as np
import pytest
import torch
from scipy.special import log_softmax, softmax

from adapt.errors import AdaptError
from adapt.losses import adamatch, aligned


def draw(n: int, k: int, seed: int) -> torch.Tensor:
    return 2 * torch.randn(n, k, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


SOURCE, TARGET = torch.tensor([0.5, 0.3, 0.2]).double(), torch.tensor([0.1, 0.6, 0.3]).double()


def aligned_by_hand(logits: np.ndarray) -> np.ndarray:
    moved = softmax(logits, 1) * [
        (s + 1e-6) / (t + 1e-6) for s, t in zip(SOURCE.tolist(), TARGET.tolist(), strict=True)
    ]
    return np.stack([row / row.sum() for row in moved])


def test_alignment_equals_the_papers_formula() -> None:
    x = draw(9, 3, 0)
    np.testing.assert_allclose(aligned(x, SOURCE, TARGET).numpy(), aligned_by_hand(x.numpy()), rtol=1e-10)


def test_equal_shares_change_nothing_and_the_alignment_has_no_gradient() -> None:
    x = draw(9, 3, 0).requires_grad_()
    found = aligned(x, SOURCE, SOURCE)
    torch.testing.assert_close(found, x.softmax(1).detach())
    assert not found.requires_grad


@pytest.mark.parametrize("threshold", [0.5, 0.9, 1.0])
def test_the_loss_equals_the_papers_sum(threshold: float) -> None:
    strong, weak, source = draw(12, 3, 1), draw(12, 3, 0), draw(7, 3, 2)
    taught = aligned_by_hand(weak.numpy())
    bar = threshold * np.mean([row.max() for row in softmax(source.numpy(), 1)])
    each = [-log_softmax(strong.numpy()[i])[taught[i].argmax()] * (taught[i].max() >= bar) for i in range(12)]
    assert 0 < sum(value > 0 for value in each) < 12 or threshold == 0.5
    found = adamatch(strong, torch.from_numpy(taught), source, threshold=threshold)
    assert found.item() == pytest.approx(np.mean(each))


def test_only_the_strong_view_learns() -> None:
    strong, taught, source = (x.requires_grad_() for x in (draw(5, 3, 1), draw(5, 3, 0).softmax(1), draw(5, 3, 2)))
    adamatch(strong, taught, source, threshold=0.2).backward()
    assert strong.grad is not None
    assert strong.grad.abs().sum() > 0
    assert source.grad is None
    assert torch.autograd.gradcheck(lambda s: adamatch(s, taught, source, threshold=0.2), (strong,))


def test_bad_input_is_named() -> None:
    with pytest.raises(AdaptError, match="one target share for each of 3"):
        aligned(draw(5, 3, 0), SOURCE, TARGET[:2])
    with pytest.raises(AdaptError, match="two views"):
        adamatch(draw(5, 3, 0), draw(4, 3, 0).softmax(1), draw(5, 3, 0))
    with pytest.raises(AdaptError, match=r"threshold in \[0, 1\]"):
        adamatch(draw(5, 3, 0), draw(5, 3, 0).softmax(1), draw(5, 3, 0), threshold=1.5)
