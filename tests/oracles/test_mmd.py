"""MMD against double loops in NumPy, and against what its definition promises."""

import numpy as np
import ot
import pytest
import torch
from numpy.typing import NDArray

from adapt.errors import AdaptError
from adapt.losses import mmd
from adapt.losses.kernels import Kernel, kernel_widths, squared_distances
from adapt.losses.mmd import Estimator

N, M, D = 7, 10, 3
KERNELS: list[Kernel] = ["mean", "tllib", "median", "fixed"]
ESTIMATORS: list[Estimator] = ["unbiased", "biased", "linear"]
BANDWIDTHS = [0.7, 1.68, 5.0]


def samples(n: int = N, m: int = M, d: int = D, shift: float = 0.5) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(3)
    source = torch.randn(n, d, generator=draw, dtype=torch.float64)
    return source, 1.5 * torch.randn(m, d, generator=draw, dtype=torch.float64) + shift


def by_loops(s: NDArray[np.float64], t: NDArray[np.float64], kernel: Kernel, estimator: Estimator) -> float:
    def d2(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
        return float(sum((x - y) ** 2 for x, y in zip(a, b, strict=True)))

    pooled = [*s, *t]
    every = [(i, j) for i in range(len(pooled)) for j in range(len(pooled))]
    different = [d2(pooled[i], pooled[j]) for i, j in every if i != j]
    if kernel == "mean":
        widths = [2.0**e * np.mean(different) for e in (-2, -1, 0, 1, 2)]
    elif kernel == "median":
        widths = [2.0**e * np.median(different) for e in (-2, -1, 0, 1, 2)]
    elif kernel == "tllib":
        mean = np.mean([d2(pooled[i], pooled[j]) for i, j in every])
        widths = [2 * (2.0**e * mean) for e in (-3, -2, -1, 0, 1)]
    else:
        widths = BANDWIDTHS

    def k(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
        return float(sum(np.exp(-d2(a, b) / width) for width in widths))

    if estimator == "linear":
        pairs = range(0, min(len(s), len(t)) // 2 * 2, 2)
        terms = [k(s[i], s[i + 1]) + k(t[i], t[i + 1]) - k(s[i], t[i + 1]) - k(s[i + 1], t[i]) for i in pairs]
        return float(np.mean(terms))
    keep_diagonal = estimator == "biased"
    within_s = [k(s[i], s[j]) for i in range(len(s)) for j in range(len(s)) if keep_diagonal or i != j]
    within_t = [k(t[i], t[j]) for i in range(len(t)) for j in range(len(t)) if keep_diagonal or i != j]
    between = [k(a, b) for a in s for b in t]
    return float(np.mean(within_s) + np.mean(within_t) - 2 * np.mean(between))


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(("n", "m"), [(N, M), (9, 4)])
def test_every_kernel_and_estimator_equals_double_loops(kernel: Kernel, estimator: Estimator, n: int, m: int) -> None:
    source, target = samples(n, m)
    bandwidths = BANDWIDTHS if kernel == "fixed" else None
    found = mmd(source, target, kernel=kernel, bandwidths=bandwidths, estimator=estimator)
    assert found.item() == pytest.approx(by_loops(source.numpy(), target.numpy(), kernel, estimator), rel=1e-10)


@pytest.mark.parametrize("kernel", ["mean", "tllib", "fixed"])
def test_the_linear_estimate_looks_at_no_matrix_of_pairs(kernel: Kernel) -> None:
    # All pairs of 200 000 points would be 160 GB.
    source, target = (x.float() for x in samples(100_000, 100_001))
    bandwidths = BANDWIDTHS if kernel == "fixed" else None
    source.requires_grad_()
    mmd(source, target, kernel=kernel, bandwidths=bandwidths, estimator="linear").backward()
    assert source.grad is not None
    assert source.grad.abs().max() > 0


def test_bandwidths_far_from_the_origin_are_exact_in_float32() -> None:
    source, target = samples(64, 48, 500)
    pooled = torch.cat([source, target])
    for kernel in KERNELS[:3]:
        expected = kernel_widths(pooled, kernel=kernel).float()
        torch.testing.assert_close(kernel_widths(pooled.float() + 100, kernel=kernel), expected, rtol=1e-4, atol=0)


def test_scales_multiply_the_batchs_bandwidth() -> None:
    source, target = samples()
    pooled = torch.cat([source, target]).numpy()
    mean = ot.dist(pooled, pooled).sum() / (len(pooled) * (len(pooled) - 1))
    scaled = mmd(source, target, scales=[0.3, 3.0])
    torch.testing.assert_close(scaled, mmd(source, target, kernel="fixed", bandwidths=[0.3 * mean, 3.0 * mean]))


def test_distances_equal_pots_far_from_the_origin_in_float32() -> None:
    source, target = samples(64, 64, 500)
    pooled = torch.cat([source, target]).float() + 100.0
    expected = ot.dist(pooled.double().numpy(), pooled.double().numpy())
    np.testing.assert_allclose(squared_distances(pooled).numpy(), expected, rtol=1e-5, atol=1e-3)


def test_unbiased_averages_to_zero_on_one_distribution_and_biased_does_not() -> None:
    draw = torch.Generator().manual_seed(0)
    batches = [torch.randn(2, 8, 2, generator=draw) for _ in range(2000)]
    options = {"kernel": "fixed", "bandwidths": [2.0]}
    unbiased = torch.stack([mmd(s, t, **options) for s, t in batches])
    linear = torch.stack([mmd(s, t, estimator="linear", **options) for s, t in batches])
    biased = torch.stack([mmd(s, t, estimator="biased", **options) for s, t in batches])
    for values in (unbiased, linear):
        standard_error = (values.std() / len(values) ** 0.5).item()
        assert abs(values.mean().item()) < 4 * standard_error
        assert values.min() < 0
    assert biased.min() >= 0
    assert biased.mean() > 0.05


def test_value_approaches_the_closed_form_between_two_gaussians() -> None:
    # E k for N(0, 1) against N(μ, 1): the difference is N(μ, 2), so E exp(-d²/b) = √(b/(b+4)) exp(-μ²/(b+4)).
    draw = torch.Generator().manual_seed(1)
    mu, b = 1.5, 2.0
    source, target = torch.randn(2, 1000, 1, generator=draw, dtype=torch.float64)
    expected = 2 * np.sqrt(b / (b + 4)) * (1 - np.exp(-(mu**2) / (b + 4)))
    found = mmd(source, target + mu, kernel="fixed", bandwidths=[b]).item()
    assert found == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_gradient_equals_finite_differences(estimator: Estimator) -> None:
    source, target = (x.requires_grad_() for x in samples())
    assert torch.autograd.gradcheck(
        lambda s, t: mmd(s, t, kernel="fixed", bandwidths=BANDWIDTHS, estimator=estimator), (source, target)
    )


@pytest.mark.parametrize("kernel", KERNELS[:3])
def test_no_gradient_passes_through_the_bandwidth(kernel: Kernel) -> None:
    source, target = samples()
    source.requires_grad_()
    (found,) = torch.autograd.grad(mmd(source, target, kernel=kernel), source)
    pooled = torch.cat([source.detach(), target]).numpy()
    d2 = ot.dist(pooled, pooled)
    upper = d2[np.triu_indices(len(pooled), 1)]
    width = {"mean": upper.mean(), "median": np.median(upper), "tllib": d2.mean()}[kernel]
    widths = width * 2.0 ** np.array([-2, -1, 0, 1, 2])
    (expected,) = torch.autograd.grad(mmd(source, target, kernel="fixed", bandwidths=widths.tolist()), source)
    assert found.abs().max() > 1e-3
    torch.testing.assert_close(found, expected)


def test_descending_the_gradient_brings_the_means_together() -> None:
    source, target = samples(64, 48, shift=2.0)
    gap = (source.mean(0) - target.mean(0)).norm()
    source.requires_grad_()
    optimizer = torch.optim.SGD([source], lr=10.0)
    for _ in range(100):
        optimizer.zero_grad()
        mmd(source, target).backward()
        optimizer.step()
    assert (source.mean(0) - target.mean(0)).norm() < 0.3 * gap


@pytest.mark.parametrize("estimator", ESTIMATORS[:2])
def test_order_of_samples_does_not_matter(estimator: Estimator) -> None:
    source, target = samples()
    shuffled = mmd(source.flip(0), target.roll(3, 0), estimator=estimator)
    torch.testing.assert_close(shuffled, mmd(source, target, estimator=estimator))


def test_batch_bandwidths_make_it_blind_to_units_and_to_a_shift() -> None:
    source, target = samples()
    for kernel in KERNELS[:3]:
        torch.testing.assert_close(
            mmd(7 * source + 3, 7 * target + 3, kernel=kernel), mmd(source, target, kernel=kernel)
        )


def test_biased_is_zero_on_identical_samples_with_finite_gradient() -> None:
    source, _ = samples()
    source = source.float().requires_grad_()
    value = mmd(source, source.detach().clone(), estimator="biased")
    value.backward()
    assert abs(value.item()) < 1e-6
    assert source.grad is not None
    assert source.grad.isfinite().all()


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("value", [0.0, 0.1, 1e4])
def test_coinciding_points_give_zero_and_no_nan(kernel: Kernel, estimator: Estimator, value: float) -> None:
    source = torch.full((64, 33), value, requires_grad=True)
    target = torch.full((31, 33), value)
    bandwidths = BANDWIDTHS if kernel == "fixed" else None
    loss = mmd(source, target, kernel=kernel, bandwidths=bandwidths, estimator=estimator)
    loss.backward()
    assert abs(loss.item()) < 1e-5
    assert source.grad is not None
    assert torch.equal(source.grad, torch.zeros_like(source))


def test_mixed_precision_keeps_float32_accuracy() -> None:
    source, target = (x.float() for x in samples(32, 24, 50))
    expected = mmd(source, target)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(mmd(source, target), expected)
    rounded = mmd(source.bfloat16().float(), target.bfloat16().float())
    torch.testing.assert_close(mmd(source.bfloat16(), target.bfloat16()), rounded)


@pytest.mark.parametrize(
    ("source", "target", "options", "message"),
    [
        ((1, 3), (5, 3), {}, "at least 2 samples"),
        ((4, 3), (5, 2), {}, "one width"),
        ((4, 3, 2), (4, 3, 2), {}, "flatten"),
        ((4, 3), (5, 3), {"kernel": "fixed"}, "bandwidths"),
        ((4, 3), (5, 3), {"kernel": "fixed", "bandwidths": [1.0], "scales": [1.0]}, "no `scales`"),
        ((4, 3), (5, 3), {"kernel": "fixed", "bandwidths": [0.0]}, "positive"),
        ((4, 3), (5, 3), {"bandwidths": [1.0]}, "leave out"),
        ((4, 3), (5, 3), {"scales": []}, "positive"),
        ((4, 3), (5, 3), {"kernel": "cubic"}, "cubic"),
        ((4, 3), (5, 3), {"estimator": "best"}, "best"),
    ],
)
def test_bad_input_is_named(
    source: tuple[int, ...], target: tuple[int, ...], options: dict[str, object], message: str
) -> None:
    with pytest.raises(AdaptError, match=message):
        mmd(torch.zeros(source), torch.zeros(target), **options)
