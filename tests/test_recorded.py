"""Words of options: an unknown one is refused in Python as on the command line."""

import pickle
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

import adapt
import adapt.backbones
import adapt.data
import adapt.methods
import adapt.penalties
from adapt.backbones import MLP
from adapt.data import InMemory, Moons
from adapt.errors import AdaptError
from adapt.methods import MMD, FineTuning, ImportanceWeighting
from adapt.recorded import Recorded, _annotations
from adapt.sklearn import ClassicalAdaptationClassifier


def options() -> list[Any]:
    """Every argument of a public class that is annotated with words."""
    found = []
    modules: list[ModuleType] = [adapt.methods, adapt.penalties, adapt.data, adapt.backbones]
    for module in modules:
        for name in module.__all__:
            cls = getattr(module, name)
            if isinstance(cls, type) and issubclass(cls, Recorded):
                worded = {key: str(kind) for key, kind in _annotations(cls).items() if "Literal[" in str(kind)}
                found += [
                    pytest.param(cls, key, ["Xx"] if "Sequence[" in kind else "Xx", id=f"{name}-{key}")
                    for key, kind in worded.items()
                ]
    return found


@pytest.mark.parametrize(("cls", "name", "value"), options())
def test_an_unknown_word_is_refused(cls: type, name: str, value: Any) -> None:
    # Whatever else is missing or wrong: the words are looked at first.
    with pytest.raises(AdaptError, match=rf"{name} expects .*'Xx'"):
        cls(**{name: value})


def test_there_are_many_options_of_words() -> None:
    assert len(options()) > 100


class Own(FineTuning):
    def __init__(self, *args: Any, pace: float = 1.0, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)


def test_what_is_annotated_beside_words_is_taken_and_a_users_class_is_checked() -> None:
    backbone = MLP((2,), hidden=[8])
    assert FineTuning(tune=1, problem=2, backbone=backbone).tune == 1
    assert Own("head", problem=2, backbone=backbone).tune == "head"
    assert MMD(layers=("features", "logits"), problem=2, backbone=backbone).layers == ("features", "logits")
    assert Moons(shots=3, class_sets=None).shots == 3
    with pytest.raises(AdaptError, match=r"Own: tune expects 'all', .*, 'lp_ft' or a number, found 'Head'"):
        Own(tune="Head", problem=2, backbone=backbone)
    with pytest.raises(AdaptError, match="layers expects a list of 'features' or 'logits', found 'features'"):
        MMD(layers="features", problem=2, backbone=backbone)  # type: ignore[arg-type]  # on purpose
    with pytest.raises(AdaptError, match=r"estimator expects .* found None"):
        ImportanceWeighting(estimator=None, problem=2, backbone=backbone)  # type: ignore[arg-type]  # on purpose
    with pytest.raises(AdaptError, match="estimator expects 'logistic'"):
        ClassicalAdaptationClassifier("ImportanceWeighting", options={"estimator": "Logistic"}).fit(
            [[0.0], [1.0]], [0, 1], [[0.0], [1.0]]
        )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"optimizer": "SGD"}, "optimizer expects a function or a class, found the text 'SGD'"),
        ({"weight": "1"}, "weight expects a number, found the text '1'"),
        ({"bottleneck": "256"}, "bottleneck expects a number or None, found the text '256'"),
        ({"joint_forward": "no"}, "joint_forward expects True or False, found the text 'no'"),
        ({"penalties": ["MCC"]}, "penalties expects a list, each an object of Penalty, found the text 'MCC'"),
    ],
)
def test_a_text_where_none_is_taken_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(AdaptError, match=f"MMD: {said}"):
        MMD(**{"problem": 2, "backbone": MLP((2,), hidden=[8])} | options)


class Named(FineTuning):
    def __init__(self, label: Any, place: Path | None, many: Sequence[str], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)


def test_a_text_where_one_is_taken_is_left_alone() -> None:
    Named("x", "folder", ["a"], problem=2, backbone=MLP((2,), hidden=[8]), init_from=None)  # type: ignore[arg-type]


def test_numpys_numbers_and_paths_leave_a_run_that_can_be_read_again(tmp_path: Path) -> None:
    X, y = np.random.default_rng(0).normal(size=(60, 3)).astype("f4"), np.arange(60) % 2
    first = tmp_path / "first"
    rate = partial(torch.optim.SGD, lr=np.float64(0.01))
    data = InMemory(X, y, X, batch_size=np.int64(8), val_fraction=np.float32(0.1))
    model = adapt.fit("CORAL", data, max_steps=np.int64(3), seed=np.int64(1), run_dir=first, optimizer=rate)
    start = first / "checkpoints/last.ckpt"
    options = {"weight": np.float64(0.5), "bottleneck": np.int64(4), "init_from": None}
    adapt.fit("CORAL", data, max_steps=3, run_dir=tmp_path / "second", **options)
    adapt.fit("CORAL", data, max_steps=3, run_dir=tmp_path / "third", init_from=start)
    np.testing.assert_array_equal(adapt.load(first).predict_proba(X), model.predict_proba(X))
    for name in ("second", "third"):
        assert adapt.load(tmp_path / name).predict(X).shape == (60,)


def test_a_trained_model_can_be_pickled() -> None:
    X, y = np.random.default_rng(0).normal(size=(60, 3)).astype("f4"), np.arange(60) % 2
    for method in ("CORAL", "DANN"):
        model = adapt.fit(method, InMemory(X, y, X, batch_size=8), max_steps=2)
        again = pickle.loads(pickle.dumps(model))
        np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
        assert again.method.optimizer is model.method.optimizer
