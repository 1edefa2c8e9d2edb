"""Inputs that are trees of tensors."""

from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from adapt import trees
from adapt.errors import AdaptError


class Both(NamedTuple):
    image: torch.Tensor
    text: dict[str, torch.Tensor]


def both(n: int) -> Both:
    return Both(torch.arange(n * 2).reshape(n, 2), {"ids": torch.arange(n), "mask": torch.ones(n, 3)})


def test_a_tree_keeps_its_shape_and_every_part_its_samples() -> None:
    joined = trees.cat([both(2), both(3)])
    assert isinstance(joined, Both)
    assert trees.size(joined) == 5
    second = trees.take(joined, slice(2, None))
    for found, expected in zip(trees.leaves(second), trees.leaves(both(3)), strict=True):
        torch.testing.assert_close(found, expected)


def test_samples_are_stacked_at_each_place() -> None:
    samples = [{"x": np.full(2, k, dtype="float32"), "n": k} for k in range(3)]
    found = trees.collate(samples)
    assert found["x"].shape == (3, 2)
    assert found["n"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.complex64])
def test_numbers_are_finite_though_their_sum_is_not(dtype: torch.dtype) -> None:
    large = torch.full((2, 8), 6e4 if dtype == torch.float16 else 3e38, dtype=dtype)
    assert not large.sum().isfinite() and trees.all_finite({"x": large, "k": torch.arange(3)}) and trees.all_finite([])
    for bad in (float("nan"), float("inf"), -float("inf")):
        spoiled = large.clone()
        spoiled[1, 3] = bad
        assert not trees.all_finite([large, spoiled])
    assert not trees.all_finite(torch.tensor([float("inf"), -float("inf")]))


@pytest.mark.parametrize("tree", [torch.ones(3), [torch.ones(3)], (torch.ones(3), {"a": torch.ones(3)})])
def test_any_nesting_has_a_size(tree: Any) -> None:
    assert trees.size(tree) == 3


def test_what_is_no_tree_of_samples_is_refused() -> None:
    with pytest.raises(AdaptError, match="found a str"):
        trees.leaves({"x": "text"})
    with pytest.raises(AdaptError, match="one leading dimension"):
        trees.size({"a": torch.ones(2), "b": torch.ones(3)})
    with pytest.raises(AdaptError, match="the same parts"):
        trees.cat([{"a": torch.ones(2)}, {"b": torch.ones(2)}])
