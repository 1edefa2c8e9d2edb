"""Hiding a part of the inputs: words from a language model that is to guess them, and blocks of images."""

import torch
from torch import Tensor
from torch.nn.functional import interpolate

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


def hide_blocks(images: Tensor, *, blocks: int = 4, rate: float = 0.7) -> Tensor:
    """Set random blocks of a grid to 0, in all channels; each image has its own.

    MIC, Hoyer et al. 2023, https://arxiv.org/abs/2212.01322.

    Args:
        images: Images `(N, C, H, W)`.
        blocks: Blocks along each side; one image's may differ in size by a pixel.
        rate: Probability of hiding a block.

    Returns:
        The changed images, of the same shape.

    Raises:
        AdaptError: They are no images, or the blocks or the rate are out of range.

    Examples:
        >>> import torch
        >>> from adapt.layers import hide_blocks
        >>> hide_blocks(torch.ones(1, 1, 4, 4), blocks=2, rate=1.0).sum().item()
        0.0
    """
    if not isinstance(images, Tensor) or images.ndim != 4:
        found = tuple(images.shape) if isinstance(images, Tensor) else f"a {type(images).__name__}"
        raise AdaptError(
            f"Expected images (N, C, H, W) to hide blocks of, found {found}. Others have none: choose a method that "
            "masks nothing."
        )
    if not 1 <= blocks <= min(images.shape[2:]) or not 0 <= rate <= 1:
        raise AdaptError(
            f"Expected between 1 and {min(images.shape[2:])} blocks along a side and a rate in [0, 1], found {blocks} "
            f"and {rate}."
        )
    seen = (torch.rand(len(images), 1, blocks, blocks, device=images.device) >= rate).to(images.dtype)
    return images * interpolate(seen, size=images.shape[2:], mode="nearest")
