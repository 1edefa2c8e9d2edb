from pathlib import Path

import numpy as np

from adapt.benchmark.outputs.files import build_report
from adapt.benchmark.outputs.pictures.scores import mean_curve, read_scores
from tests.benchmark.synthetic import write_benchmark


def test_scores_are_read_without_accuracies_gaps_and_infinities(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text(
        "epoch,step,train/loss,val/bnm,val/dev,val/source_accuracy,oracle/target_accuracy\n"
        "0,9,1.0,,,,\n0,9,,0.5,inf,0.9,0.8\n1,19,,0.75,-2,0.9,0.8\n"
    )
    assert read_scores(path) == {"bnm": {9: 0.5, 19: 0.75}, "dev": {19: -2.0}}
    assert read_scores(tmp_path / "none.csv") == {}


def test_the_mean_is_over_steps_that_all_seeds_share() -> None:
    curves = [{10: 0.1, 20: 0.2, 30: 0.9}, {10: 0.3, 20: 0.6}]
    steps, values = mean_curve(curves)
    assert steps == [10, 20]
    np.testing.assert_allclose(values, [np.mean([0.1, 0.3]), np.mean([0.2, 0.6])])


def test_a_grid_with_scores_has_one_picture_of_them_per_task(tmp_path: Path) -> None:
    write_benchmark(tmp_path)
    for path in tmp_path.rglob("metrics.csv"):
        path.write_text("step,val/bnm,val/dev\n10,0.1,-1\n20,0.2,-30000\n")
    found = [picture for picture in build_report(tmp_path).pictures if picture.kind == "scores"]
    assert [picture.task for picture in found] == ["a → b"]
    assert "bnm, dev" in found[0].alt
    assert "Selection scores while training" in (tmp_path / "report.html").read_text()
