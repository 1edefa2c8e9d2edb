"""L2-SP against NumPy and its closed-form gradient."""

import numpy as np
import pytest
import torch
from torch import nn

from adapt.backbones import MLP
from adapt.data import Labelled
from adapt.errors import AdaptError
from adapt.losses import l2_sp
from adapt.regularisers import L2SP, Network


def weights(seed: int) -> list[torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return [torch.randn(*shape, generator=draw, dtype=torch.float64) for shape in ((3, 5), (3,), (2, 1, 4))]


def network(seed: int) -> Network:
    torch.manual_seed(seed)
    return Network(MLP((5,), (4,)), nn.Linear(4, 3), nn.Linear(3, 2)).double()


def test_equals_numpys_squared_distance() -> None:
    now, start = weights(0), weights(1)
    expected = sum(((a.numpy() - b.numpy()) ** 2).sum() for a, b in zip(now, start, strict=True)) / 2
    assert l2_sp(now, start).item() == pytest.approx(expected)
    assert l2_sp(now).item() == pytest.approx(sum((a.numpy() ** 2).sum() for a in now) / 2)


def test_gradient_equals_finite_differences_and_leads_back_to_the_start() -> None:
    now, start = [w.requires_grad_() for w in weights(0)], weights(1)
    assert torch.autograd.gradcheck(lambda *w: l2_sp(w, start), now)
    for w, w0, gradient in zip(now, start, torch.autograd.grad(l2_sp(now, start), now), strict=True):
        torch.testing.assert_close(gradient, w.detach() - w0)


def test_half_precision_does_not_overflow() -> None:
    now = [torch.full((40, 40), 30.0).half()]
    assert l2_sp(now).item() == pytest.approx(720_000)


def test_the_regulariser_weighs_shared_and_new_parts() -> None:
    start, now = network(0), network(1)
    regulariser = L2SP(weight=0.3, new_weight=0.7, new=["classifier"])
    regulariser.attach(start)
    batch = Labelled(torch.zeros(2, 5).double(), torch.zeros(2).long(), torch.arange(2))
    found = regulariser(now, batch, now(batch.x))

    def flat(module: nn.Module) -> np.ndarray:
        return torch.cat([p.detach().flatten() for p in module.parameters()]).numpy()

    shared = ((flat(now.backbone) - flat(start.backbone)) ** 2).sum()
    shared += ((flat(now.bottleneck) - flat(start.bottleneck)) ** 2).sum()
    assert found.item() == pytest.approx(0.3 * shared / 2 + 0.7 * (flat(now.classifier) ** 2).sum() / 2)
    found.backward()
    assert not any(p.requires_grad for p in regulariser.parameters())
    torch.testing.assert_close(now.classifier.weight.grad, 0.7 * now.classifier.weight.detach())


def test_an_untouched_network_costs_nothing() -> None:
    now = network(0)
    regulariser = L2SP()
    regulariser.attach(now)
    batch = Labelled(torch.zeros(1, 5).double(), torch.zeros(1).long(), torch.arange(1))
    assert regulariser(now, batch, now(batch.x)).item() == 0


def test_bad_input_is_named() -> None:
    with pytest.raises(AdaptError, match="shapes"):
        l2_sp([torch.zeros(2)], [torch.zeros(3)])
    with pytest.raises(AdaptError, match="at least one"):
        l2_sp([])
    with pytest.raises(AdaptError, match="at least 0"):
        L2SP(weight=-0.1)
