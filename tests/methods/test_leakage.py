"""No label of the target's training set reaches the weights of a method that must not see them."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import Dataset

from adapt.data import DomainDataModule, TensorDomain
from adapt.data.views import in_memory
from adapt.problems import Classification
from tests.toy import CLASSES, Shifted
from tests.zoo import CASES
from tests.zoo.texts import Sentences
from tests.zoo.two_views import TwoViews


def permuted(module: type[DomainDataModule]) -> type[DomainDataModule]:
    """The toy with its target training labels shuffled; validation and test labels are left as they are."""

    class Permuted(module):  # type: ignore[misc, valid-type]  # a base that is known at run time only
        def domain(self, name: str, split: str) -> Dataset[Any]:
            dataset = super().domain(name, split)
            if name != "target" or split != "train":
                return dataset
            x, y = in_memory(dataset)
            order = torch.randperm(len(y), generator=torch.Generator().manual_seed(5))
            return TensorDomain(x, y[order])

    return Permuted


def weights(name: str, path: Path, shuffled: bool) -> list[torch.Tensor]:
    # Vectors and classes all have one toy here; images, series, texts, numbers, class sets that differ and several
    # sources need their own. A target that is cut to some classes was cut by its labels, so that toy is left out.
    case = CASES[name]
    kind = case.module
    own = len(kind.input_shape) > 1 or kind in (Sentences, TwoViews) or not isinstance(case.problem, Classification)
    own = own or (kind.__module__.endswith("class_sets") and kind.__name__ != "Partial")
    module = kind if own else Shifted
    trained, _, _ = CASES[name].train(path, steps=20, module=permuted(module) if shuffled else module, dropout=0.2)
    return list(trained.state_dict().values())


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.method.target_labels == "none"])
def test_permuted_target_training_labels_give_bit_equal_weights(name: str, tmp_path: Path) -> None:
    for a, b in zip(weights(name, tmp_path / "a", False), weights(name, tmp_path / "b", True), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("name", ["TargetOnly", "FineTuning"])
def test_the_permutation_is_seen_by_methods_that_train_on_target_labels(name: str, tmp_path: Path) -> None:
    one, other = weights(name, tmp_path / "a", False), weights(name, tmp_path / "b", True)
    assert any(not torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_training_batch_has_no_target_label(tmp_path: Path) -> None:
    data = Shifted("source", "target")
    data.setup("fit")
    loaders = data.train_dataloader()
    batch = next(iter(loaders.target))
    assert not hasattr(batch, "y")
    assert set(batch._fields) == {"x", "index"}
    assert next(iter(loaders.source)).y.max() < CLASSES
