"""Every score by name, and their values for samples of both domains."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import NamedTuple

import torch
from torch import Tensor

from adapt.encoding import DomainEncoding
from adapt.errors import AdaptError
from adapt.problems import Problem
from adapt.selection import scores


class Samples:
    """Encodings of both domains, with what several scores share.

    Args:
        target: Encodings of target inputs; its `y` is never looked at.
        source: Encodings of held-out source samples with their classes; None without a source.
    """

    def __init__(self, target: DomainEncoding, source: DomainEncoding | None = None) -> None:
        self.target, self._source = target, source

    @property
    def source(self) -> DomainEncoding:
        """The source's encodings.

        Raises:
            AdaptError: There are none.
        """
        if self._source is None:
            raise AdaptError("Expected source samples for a score that compares the domains, found none.")
        return self._source

    @property
    def source_y(self) -> Tensor:
        """The source's classes.

        Raises:
            AdaptError: There are none.
        """
        if self.source.y is None:
            raise AdaptError("Expected source samples with their classes, found none.")
        return self.source.y

    @cached_property
    def log_odds(self) -> tuple[Tensor, Tensor]:
        """Log odds of target against source, of the source's and of the target's samples."""
        return scores.domain_log_odds(self.source.features, self.target.features)

    @property
    def weights(self) -> Tensor:
        """Importance weights of the source's samples."""
        return self.log_odds[0].exp()


class Score(NamedTuple):
    """What a score is and how it is computed; higher is better.

    Attributes:
        words: What picking the highest value picks, for tables.
        compute: Its value for samples of both domains.
        needs_source: Whether it looks at source samples, which a source-free run has not.
        default: Whether a run computes it unless told otherwise.
        needs_classes: Whether it reads class probabilities, which only classification has.
    """

    words: str
    compute: Callable[[Samples], Tensor]
    needs_source: bool = False
    default: bool = True
    needs_classes: bool = True


SCORES: dict[str, Score] = {
    "entropy": Score(
        "lowest entropy of the target's predictions",
        lambda s: scores.entropy(s.target.logits),
    ),
    "information_maximisation": Score(
        "most certain and diverse target predictions, information maximisation",
        lambda s: scores.information_maximisation(s.target.logits),
    ),
    "bnm": Score(
        "largest nuclear norm of the target's predictions",
        lambda s: scores.bnm(s.target.logits),
    ),
    "softmax_correlation": Score(
        "target predictions closest to certain and balanced, SoftmaxCorr",
        lambda s: scores.softmax_correlation(s.target.logits),
        default=False,
    ),
    "snd": Score(
        "highest soft neighbourhood density, SND",
        lambda s: scores.snd(s.target.logits),
    ),
    "silhouette": Score(
        "best silhouette of the predicted target classes",
        lambda s: scores.silhouette(s.target.features, s.target.logits),
    ),
    "class_ami": Score(
        "best agreement of predicted target classes and clusters, ClassAMI",
        lambda s: scores.class_ami(s.target.features, s.target.logits),
        default=False,
    ),
    "iwcv": Score(
        "lowest importance-weighted source risk, IWCV",
        lambda s: scores.iwcv(s.source.logits, s.source_y, s.weights),
        True,
        default=False,
    ),
    "dev": Score(
        "lowest deep embedded validation risk, DEV", lambda s: scores.dev(s.source.logits, s.source_y, s.weights), True
    ),
    "mmd": Score(
        "smallest MMD of the features",
        lambda s: scores.mmd(s.source.features, s.target.features),
        True,
        needs_classes=False,
    ),
    "coral": Score(
        "smallest CORAL distance of the features",
        lambda s: scores.coral(s.source.features, s.target.features),
        True,
        needs_classes=False,
    ),
    "a_distance": Score(
        "smallest proxy A-distance of the features",
        lambda s: scores.a_distance(*s.log_odds),
        True,
        needs_classes=False,
    ),
    "reverse_validation": Score(
        "best reverse validation",
        lambda s: scores.reverse_validation(s.source.features, s.source_y, s.target.features, s.target.logits),
        True,
        default=False,
    ),
}
"""Score by name. `source_accuracy` is not among them: methods log it themselves, over all samples."""

DEFAULT_SCORES = tuple(name for name, score in SCORES.items() if score.default)
"""Scores that a run computes unless told otherwise."""


def scores_of(problem: Problem) -> tuple[str, ...]:
    """The scores that a problem has: those of class probabilities only where it has them."""
    return tuple(name for name, score in SCORES.items() if problem.probabilities or not score.needs_classes)


def check_score_names(names: Sequence[str]) -> tuple[str, ...]:
    """The names, once all are known and none comes twice.

    Raises:
        AdaptError: They are not.
    """
    if isinstance(names, str) or set(names) - set(SCORES) or len(set(names)) < len(names):
        found = names if isinstance(names, str) else ", ".join(names)
        raise AdaptError(f"Expected each score once and out of {', '.join(SCORES)}, found {found}.")
    return tuple(names)


@torch.no_grad()
def evaluate(
    samples: Samples, names: Sequence[str] = DEFAULT_SCORES, own: Mapping[str, Score] = MappingProxyType({})
) -> dict[str, float]:
    """Values of the named scores; undefined, with a warning that says why, where a score refuses the samples.

    Args:
        samples: Encodings of both domains.
        names: Keys of `SCORES`.
        own: Further scores by name, all of which are computed.

    Raises:
        AdaptError: A name is unknown or comes twice.
    """
    values: dict[str, float] = {}
    for name, score in {**{name: SCORES[name] for name in check_score_names(names)}, **own}.items():
        try:
            values[name] = float(score.compute(samples))
        except AdaptError as error:
            warnings.warn(f"No value of the score {name}: {error}", stacklevel=1)
            values[name] = float("nan")
    return values
