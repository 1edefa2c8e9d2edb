"""CAN's discrepancy against one MMD per pair of classes, and its clusters against scikit-learn's k-means."""

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.preprocessing import normalize

from adapt.errors import AdaptError
from adapt.losses import contrastive_discrepancy, mmd, spherical_clusters


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_it_is_the_mean_mmd_within_classes_minus_that_between() -> None:
    s, t = draw(4, 3, 5), draw(4, 2, 5, seed=1) + 1
    each = np.array([[mmd(a, b, estimator="biased").item() for b in t] for a in s])
    within = np.trace(each)
    expected = within / 4 - (each.sum() - within) / 12
    assert contrastive_discrepancy(s, t).item() == pytest.approx(expected)
    assert contrastive_discrepancy(s[:1], t[:1]).item() == pytest.approx(each[0, 0])


def test_the_value_by_hand_with_one_kernel() -> None:
    s, t = torch.tensor([[[0.0]], [[2.0]]]), torch.tensor([[[1.0]], [[2.0]]])
    # One sample each: b is their squared distance, so that a pair that differs has e⁻¹ and one that coincides 1.
    apart = 2 - 2 * np.exp(-1)
    assert contrastive_discrepancy(s, t, scales=[1.0]).item() == pytest.approx(apart / 2 - (apart + apart) / 2)


def test_the_gradient_equals_finite_differences_at_a_fixed_bandwidth() -> None:
    s, t = draw(2, 2, 3).requires_grad_(), (draw(2, 2, 3, seed=1) + 1).requires_grad_()
    (gs, gt) = torch.autograd.grad(contrastive_discrepancy(s, t), (s, t))
    each = torch.stack([torch.stack([mmd(a, b, estimator="biased") for b in t]) for a in s])
    other = each.diagonal().mean() - (each.sum() - each.diagonal().sum()) / 2
    (es, et) = torch.autograd.grad(other, (s, t))
    torch.testing.assert_close((gs, gt), (es, et))


def test_coinciding_samples_stay_finite() -> None:
    s = torch.ones(2, 3, 4, requires_grad=True)
    value = contrastive_discrepancy(s, torch.ones(2, 3, 4))
    value.backward()
    assert value.item() == 0 and s.grad is not None and s.grad.isfinite().all()


def test_clusters_are_scikit_learns_on_the_sphere() -> None:
    centres = torch.eye(3, 6, dtype=torch.float64)
    truth = torch.arange(60) % 3
    x = (1 + draw(60, 1).abs()) * (centres[truth] + 0.25 * draw(60, 6, seed=1))
    found, away = spherical_clusters(x, centres, tolerance=0.0, rounds=50)
    unit = normalize(x.numpy())
    reference = KMeans(3, init=centres.numpy(), n_init=1).fit(unit)
    # k-means of points on the sphere takes means where the spherical one takes directions: the same clusters here.
    assert torch.equal(found, torch.from_numpy(reference.labels_).long())
    directions = normalize(np.stack([unit[found.numpy() == k].sum(0) for k in range(3)]))
    np.testing.assert_allclose(away.numpy(), (1 - (unit * directions[found.numpy()]).sum(1)) / 2, atol=1e-12)


def test_clusters_that_change_places_keep_the_names_of_the_nearest_centres() -> None:
    # One centre lies between two clusters, another beside a third: names are given one to one, by nearness.
    x = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.1, 1.0]])
    found, _ = spherical_clusters(x, torch.tensor([[0.0, 2.0], [3.0, 0.2]]))
    assert found.tolist() == [1, 1, 0, 0]


def test_a_cluster_without_samples_goes_back_and_the_rest_is_finite() -> None:
    found, away = spherical_clusters(torch.tensor([[1.0, 0.0], [0.9, 0.1]]), torch.tensor([[1.0, 0.0], [-1.0, 0.0]]))
    assert found.tolist() == [0, 0] and away.isfinite().all()
    # A class that the source has no sample of has a centre of length 0.
    found, away = spherical_clusters(torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 0.0], [0.0, 0.0]]))
    assert found.tolist() == [0] and away.isfinite().all()


def test_bad_input_is_named() -> None:
    with pytest.raises(AdaptError, match="the same classes and one width"):
        contrastive_discrepancy(draw(2, 3, 4), draw(3, 3, 4))
    with pytest.raises(AdaptError, match=r"expects features \(C, n, d\)"):
        contrastive_discrepancy(draw(2, 3), draw(2, 3))
    with pytest.raises(AdaptError, match="positive scales"):
        contrastive_discrepancy(draw(2, 3, 4), draw(2, 3, 4), scales=[0.0])
    with pytest.raises(AdaptError, match="centres"):
        spherical_clusters(draw(3, 4), draw(2, 5))
