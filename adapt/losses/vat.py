"""Virtual adversarial training."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import log_softmax

from adapt.errors import AdaptError
from adapt.losses.inputs import in_full_precision
from adapt.losses.predictions import view_logits


@in_full_precision
def virtual_adversarial(perturbed: Tensor, clean: Tensor) -> Tensor:
    """Mean divergence of the predictions of perturbed inputs from those of the inputs themselves.

    (1/N) Σ_i KL(p_i ‖ q_i) with p the softmax of `clean`, through which no gradient passes, and q that of `perturbed`.
    Virtual adversarial training, Miyato et al. 2018, https://arxiv.org/abs/1704.03976.

    Args:
        perturbed: Class logits of the perturbed inputs `(N, K)`, which learn.
        clean: Class logits of the inputs `(N, K)`, which teach.

    Returns:
        Scalar in nats, nonnegative.

    Raises:
        AdaptError: A tensor is no matrix or is empty, or the shapes differ.

    Examples:
        >>> import torch
        >>> from adapt.losses import virtual_adversarial
        >>> clean = torch.tensor([[0.0, 0.0]])
        >>> round(virtual_adversarial(torch.tensor([[0.0, 1.0]]), clean).item(), 4)  # log((1 + e) / (2 √e))
        0.1201
    """
    perturbed, clean = view_logits("virtual_adversarial", perturbed, clean)
    log_p, log_q = log_softmax(clean, 1), log_softmax(perturbed, 1)
    return (log_p.exp() * (log_p - log_q)).sum(1).mean()


def virtual_adversarial_direction(
    predict: Callable[[Tensor], Tensor],
    x: Tensor,
    *,
    step: float = 0.01,
    iterations: int = 1,
    start: Tensor | None = None,
) -> Tensor:
    """Unit vectors along which the predictions change most, by power iteration from random ones.

    Miyato et al. 2018, https://arxiv.org/abs/1704.03976, Algorithm 1: d ← ∇_r KL(p(x) ‖ p(x + r)) at r = step · d, of
    length 1. With more iterations d tends to the dominant eigenvector of the divergence's second derivative.

    Args:
        predict: From inputs to class logits `(N, K)`; a deterministic function, or d follows its noise.
        x: Inputs `(N, ...)` of floats.
        step: Length of the trial step ξ, small beside the inputs.
        iterations: Power iterations; one is what is usual.
        start: Directions to begin with `(N, ...)`, of any length; None draws them.

    Returns:
        `(N, ...)` without gradient; each sample has the Euclidean length 1, or 0 where nothing changes the prediction.

    Raises:
        AdaptError: The inputs are no floats, or the step or the iterations are out of range.

    Examples:
        >>> import torch
        >>> from adapt.losses import virtual_adversarial_direction
        >>> weights = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])  # the second feature has no say
        >>> d = virtual_adversarial_direction(lambda x: x @ weights.T, torch.ones(1, 2))
        >>> d.abs().round().tolist()
        [[1.0, 0.0]]
    """
    if not isinstance(x, Tensor) or not x.is_floating_point():
        raise AdaptError(
            "Virtual adversarial training perturbs inputs, so expects one tensor of floats, found "
            f"{x.dtype if isinstance(x, Tensor) else type(x).__name__}: texts cannot be perturbed."
        )
    if step <= 0 or iterations < 1:
        raise AdaptError(f"Expected a step above 0 and at least 1 iteration, found {step} and {iterations}.")
    with torch.no_grad():
        clean = predict(x)
    d = _unit(torch.randn_like(x) if start is None else start)
    for _ in range(iterations):
        with torch.enable_grad():
            trial = d.detach().requires_grad_()
            divergence = virtual_adversarial(predict(x.detach() + step * trial), clean)
            (gradient,) = torch.autograd.grad(divergence, trial)
        d = _unit(gradient)
    return d.detach()


def _unit(x: Tensor) -> Tensor:
    # Divided by the largest value first: the square of a small gradient is 0 in float32.
    flat = x.flatten(1).float()
    flat = flat / flat.abs().amax(1, keepdim=True).clamp_min(torch.finfo(torch.float32).tiny)
    unit: Tensor = flat / flat.norm(dim=1, keepdim=True).clamp_min(1e-12)
    return unit.view_as(x).to(x.dtype)
