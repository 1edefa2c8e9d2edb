import numpy as np
import pytest
from scipy import stats

from adapt.benchmark.statistics import summarise
from adapt.benchmark.statistics.paired_tests import (
    against_source_only,
    compare,
    fewest_pairs,
    holm,
    paired,
    rank_biserial,
    smallest_p,
    wilcoxon,
)
from tests.benchmark.synthetic import result


def test_a_hand_example_of_the_signed_ranks() -> None:
    # |d| has the ranks 1 to 6; only the rank 2 is negative: W− = 2, W+ = 19. Of the 64 signs those with W− ≤ 2 are
    # {}, {1}, {2}: p = 2 · 3 / 64, and r = (19 − 2) / 21.
    differences = [0.01, -0.02, 0.03, 0.04, 0.05, 0.06]
    assert wilcoxon(differences) == pytest.approx(6 / 64)
    assert rank_biserial(differences) == pytest.approx(17 / 21)


@pytest.mark.parametrize("n", [6, 12, 40])
def test_the_p_is_scipys(n: int) -> None:
    differences = np.random.default_rng(n).normal(0.01, 0.02, n).round(5)
    assert wilcoxon(differences.tolist()) == pytest.approx(stats.wilcoxon(differences).pvalue)


def test_zeros_and_the_last_digits_of_single_precision_count_neither_way() -> None:
    base = [0.01, -0.02, 0.03, 0.04, 0.05, 0.06]
    noisy = [np.float32(0.7 + d) - np.float32(0.7) for d in base] + [3e-8, -3e-8]
    assert wilcoxon(noisy) == pytest.approx(6 / 64)
    assert rank_biserial(noisy) == pytest.approx(17 / 21)
    assert wilcoxon([0.0] * 8) == 1.0
    assert rank_biserial([0.0] * 8) == 0.0


def test_pairs_too_few_for_a_small_p_get_none() -> None:
    assert wilcoxon([0.1, 0.2, 0.3, 0.4, 0.5]) is None
    assert wilcoxon([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]) == pytest.approx(smallest_p(6)) == pytest.approx(2 / 64)
    assert (fewest_pairs(1), fewest_pairs(3), fewest_pairs(29)) == (6, 7, 11)


def test_holm_by_hand() -> None:
    # Sorted 0.01, 0.03, 0.04 times 3, 2, 1 is 0.03, 0.06, 0.04; the last may not fall below the one before.
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []


def test_methods_that_were_not_tested_do_not_make_the_correction_stricter() -> None:
    rising = {("t", seed): 0.01 * (seed + 1) for seed in range(6)}
    few = {("t", 0): 0.1}
    tested, left_out, again = compare({"A": rising, "B": few, "C": rising})
    assert tested.p_holm == again.p_holm == pytest.approx(2 * 2 / 64)
    assert (left_out.p, left_out.p_holm, left_out.mean, left_out.ci) == (None, None, 0.1, None)


def test_the_interval_is_over_seeds_of_differences_averaged_over_tasks() -> None:
    # The tasks differ by far, the seeds do not.
    even = {("easy", 0): 0.1, ("hard", 0): 0.3, ("easy", 1): 0.3, ("hard", 1): 0.1}
    uneven = {("easy", 0): 0.1, ("hard", 0): 0.3, ("easy", 1): 0.3}
    first, second = compare({"even": even, "uneven": uneven})
    assert first.mean == pytest.approx(0.2)
    assert first.ci == pytest.approx(0.0, abs=1e-12)
    assert second.ci is None


def test_only_pairs_of_the_same_task_and_seed_are_compared_and_train_on_target_is_not() -> None:
    table = {"SourceOnly": [0.5] * 7, "DANN": [0.6, 0.61, 0.62, 0.63, 0.64, 0.65, None], "TargetOnly": [0.9] * 7}
    results = [result("t", m, seed, a) for m, values in table.items() for seed, a in enumerate(values)]
    results.append(result("u", "DANN", 0, 0.1))
    (dann,) = against_source_only(summarise(results, "last"))
    assert (dann.method, dann.n, dann.better, dann.worse) == ("DANN", 6, 6, 0)
    assert dann.mean == pytest.approx(0.125)
    assert dann.p_holm == pytest.approx(2 / 64)
    assert (dann.verdict, dann.effect) == ("better", 1.0)
    assert paired({("t", 0): 0.5}, {("t", 1): 0.5}) == {}


def test_without_source_only_there_is_nothing_to_compare_with() -> None:
    results = [result("t", "DANN", 0, 0.6)]
    assert against_source_only(summarise(results, "last")) == ()
