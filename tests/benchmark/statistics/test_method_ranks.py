from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import stats

from adapt.benchmark.outputs.pictures.ranks import draw_diagram
from adapt.benchmark.outputs.tables.significance import ranking_sentences
from adapt.benchmark.results.results import CellResult
from adapt.benchmark.statistics import summarise
from adapt.benchmark.statistics.analysis import examine
from adapt.benchmark.statistics.method_ranks import MethodRanks, critical_difference, nemenyi, rank_methods
from tests.benchmark.synthetic import result

METHODS = ("SourceOnly", "CORAL", "DANN", "MMD")
TABLE = np.random.default_rng(1).uniform(0.3, 0.9, size=(7, 4)).round(4) + np.array([-0.2, 0.0, 0.0, 0.1])


def grid(table: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> list[CellResult]:
    """Two seeds whose mean is the table's entry."""
    return [
        result(f"t{row}", method, seed, float(value) + (0.01 if seed else -0.01))
        for row, values in enumerate(table)
        for method, value in zip(METHODS, values, strict=False)
        for seed in (0, 1)
    ]


def test_statistic_and_p_are_scipys_friedman_of_the_means_over_seeds() -> None:
    ranking = rank_methods(summarise(grid(TABLE), "last"))
    expected = stats.friedmanchisquare(*TABLE.T)
    assert (ranking.statistic, ranking.p) == (pytest.approx(expected.statistic), pytest.approx(expected.pvalue))
    assert ranking.tasks == 7


@pytest.mark.parametrize(("k", "q"), [(3, 2.343), (5, 2.728), (10, 3.164)])
def test_the_critical_difference_has_the_tabulated_q(k: int, q: float) -> None:
    # Demšar (2006), table 5a, at 0.05.
    assert critical_difference(k, 14) == pytest.approx(q * np.sqrt(k * (k + 1) / (6 * 14)), rel=3e-4)


def test_ranks_by_hand_with_a_tie() -> None:
    table = np.array([[0.1, 0.5, 0.5, 0.9], [0.2, 0.3, 0.4, 0.5], [0.6, 0.5, 0.4, 0.3]])
    ranks = rank_methods(summarise(grid(table), "last")).ranks
    # On the tasks one after the other: 4, 2.5, 2.5, 1; then 4, 3, 2, 1; then 1, 2, 3, 4.
    assert dict(ranks) == pytest.approx({"MMD": 6 / 3, "CORAL": 7.5 / 3, "DANN": 7.5 / 3, "SourceOnly": 9 / 3})
    assert tuple(ranks) in {("MMD", "CORAL", "DANN", "SourceOnly"), ("MMD", "DANN", "CORAL", "SourceOnly")}


def test_nemenyis_p_values_are_those_of_scikit_posthocs() -> None:
    posthocs = pytest.importorskip("scikit_posthocs", reason="needs adapt-lightning[stats]")
    expected = posthocs.posthoc_nemenyi_friedman(TABLE).to_numpy()
    found = nemenyi(rank_methods(summarise(grid(TABLE), "last")))
    ours = [[found[a, b] for b in METHODS] for a in METHODS]
    assert np.allclose(ours, expected, atol=1e-3)


def test_groups_reach_as_far_as_the_critical_difference() -> None:
    ranking = MethodRanks({"A": 1.0, "B": 1.8, "C": 2.5, "D": 4.0}, 9, critical_difference=1.0)
    assert ranking.alike() == [("A", "B"), ("B", "C")]


@pytest.mark.parametrize(
    ("table", "why"),
    [
        (TABLE[:2], "3 tasks or more, found 2"),
        (TABLE[:, :2], "3 methods or more with a result on every task, found 2"),
        (np.full((4, 3), 0.5), "equal accuracies"),
    ],
)
def test_too_little_for_a_test_is_said(table: np.ndarray[tuple[int, int], np.dtype[np.float64]], why: str) -> None:
    found = examine(summarise(grid(table), "last"))
    assert not found.ranking.tested
    assert why in ranking_sentences(found)[0]


def test_a_method_that_failed_on_a_task_is_left_out_and_named_and_the_task_stays() -> None:
    results = [r for r in grid(TABLE) if (r.task, r.method) != ("t3", "DANN")]
    results += [result("t3", "DANN", 0, None), *(result(f"t{k}", "FineTuning", 0, 0.9) for k in range(7))]
    found = examine(summarise(results, "last"))
    assert set(found.ranking.ranks) == {"SourceOnly", "CORAL", "MMD"}
    assert found.ranking.tasks == 7
    assert any("so not DANN, FineTuning." in sentence for sentence in ranking_sentences(found))


def test_a_method_that_lost_a_seed_is_not_ranked_as_if_it_had_not() -> None:
    results = [r for r in grid(TABLE) if (r.task, r.method, r.seed) != ("t3", "MMD", 1)]
    found = examine(summarise([*results, result("t3", "MMD", 1, None)], "last"))
    assert set(found.ranking.ranks) == {"SourceOnly", "CORAL", "DANN"}
    assert any("so not MMD." in sentence for sentence in ranking_sentences(found))


def test_tasks_of_one_pair_of_domains_are_ranked_once() -> None:
    units = {"t0": "a → b", "t1": "a → b"}
    ranking = rank_methods(summarise(grid(TABLE), "last", units=units))
    merged = np.vstack([TABLE[:2].mean(axis=0), TABLE[2:]])
    assert ranking.tasks == 6
    assert ranking.statistic == pytest.approx(stats.friedmanchisquare(*merged.T).statistic)


def test_the_diagram_is_a_picture_with_its_numbers_in_words(tmp_path: Path) -> None:
    pytest.importorskip("scikit_posthocs", reason="needs adapt-lightning[stats]")
    results = grid(TABLE)
    picture = draw_diagram(examine(summarise(results, "last")), tmp_path)
    assert picture is not None
    with Image.open(picture.path) as image:
        assert min(image.size) > 150
        assert image.convert("L").getextrema()[0] < 100
    assert f"Critical difference {critical_difference(4, 7):.2f}" in picture.alt
    assert draw_diagram(examine(summarise(results[:8], "last")), tmp_path) is None
