"""Scores of a person's own, from the file to the table and the choice."""

import sys
from pathlib import Path

import pytest
import torch
import yaml

from adapt.benchmark.plan.plan import read_plan
from adapt.benchmark.results.results import read_results
from adapt.benchmark.statistics.rule_ranks import read_rules
from adapt.commands.main import main
from adapt.encoding import DomainEncoding
from adapt.errors import AdaptError
from adapt.measures import ACCURACY
from adapt.methods.checkpoints import read_checkpoint
from adapt.selection import OwnScore, Samples, Scores, evaluate

OWN = """
from adapt.selection import OwnScore
class MeanMargin(OwnScore):
    def __init__(self, power: float = 1.0):
        self.power = power
    def value(self, samples):
        assert samples.target.y is None
        top = samples.target.logits.softmax(1).topk(2).values
        return ((top[:, 0] - top[:, 1]) ** self.power).mean()
"""


def test_an_own_score_is_a_rule_of_its_name_in_runs_tables_and_the_choice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    Path("own_score_.py").write_text(OWN)
    own = [{"class_path": "own_score_.MeanMargin", "init_args": {"power": 2.0}}]
    trainer = {"max_steps": 6, "val_check_interval": 2}
    content = {
        "name": "own",
        "seeds": [0],
        "rule": "mean_margin",
        "base": {"trainer": {"callbacks": [{"class_path": "Scores", "init_args": {"own": own}}]}},
        "tasks": {"moons": ["tasks/moons", {"trainer": trainer, "data": {"init_args": {"samples": 100}}}]},
        "methods": {"Source": "methods/source_only", "CORAL": "methods/coral"},
    }
    Path("plan.yaml").write_text(yaml.safe_dump(content))
    assert main(["benchmark", "--config", "plan.yaml", "--out", "out", "--wandb", "disabled"]) == 0
    assert "Model selection: best mean_margin (no target label)." in capsys.readouterr().out
    result = next(r for r in read_results(Path("out")) if r.method == "CORAL")
    curve = read_rules(result.directory / "metrics.csv", ACCURACY)["mean_margin"]
    assert len(curve) == 3
    (row,) = (row for row in result.rows if row["rule"] == "mean_margin")
    kept = read_checkpoint(result.directory / "checkpoints" / "mean_margin.ckpt")["global_step"]
    assert row["step"] == kept == max(curve, key=curve.__getitem__) + 1  # metrics count steps from 0
    assert main(["choose", "out", "--rule", "mean_margin", "--out", "chosen", "--wandb", "disabled"]) == 0
    assert ", by mean_margin." in capsys.readouterr().out
    assert main(["choose", "out", "--rule", "mean_margine", "--out", "no"]) == 2
    Path("plan.yaml").write_text(yaml.safe_dump(content | {"rule": "mean_margine"}))
    with pytest.raises(AdaptError, match="unknown rule 'mean_margine'; did you mean 'mean_margin'"):
        read_plan(Path("plan.yaml"))


class Entropy(OwnScore):
    def value(self, samples: Samples) -> torch.Tensor:
        return samples.target.logits.mean(0)


class RowsOfClasses(Entropy):
    pass


def test_a_name_that_is_taken_and_a_value_that_is_no_number_are_named() -> None:
    with pytest.raises(AdaptError, match="a name of its own for the score Entropy, found 'entropy'"):
        Scores(own=[Entropy()])
    with pytest.raises(AdaptError, match="found Scores"):
        Scores(own=[Scores()])  # type: ignore[list-item]  # on purpose
    samples = Samples(DomainEncoding(torch.zeros(4, 2), torch.zeros(4, 3), None))
    with pytest.warns(
        UserWarning, match=r"rows_of_classes: Expected one number from value\(samples\) of RowsOfClasses"
    ):
        evaluate(samples, (), Scores(own=[RowsOfClasses()]).own)
