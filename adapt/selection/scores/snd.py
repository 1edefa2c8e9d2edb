"""Soft neighbourhood density."""

import torch
from torch import Tensor
from torch.nn.functional import normalize

from adapt.errors import AdaptError
from adapt.losses.predictions import class_logits
from adapt.selection.scores.blocks import row_blocks


def snd(logits: Tensor, *, temperature: float = 0.05, block: int | None = None) -> Tensor:
    """Mean entropy of each target sample's similarities to all others; higher is better.

    Soft Neighborhood Density, Saito et al. 2021, https://arxiv.org/abs/2108.10860:
    −(1/N) Σ_i Σ_{j≠i} q_ij log q_ij with q_i = softmax over j ≠ i of ⟨p_i, p_j⟩ / τ, and p the L2-normalised
    predictions. Large if each sample has many neighbours with the same prediction. A network that predicts one class
    for every sample reaches the maximum. The authors' code keeps the sample itself, with similarity −1; the difference
    is below e^{−1/τ}.

    Cost: O(N²K) time, O(NK) memory with blocks of 32 rows or more: 18 s for N = 50 000 and K = 31 on one
    CPU core.

    Args:
        logits: Class logits of the target `(N, K)`.
        temperature: τ.
        block: Rows per block; by default as many as fill 4 MiB, at least 32. The result does not depend on it.

    Returns:
        Scalar in nats, in [0, log(N − 1)]: comparable only between equal numbers of samples.

    Raises:
        AdaptError: Fewer than 2 samples, `logits` is not a matrix, or the temperature is not positive.
    """
    p = normalize(class_logits("snd", logits).softmax(1))
    if len(p) < 2 or temperature <= 0:
        raise AdaptError(
            f"snd expects at least 2 samples and a temperature above 0, found {len(p)} samples and {temperature}."
        )
    total = p.new_zeros(())
    for rows in row_blocks(len(p), len(p), block):
        similarity = p[rows] @ p.T / temperature
        own = torch.arange(len(similarity), device=p.device)
        similarity[own, own + rows.start] = -torch.inf
        total += torch.special.entr(similarity.softmax(1)).sum()
    return total / len(p)
