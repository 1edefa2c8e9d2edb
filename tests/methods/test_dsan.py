"""DSAN trusts the target predictions: what the ramp, or a trained start, is for."""

from pathlib import Path

from adapt.methods import DSAN
from tests.zoo import Case
from tests.zoo.self_training import Turned


def test_without_the_ramp_random_predictions_pair_the_classes_unless_the_start_is_trained(tmp_path: Path) -> None:
    constant = {"ramp": False}
    untrained = Case(DSAN, constant, module=Turned).accuracy(tmp_path / "untrained", seed=0)
    trained = Case(DSAN, constant, module=Turned, after_source=True).accuracy(tmp_path / "trained", seed=0)
    assert untrained < 0.6
    assert trained > 0.95
