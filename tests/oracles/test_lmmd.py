"""LMMD against loops in NumPy, and against what its definition promises."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from adapt.errors import AdaptError
from adapt.losses import lmmd, mmd

N, M, D, K = 7, 10, 3, 4
BANDWIDTHS = [0.7, 1.68, 5.0]
# Class 3 has no source sample; the target predicts all four.
LABELS = [0, 0, 1, 2, 2, 2, 1]


def batch(predicted: tuple[int, ...] = (0, 1, 2, 3)) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(3)
    source = torch.randn(N, D, generator=draw, dtype=torch.float64)
    target = 1.5 * torch.randn(M, D, generator=draw, dtype=torch.float64) + 0.5
    logits = torch.randn(M, K, generator=draw, dtype=torch.float64)
    logits[torch.arange(M), torch.tensor(predicted).repeat(M)[:M]] += 9.0
    return source, target, torch.tensor(LABELS), logits


def by_loops(
    s: NDArray[np.float64], t: NDArray[np.float64], y: NDArray[np.int64], logits: NDArray[np.float64], fixed: bool
) -> float:
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    pooled = [*s, *t]
    apart = [((a - b) ** 2).sum() for i, a in enumerate(pooled) for j, b in enumerate(pooled) if i != j]
    widths = BANDWIDTHS if fixed else [2.0**e * np.mean(apart) for e in (-2, -1, 0, 1, 2)]

    def k(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
        return float(sum(np.exp(-((a - b) ** 2).sum() / width) for width in widths))

    terms = []
    for c in sorted(set(y.tolist()) & set(p.argmax(1).tolist())):
        u = [float(label == c) / (y == c).sum() for label in y]
        v = [row[c] / p[:, c].sum() for row in p]
        term = sum(u[i] * u[j] * k(s[i], s[j]) for i in range(len(s)) for j in range(len(s)))
        term += sum(v[i] * v[j] * k(t[i], t[j]) for i in range(len(t)) for j in range(len(t)))
        terms.append(term - 2 * sum(u[i] * v[j] * k(s[i], t[j]) for i in range(len(s)) for j in range(len(t))))
    return float(np.mean(terms)) if terms else 0.0


@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize("predicted", [(0, 1, 2, 3), (1, 3), (0,)], ids=str)
def test_it_equals_loops_over_classes_and_pairs_with_classes_missing_in_either_domain(
    predicted: tuple[int, ...], fixed: bool
) -> None:
    s, t, y, logits = batch(predicted)
    options = {"kernel": "fixed", "bandwidths": BANDWIDTHS} if fixed else {}
    found = lmmd(s, t, y, logits, **options)  # type: ignore[arg-type]
    assert found.item() == pytest.approx(by_loops(s.numpy(), t.numpy(), y.numpy(), logits.numpy(), fixed), rel=1e-10)


def test_it_is_zero_with_a_gradient_where_no_class_is_shared() -> None:
    s, t, y, logits = batch((3,))
    s.requires_grad_()
    value = lmmd(s, t, y, logits)
    value.backward()  # type: ignore[no-untyped-call]
    assert value.item() == 0
    assert torch.equal(s.grad, torch.zeros_like(s))  # type: ignore[arg-type]


def test_with_one_class_it_is_the_biased_mmd() -> None:
    s, t, _, _ = batch()
    found = lmmd(s, t, torch.zeros(N, dtype=torch.long), torch.zeros(M, 1, dtype=torch.float64))
    assert found.item() == pytest.approx(mmd(s, t, estimator="biased").item())


def test_equal_class_conditionals_give_zero_whatever_the_shares_of_the_classes() -> None:
    s, _, y, _ = batch()
    # Class 0 three times as often in the target: as a whole the domains differ, class by class they do not.
    at = torch.tensor([0, 1, 0, 1, 0, 1, 2, 3, 4, 5, 6])
    certain = 50.0 * torch.nn.functional.one_hot(y[at], K).double()
    assert lmmd(s, s[at], y, certain).item() == pytest.approx(0, abs=1e-12)
    assert mmd(s, s[at], estimator="biased").item() > 0.01
    # The same features, predicted as another class, are a discrepancy.
    assert lmmd(s, s[at], y, certain.roll(1, dims=1)).item() > 0.1


def test_gradients_reach_the_features_and_not_the_predictions() -> None:
    s, t, y, logits = (x.requires_grad_() if x.is_floating_point() else x for x in batch())
    fixed = {"kernel": "fixed", "bandwidths": BANDWIDTHS}
    assert torch.autograd.gradcheck(lambda a, b: lmmd(a, b, y, logits.detach(), **fixed), (s, t))  # type: ignore[arg-type]
    assert torch.autograd.grad(lmmd(s, t, y, logits), logits, allow_unused=True) == (None,)


def test_half_precision_and_autocast_keep_the_value_of_distant_features() -> None:
    s, t, y, logits = (x.float() if x.is_floating_point() else x for x in batch())
    expected = lmmd(s, t, y, logits).item()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert lmmd(s + 30, t + 30, y, logits).item() == pytest.approx(expected, abs=1e-4)
    assert lmmd(s.bfloat16(), t.bfloat16(), y, logits.bfloat16()).item() == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("labels", [[0] * (N - 1), [0] * (N - 1) + [K], [0] * (N - 1) + [-1]])
def test_labels_that_do_not_fit_are_refused(labels: list[int]) -> None:
    s, t, _, logits = batch()
    with pytest.raises(AdaptError, match="lmmd expects"):
        lmmd(s, t, torch.tensor(labels), logits)
