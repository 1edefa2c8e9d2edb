"""ToAlign's features against the gradient of the class's logit, which they are weighted by."""

import numpy as np
import pytest
import torch

from adapt.errors import AdaptError
from adapt.losses import task_features
from adapt.methods import ToAlign
from tests.toy import build


def draw(seed: int) -> torch.Tensor:
    return torch.randn(6, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_equals_the_papers_formula_and_keeps_the_length() -> None:
    f, w = draw(0), draw(1)
    found = task_features(f, w).numpy()
    for i in range(6):
        kept = f[i].numpy() * w[i].numpy()
        np.testing.assert_allclose(found[i], kept * np.linalg.norm(f[i]) / np.linalg.norm(kept))
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), f.norm(dim=1))


def test_a_scale_of_the_weights_changes_nothing_and_they_have_no_gradient() -> None:
    f, w = draw(0).requires_grad_(), draw(1).requires_grad_()
    torch.testing.assert_close(task_features(f, 7 * w), task_features(f, w))
    assert torch.autograd.gradcheck(lambda x: task_features(x, w.detach()), (f,))
    task_features(f, w).sum().backward()
    assert w.grad is None


def test_silent_features_stay_0_with_a_finite_gradient() -> None:
    f = torch.tensor([[0.0, 0.0], [0.0, 2.0]], requires_grad=True)
    found = task_features(f, torch.tensor([[1.0, 1.0], [1.0, 0.0]]))
    assert torch.equal(found, torch.zeros(2, 2))
    found.sum().backward()
    assert f.grad is not None
    assert f.grad.isfinite().all()


def test_the_weights_are_the_gradient_of_the_own_classs_logit() -> None:
    method, x, y = build(ToAlign, discriminator_hidden=8), torch.randn(4, 8), torch.tensor([2, 0, 3, 3])
    encoding = method(x)
    (gradient,) = torch.autograd.grad(encoding.logits.gather(1, y[:, None]).sum(), encoding.features, retain_graph=True)
    seen, other = method.domains_seen(encoding, encoding, y)
    torch.testing.assert_close(seen, task_features(encoding.features, gradient))
    assert other is encoding.features


def test_bad_shapes_are_named() -> None:
    with pytest.raises(AdaptError, match="as many weights"):
        task_features(draw(0), draw(1)[:3])
