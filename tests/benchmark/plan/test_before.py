import warnings
from pathlib import Path
from typing import Any

import pytest
import yaml

from adapt.benchmark.plan.before import check_rules
from adapt.benchmark.plan.plan import read_plan
from adapt.errors import AdaptError


def checked(folder: Path, methods: dict[str, Any], scores: dict[str, Any] | None = None, **plan: Any) -> list[str]:
    path = folder / "plan.yaml"
    callbacks = {"trainer": {"callbacks": [{"class_path": "Scores", "init_args": scores}]}} if scores else {}
    written = {"seeds": [0], "base": callbacks, "tasks": {"t": {"data": "Moons"}}, "methods": methods} | plan
    path.write_text(yaml.safe_dump(written))
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        check_rules(read_plan(path), path)
    return [str(one.message).removeprefix(f"{path}, ") for one in found]


SOURCE, SHOT = {"model": {"class_path": "SourceOnly"}}, {"model": {"class_path": "SHOT"}}
OTHERS = {"model": {"class_path": "MMD"}, "trainer": {"callbacks": [{"class_path": "RichProgressBar"}]}}
SPACE = {"trials": 1, "space": {"model.init_args.label_smoothing": [0.0, 0.1]}}


def test_a_rule_that_no_run_computes_is_refused_and_one_that_some_lack_is_told(tmp_path: Path) -> None:
    """It headed no report, and a search had run all its trials when it said so."""
    hint = r"found iwcv. Below `base`, trainer: {callbacks: \[{class_path: Scores, .* iwcv\]}}\]} has them do so"
    with pytest.raises(AdaptError, match=f"rule: expected a rule that the runs compute, {hint}"):
        checked(tmp_path, {"S": SOURCE}, rule="iwcv")
    with pytest.raises(AdaptError, match=f"search, rule: expected a rule that the runs compute, {hint}"):
        checked(tmp_path, {"S": SOURCE}, search=SPACE | {"rule": ["iwcv", "oracle"]})
    names = {"names": ["entropy", "iwcv"]}
    assert checked(tmp_path, {"S": SOURCE}, names, rule="iwcv") == []
    with pytest.raises(AdaptError, match="found snd"):
        checked(tmp_path, {"S": SOURCE}, names, rule="snd")
    blind = "Methods without source samples have no rule that reads them."
    assert checked(tmp_path, {"S": SOURCE, "SHOT": SHOT}, names, rule="iwcv") == [
        f"rule: no iwcv in the runs of SHOT. {blind}"
    ]
    assert checked(tmp_path, {"S": SOURCE, "SHOT": SHOT}, rule="source_accuracy") == [
        f"rule: no source_accuracy in the runs of SHOT. {blind}"
    ]
    with pytest.raises(AdaptError, match=f"found source_accuracy. {blind}"):
        checked(tmp_path, {"SHOT": SHOT}, rule="source_accuracy")
    own = {"own": ["own_.MyScore"]}
    (said,) = checked(tmp_path, {"S": SOURCE, "M": OTHERS}, own, rule="my_score", search=SPACE | {"rule": "snd"})
    assert said.startswith("rule: no my_score in the runs of M. Callbacks of a method or a task take the place")
    for rule in ("last", "silhouette", "source_accuracy"):
        assert checked(tmp_path, {"S": SOURCE, "M": OTHERS}, rule=rule, search=SPACE | {"rule": "oracle"}) == []
