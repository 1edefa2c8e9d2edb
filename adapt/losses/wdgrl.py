"""The Wasserstein critic's objective."""

from collections.abc import Callable

import torch
from torch import Tensor

from adapt.errors import AdaptError
from adapt.losses.inputs import feature_pair, in_full_precision


@in_full_precision
def critic_gap(source_values: Tensor, target_values: Tensor) -> Tensor:
    """Mean of the critic on the source minus its mean on the target.

    WDGRL, Shen et al. 2018, https://arxiv.org/abs/1707.01217. By Kantorovich and Rubinstein's duality, its maximum over
    critics with Lipschitz constant 1 is the Wasserstein-1 distance of the features. The critic maximises it, the
    features minimise it.

    Args:
        source_values: Critic's values `(N,)` or `(N, 1)`.
        target_values: Critic's values `(M,)` or `(M, 1)`; N ≠ M is allowed.

    Returns:
        Scalar in feature units, of any sign.

    Raises:
        AdaptError: A domain has no sample.

    Examples:
        >>> import torch
        >>> from adapt.losses import critic_gap
        >>> critic_gap(torch.tensor([3.0, 5.0]), torch.tensor([1.0])).item()
        3.0
    """
    if source_values.numel() == 0 or target_values.numel() == 0:
        raise AdaptError(
            "critic_gap expects at least one value of each domain, "
            f"found {tuple(source_values.shape)} and {tuple(target_values.shape)}."
        )
    return source_values.mean() - target_values.mean()


@in_full_precision
def gradient_penalty(
    critic: Callable[[Tensor], Tensor], source: Tensor, target: Tensor, *, mix: Tensor | None = None
) -> Tensor:
    """Mean of (‖∇_h critic(h)‖ − 1)² over the source, the target, and points between them.

    WDGRL, Shen et al. 2018, https://arxiv.org/abs/1707.01217, after Gulrajani et al. 2017,
    https://arxiv.org/abs/1704.00028. The points are t + α(s − t), one for each pair of samples. If N ≠ M, samples of
    the smaller domain are used again in turn, so there are max(N, M) points. All N + M + max(N, M) points weigh the
    same. Only the critic gets a gradient: the features are constants here.

    Args:
        critic: Maps features `(n, d)` to values `(n,)`, each from its own row alone: no batch norm.
        source: Features `(N, d)`.
        target: Features `(M, d)`; N ≠ M is allowed.
        mix: α of each point `(max(N, M), 1)`, in [0, 1]; None draws it uniformly.

    Returns:
        Scalar, nonnegative.

    Raises:
        AdaptError: A tensor is not a matrix or empty, the widths differ, or `mix` has another shape.

    Examples:
        >>> import torch
        >>> from adapt.losses import gradient_penalty
        >>> x = torch.ones(4, 2)
        >>> gradient_penalty(lambda h: 3 * h[:, 0], x, x).item()  # (3 − 1)²
        4.0
    """
    source, target = (x.detach() for x in feature_pair("gradient_penalty", source, target, minimum=1))
    count = max(len(source), len(target))
    mix = torch.rand(count, 1, dtype=source.dtype, device=source.device) if mix is None else mix
    if mix.shape != (count, 1):
        raise AdaptError(f"gradient_penalty expects mix of shape ({count}, 1), found {tuple(mix.shape)}.")
    turns = torch.arange(count, device=source.device)
    starts, ends = target[turns % len(target)], source[turns % len(source)]
    points = torch.cat([source, target, starts + mix * (ends - starts)]).requires_grad_()
    (slopes,) = torch.autograd.grad(critic(points).sum(), points, create_graph=True)
    steepness: Tensor = torch.linalg.vector_norm(slopes, dim=1)
    return (steepness - 1).square().mean()
