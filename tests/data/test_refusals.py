"""Pairs of domains that would train without a complaint and end in a wrong number."""

from typing import Any

import pytest
import torch

from adapt.data import TensorDomain
from adapt.errors import AdaptError
from tests.toy import Shifted, samples


def with_target(change: Any) -> type[Shifted]:
    class Changed(Shifted):
        def domain(self, name: str, split: str) -> Any:
            x, y = samples(0, shifted=False)
            return TensorDomain(change(x) if name == "target" else x, y)

    return Changed


def broken(x: torch.Tensor) -> torch.Tensor:
    x = x.clone()
    x[7, 2] = float("nan")
    return x


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda x: 255 * x, "on one scale, found 'source' in"),
        (broken, "NaN or infinity in 1 training samples of 'target', the first at position 7"),
    ],
)
def test_inputs_that_cannot_be_compared(change: Any, words: str) -> None:
    data = with_target(change)("source", "target")
    with pytest.raises(AdaptError, match=words):
        data.setup("fit")


class OtherClasses(Shifted):
    def domain_classes(self, name: str) -> list[str]:
        return ["cat", "dog"] if name == "source" else ["dog", "mug"]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Shifted("source", "source"), "two different domains, found 'source'"),
        (lambda: Shifted("sorce", "target"), "Unknown domain 'sorce' of Shifted.*Did you mean 'source'"),
        (lambda: Shifted([], "target"), "at least one source"),
        (lambda: Shifted("source", "target", batch_size=0), "batch size of at least 1"),
        (lambda: Shifted("source", "target", shots=0), "at least 1 shot"),
        (lambda: Shifted("source", "target", val_fraction=1.0), "between 0 and 1"),
        (lambda: OtherClasses("source", "target"), "only 'source' has cat; only 'target' has mug"),
        (
            lambda: Shifted("source", "target", batch_size=811).setup("fit"),
            "810 training samples, fewer than one batch of 811",
        ),
    ],
)
def test_arguments_that_do_not_fit(make: Any, words: str) -> None:
    with pytest.raises(AdaptError, match=words):
        make()


def test_more_shots_than_a_class_has() -> None:
    data = Shifted("source", "target", shots=500)
    data.setup("fit")
    with pytest.raises(AdaptError, match="at least 500 target training samples of class 'a', found 2"):
        data.train_dataloader()
