"""Prediction of hidden words."""

from torch import Tensor
from torch.nn.functional import cross_entropy

from adapt.errors import AdaptError
from adapt.losses.inputs import full_precision, in_full_precision


@in_full_precision
def masked_language(logits: Tensor, words: Tensor, chosen: Tensor) -> Tensor:
    """Mean cross-entropy of the chosen positions' words; 0, with a gradient of 0, where none is chosen.

    BERT's masked language model, Devlin et al. 2019, https://arxiv.org/abs/1810.04805.

    Args:
        logits: Logits of the vocabulary at each position `(N, L, V)`.
        words: The true tokens `(N, L)`.
        chosen: Booleans `(N, L)`, which positions count.

    Returns:
        Scalar in nats, nonnegative.

    Raises:
        AdaptError: The shapes do not fit one another.

    Examples:
        >>> import torch
        >>> from adapt.losses import masked_language
        >>> words, chosen = torch.tensor([[3, 1]]), torch.tensor([[True, False]])
        >>> round(masked_language(torch.zeros(1, 2, 4), words, chosen).item(), 4)  # log 4
        1.3863
    """
    if logits.ndim != 3 or logits.shape[:2] != words.shape or words.shape != chosen.shape:
        found = ", ".join(str(tuple(x.shape)) for x in (logits, words, chosen))
        raise AdaptError(f"masked_language expects logits (N, L, V), words (N, L) and chosen (N, L), found {found}.")
    each = cross_entropy(full_precision(logits).flatten(0, 1), words.flatten().long(), reduction="none")
    weight = chosen.flatten().to(each.dtype)
    # A sum and a count, with no look at which positions they are: on a GPU the host would wait for it.
    return (each * weight).sum() / weight.sum().clamp_min(1)
