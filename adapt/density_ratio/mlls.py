"""Class shares of the target by maximum likelihood."""

import torch
from torch import Tensor

from adapt.density_ratio.classes import double_probabilities
from adapt.errors import AdaptError


def mlls(target: Tensor, prior: Tensor, *, iterations: int = 2000, tolerance: float = 1e-10) -> Tensor:
    """Class shares q of a target under label shift, by expectation maximisation: argmax_q Σ_m log Σ_k (q_k/p_k) P_mk.

    Saerens, Latinne & Decaestecker 2002, https://doi.org/10.1162/089976602753284446; as maximum-likelihood label shift
    in Alexandari, Kundaje & Shrikumar 2020, https://arxiv.org/abs/1901.06852. Each step takes the shares for known,
    corrects the probabilities by Bayes' rule and averages them, `q_k ← mean_m (q_k/p_k) P_mk / Σ_j (q_j/p_j) P_mj`,
    starting at p. The likelihood is concave, so that the start does not matter where it has one maximum. The
    probabilities have to be calibrated, see `calibrated`.

    Args:
        target: A source classifier's probabilities P `(M, K)` of target samples.
        prior: Class shares p `(K,)` of the source, by which the probabilities are divided.
        iterations: Most steps.
        tolerance: Largest change of a share at which it stops.

    Returns:
        Shares `(K,)`, which sum to 1; `q / prior` are the weights.

    Raises:
        AdaptError: Shapes that do not fit, values that are no probabilities, or a class without a share.

    Examples:
        >>> eye = torch.eye(2, dtype=torch.float64)
        >>> mlls(eye[[0, 1, 1, 1]], torch.tensor([0.75, 0.25]))
        tensor([0.2500, 0.7500], dtype=torch.float64)
    """
    p, probabilities = double_probabilities("mlls", prior[None] if prior.ndim == 1 else prior, target)
    if len(p) != 1 or not (p > 0).all():
        raise AdaptError(f"mlls expects the source's share above 0 of each of the classes, found {prior.tolist()}.")
    q = p
    for _ in range(iterations):
        joint = probabilities * (q / p)
        # A sample to which no class with a share gives a probability says nothing.
        q, before = (joint / joint.sum(1, keepdim=True).clamp(min=torch.finfo(torch.double).tiny)).mean(0, True), q
        q = q / q.sum()
        if (q - before).abs().max() <= tolerance:
            break
    return q[0].to(torch.promote_types(target.dtype, torch.float32))
