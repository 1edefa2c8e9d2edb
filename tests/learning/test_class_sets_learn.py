"""Methods for class sets that differ beat those that know nothing of them."""

from pathlib import Path
from typing import Any

import pytest

from adapt.methods import DANN, SourceOnly
from tests.toy import train
from tests.zoo import CASES, Case
from tests.zoo.adversarial import DECAY, SMALL
from tests.zoo.class_sets import OPEN, Open, Partial


def h_score(case: Case, folder: Path, **options: Any) -> float:
    built, data, trainer = case.train(folder, 0, **options)
    results = trainer.test(built, datamodule=data, verbose=False)
    return next(r["test/target_h_score"] for r in results if "test/target_h_score" in r)


@pytest.mark.parametrize(("name", "same"), [("OSBP", DECAY), ("OVANet", {}), ("DANCE", {})])
def test_open_set_methods_find_more_of_the_unknown(name: str, same: dict[str, Any], tmp_path: Path) -> None:
    # A threshold of one half, as OSBP and OVANet have it.
    threshold = Case(SourceOnly, OPEN | {"unknown_threshold": 0.5} | same, module=Open)
    assert h_score(CASES[name], tmp_path / "a") > h_score(threshold, tmp_path / "b") + 0.05


def test_pada_withstands_the_classes_that_mislead_dann(tmp_path: Path) -> None:
    pada = CASES["PADA"].accuracy(tmp_path / "a", 0)
    dann = Case(DANN, SMALL | DECAY, module=Partial).accuracy(tmp_path / "b", 0)
    alone = Case(SourceOnly, DECAY, module=Partial).accuracy(tmp_path / "c", 0)
    assert dann < alone - 0.1  # negative transfer
    assert pada > alone + 0.03


def test_a_threshold_is_needed_on_open_sets(tmp_path: Path) -> None:
    from adapt.errors import AdaptError

    with pytest.raises(AdaptError, match="DANN takes closed and partial class sets, found open") as error:
        train(DANN, tmp_path, module=Open)
    assert len(str(error.value).splitlines()) == 2
