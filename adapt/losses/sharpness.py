"""The step towards the sharpest loss nearby, of sharpness-aware training."""

from collections.abc import Sequence

import torch
from torch import Tensor

from adapt.errors import AdaptError


@torch.no_grad()
def ascent(gradients: Sequence[Tensor], rho: float) -> list[Tensor]:
    """The step of length ρ along the gradient of all parameters together, ε = ρ g / ‖g‖.

    Sharpness-aware minimisation, Foret et al. 2021, https://arxiv.org/abs/2010.01412: to first order it leads to the
    largest loss within a distance of ρ.

    Args:
        gradients: The gradient g, one tensor per parameter.
        rho: Length ρ of the step, in the parameters' units.

    Returns:
        One tensor per parameter; zeros where the gradient is 0 or not finite.

    Raises:
        AdaptError: There is no gradient, or ρ is negative.

    Examples:
        >>> import torch
        >>> from adapt.losses import ascent
        >>> ascent([torch.tensor([3.0]), torch.tensor([4.0])], rho=0.5)
        [tensor([0.3000]), tensor([0.4000])]
    """
    if not gradients or rho < 0:
        raise AdaptError(f"ascent expects gradients and a rho of at least 0, found {len(gradients)} and {rho}.")
    largest = torch.stack([g.abs().max() for g in gradients]).max().float()
    # By the largest entry first: squares of small or scaled gradients leave the range of numbers.
    sound = torch.isfinite(largest) & (largest > 0)
    unit = torch.where(sound, largest, torch.ones_like(largest))
    scaled = [torch.nan_to_num(g / unit.to(g.dtype), 0.0, 0.0, 0.0) for g in gradients]
    norm = torch.stack([g.float().square().sum() for g in scaled]).sum().sqrt()
    factor = torch.where(sound, rho / norm.clamp_min(1e-12), torch.zeros_like(norm))
    return [g * factor.to(g.dtype) for g in scaled]
