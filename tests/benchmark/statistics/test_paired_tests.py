import numpy as np
import pytest
from scipy import stats

from adapt.benchmark.statistics import summarise
from adapt.benchmark.statistics.paired_tests import (
    against_source_only,
    compare,
    fewest_pairs,
    holm,
    over_units,
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
    rising = {(f"t{k}", 0): 0.01 * (k + 1) for k in range(7)}
    few = {("t0", 0): 0.1}
    tested, left_out, again = compare({"A": rising, "B": few, "C": rising})
    assert tested.p_holm == again.p_holm == pytest.approx(2 * 2 / 128)
    assert (left_out.p, left_out.p_holm, left_out.mean, left_out.ci) == (None, None, 0.1, None)


def test_seeds_of_a_task_are_one_observation() -> None:
    rng = np.random.default_rng(0)
    differences = {(f"t{k}", seed): 0.01 * (k - 2) + rng.normal(0, 0.001) for k in range(12) for seed in range(3)}
    means = [np.mean([differences[f"t{k}", seed] for seed in range(3)]) for k in range(12)]
    (found,) = compare({"A": differences})
    assert (found.n, found.runs) == (12, 36)
    assert found.p == pytest.approx(stats.wilcoxon(np.round(means, 6)).pvalue)
    interval = stats.t.interval(0.95, 11, np.mean(means), stats.sem(means))
    assert found.estimate is not None
    assert found.estimate.interval == pytest.approx(interval)


def test_where_no_p_can_reach_the_level_there_is_no_verdict_and_an_estimate_alone() -> None:
    six = {(f"t{k}", seed): 0.1 + 0.01 * k for k in range(6) for seed in range(3)}
    (alone,) = compare({"A": six})
    assert (alone.p_holm, alone.verdict) == (pytest.approx(2 / 64), "better")
    # Of two methods even the smaller p would be doubled: 4 / 64 is above 0.05.
    for c in compare({"A": six, "B": six}):
        assert (c.p, c.p_holm, c.verdict, c.mean) == (None, None, "", pytest.approx(0.125))
    five = {pair: value for pair, value in six.items() if pair[0] != "t5"}
    (few,) = compare({"A": five})
    assert (few.p, few.over_tasks, few.ci) == (None, False, pytest.approx(0.0, abs=1e-12))


def test_tasks_that_share_a_pair_of_domains_count_once() -> None:
    shots = {
        (f"{pair}, {k} shots", seed): gain
        for pair, gain in (("a", 0.1), ("b", 0.3))
        for k in (1, 3, 5, 10)
        for seed in range(3)
    }
    units = {task: task[0] for task, _ in shots}
    (found,) = compare({"A": shots}, units=units)
    assert (found.n, found.runs, found.better, found.p, found.mean) == (2, 24, 2, None, pytest.approx(0.2))
    assert over_units({("a1", 0): 0.0, ("a1", 1): 0.2, ("a2", 0): 0.3, ("b", 0): 1.0}, {"a1": "a", "a2": "a"}) == (
        pytest.approx([0.2, 1.0])
    )


def test_nothing_is_called_better_with_an_interval_over_zero() -> None:
    # Eleven small gains and a large loss: the ranks say better, the mean does not know.
    values = [0.001 * (k + 1) for k in range(11)] + [-0.1]
    differences = {(f"t{k}", 0): value for k, value in enumerate(values)}
    (found,) = compare({"A": {**differences, ("t11", 0): -0.0005}})
    assert found.verdict == "better"
    spread = {**differences, ("t10", 0): 1.0, ("t11", 0): -0.0005}
    (wide,) = compare({"A": spread})
    assert wide.p_holm is not None
    assert wide.p_holm < 0.05
    assert wide.estimate is not None
    assert wide.estimate.interval is not None
    assert wide.estimate.interval[0] < 0
    assert wide.verdict == ""


def test_with_few_tasks_the_interval_is_over_seeds_of_differences_averaged_over_tasks() -> None:
    # The tasks differ by far, the seeds do not.
    even = {("easy", 0): 0.1, ("hard", 0): 0.3, ("easy", 1): 0.3, ("hard", 1): 0.1}
    uneven = {("easy", 0): 0.1, ("hard", 0): 0.3, ("easy", 1): 0.3}
    first, second = compare({"even": even, "uneven": uneven})
    assert first.mean == pytest.approx(0.2)
    assert first.ci == pytest.approx(0.0, abs=1e-12)
    assert second.ci is None


def test_only_pairs_of_the_same_task_and_seed_are_compared_and_train_on_target_is_not() -> None:
    table = {"SourceOnly": [0.5] * 7, "DANN": [0.6, 0.61, 0.62, 0.63, 0.64, 0.65, None], "TargetOnly": [0.9] * 7}
    results = [result(f"t{task}", m, 0, a) for m, values in table.items() for task, a in enumerate(values)]
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
