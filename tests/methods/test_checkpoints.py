"""A checkpoint's outputs keep their meaning in another run."""

from pathlib import Path
from typing import Any

import pytest
import torch

from adapt.backbones import MLP
from adapt.errors import AdaptError
from adapt.methods import OSBP, Method, SourceOnly
from adapt.problems import Classification, Problem, Regression

NAMES = ["dog", "cat", "bird"]


def saved(path: Path, problem: Problem | int, method: type[Method] = SourceOnly) -> Path:
    torch.manual_seed(0)
    built = method(problem=problem, backbone=MLP((2,)))
    checkpoint: dict[str, Any] = {"state_dict": built.state_dict()}
    built.on_save_checkpoint(checkpoint)
    torch.save(checkpoint, path / "start.ckpt")
    return path / "start.ckpt"


def started(start: Path, problem: Problem | int, method: type[Method] = SourceOnly) -> Method:
    return method(problem=problem, backbone=MLP((2,)), init_from=str(start))


def test_a_start_with_the_same_class_names_in_another_order_predicts_the_same_names(tmp_path: Path) -> None:
    start = saved(tmp_path, Classification(NAMES))
    before, after = started(start, Classification(NAMES)), started(start, Classification(sorted(NAMES)))
    x = torch.randn(50, 2)
    found = [[m.problem.names[k] for k in m.eval()(x).logits.argmax(1).tolist()] for m in (before, after)]
    assert len({*found[0]}) > 1
    assert found[0] == found[1]


def test_a_start_whose_classes_are_others_is_refused_and_numbers_are_no_names(tmp_path: Path) -> None:
    start = saved(tmp_path, Classification(NAMES))
    with pytest.raises(AdaptError, match="init_from with the classes dog, cat, fish, found dog, cat, bird"):
        started(start, Classification(["dog", "cat", "fish"]))
    weight = torch.load(start, weights_only=True)["state_dict"]["classifier.weight"]
    for found in (started(start, 3), started(saved(tmp_path, 3), Classification(NAMES))):
        assert torch.equal(found.state_dict()["classifier.weight"], weight)
    start = saved(tmp_path, Classification(NAMES, "open"), OSBP)  # whose layer has a row that is no class
    with pytest.raises(AdaptError, match="in this order"):
        started(start, Classification(sorted(NAMES), "open"), OSBP)


def test_a_checkpoint_with_another_order_of_classes_is_not_continued(tmp_path: Path) -> None:
    checkpoint = torch.load(saved(tmp_path, Classification(NAMES)), weights_only=True)
    with pytest.raises(AdaptError, match="classes bird, cat, dog in this order, found one with dog, cat, bird"):
        SourceOnly(problem=Classification(sorted(NAMES)), backbone=MLP((2,))).on_load_checkpoint(checkpoint)
    SourceOnly(problem=3, backbone=MLP((2,))).on_load_checkpoint(checkpoint)


def test_quantities_of_other_names_are_a_start_and_of_another_order_are_put_in_order(tmp_path: Path) -> None:
    start = saved(tmp_path, Regression(["a", "b"], [0.0, 0.0], [1.0, 1.0]))
    weight = torch.load(start, weights_only=True)["state_dict"]["classifier.0.weight"]
    for names, at in ((["c", "d"], [0, 1]), (["b", "a"], [1, 0])):
        found = started(start, Regression(names, [0.0, 0.0], [1.0, 1.0]))
        assert torch.equal(found.state_dict()["classifier.0.weight"], weight[at])
