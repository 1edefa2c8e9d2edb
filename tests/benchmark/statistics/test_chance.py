import itertools

import numpy as np
import pytest
from scipy import stats

from adapt.benchmark.statistics.chance import Group, against_chance, ceiling, samples_behind
from adapt.benchmark.statistics.rank_correlation import ranks, weighted_rows, weighted_spearman


def group(methods: int, each: int, rng: np.random.Generator, of_method: float = 0.0) -> Group:
    numbers = np.repeat(np.arange(methods), each)
    scores, accuracies = rng.random((2, methods * each)) + of_method * rng.random((2, methods))[:, numbers]
    return scores, accuracies, numbers


def test_rows_are_the_correlation_of_each_row_ties_included() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 9, (5, 30)).astype(float), rng.integers(0, 12, 30).astype(float)
    shared, dense = (stats.rankdata(x, method=how, axis=1).astype(float) for how in ("average", "dense"))
    assert weighted_rows(shared, dense, *ranks(y)) == pytest.approx([weighted_spearman(row, y) for row in x])


def test_independent_scores_have_a_correlation_of_minus_031() -> None:
    chance = against_chance([group(75, 3, np.random.default_rng(1))], 0.0)
    assert chance is not None
    assert chance.shuffled.mean == pytest.approx(-0.31, abs=0.01)
    assert (chance.shuffled.low, chance.shuffled.high) == (
        pytest.approx(-0.43, abs=0.02),
        pytest.approx(-0.18, abs=0.02),
    )
    # What would be "no better than chance" if chance were 0 is far above it.
    assert chance.above
    assert chance.p is not None
    assert chance.p < 0.01


def test_with_one_checkpoint_per_method_swapping_is_every_permutation() -> None:
    scores, accuracies, numbers = group(5, 1, np.random.default_rng(2))
    every = [weighted_spearman(scores[list(order)], accuracies) for order in itertools.permutations(range(5))]
    observed = weighted_spearman(scores, accuracies)
    chance = against_chance([(scores, accuracies, numbers)], observed, draws=20_000)
    assert chance is not None
    assert chance.swapped is not None
    assert chance.swapped.mean == pytest.approx(np.mean(every), abs=0.02)
    expected = 2 * min(np.mean(np.array(every) >= observed - 1e-9), np.mean(np.array(every) <= observed + 1e-9))
    assert chance.p == pytest.approx(min(1.0, expected), abs=0.02)


def test_checkpoints_of_one_method_are_not_independent() -> None:
    # Scores and accuracies are properties of the method alone, in twelve tasks alike, and have nothing in common.
    small, outside = 0, 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        score, accuracy = rng.random((2, 8))
        numbers = np.repeat(np.arange(8), 3)
        groups = [
            (score[numbers] + rng.normal(0, 1e-3, 24), accuracy[numbers] + rng.normal(0, 1e-3, 24), numbers)
            for _ in range(12)
        ]
        observed = float(np.mean([weighted_spearman(s, a) for s, a, _ in groups]))
        chance = against_chance(groups, observed, draws=400)
        assert chance is not None
        assert chance.p is not None
        small += chance.p < 0.05
        outside += not chance.shuffled.low <= observed <= chance.shuffled.high
    assert small <= 4
    assert outside >= 15


def test_few_methods_have_a_band_and_no_test_and_uneven_ones_are_swapped_too() -> None:
    rng = np.random.default_rng(0)
    few = against_chance([group(4, 5, rng)], 0.9)
    assert few is not None
    assert (few.p, few.swapped, few.band) == (None, None, few.shuffled)
    scores, accuracies, numbers = group(6, 4, rng)
    uneven = against_chance([(scores[:-3], accuracies[:-3], numbers[:-3])], 0.99)
    assert uneven is not None
    assert uneven.p is not None
    assert uneven.p < 0.05
    assert against_chance([(scores[:2], accuracies[:2], numbers[:2])], 0.5) is None


def test_a_perfect_rule_reaches_one_without_noise_and_less_with_few_samples() -> None:
    rng = np.random.default_rng(0)
    found = [(f"m{k // 3}", float(a)) for k, a in enumerate(rng.uniform(0.7, 0.8, 60))]
    sure, usual, poor = (ceiling({"t": found}, {"t": n}) for n in (10_000_000, 2000, 200))
    assert sure is not None
    assert usual is not None
    assert poor is not None
    assert sure.overall.mean == pytest.approx(1, abs=1e-3)
    assert sure.overall.mean > usual.overall.mean > poor.overall.mean
    assert (poor.samples, poor.within is not None) == ((200, 200), True)
    assert ceiling({"t": found}, {}) is None


def test_the_number_of_samples_is_read_off_shares_in_single_precision() -> None:
    rng = np.random.default_rng(0)
    for n in (200, 1467, 3929, 10_000):
        assert samples_behind([float(np.float32(k / n)) for k in rng.integers(1, n, 40)]) == n
    assert samples_behind(rng.random(40)) is None
    assert samples_behind([0.5, 0.25]) is None
