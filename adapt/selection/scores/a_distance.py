"""Proxy A-distance."""

from torch import Tensor

from adapt.errors import AdaptError


def a_distance(source_log_odds: Tensor, target_log_odds: Tensor) -> Tensor:
    """Negative proxy A-distance, −2(1 − 2ε), with ε the held-out error of a linear domain classifier; higher is better.

    Ben-David et al. 2007, https://papers.nips.cc/paper/2983. ε is the mean of the two domains' errors, so their sizes
    do not matter. Features without any class information reach the maximum too.

    Cost: O(N + M) time and memory, plus the classifier (see `domain_log_odds`).

    Args:
        source_log_odds: Log odds of target against source `(N,)` of source samples, from `domain_log_odds`.
        target_log_odds: Log odds of target against source `(M,)` of target samples.

    Returns:
        Scalar without unit, in [−2, 2]: −2 if the classifier separates the domains without error, 0 if it guesses.
        Values above 0 occur only by chance.

    Raises:
        AdaptError: A tensor is not a vector or is empty.
    """
    for values in (source_log_odds, target_log_odds):
        if values.ndim != 1 or len(values) == 0:
            raise AdaptError(f"a_distance expects log odds (N,) of at least one sample, found {tuple(values.shape)}.")
    error = ((source_log_odds > 0).float().mean() + (target_log_odds <= 0).float().mean()) / 2
    return 4 * error - 2
