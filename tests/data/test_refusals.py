"""Pairs of domains that would train without a complaint and end in a wrong number."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

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


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda x: x[:, :5], r"inputs of shape \(8,\), found \(5,\) in 'target'"),
        (lambda x: x.to(torch.complex64), "real inputs, found torch.complex64 in 'target'"),
    ],
)
def test_inputs_that_are_no_vectors_of_the_network_s(change: Any, words: str) -> None:
    with pytest.raises(AdaptError, match=words):
        with_target(change)("source", "target").setup("fit")


def test_bytes_and_floats_are_not_pooled() -> None:
    class Pooled(Shifted):
        known_domains = ("source", "other", "target")

        def domain(self, name: str, split: str) -> Any:
            x, y = samples(0, shifted=False)
            return TensorDomain((40 * x + 128).clamp(0, 255).byte() if name == "other" else x, y)

    with pytest.raises(AdaptError, match=r"torch\.float32 in 'source' and torch\.uint8 in 'other'"):
        Pooled(["source", "other"], "target").setup("fit")


PICTURE = Image.new("RGB", (4, 4))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda x: PICTURE, "found Image.*Resize and PILToTensor"),
        (lambda x: "a review", "found str"),
        (lambda x: x[: 3 + int(x[0] > 0)], r"found Tensor \(3,\), Tensor \(4,\)"),
        (lambda x: np.array([None, 1]), "tensors or arrays"),
    ],
)
def test_inputs_that_make_no_batch(make: Any, words: str) -> None:
    class Listed(Shifted):
        def domain(self, name: str, split: str) -> Any:
            return [(make(x), y) for x, y in zip(*samples(0, shifted=False), strict=True)]

    with pytest.raises(AdaptError, match=words) as caught:
        Listed("source", "target").setup("fit")
    assert "\n" not in str(caught.value)


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
        (lambda: Shifted("source", "target", val_fraction=math.nan), "between 0 and 1"),
        (lambda: Shifted("source", "target", batch_size=-1), "batch size of at least 1, found -1"),
        (lambda: Shifted("source", "target", batch_size=2.5), "batch size of at least 1, found 2.5"),
        (lambda: Shifted("source", "target", eval_batch_size=0), "eval_batch_size of at least 1, found 0"),
        (lambda: Shifted("source", "target", num_workers=-1), "num_workers of at least 0, found -1"),
        (lambda: Shifted("source", "target", split_seed=2**64), "split_seed of at least 0"),
        (lambda: Shifted("source", "target", shots="few"), "'all', a number or None, found 'few'"),
        (lambda: Shifted("source", "target", val_fraction=0.9999).setup("fit"), r"'source' \(train\), found none"),
        (lambda: OtherClasses("source", "target", class_sets="closed"), "only 'source' has cat; only 'target' has mug"),
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
