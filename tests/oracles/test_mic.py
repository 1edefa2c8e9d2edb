"""MIC's loss against scikit-learn, its masks against counts, and the teacher's decay."""

import pytest
import torch
from scipy.special import softmax
from sklearn.metrics import log_loss

from adapt.errors import AdaptError
from adapt.layers import hide_blocks
from adapt.losses import masked_consistency
from adapt.methods import MIC
from tests.toy import build


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return 2 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_loss_is_the_weighted_log_loss_over_all_samples() -> None:
    masked, teacher = draw(9, 4), draw(9, 4, seed=1)
    q = softmax(teacher.numpy(), 1)
    total = log_loss(q.argmax(1), softmax(masked.numpy(), 1), labels=range(4), sample_weight=q.max(1), normalize=False)
    assert masked_consistency(masked, teacher).item() == pytest.approx(total / 9)


def test_the_gradient_equals_finite_differences_and_the_teacher_has_none() -> None:
    masked, teacher = draw(5, 3).requires_grad_(), draw(5, 3, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda z: masked_consistency(z, teacher), (masked,))
    masked_consistency(masked, teacher).backward()
    assert teacher.grad is None


def test_blocks_are_hidden_as_a_whole_in_every_channel_and_as_often_as_asked() -> None:
    torch.manual_seed(0)
    found = hide_blocks(torch.ones(500, 3, 8, 8), blocks=4, rate=0.7)
    cells = found.unflatten(2, (4, 2)).unflatten(4, (4, 2))
    assert torch.equal(cells.amin((3, 5)), cells.amax((3, 5)))
    assert torch.equal(found[:, 0], found[:, 1])
    assert found.mean().item() == pytest.approx(0.3, abs=0.02)
    assert not torch.equal(found[0], found[1])
    x = draw(2, 1, 7, 5)
    assert torch.equal(hide_blocks(x, blocks=3, rate=0.0), x)
    assert hide_blocks(x, blocks=3, rate=1.0).abs().sum() == 0


def test_what_is_no_image_and_too_many_blocks_are_named() -> None:
    with pytest.raises(AdaptError, match=r"images \(N, C, H, W\) to hide blocks of, found \(2, 3\)"):
        hide_blocks(torch.zeros(2, 3))
    with pytest.raises(AdaptError, match="between 1 and 4 blocks"):
        hide_blocks(torch.zeros(2, 3, 4, 5), blocks=5)
    with pytest.raises(AdaptError, match=r"masked_share in \[0, 1\]"):
        build(MIC, masked_share=1.5)


def test_the_teachers_decay_grows_to_its_bound() -> None:
    method = build(MIC, discriminator_hidden=4)
    assert [round(method.decay_after(t), 4) for t in (1, 2, 3, 9, 50)] == [0.5, 0.6667, 0.75, 0.9, 0.9]
