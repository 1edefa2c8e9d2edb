"""Texts as hashed words, for a text encoder that needs no vocabulary and no pretrained weights."""

import re
import unicodedata
from collections.abc import Sequence
from zlib import crc32

import torch
from torch import Tensor, nn

from adapt.backbones.base import Backbone
from adapt.errors import AdaptError
from adapt.trees import Tree

_WORD = re.compile(r"\w+")
_HIGHEST = 2**31 - 1


class BagOfWords(Backbone):
    """Learned word vectors, averaged over a text: a text encoder that starts from nothing and trains in seconds.

    Formula: `f = (1/T) Σ_t E[1 + h_t mod (V − 1)]`, with h_t the hash of the t-th of T words, and E `(V, width)`
    learned. Two words may fall on one row of E; with V well above the number of words this is rare. The order of words
    is lost, and a word that no training text has keeps its random vector. For sentences in natural language take
    `TransformerBackbone`.

    Inputs are what `adapt.data.ImageText` gives without a tokenizer: a dict of `words` `(N, L)`, hashes above 0, and
    `mask` `(N, L)`, with 0 where a text has ended.

    Args:
        vocabulary: Number of rows V; row 0 stands for a text without words.
        width: Width of the vectors, which is `num_features`.
        dropout: Probability of leaving a word out in training.

    Raises:
        AdaptError: An argument is out of range.

    Examples:
        >>> import torch
        >>> from adapt.backbones.words import BagOfWords, hash_words
        >>> x = hash_words(["a thin three", "Three, thin: a!"], length=8)
        >>> torch.allclose(*BagOfWords().eval()(x))  # the same words in another order
        True
    """

    def __init__(self, vocabulary: int = 4096, width: int = 64, dropout: float = 0.0) -> None:
        super().__init__()
        if vocabulary < 2 or width < 1 or not 0 <= dropout < 1:
            raise AdaptError(
                "BagOfWords expects a vocabulary of at least 2, a width of at least 1 and dropout in [0, 1), found "
                f"{vocabulary}, {width} and {dropout}."
            )
        self.vocabulary, self.dropout = vocabulary, dropout
        self.num_features = self.part_features = width
        # Not torch's N(0, 1): beside an image encoder's features such vectors would be all that counts.
        self.vectors = nn.Embedding(vocabulary, width)
        nn.init.normal_(self.vectors.weight, std=width**-0.5)

    def forward(self, x: Tree) -> Tensor:
        """Features `(N, width)` of `{"words": (N, L), "mask": (N, L)}`."""
        vectors, counts = self.parts(x)
        if self.training and self.dropout:
            kept = counts & (torch.rand(counts.shape, device=counts.device) >= self.dropout)
            counts = torch.where(kept.any(1, keepdim=True), kept, counts)
        weight = counts[..., None].to(vectors)
        return (vectors * weight).sum(1) / weight.sum(1).clamp_min(1)

    def parts(self, x: Tree) -> tuple[Tensor, Tensor]:
        """Each word's vector `(N, L, width)`, and which of them are words `(N, L)`."""
        if not isinstance(x, dict) or not {"words", "mask"} <= x.keys():
            found = sorted(x) if isinstance(x, dict) else type(x).__name__
            raise AdaptError(
                f"BagOfWords expects hashed words (words and mask), found {found}. ImageText without --data.tokenizer "
                "gives them; for Texts, or with a tokenizer, take TransformerBackbone."
            )
        words = x["words"].long()
        rows = torch.where(words > 0, 1 + words % (self.vocabulary - 1), 0)
        vectors: Tensor = self.vectors(rows)
        return vectors, x["mask"].bool()


def hash_words(texts: Sequence[str], length: int) -> dict[str, Tensor]:
    """Texts as hashes of their words, in small letters and without punctuation, padded to the longest of them.

    Args:
        texts: The texts.
        length: Most words of a text; the rest is cut off.

    Returns:
        `words` `(N, L)`, int32, from 1 on, 0 for padding and for a text without words, and `mask` `(N, L)`, uint8.

    Examples:
        >>> hash_words(["One two", ""], length=4)["mask"]
        tensor([[1, 1],
                [1, 0]], dtype=torch.uint8)
    """
    found = [_WORD.findall(unicodedata.normalize("NFKC", text).casefold())[:length] for text in texts]
    longest = max([1, *map(len, found)])
    words = torch.zeros(len(found), longest, dtype=torch.int32)
    mask = torch.zeros(len(found), longest, dtype=torch.uint8)
    # A text without words keeps one place, so that nobody averages over nothing.
    mask[:, 0] = 1
    for row, own in enumerate(found):
        if own:
            words[row, : len(own)] = torch.tensor([1 + crc32(word.encode()) % _HIGHEST for word in own])
            mask[row, : len(own)] = 1
    return {"words": words, "mask": mask}
