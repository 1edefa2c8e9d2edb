"""Signs that adaptation goes wrong; each is a function of the validations so far."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

PATIENCE = 3
"""Number of validations in a row that a sign must last."""

# A class is lost if it is predicted ten times less often on the target than on the source. A squared Zipf's law over
# ten classes has two such classes: an unbalanced target loses some classes, a collapse loses most.
_LOST = 0.1
_WINS, _CHANCE = 0.995, 0.52
_EXPLODES = 10.0
_ACCURACY_FALLS, _ENTROPY_FALLS = 0.05, 0.05


class Seen(NamedTuple):
    """Observations of one validation and of the training since the previous one; plain values, for the checkpoint.

    Attributes:
        used: Number of classes in the source's predictions; without a source, the number of all classes.
        lost: How many of these are hardly predicted on the target.
        entropy: Mean entropy of the target's predictions over log K, in [0, 1].
        norm: Mean Euclidean norm of the features.
        source_accuracy: In [0, 1]; None without a source.
        domain_accuracy: Mean of `train/domain_accuracy` since the last validation; None if it was not logged.
        flat: Loss terms without a gradient, in the one batch that was watched; None if no batch was watched.
    """

    used: int
    lost: int
    entropy: float
    norm: float
    source_accuracy: float | None = None
    domain_accuracy: float | None = None
    flat: list[str] | None = None


def lost_classes(target: Tensor, source: Tensor | None = None) -> tuple[int, int]:
    """Count the classes that are predicted on the source but hardly on the target.

    Args:
        target: Number of target samples predicted as each class `(K,)`.
        source: The same for the source; None compares with equal shares.

    Returns:
        The number of classes in use, and how many of them are lost. With fewer than two target samples per class in
        use, no class counts as lost, because classes can be missing by chance.
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
        "different predictions; if SourceOnly collapses too, the shift may be too large for feature alignment."
    )


def discriminator_wins(history: Sequence[Seen]) -> str | None:
    """The discriminator tells the domains apart without error."""
    accuracies = [seen.domain_accuracy for seen in _lasting(history)]
    if not accuracies or not all(value is not None and value >= _WINS for value in accuracies):
        return None
    return (
        f"the discriminator tells the domains apart without error (train/domain_accuracy {accuracies[-1]:.3f}): its "
        "gradient fades and the features are not aligned. Try a larger adversarial weight or max_lambda, "
        "a smaller discriminator, or a higher learning rate of the features."
    )


def discriminator_dead(history: Sequence[Seen]) -> str | None:
    """The discriminator has been guessing from the start."""
    accuracies = [seen.domain_accuracy for seen in history]
    if len(history) < PATIENCE or not all(value is not None and value <= _CHANCE for value in accuracies):
        return None
    return (
        f"the discriminator has been guessing from the start (train/domain_accuracy {accuracies[-1]:.3f}), and teaches "
        "the features nothing. Try a higher learning rate, a larger discriminator or the ganin schedule; otherwise "
        "check that its inputs are not constant, and that the domains differ."
    )


def zero_gradient(history: Sequence[Seen]) -> str | None:
    """A loss term has no gradient."""
    looked = [set(seen.flat) for seen in history if seen.flat is not None][-PATIENCE:]
    flat = sorted(set.intersection(*looked)) if len(looked) == PATIENCE else []
    if not flat:
        return None
    return (
        f"no gradient comes from {' and '.join(flat)}: nothing is learned from it. Check that its weight is not "
        "0, that nothing on its way is detached or under no_grad, and that no layer is dead (all ReLUs 0: "
        "lower the learning rate). If no sample passes a threshold, lower it."
    )


def feature_norm(history: Sequence[Seen]) -> str | None:
    """The features' norm is many times that of the first validation, or not finite."""
    first, now = history[0].norm, history[-1].norm
    if math.isfinite(now) and not now > _EXPLODES * first > 0:
        return None
    return (
        f"the features' norm explodes: {now:.3g}, after {first:.3g} at the first validation. Try a lower "
        "learning rate, --trainer.gradient_clip_val 1, weight decay, or --model.bottleneck 256, whose batch norm "
        "bounds it."
    )


def confident_forgetting(history: Sequence[Seen]) -> str | None:
    """Predictions on the target become certain while the source is forgotten."""
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
        f"({_accuracy(best):.3f} to {_accuracy(now):.3f}): the network becomes certain of its errors. Try a "
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
"""By kind of warning: a function that returns its text if the validations so far show it, else None."""


def _lasting(history: Sequence[Seen]) -> Sequence[Seen]:
    return history[-PATIENCE:] if len(history) >= PATIENCE else ()


def _accuracy(seen: Seen) -> float:
    return 0.0 if seen.source_accuracy is None else seen.source_accuracy
