"""The pseudo-label loss against scikit-learn's log loss over the certain samples."""

import pytest
import torch
from scipy.special import softmax
from sklearn.metrics import log_loss

from adapt.errors import AdaptError
from adapt.losses import confident, fixmatch


def views(n: int = 12, k: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(3)
    strong, weak = (3 * torch.randn(n, k, generator=draw, dtype=torch.float64) for _ in range(2))
    return strong, weak


@pytest.mark.parametrize("threshold", [0.7, 0.95])
def test_equals_the_certain_samples_summed_log_loss_by_the_whole_batch(threshold: float) -> None:
    strong, weak = views()
    q = softmax(weak.numpy(), axis=1)
    certain = q.max(1) >= threshold
    assert 0 < certain.sum() < len(q)
    p = softmax(strong.numpy(), axis=1)[certain]
    expected = log_loss(q.argmax(1)[certain], p, labels=range(4)) * certain.sum() / len(q)
    assert fixmatch(strong, weak, threshold=threshold).item() == pytest.approx(expected)


def test_the_default_threshold_is_the_papers() -> None:
    strong, weak = views(200)
    assert fixmatch(strong, weak) == fixmatch(strong, weak, threshold=0.95) != fixmatch(strong, weak, threshold=0.9)


def test_the_threshold_itself_is_certain_enough() -> None:
    halves = torch.zeros(3, 2)
    assert confident(halves, 0.5).all()
    assert not confident(halves, 0.51).any()


def test_only_the_strong_view_of_certain_samples_learns_and_descending_raises_the_pseudo_label() -> None:
    strong, weak = (x.requires_grad_() for x in views())
    assert torch.autograd.gradcheck(lambda s: fixmatch(s, weak), (strong,))
    fixmatch(strong, weak).backward()
    certain, label = confident(weak, 0.95), weak.argmax(1)
    assert weak.grad is None
    assert strong.grad is not None
    assert (strong.grad[~certain] == 0).all()
    assert (strong.grad.gather(1, label[:, None])[certain] < 0).all()


def test_without_certain_samples_value_and_gradient_are_zero() -> None:
    strong = torch.randn(5, 3, requires_grad=True)
    loss = fixmatch(strong, torch.zeros(5, 3))
    loss.backward()
    assert loss.item() == 0
    assert strong.grad is not None
    assert (strong.grad == 0).all()


def test_order_of_samples_does_not_matter() -> None:
    strong, weak = views()
    torch.testing.assert_close(fixmatch(strong.flip(0), weak.flip(0)), fixmatch(strong, weak))


def test_bad_input_is_named() -> None:
    with pytest.raises(AdaptError, match="two views"):
        fixmatch(torch.zeros(4, 3), torch.zeros(5, 3))
    with pytest.raises(AdaptError, match="logits"):
        fixmatch(torch.zeros(4), torch.zeros(4))
    with pytest.raises(AdaptError, match=r"threshold in \[0, 1\]"):
        fixmatch(torch.zeros(4, 3), torch.zeros(4, 3), threshold=95)
