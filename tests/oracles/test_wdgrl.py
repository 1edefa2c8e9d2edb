"""The Wasserstein critic's objective against POT, closed forms and finite differences."""

import numpy as np
import ot
import pytest
import torch
from torch import nn

from adapt.errors import AdaptError
from adapt.losses import critic_gap, gradient_penalty


def features(n: int = 5, m: int = 8, d: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(7)
    source = torch.randn(n, d, generator=draw, dtype=torch.float64)
    return source, torch.randn(m, d, generator=draw, dtype=torch.float64) + 2


def smooth_critic(d: int = 3) -> nn.Module:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(d, 6), nn.Tanh(), nn.Linear(6, 1), nn.Flatten(0)).double()
    with torch.no_grad():
        network[2].weight *= 4
    return network


def mixes(count: int = 8) -> torch.Tensor:
    return torch.rand(count, 1, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_the_gap_of_the_best_critic_of_a_translation_is_pots_distance() -> None:
    target, _ = features()
    shift = torch.tensor([0.6, 0.0, -0.8], dtype=torch.float64)
    source = target + 3 * shift
    expected = ot.emd2([], [], ot.dist(source.numpy(), target.numpy(), metric="euclidean"))
    assert critic_gap(source @ shift, target @ shift).item() == pytest.approx(expected)


def test_the_gap_of_any_critic_of_slope_one_is_at_most_pots_distance() -> None:
    source, target = features()
    most = ot.emd2([], [], ot.dist(source.numpy(), target.numpy(), metric="euclidean"))
    directions = torch.nn.functional.normalize(torch.randn(50, 3, dtype=torch.float64), dim=1)
    assert all(critic_gap(source @ w, target @ w) <= most for w in directions)


def test_each_domain_weighs_the_same_and_the_signs_are_the_duality_s() -> None:
    source, target = (x[:, :1].clone().requires_grad_() for x in features())
    torch.testing.assert_close(critic_gap(source.repeat(4, 1), target), critic_gap(source, target))
    critic_gap(source, target).backward()
    torch.testing.assert_close(source.grad, torch.full((5, 1), 1 / 5, dtype=torch.float64))
    torch.testing.assert_close(target.grad, torch.full((8, 1), -1 / 8, dtype=torch.float64))


@pytest.mark.parametrize(("n", "m"), [(5, 8), (8, 3), (1, 4)])
def test_the_penalty_equals_finite_differences_of_the_critic_at_ends_and_between(n: int, m: int) -> None:
    source, target = features(n, m)
    critic, mix, count = smooth_critic(), mixes(max(n, m)), max(n, m)
    s, t, a = source.numpy(), target.numpy(), mix.numpy()
    between = [t[i % m] + a[i] * (s[i % n] - t[i % m]) for i in range(count)]
    terms = []
    for point in (*s, *t, *between):
        ends = torch.from_numpy(point + 1e-5 * np.concatenate([np.eye(3), -np.eye(3)]))
        up, down = critic(ends).detach().numpy().reshape(2, 3)
        terms.append((np.linalg.norm((up - down) / 2e-5) - 1) ** 2)
    assert len(terms) == n + m + count
    assert gradient_penalty(critic, source, target, mix=mix).item() == pytest.approx(np.mean(terms), rel=1e-6)


def test_a_linear_critic_has_the_closed_form_and_descent_leads_to_slope_one() -> None:
    source, target = features()
    weight = torch.tensor([3.0, 0.0, 4.0], dtype=torch.float64, requires_grad=True)
    penalty = gradient_penalty(lambda h: h @ weight, source, target)
    assert penalty.item() == pytest.approx((5 - 1) ** 2)
    penalty.backward()
    torch.testing.assert_close(weight.grad, 2 * (5 - 1) * weight.detach() / 5)


def test_the_gradient_in_the_critic_s_weights_equals_finite_differences_and_the_features_get_none() -> None:
    source, target = (x.requires_grad_() for x in features())
    critic, mix = smooth_critic(), mixes()
    parameters = [p for p in critic.parameters() if p.ndim == 2]

    def penalty(*_: torch.Tensor) -> torch.Tensor:
        return gradient_penalty(critic, source, target, mix=mix)

    assert torch.autograd.gradcheck(penalty, parameters)
    penalty().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 1e-3 for p in parameters)
    assert source.grad is None
    assert target.grad is None


def test_a_flat_critic_has_penalty_one_and_a_finite_gradient() -> None:
    critic = smooth_critic()
    nn.init.zeros_(critic[2].weight)
    penalty = gradient_penalty(critic, *features())
    penalty.backward()
    assert penalty.item() == pytest.approx(1)
    assert all(p.grad is None or p.grad.isfinite().all() for p in critic.parameters())


def test_half_precision_features_and_autocast_give_the_full_precision_value() -> None:
    source, target = (x.half() for x in features())
    critic = smooth_critic().float()
    expected = gradient_penalty(critic, source.float(), target.float(), mix=mixes().float())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(gradient_penalty(critic, source, target, mix=mixes().float()), expected)


def test_bad_input_is_named() -> None:
    with pytest.raises(AdaptError, match="at least one value"):
        critic_gap(torch.zeros(0), torch.zeros(4))
    with pytest.raises(AdaptError, match="one width"):
        gradient_penalty(torch.sum, torch.zeros(4, 3), torch.zeros(4, 2))
    with pytest.raises(AdaptError, match=r"mix of shape \(5, 1\)"):
        gradient_penalty(torch.sum, torch.zeros(4, 3), torch.zeros(5, 3), mix=torch.zeros(5))
