"""RSD and DARE-GRAM against SciPy's principal angles and NumPy's pseudo-inverse."""

import numpy as np
import pytest
import torch
from scipy.linalg import subspace_angles

from adapt.errors import AdaptError
from adapt.losses import dare_gram, rsd


def draw(n: int, d: int, seed: int) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize(("n", "m", "d"), [(4, 4, 9), (1, 3, 5), (6, 2, 7)])
def test_rsd_is_the_sum_of_the_sines_of_scipys_angles(n: int, m: int, d: int) -> None:
    source, target = draw(n, d, 0), draw(m, d, 1)
    expected = np.sin(subspace_angles(source.numpy().T, target.numpy().T)).sum()
    assert rsd(source, target, mismatch=0.0).item() == pytest.approx(expected)


def test_rsd_knows_no_scale_and_is_0_for_one_subspace() -> None:
    source, target = draw(4, 9, 0), draw(4, 9, 1)
    torch.testing.assert_close(rsd(7 * source, target / 3), rsd(source, target))
    mixed = draw(4, 4, 2) @ source
    assert rsd(source, mixed, mismatch=0.0).item() == pytest.approx(0, abs=1e-6)


def test_rsds_mismatch_is_numpys() -> None:
    source, target = draw(4, 9, 0), draw(4, 9, 1)
    bases = [np.linalg.svd(x.numpy().T, full_matrices=False)[0] for x in (source, target)]
    left, _, right = np.linalg.svd(bases[0].T @ bases[1])
    expected = np.linalg.norm(np.abs(left) - np.abs(right.T))
    found = rsd(source, target, mismatch=1.0) - rsd(source, target, mismatch=0.0)
    assert found.item() == pytest.approx(expected)


def test_rsds_gradient_equals_finite_differences_and_descending_it_helps() -> None:
    source, target = draw(3, 6, 0).requires_grad_(), draw(3, 6, 1).requires_grad_()
    assert torch.autograd.gradcheck(lambda s, t: rsd(s, t, mismatch=0.3), (source, target))
    (gradient,) = torch.autograd.grad(rsd(source, target), target)
    assert rsd(source, target - 0.05 * gradient) < rsd(source, target)


def gradients(source: torch.Tensor, target: torch.Tensor, mismatch: float = 0.01) -> tuple[torch.Tensor, ...]:
    pair = [x.clone().requires_grad_() for x in (source, target)]
    return torch.autograd.grad(rsd(*pair, mismatch=mismatch), pair)


def test_rsds_gradient_is_finite_where_subspaces_share_directions() -> None:
    # 6 and 6 samples of 9 features share three directions, whose angles are alike: 0.
    source, target = draw(6, 9, 0), draw(6, 9, 1)
    assert all(g.isfinite().all() and g.norm() > 0.01 for g in gradients(source, target))
    assert torch.autograd.gradcheck(lambda s: rsd(s, target, mismatch=0.0), source.requires_grad_())
    assert all(g.isfinite().all() for g in gradients(target, target))


def test_rsd_counts_a_sample_that_a_batch_holds_twice_once() -> None:
    source, target = draw(4, 9, 0), draw(4, 9, 1)
    twice = source[[0, 1, 2, 3, 3]]
    assert rsd(twice, target, mismatch=0.0).item() == pytest.approx(rsd(source, target, mismatch=0.0).item())
    expected = gradients(source, target, mismatch=0.0)
    found = gradients(twice, target, mismatch=0.0)
    torch.testing.assert_close(torch.cat([found[0][:3], found[0][3:].sum(0, keepdim=True)]), expected[0])
    torch.testing.assert_close(found[1], expected[1])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "source", [torch.ones(6, 8), torch.zeros(6, 8), torch.eye(6, 8).mul(torch.arange(6.0)[:, None])]
)
def test_features_without_spread_give_finite_values_and_gradients(source: torch.Tensor, dtype: torch.dtype) -> None:
    for target in (source, draw(6, 8, 1)):
        assert all(g.isfinite().all() for g in gradients(source.to(dtype), target.to(dtype)))
        pair = [x.to(dtype).clone().requires_grad_() for x in (source, target)]
        values = dare_gram(pair[0], pair[1])
        assert all(value.isfinite() for value in values)
        assert all(g.isfinite().all() for g in torch.autograd.grad(values[0] + values[1], pair))


def test_rsd_refuses_batches_that_span_everything() -> None:
    with pytest.raises(AdaptError, match="fewer samples than features"):
        rsd(draw(5, 5, 0), draw(5, 5, 1))
    with pytest.raises(AdaptError, match="as many samples of both"):
        rsd(draw(2, 5, 0), draw(3, 5, 1))


def by_hand(source: np.ndarray, target: np.ndarray, share: float) -> tuple[float, float]:
    grams = [z.T @ z for z in (np.column_stack([np.ones(len(x)), x]) for x in (source, target))]
    values = [np.sort(np.linalg.eigvalsh(gram))[::-1] for gram in grams]
    ranks = []
    for v in values:
        cumulative = np.cumsum(v) / v.sum()
        ranks.append(int(np.nonzero(cumulative <= max(share, cumulative[1]))[0][-1]))
    k = max(ranks)
    inverses = []
    for gram in grams:
        w, u = np.linalg.eigh(gram)
        leading = np.argsort(w)[::-1][:k]
        inverses.append(u[:, leading] @ np.diag(1 / w[leading]) @ u[:, leading].T)
    cosines = [a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in zip(*(m.T for m in inverses), strict=True)]
    return float(np.mean(np.abs(1 - np.array(cosines)))), float(np.linalg.norm(values[0][:k] - values[1][:k]) / k)


@pytest.mark.parametrize(("n", "m", "d", "share"), [(30, 20, 6, 0.9), (8, 8, 12, 0.7), (40, 40, 5, 0.2)])
def test_dare_gram_equals_numpys_eigenvectors(n: int, m: int, d: int, share: float) -> None:
    source, target = draw(n, d, 0) * torch.linspace(0.5, 3, d), draw(m, d, 1) + 0.4
    angle, scale = dare_gram(source, target, share=share)
    expected = by_hand(source.numpy(), target.numpy(), share)
    assert (angle.item(), scale.item()) == pytest.approx(expected, rel=1e-6)


def test_dare_gram_is_0_for_one_domain_and_grows_with_a_stretch_in_scale_alone() -> None:
    source = draw(30, 6, 0)
    assert [value.item() for value in dare_gram(source, source.flip(0))] == pytest.approx([0, 0], abs=1e-9)
    assert dare_gram(source, 2 * source)[1] > dare_gram(source, 1.1 * source)[1] > 0


def test_descending_dare_gram_helps_and_its_gradient_is_finite_for_one_domain() -> None:
    source, target = draw(30, 6, 0), (draw(30, 6, 1) * torch.linspace(0.5, 2, 6)).requires_grad_()
    for part in (0, 1):
        value = dare_gram(source, target)[part]
        (gradient,) = torch.autograd.grad(value, target)
        step = 0.05 * target.detach().norm() / gradient.norm()
        assert dare_gram(source, target - step * gradient)[part] < value
    same = source.clone().requires_grad_()
    sum(dare_gram(source, same)).backward()
    assert same.grad is not None
    assert same.grad.isfinite().all()


def test_bad_input_is_named() -> None:
    with pytest.raises(AdaptError, match=r"share in \(0, 1\)"):
        dare_gram(draw(5, 3, 0), draw(5, 3, 1), share=1.0)
    with pytest.raises(AdaptError, match="at least 2 samples"):
        dare_gram(draw(1, 3, 0), draw(5, 3, 1))
