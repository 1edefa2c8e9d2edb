"""Every score of several networks' features of the same labelled samples."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from adapt.errors import AdaptError
from adapt.transferability.h_score import h_score
from adapt.transferability.leep import leep
from adapt.transferability.log_me import log_me
from adapt.transferability.nce import nce
from adapt.transferability.trans_rate import trans_rate


class Ranking(NamedTuple):
    """A score that ranks networks.

    Attributes:
        words: What it is called.
        compute: The score of features, or of the pretrained classifier's logits, and labels; higher is better.
        reads_logits: Whether it reads the logits.
    """

    words: str
    compute: Callable[[Tensor, Tensor], Tensor]
    reads_logits: bool = False


RANKINGS: dict[str, Ranking] = {
    "log_me": Ranking("LogME", log_me),
    "h_score": Ranking("H-score", h_score),
    "trans_rate": Ranking("TransRate", trans_rate),
    "leep": Ranking("LEEP", leep, reads_logits=True),
    "nce": Ranking("NCE", lambda logits, y: nce(logits.argmax(1), y), reads_logits=True),
}
"""The scores that `adapt rank` prints; the first one ranks by default."""


def rank_features(
    features: Mapping[str, Tensor],
    y: Tensor,
    by: str = "log_me",
    logits: Mapping[str, Tensor] | None = None,
    samples: int = 5000,
    seed: int = 0,
) -> dict[str, dict[str, float]]:
    """The scores of each network, the best one first.

    Args:
        features: Of each network its features `(N, d)` of the same samples.
        y: Their class indices `(N,)`.
        by: The score that ranks.
        logits: Of networks that still have their pretrained classifier its logits `(N, Z)`.
        samples: Largest number of samples, drawn at random.
        seed: Seeds the draw.

    Returns:
        By network, its scores by name.

    Raises:
        AdaptError: There is nothing to rank, networks have other samples, or one lacks what `by` reads.

    Examples:
        >>> import torch
        >>> from adapt.transferability import rank_features
        >>> y = torch.tensor([0, 1] * 50)
        >>> found = rank_features({"noise": torch.randn(100, 2), "telling": y[:, None] + 0.1 * torch.randn(100, 2)}, y)
        >>> list(found)
        ['telling', 'noise']
    """
    if by not in RANKINGS:
        raise AdaptError(f"Expected a score out of {', '.join(RANKINGS)}, found {by!r}.")
    known = logits or {}
    rows = torch.randperm(len(y), generator=torch.Generator().manual_seed(seed))[:samples]
    found: dict[str, dict[str, float]] = {}
    for name, x in features.items():
        if len(x) != len(y):
            raise AdaptError(f"Expected {len(y)} samples of {name}, one per label, found {len(x)}.")
        found[name] = {
            key: float(score.compute((known[name] if score.reads_logits else x)[rows], y[rows]))
            for key, score in RANKINGS.items()
            if not score.reads_logits or name in known
        }
        if by not in found[name]:
            raise AdaptError(f"{RANKINGS[by].words} reads the logits of a pretrained classifier, {name} has none.")
    if not found:
        raise AdaptError("Expected features of one network or more, found none.")
    return dict(sorted(found.items(), key=lambda item: -item[1][by]))
