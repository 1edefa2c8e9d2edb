import pytest
from scipy import stats

from adapt.measures import wilson


@pytest.mark.parametrize(("right", "samples"), [(0, 10), (10, 10), (270, 300), (1, 3), (4990, 10_000)])
def test_the_interval_of_one_runs_accuracy_is_scipys_wilson(right: int, samples: int) -> None:
    expected = stats.binomtest(right, samples).proportion_ci(method="wilson")
    assert wilson(right, samples) == pytest.approx((expected.low, expected.high), abs=1e-9)
