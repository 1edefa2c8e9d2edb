"""Hiding words from a language model that is to guess them."""

import torch
from torch import Tensor

from adapt.errors import AdaptError


def hide_words(
    ids: Tensor, words: Tensor, *, mask_id: int, vocabulary: int, rate: float = 0.15
) -> tuple[Tensor, Tensor]:
    """Choose words at random; of the chosen 80 % become the mask, 10 % another word, 10 % stay.

    Devlin et al. 2019, https://arxiv.org/abs/1810.04805, §3.1.

    Args:
        ids: Tokens `(N, L)`.
        words: Booleans `(N, L)`, which of them may be chosen: neither padding nor special tokens.
        mask_id: The mask's token.
        vocabulary: Number of tokens, out of which the other words are drawn.
        rate: Probability of choosing a word.

    Returns:
        The changed tokens, and which positions were chosen.

    Raises:
        AdaptError: The rate is out of range.

    Examples:
        >>> import torch
        >>> from adapt.layers import hide_words
        >>> ids = torch.arange(10, 18)[None]
        >>> hidden, chosen = hide_words(ids, ids > 12, mask_id=4, vocabulary=20, rate=1.0)
        >>> bool((hidden[0, :3] == ids[0, :3]).all()), int(chosen.sum())
        (True, 5)
    """
    if not 0 < rate <= 1:
        raise AdaptError(f"Expected a rate of hidden words in (0, 1], found {rate}.")
    chosen = (torch.rand(ids.shape, device=ids.device) < rate) & words
    draw = torch.rand(ids.shape, device=ids.device)
    other = torch.randint(vocabulary, ids.shape, device=ids.device, dtype=ids.dtype)
    hidden = torch.where(chosen & (draw < 0.8), torch.full_like(ids, mask_id), ids)
    return torch.where(chosen & (draw >= 0.9), other, hidden), chosen
