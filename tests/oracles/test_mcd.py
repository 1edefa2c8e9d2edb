"""The discrepancy of two classifiers against NumPy and POT."""

from typing import Literal

import numpy as np
import ot
import pytest
import torch
from scipy.special import softmax

from adapt.errors import AdaptError
from adapt.losses import class_shares, classifier_discrepancy

Kind = Literal["l1", "sliced_wasserstein"]
KINDS: tuple[Kind, ...] = ("l1", "sliced_wasserstein")


def logits(n: int = 9, k: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(6)
    first, second = (2 * torch.randn(n, k, generator=draw, dtype=torch.float64) for _ in range(2))
    return first, second


def seeded(first: torch.Tensor, second: torch.Tensor, kind: Kind) -> torch.Tensor:
    torch.manual_seed(1)
    return classifier_discrepancy(first, second, kind=kind)


def test_l1_is_the_mean_over_samples_and_classes() -> None:
    first, second = logits()
    expected = np.abs(softmax(first.numpy(), axis=1) - softmax(second.numpy(), axis=1)).mean()
    assert classifier_discrepancy(first, second).item() == pytest.approx(expected)


def test_sliced_wasserstein_equals_pots_on_the_same_directions() -> None:
    first, second = logits()
    torch.manual_seed(1)
    directions = torch.randn(4, 128, dtype=torch.float64).numpy()
    directions /= np.linalg.norm(directions, axis=0)
    p, q = (softmax(x.numpy(), axis=1) for x in (first, second))
    expected = ot.sliced_wasserstein_distance(p, q, projections=directions) ** 2
    assert seeded(first, second, "sliced_wasserstein").item() == pytest.approx(expected)


@pytest.mark.parametrize("kind", KINDS)
def test_equal_heads_have_none_and_opposed_ones_the_most(kind: Kind) -> None:
    first, second = logits()
    assert seeded(first, first.clone() + 5, kind).item() == pytest.approx(0)
    certain = torch.eye(4, dtype=torch.float64) * 1e3
    opposed = seeded(certain[[0, 0, 0]], certain[[1, 1, 1]], kind)
    assert 0 < seeded(first, second, kind) < opposed
    assert opposed.item() == pytest.approx(0.5, rel=0.2 if kind == "sliced_wasserstein" else 1e-6)


def test_only_l1_compares_sample_with_sample() -> None:
    first, second = logits()
    torch.testing.assert_close(seeded(first.flip(0), second.flip(0), "l1"), seeded(first, second, "l1"))
    assert seeded(first, first.flip(0), "l1") > 0.1
    assert seeded(first, first.flip(0), "sliced_wasserstein").item() == pytest.approx(0)


@pytest.mark.parametrize("kind", KINDS)
def test_gradient_equals_finite_differences_and_each_direction_does_its_part(kind: Kind) -> None:
    first, second = (x.requires_grad_() for x in logits())
    assert torch.autograd.gradcheck(lambda a, b: seeded(a, b, kind), (first, second))
    value = seeded(first, second, kind)
    gradients = torch.autograd.grad(value, (first, second))
    assert all(g.abs().max() > 1e-3 for g in gradients)
    for step, sign in ((0.1, 1), (-0.1, -1)):
        moved = seeded(first + step * gradients[0], second + step * gradients[1], kind)
        assert sign * (moved - value) > 0


@pytest.mark.parametrize("kind", KINDS)
def test_half_precision_is_computed_in_full(kind: Kind) -> None:
    first, second = (x.half() for x in logits())
    torch.manual_seed(1)
    found = classifier_discrepancy(first, second, kind=kind)
    torch.manual_seed(1)
    torch.testing.assert_close(found, classifier_discrepancy(first.float(), second.float(), kind=kind))
    assert found.dtype == torch.float32


def test_bad_input_is_named() -> None:
    with pytest.raises(AdaptError, match="same samples"):
        classifier_discrepancy(torch.zeros(4, 3), torch.zeros(5, 3))
    with pytest.raises(AdaptError, match="'l2'"):
        classifier_discrepancy(torch.zeros(4, 3), torch.zeros(4, 3), kind="l2")  # type: ignore[arg-type]
    with pytest.raises(AdaptError, match="at least 1 projection"):
        classifier_discrepancy(torch.zeros(4, 3), torch.zeros(4, 3), kind="sliced_wasserstein", projections=0)


def test_class_shares_is_the_cross_entropy_of_the_mean_prediction_against_uniform() -> None:
    first, _ = logits()
    expected = -np.log(softmax(first.numpy(), axis=1).mean(0)).mean()
    assert class_shares(first).item() == pytest.approx(expected)
    assert class_shares(torch.zeros(5, 3)).item() == pytest.approx(np.log(3))
    torch.testing.assert_close(class_shares(first.flip(0)), class_shares(first))
    assert torch.autograd.gradcheck(class_shares, first.requires_grad_())


def test_class_shares_stays_finite_and_has_a_gradient_where_a_class_is_lost() -> None:
    collapsed = torch.tensor([[40.0, -200.0], [60.0, -200.0]], requires_grad=True)
    loss = class_shares(collapsed)
    loss.backward()
    assert torch.isfinite(loss)
    assert (collapsed.grad[:, 1] < -0.1).any()
    with pytest.raises(AdaptError, match="class_shares"):
        class_shares(torch.zeros(0, 3))
