"""Co-Tuning's relationship against NumPy, its calibration against SciPy."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from torch import nn

from adapt.backbones import Identity
from adapt.data import Labelled
from adapt.errors import AdaptError
from adapt.losses import calibration_temperature, category_relationship, co_tuning
from adapt.regularisers import CoTuning, Network


def predictions(n: int, classes: int, seed: int = 0, sharpness: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    y = torch.randint(classes, (n,), generator=draw)
    noise = torch.randn(n, classes, generator=draw, dtype=torch.float64)
    return sharpness * (noise + 1.5 * nn.functional.one_hot(y, classes)), y


def test_the_relationship_is_the_mean_prediction_of_each_class() -> None:
    logits, _ = predictions(11, 5)
    y = torch.tensor([0, 2, 2, 0, 2, 0, 0, 2, 2, 2, 3])
    found = category_relationship(logits, y, 4, temperature=1.7)
    p = softmax(logits.numpy() / 1.7, axis=1)
    for k in (0, 2, 3):
        np.testing.assert_allclose(found[k], p[y.numpy() == k].mean(0))
    np.testing.assert_allclose(found[1], 0.2)
    np.testing.assert_allclose(found.sum(1), 1)


def test_the_loss_is_numpys_cross_entropy_with_soft_labels() -> None:
    logits, _ = predictions(7, 4)
    soft = predictions(7, 4, seed=1)[0].softmax(1)
    expected = -(soft.numpy() * log_softmax(logits.numpy(), axis=1)).sum(1).mean()
    assert co_tuning(logits, soft).item() == pytest.approx(expected)
    assert torch.autograd.gradcheck(lambda z: co_tuning(z, soft), logits.requires_grad_())


@pytest.mark.parametrize("sharpness", [0.4, 1.0, 3.0])
def test_the_temperature_is_scipys_minimum(sharpness: float) -> None:
    logits, y = predictions(400, 5, sharpness=sharpness)

    def loss(log_temperature: float) -> float:
        p = log_softmax(logits.numpy() / np.exp(log_temperature), axis=1)
        return float(-p[np.arange(len(y)), y.numpy()].mean())

    best = minimize_scalar(loss, bounds=(np.log(0.1), np.log(10)), method="bounded", options={"xatol": 1e-9})
    assert calibration_temperature(logits, y) == pytest.approx(np.exp(best.x), rel=1e-4)


def test_scaled_logits_have_a_scaled_temperature_and_a_perfect_classifier_the_lowest() -> None:
    logits, y = predictions(400, 5)
    assert calibration_temperature(3 * logits, y) == pytest.approx(3 * calibration_temperature(logits, y))
    assert calibration_temperature(10.0 * nn.functional.one_hot(y, 5), y) == pytest.approx(0.1)


def test_the_second_head_starts_as_the_classifier_and_the_relationship_is_calibrated() -> None:
    torch.manual_seed(0)
    network = Network(Identity((3,)), nn.Identity(), nn.Linear(3, 4))
    regulariser = CoTuning(weight=2.0)
    regulariser.attach(Network(Identity((3,)), nn.Identity(), nn.Linear(3, 4)))
    draw = torch.Generator().manual_seed(1)
    few, held = (Labelled(torch.randn(n, 3, generator=draw), torch.arange(n) % 4, torch.arange(n)) for n in (8, 40))
    regulariser.begin(network, [few], [Labelled(*(p[:30] for p in held[:3])), Labelled(*(p[30:] for p in held[:3]))])
    with torch.no_grad():
        temperature = calibration_temperature(network(held.x).logits, held.y, lowest=1.0)
        expected = softmax(network(few.x).logits.numpy() / temperature, axis=1)
    relationship = np.stack([expected[few.y.numpy() == k].mean(0) for k in range(4)])
    np.testing.assert_allclose(regulariser.relationship, relationship, rtol=1e-5)
    encoding = network(few.x)
    found = regulariser(network, few, encoding)
    z = log_softmax(encoding.logits.detach().numpy(), axis=1)
    assert found.item() == pytest.approx(-2 * (relationship[few.y.numpy()] * z).sum(1).mean(), rel=1e-5)
    assert all(p.requires_grad for p in regulariser.head.parameters())
    assert regulariser.head.weight is not network.classifier.weight


def test_bad_input_is_named() -> None:
    with pytest.raises(AdaptError, match="one soft label per sample"):
        co_tuning(torch.zeros(3, 4), torch.zeros(3, 5))
    with pytest.raises(AdaptError, match="one class per sample"):
        category_relationship(torch.zeros(3, 4), torch.zeros(2).long(), 4)
