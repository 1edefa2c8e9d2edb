"""Every method on a toy: what the tests of learning, resuming and leakage go through."""

from tests.zoo import adversarial, basics, matching, relation, reweighting, self_training
from tests.zoo.case import Case

CASES: dict[str, Case] = {
    **basics.CASES,
    **matching.CASES,
    **adversarial.CASES,
    **self_training.CASES,
    **reweighting.CASES,
    **relation.CASES,
}

__all__ = ["CASES", "Case"]
