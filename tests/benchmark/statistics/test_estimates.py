import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from adapt.benchmark.statistics.estimates import (
    Estimate,
    half_width,
    negative_transfer,
    rules_of,
    settings_of,
    summarise,
)
from tests.benchmark.synthetic import result


@pytest.mark.parametrize("n", [2, 3, 10])
def test_the_half_width_is_scipys_t_interval(n: int) -> None:
    values = np.random.default_rng(n).uniform(size=n).tolist()
    low, high = stats.t.interval(0.95, n - 1, loc=np.mean(values), scale=stats.sem(values))
    assert half_width(values) == pytest.approx((high - low) / 2)


def test_three_seeds_have_the_factor_of_the_printed_table() -> None:
    # t with 2 degrees of freedom is 4.303; the standard deviation of 0.1, 0.2, 0.3 is 0.1.
    assert half_width([0.1, 0.2, 0.3]) == pytest.approx(4.3027 * 0.1 / math.sqrt(3), abs=1e-5)


@pytest.mark.parametrize("values", [[], [0.5]])
def test_fewer_than_two_seeds_have_no_interval(values: list[float]) -> None:
    assert half_width(values) is None


def test_a_cell_is_the_mean_over_the_seeds_that_finished() -> None:
    results = [result("t", "DANN", 0, 0.7), result("t", "DANN", 1, 0.8), result("t", "DANN", 2, None)]
    found = summarise(results, "last").cells["DANN", "t"]
    assert (found.mean, found.n, found.n_failed) == (pytest.approx(0.75), 2, 1)
    assert summarise(results, "oracle").cells["DANN", "t"].mean == pytest.approx(0.76)


def test_the_average_is_per_seed_first_so_its_interval_is_not_that_of_the_tasks() -> None:
    # The tasks differ greatly, but every seed has the same average: the interval is zero.
    table = {"easy": [0.9, 0.8, 0.85], "hard": [0.1, 0.2, 0.15]}
    results = [result(t, "DANN", seed, value) for t, values in table.items() for seed, value in enumerate(values)]
    average = summarise(results, "last").averages["DANN"]
    assert average.mean == pytest.approx(0.5)
    assert average.ci == pytest.approx(0.0, abs=1e-12)


def test_a_seed_without_every_task_is_not_averaged() -> None:
    results = [
        result("easy", "DANN", 0, 0.9),
        result("easy", "DANN", 1, 0.9),
        result("hard", "DANN", 0, 0.1),
        result("hard", "DANN", 1, None),
        result("easy", "MMD", 0, 0.9),
    ]
    averages = summarise(results, "last").averages
    assert (averages["DANN"].mean, averages["DANN"].n, averages["DANN"].n_failed) == (pytest.approx(0.5), 1, 1)
    assert averages["MMD"].mean is None


def test_one_task_has_no_average() -> None:
    assert summarise([result("t", "DANN", 0, 0.5)], "last").averages == {}


@pytest.mark.parametrize(
    ("method", "flag"),
    [
        (Estimate(0.50, 0.02, 3, 0), "apart"),
        (Estimate(0.50, 0.09, 3, 0), None),
        (Estimate(0.70, 0.01, 3, 0), None),
        (Estimate(0.60, 0.01, 3, 0), None),
        (Estimate(0.59, None, 1, 0), "one seed"),
        (Estimate(0.61, None, 1, 0), None),
        (Estimate(None, None, 0, 3), None),
    ],
)
def test_negative_transfer_needs_intervals_apart_or_is_marked_as_one_seed(method: Estimate, flag: str | None) -> None:
    assert negative_transfer(method, Estimate(0.60, 0.02, 3, 0)) == flag


def test_train_on_target_is_never_negative_transfer() -> None:
    results = [result("t", m, s, a + s / 1000) for m, a in (("SourceOnly", 0.9), ("TargetOnly", 0.5)) for s in (0, 1)]
    assert summarise(results, "last").cells["TargetOnly", "t"].negative is None


def test_source_only_comes_first_train_on_target_last_and_others_as_planned() -> None:
    results = [result(t, m, 0, 0.5) for t in ("b", "a") for m in ("TargetOnly", "DANN", "Extra", "CORAL", "SourceOnly")]
    summary = summarise(
        results, "last", tasks=["a", "b"], methods=["TargetOnly", "CORAL", "DANN", "SourceOnly", "gone"]
    )
    assert summary.methods == ("SourceOnly", "CORAL", "DANN", "Extra", "TargetOnly")
    assert summary.tasks == ("a", "b")


def test_rules_run_from_the_last_step_to_the_oracle() -> None:
    assert rules_of([result("t", "m", 0, 0.5)]) == ["last", "source_accuracy", "oracle"]
    assert rules_of([result("t", "m", 0, None)]) == ["last"]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (("target labels", "unsupervised"), "target labels"),
        (
            ("few-shot (10 per class)", "few-shot (1 per class)", "few-shot (5 per class)"),
            "few-shot (1 to 10 per class)",
        ),
        (("few-shot (5 per class)", "source-only"), "few-shot (5 per class)"),
        (("unsupervised", "unsupervised"), "unsupervised"),
    ],
)
def test_a_method_is_said_to_see_what_it_sees_most_on_any_task(settings: tuple[str, ...], expected: str) -> None:
    # Results come in the order of the tasks' names: the last one's setting stood for all.
    runs = [replace(result(f"task {k}", "X", 0, 0.5), setting=setting) for k, setting in enumerate(settings)]
    assert settings_of(runs) == summarise(runs, "last").settings == {"X": expected}
