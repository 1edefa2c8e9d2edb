"""GVB's weights against SciPy's entropy."""

import numpy as np
import pytest
import torch
from scipy.special import softmax
from scipy.stats import entropy

from adapt.errors import AdaptError
from adapt.losses import certainty_weights
from adapt.methods import GVB
from tests.toy import build


def logits(n: int = 5, m: int = 8, k: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(4)
    return tuple(2 * torch.randn(rows, k, generator=draw, dtype=torch.float64) for rows in (n, m))


def test_weights_are_exp_of_minus_scipys_entropy_with_mean_1_in_each_domain() -> None:
    for found, x in zip(certainty_weights(*logits()), logits(), strict=True):
        raw = np.exp(-entropy(softmax(x.numpy(), 1), axis=1))
        np.testing.assert_allclose(found.numpy(), raw / raw.mean())


def test_the_gradient_is_that_with_a_fixed_mean() -> None:
    source, target = (x.requires_grad_() for x in logits())
    found = torch.autograd.grad(certainty_weights(source, target)[0] @ torch.arange(5.0).double(), source)[0]
    mean = float(np.exp(-entropy(softmax(source.detach().numpy(), 1), axis=1)).mean())
    p = source.softmax(1)
    raw = torch.exp((p * p.log()).sum(1)) / mean
    torch.testing.assert_close(found, torch.autograd.grad(raw @ torch.arange(5.0).double(), source)[0])


def test_predictions_have_the_bridge_taken_off() -> None:
    method = build(GVB, discriminator_hidden=8)
    x = torch.randn(3, 8)
    features, found = method(x)
    torch.testing.assert_close(found, method.classifier(features) - method.bridge(features))
    plain = build(GVB, discriminator_hidden=8, bridge_weight=0.0, discriminator_bridge_weight=0.0)
    features, found = plain(x)
    torch.testing.assert_close(found, plain.classifier(features))
    assert "bridge.weight" not in plain.state_dict()


def test_bad_arguments_are_named() -> None:
    with pytest.raises(AdaptError, match="weights of at least 0"):
        build(GVB, bridge_weight=-1.0)
    with pytest.raises(AdaptError, match="discriminator_layers 0"):
        build(GVB, discriminator_layers=0)
    with pytest.raises(AdaptError, match="certainty_weights expects"):
        certainty_weights(torch.zeros(3), torch.zeros(3))
