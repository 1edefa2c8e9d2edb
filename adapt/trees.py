"""Inputs that are a tensor, or a tree (dict, tuple, list) of tensors with the same leading dimension."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from adapt.errors import AdaptError

Tree = Any
"""A tensor `(N, ...)`, or a dict, tuple or list of trees whose tensors share N."""


def leaves(tree: Tree) -> list[Tensor]:
    """The tensors of a tree, from left to right.

    Raises:
        AdaptError: A part is neither a tensor nor a dict, tuple or list.
    """
    if isinstance(tree, Tensor):
        return [tree]
    if isinstance(tree, Mapping):
        return [leaf for part in tree.values() for leaf in leaves(part)]
    if isinstance(tree, tuple | list):
        return [leaf for part in tree for leaf in leaves(part)]
    raise AdaptError(
        f"Expected inputs that are a tensor, or a dict, tuple or list of tensors, found a {type(tree).__name__}."
    )


def tree_map(function: Callable[..., Any], *trees: Tree) -> Tree:
    """Apply `function` at each place of trees of the same structure.

    Args:
        function: Takes the tensors at one place of all trees.
        *trees: Trees of the same structure.

    Examples:
        >>> tree_map(lambda a, b: a + b, {"x": torch.ones(2)}, {"x": torch.ones(2)})
        {'x': tensor([2., 2.])}
    """
    first = trees[0]
    if isinstance(first, Mapping):
        if any(not isinstance(tree, Mapping) or tree.keys() != first.keys() for tree in trees):
            raise AdaptError(f"Expected inputs with the same parts, found {' and '.join(map(_shape, trees))}.")
        return {key: tree_map(function, *(tree[key] for tree in trees)) for key in first}
    if isinstance(first, tuple | list):
        if any(not isinstance(tree, tuple | list) or len(tree) != len(first) for tree in trees):
            raise AdaptError(f"Expected inputs with the same parts, found {' and '.join(map(_shape, trees))}.")
        parts = [tree_map(function, *parts) for parts in zip(*trees, strict=True)]
        if hasattr(first, "_fields"):  # a NamedTuple takes its fields one by one
            return type(first)(*parts)
        return tuple(parts) if isinstance(first, tuple) else parts
    return function(*trees)


def size(tree: Tree) -> int:
    """The leading dimension N of all tensors.

    Raises:
        AdaptError: The tensors differ in N, or there is no tensor.
    """
    sizes = {len(leaf) if leaf.ndim else -1 for leaf in leaves(tree)}
    if len(sizes) != 1 or -1 in sizes:
        raise AdaptError(f"Expected tensors with one leading dimension, found {_shape(tree)}.")
    return sizes.pop()


def cat(trees: Sequence[Tree]) -> Tree:
    """Concatenate trees along the leading dimension."""
    return tree_map(lambda *parts: torch.cat(parts), *trees) if len(trees) > 1 else trees[0]


def take(tree: Tree, at: Any) -> Tree:
    """The samples at the given positions: a tensor of indices, a slice, or one index."""
    return tree_map(lambda leaf: leaf[at], tree)


def all_finite(tree: Tree) -> bool:
    """Whether no number of any tensor is NaN or infinite."""
    # A sum is finite only if every number is, and takes a twentieth of the time. One that overflows says nothing.
    return all(bool(leaf.sum().isfinite() or leaf.isfinite().all()) for leaf in leaves(tree))


def collate(samples: Sequence[Tree]) -> Tree:
    """Combine many samples into one tree: numbers, arrays and tensors are stacked at each place."""
    return tree_map(lambda *parts: torch.stack([torch.as_tensor(part) for part in parts]), *samples)


def _shape(tree: Tree) -> str:
    if isinstance(tree, Mapping):
        return "{" + ", ".join(f"{key}: {_shape(part)}" for key, part in tree.items()) + "}"
    if isinstance(tree, tuple | list):
        return "(" + ", ".join(map(_shape, tree)) + ")"
    return str(tuple(tree.shape)) if isinstance(tree, Tensor) else type(tree).__name__
