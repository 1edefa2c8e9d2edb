"""Every method on a toy: what the tests of learning, resuming and leakage go through."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from tests.zoo import (
    adversarial,
    basics,
    class_sets,
    fine_tuning,
    mapping,
    matching,
    pixel,
    regression,
    relation,
    reweighting,
    self_training,
    series,
    source_free,
    texts,
    two_views,
)
from tests.zoo.case import Case

CASES: dict[str, Case] = {
    **basics.CASES,
    **fine_tuning.CASES,
    **matching.CASES,
    **adversarial.CASES,
    **self_training.CASES,
    **source_free.CASES,
    **reweighting.CASES,
    **pixel.CASES,
    **mapping.CASES,
    **relation.CASES,
    **regression.CASES,
    **series.CASES,
    **texts.CASES,
    **class_sets.CASES,
    **two_views.CASES,
}

REPRESENTATIVE = {
    *("SourceOnly", "FineTuning", "DANN", "MCD", "MMD", "SHOT", "SelfEnsembling", "TCA", "ImportanceWeighting", "VADA"),
}
"""Methods of each kind: what hardly depends on the method runs on these by default, on all with `pytest -m slow`."""


def representative(names: Iterable[str], like: Callable[[str], str] = str) -> list[Any]:
    """Parameters of a test, of which all but the representative methods are slow.

    Args:
        names: Names of cases.
        like: From a name to the method's, in any spelling.
    """
    known = {name.casefold() for name in REPRESENTATIVE}
    spelt = {name: like(name).replace("_", "").casefold() for name in names}
    return [pytest.param(name, marks=() if how in known else pytest.mark.slow) for name, how in spelt.items()]


__all__ = ["CASES", "REPRESENTATIVE", "Case", "representative"]
