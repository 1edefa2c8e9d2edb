"""Each estimate against its paper's formula, written out in NumPy, scipy or POT."""

import json
from pathlib import Path

import numpy as np
import ot
import pytest
import torch
from scipy.optimize import linear_sum_assignment, linprog
from scipy.special import softmax
from torch import Tensor
from torch.nn.functional import one_hot

from adapt.encoding import DomainEncoding
from adapt.errors import AdaptError
from adapt.estimation import (
    ESTIMATES,
    agreement,
    average_threshold_confidence,
    confidence_optimal_transport,
    default_estimate,
    difference_of_confidences,
    estimate,
    evaluation,
    importance_weighted,
    measured,
    nuclear_norm,
)
from adapt.selection import Samples


def sample(n: int = 60, k: int = 4, seed: int = 0, scale: float = 2.0) -> tuple[Tensor, Tensor]:
    """Logits that are right more often than not, and their classes."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.randint(0, k, (n,), generator=generator)
    logits = scale * torch.randn(n, k, generator=generator, dtype=torch.float64)
    return logits + 2 * torch.nn.functional.one_hot(y, k), y


@pytest.mark.parametrize("certainty", ["negative_entropy", "confidence"])
def test_atc_is_the_share_above_the_threshold_that_leaves_the_sources_error_below_it(certainty: str) -> None:
    source, y = sample()
    target, _ = sample(45, seed=1, scale=3.0)

    def score(z: Tensor) -> np.ndarray:
        p = softmax(z.numpy(), axis=1)
        return (p * np.log(p)).sum(1) if certainty == "negative_entropy" else p.max(1)

    error = (source.argmax(1) != y).double().mean().item()
    s = score(source)
    candidates = [t for t in np.unique(s) if abs((s < t).mean() - error) < 1e-12]
    expected = (score(target) >= candidates[0]).mean()
    found = average_threshold_confidence(source, y, target, certainty=certainty)  # type: ignore[arg-type]
    assert found.item() == pytest.approx(expected)


def test_atc_gives_the_sources_accuracy_on_the_source_and_zero_where_all_is_wrong() -> None:
    source, y = sample()
    assert average_threshold_confidence(source, y, source).item() == pytest.approx(
        (source.argmax(1) == y).double().mean().item()
    )
    assert average_threshold_confidence(source, (source.argmax(1) + 1) % 4, source).item() == 0


def test_doc_is_accuracy_less_the_difference_of_mean_confidences() -> None:
    source, y = sample()
    target, _ = sample(45, seed=1, scale=0.5)
    gap = softmax(source.numpy(), 1).max(1).mean() - softmax(target.numpy(), 1).max(1).mean()
    expected = (source.argmax(1) == y).double().mean().item() - gap
    assert 0 < expected < 1
    assert difference_of_confidences(source, y, target).item() == pytest.approx(expected)


def test_agreement_is_one_minus_the_disagreement() -> None:
    one, other = sample(50)[0], sample(50, seed=2)[0]
    expected = 1 - np.mean(one.numpy().argmax(1) != other.numpy().argmax(1))
    assert agreement(one, other).item() == pytest.approx(expected)
    with pytest.raises(AdaptError, match="same samples"):
        agreement(one, other[:3])


def test_nuclear_norm_compares_numpys_norms() -> None:
    source, y = sample()
    target, _ = sample(45, seed=1, scale=0.5)

    def norm(z: Tensor) -> float:
        p = softmax(z.numpy(), axis=1)
        return float(np.linalg.norm(p, "nuc")) / np.sqrt(len(p) * min(p.shape))

    expected = (source.argmax(1) == y).double().mean().item() - norm(source) + norm(target)
    assert nuclear_norm(source, y, target).item() == pytest.approx(expected)


def test_cot_equals_pots_distance_with_the_largest_norm_as_cost() -> None:
    _, y = sample(40)
    y = torch.arange(40) % 4  # quotas that are whole numbers
    target, _ = sample(20, seed=1)
    p = softmax(target.numpy(), axis=1)
    cost = np.abs(p[:, None] - np.eye(4)[None]).max(2)
    expected = 1 - ot.emd2(np.full(20, 1 / 20), np.full(4, 1 / 4), cost)
    assert confidence_optimal_transport(y, target).item() == pytest.approx(expected)


def test_cot_equals_the_linear_programme_for_unequal_classes() -> None:
    y = torch.tensor([0] * 5 + [1] * 3 + [2] * 2)
    target, _ = sample(20, k=3, seed=1)
    p = softmax(target.numpy(), axis=1)
    rows = np.kron(np.eye(20), np.ones(3))
    columns = np.kron(np.ones(20), np.eye(3))
    found = linprog(
        (1 - p).reshape(-1), A_eq=np.vstack([rows, columns]), b_eq=[*[1 / 20] * 20, 0.5, 0.3, 0.2], method="highs"
    )
    assert confidence_optimal_transport(y, target).item() == pytest.approx(1 - found.fun)


@pytest.mark.parametrize("k", [2, 7, 40])
def test_cot_equals_the_assignment_of_samples_to_places(k: int) -> None:
    draw = torch.Generator().manual_seed(k)
    y = torch.arange(300) % k
    target = 3 * torch.randn(300, k, generator=draw)
    target[:, 0] += 4  # most samples have to leave their class
    target[:20] = target[0]
    p = softmax(target.double().numpy(), axis=1)
    places = np.sort(y.numpy())
    rows, columns = linear_sum_assignment(1 - p[:, places])
    assert confidence_optimal_transport(y, target).item() == pytest.approx(p[rows, places[columns]].mean(), abs=1e-6)


def test_cot_ends_where_nearly_all_predictions_are_certain() -> None:
    # Under rounding, the cheapest way between classes went in a circle here, and the search never ended.
    draw = torch.Generator().manual_seed(279)
    y = torch.randint(10, (400,), generator=draw)
    t = torch.randint(10, (400,), generator=draw) ** 2 // 9
    target = torch.randn(400, 10, generator=draw) * 32 / 6 + 32 * one_hot(t, 10)
    p = softmax(target.double().numpy(), axis=1)
    places = np.sort(y.numpy())
    rows, columns = linear_sum_assignment(1 - p[:, places])
    assert confidence_optimal_transport(y, target).item() == pytest.approx(p[rows, places[columns]].mean(), abs=1e-6)


def test_cot_gives_every_sample_a_class_whatever_the_numbers() -> None:
    for n in (1, 2, 7, 31):
        value = confidence_optimal_transport(torch.tensor([0, 0, 1, 2, 2, 2, 3]), sample(n)[0]).item()
        assert 0 <= value <= 1
    with pytest.raises(AdaptError, match="0 to 3"):
        confidence_optimal_transport(torch.tensor([4]), sample()[0])


def test_importance_weighting_is_the_weighted_accuracy() -> None:
    source, y = sample()
    weights = torch.rand(60, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    expected = np.average((source.argmax(1) == y).numpy(), weights=weights.numpy())
    assert importance_weighted(source, y, weights).item() == pytest.approx(expected)
    with pytest.raises(AdaptError, match="above 0"):
        importance_weighted(source, y, torch.zeros(60))


def samples() -> Samples:
    (source, y), (target, _) = sample(), sample(45, seed=1)
    return Samples(DomainEncoding(target, target, None), DomainEncoding(source, source, y))


def test_all_estimates_of_one_run_are_shares_and_the_second_seed_adds_one() -> None:
    found = estimate(samples())
    assert set(found) == set(ESTIMATES) - {"agreement"}
    assert all(0 <= value <= 1 for value in found.values())
    assert set(estimate(samples(), other=sample(45, seed=4)[0])) == set(ESTIMATES)
    with pytest.raises(AdaptError, match="accuracy_by_magic"):
        estimate(samples(), ["accuracy_by_magic"])


def test_an_estimate_that_refuses_is_undefined_and_says_why() -> None:
    alone = Samples(DomainEncoding(*[sample()[0]] * 2, None))
    with pytest.warns(UserWarning, match="No value of the estimate atc"):
        assert np.isnan(estimate(alone, ["atc"])["atc"])


def test_the_default_is_the_estimate_with_the_smallest_measured_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "measured.json"
    entry = {"upper": 9.0, "bias": 1.0, "cells": 3}
    errors = {"atc": entry | {"error": 4.0}, "cot": entry | {"error": 2.0}, "agreement": entry | {"error": 1.0}}
    file.write_text(json.dumps({"errors": errors}))
    monkeypatch.setattr(evaluation, "_MEASURED", file)
    measured.cache_clear()
    try:
        assert measured()["cot"].error == 2.0
        assert default_estimate() == "cot"  # agreement takes a second run
        monkeypatch.setattr(evaluation, "_MEASURED", tmp_path / "none.json")
        measured.cache_clear()
        assert default_estimate() == "atc"
    finally:
        measured.cache_clear()
