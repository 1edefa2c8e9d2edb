"""Every method on a toy: what the tests of learning, resuming and leakage go through."""

from tests.zoo import (
    adversarial,
    basics,
    class_sets,
    fine_tuning,
    mapping,
    matching,
    pixel,
    relation,
    reweighting,
    self_training,
    source_free,
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
    **class_sets.CASES,
}

__all__ = ["CASES", "Case"]
