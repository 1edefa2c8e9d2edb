"""The signs of an adaptation that goes wrong, each a function of what the validations so far have shown."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

PATIENCE = 3
"""Validations in a row that a sign has to last."""

# A class is lost where the target's predictions name it ten times less often than the source's do. Zipf's law, squared,
# over ten classes has two such classes: an unbalanced target loses some, a collapse loses most.
_LOST = 0.1
_WINS, _CHANCE = 0.995, 0.52
_EXPLODES = 10.0
_ACCURACY_FALLS, _ENTROPY_FALLS = 0.05, 0.05


class Seen(NamedTuple):
    """What one validation, and the training since the one before, have shown; plain values, for the checkpoint.

    Attributes:
        used: Number of classes that the source's predictions name; without a source, the number of classes.
        lost: How many of those the target's predictions hardly name.
        entropy: Mean entropy of the target's predictions over log K, in [0, 1].
        norm: Mean Euclidean norm of the features.
        source_accuracy: In [0, 1]; None without a source.
        domain_accuracy: Mean of `train/domain_accuracy` since the last validation; None where none was logged.
        flat: Loss terms without a gradient, in the one batch that was looked at; None where none was.
    """

    used: int
    lost: int
    entropy: float
    norm: float
    source_accuracy: float | None = None
    domain_accuracy: float | None = None
    flat: list[str] | None = None


def lost_classes(target: Tensor, source: Tensor | None = None) -> tuple[int, int]:
    """How many classes the target's predictions hardly name, among those that the source's predictions do.

    Args:
        target: Number of target samples predicted as each class `(K,)`.
        source: The same of the source; None compares with equal shares.

    Returns:
        The number of classes in use, and how many of them are lost. With fewer than two target samples for each class
        in use none is lost: chance alone would leave classes out.
    """
    expected = torch.ones_like(target) if source is None else source
    used = expected > 0
    number = int(used.sum())
    if target.sum() < 2 * number:
        return number, 0
    lost = used & (target / target.sum() < _LOST * expected / expected.sum())
    return number, int(lost.sum())


def collapse(history: Sequence[Seen]) -> str | None:
    """Predictions on the target leave out at least half of the classes."""
    last = _lasting(history)
    if not last or not all(seen.lost and 2 * seen.lost >= seen.used for seen in last):
        return None
    return (
        f"predictions on the target have collapsed: {last[-1].lost} of {last[-1].used} classes are hardly predicted. "
        "Try a smaller weight of the adaptation term or a slower ramp, or --model.penalties+=BNM, which rewards "
        "different predictions; if SourceOnly collapses too, the shift may be more than aligned features can mend."
    )


def discriminator_wins(history: Sequence[Seen]) -> str | None:
    """The discriminator tells the domains apart without an error."""
    accuracies = [seen.domain_accuracy for seen in _lasting(history)]
    if not accuracies or not all(value is not None and value >= _WINS for value in accuracies):
        return None
    return (
        f"the discriminator tells the domains apart without an error (train/domain_accuracy {accuracies[-1]:.3f}): its "
        "gradient fades, and the features are not aligned. Try a larger weight or max_lambda of the adversarial term, "
        "a smaller discriminator, or a higher learning rate of the features."
    )


def discriminator_dead(history: Sequence[Seen]) -> str | None:
    """The discriminator has been guessing from the first batch on."""
    accuracies = [seen.domain_accuracy for seen in history]
    if len(history) < PATIENCE or not all(value is not None and value <= _CHANCE for value in accuracies):
        return None
    return (
        f"the discriminator has been guessing from the start (train/domain_accuracy {accuracies[-1]:.3f}), and teaches "
        "the features nothing. Try a higher learning rate, a larger discriminator or the ganin schedule; if it stays, "
        "see that its inputs are not constant, and that the domains do differ."
    )


def zero_gradient(history: Sequence[Seen]) -> str | None:
    """A loss term moves no weight."""
    looked = [set(seen.flat) for seen in history if seen.flat is not None][-PATIENCE:]
    flat = sorted(set.intersection(*looked)) if len(looked) == PATIENCE else []
    if not flat:
        return None
    return (
        f"no gradient comes from {' and '.join(flat)}: what it should teach is not learned. See that its weight is not "
        "0, that nothing on its way is detached or under no_grad, and that no layer is dead (ReLUs that are all 0: "
        "a lower learning rate); a threshold that no sample passes has to be lower."
    )


def feature_norm(history: Sequence[Seen]) -> str | None:
    """Features are many times as long as at the first validation, or not finite."""
    first, now = history[0].norm, history[-1].norm
    if math.isfinite(now) and not now > _EXPLODES * first > 0:
        return None
    return (
        f"the features' norm explodes: {now:.3g}, after {first:.3g} at the first validation. Try a lower "
        "learning rate, --trainer.gradient_clip_val 1, weight decay, or --model.bottleneck 256, whose batch norm "
        "bounds it."
    )


def confident_forgetting(history: Sequence[Seen]) -> str | None:
    """Predictions on the target grow certain while the source is forgotten."""
    known = [seen for seen in history if seen.source_accuracy is not None]
    if len(known) <= PATIENCE:
        return None
    best = max(known[:-PATIENCE], key=_accuracy)
    now = known[-1]
    for seen in known[-PATIENCE:]:
        forgets = _accuracy(seen) < _accuracy(best) - _ACCURACY_FALLS
        if not (forgets and seen.entropy < best.entropy - _ENTROPY_FALLS):
            return None
    return (
        f"entropy on the target falls ({best.entropy:.2f} to {now.entropy:.2f} of log K) while source accuracy falls "
        f"({_accuracy(best):.3f} to {_accuracy(now):.3f}): the network grows certain of what it gets wrong. Try a "
        "smaller weight of the target's term, a lower learning rate, or an earlier checkpoint."
    )


SIGNS: Mapping[str, Callable[[Sequence[Seen]], str | None]] = {
    "collapse": collapse,
    "discriminator_wins": discriminator_wins,
    "discriminator_dead": discriminator_dead,
    "zero_gradient": zero_gradient,
    "feature_norm": feature_norm,
    "confident_forgetting": confident_forgetting,
}
"""Kind of warning: its words where the validations so far show it, None where they do not."""


def _lasting(history: Sequence[Seen]) -> Sequence[Seen]:
    return history[-PATIENCE:] if len(history) >= PATIENCE else ()


def _accuracy(seen: Seen) -> float:
    return 0.0 if seen.source_accuracy is None else seen.source_accuracy
