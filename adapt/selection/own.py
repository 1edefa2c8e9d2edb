"""A person's own score without target labels, in a file of their own."""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from adapt.errors import AdaptError
from adapt.recorded import Recorded
from adapt.selection.evaluation import DEFAULT_SCORES, SCORES, Samples, Score

OWN = "val/own/"
"""Before the names of own scores in logs, so that their files tell them from other metrics."""


class OwnScore(Recorded, ABC):
    """Base of a score of your own: write `value`. `Scores(own=[...])` computes it, and it is a rule of its name.

    Attributes:
        words: What picking the highest value picks, for messages.
        needs_source: Whether it looks at source samples, which a source-free run has not.
        needs_classes: Whether it reads class probabilities, which only classification has.
    """

    words: str = ""
    needs_source: bool = False
    needs_classes: bool = True

    @abstractmethod
    def value(self, samples: Samples) -> Tensor | float:
        """One number, higher is better; NaN where it is undefined.

        Args:
            samples: `samples.target.features (M, d)` and `.logits (M, K)`; of the source also `samples.source_y`.
                The target's labels are not there.
        """

    @classmethod
    def name(cls) -> str:
        """The rule's name: that of the class, in small letters, `MeanMargin` as `mean_margin`."""
        return _rule(cls.__name__)

    def as_score(self) -> Score:
        """As the scores of this package are."""
        return Score(self.words or f"best {self.name()}", self._number, self.needs_source, False, self.needs_classes)

    def _number(self, samples: Samples) -> Tensor:
        found = self.value(samples)
        number = found if isinstance(found, Tensor) else torch.as_tensor(float("nan") if found is None else found)
        if found is None or number.numel() != 1:
            said = "None" if found is None else f"a tensor {tuple(number.shape)}"
            raise AdaptError(f"Expected one number from value(samples) of {type(self).__name__}, found {said}.")
        return number


def named(own: Sequence[OwnScore]) -> Mapping[str, Score]:
    """Own scores by name.

    Args:
        own: The scores.

    Raises:
        AdaptError: One is none, or its name is that of another rule.
    """
    found: dict[str, Score] = {}
    for score in own:
        if not isinstance(score, OwnScore):
            raise AdaptError(f"Expected own scores that extend adapt.selection.OwnScore, found {type(score).__name__}.")
        name = score.name()
        if name in SCORES or name in found or name in ("last", "oracle") or name.startswith("source_"):
            raise AdaptError(f"Expected a name of its own for the score {type(score).__name__}, found {name!r}.")
        found[name] = score.as_score()
    return found


def own_rules(config: Mapping[str, Any]) -> list[str]:
    """Names of the own scores in a configuration; their files need not be there.

    Args:
        config: The configuration of a run, or a part of one.
    """
    named = [entry.get("class_path") if isinstance(entry, Mapping) else entry for entry in own_entries(config)]
    return [_rule(str(name).rpartition(".")[2]) for name in named]


def own_entries(config: Mapping[str, Any]) -> list[Any]:
    """What a configuration says of own scores, each the name of a class, or its `class_path` and `init_args`.

    Args:
        config: The configuration of a run, or a part of one.
    """
    found: list[Any] = []
    for arguments in _callbacks(config):
        own = arguments.get("own") or []
        found += own if isinstance(own, list) else [own]
    return found


def computed(config: Mapping[str, Any]) -> list[str]:
    """Names of all scores that a run computes, as far as its configuration says.

    Args:
        config: The configuration of the run.
    """
    names = next((arguments.get("names") for arguments in _callbacks(config)), None)
    return [*(DEFAULT_SCORES if names is None else names), *own_rules(config)]


def _callbacks(config: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The arguments of `Scores` in a configuration."""
    trainer = config.get("trainer")
    callbacks = trainer.get("callbacks") if isinstance(trainer, Mapping) else None
    named = [e for e in (callbacks if isinstance(callbacks, list) else [callbacks]) if isinstance(e, Mapping)]
    return [e.get("init_args") or {} for e in named if str(e.get("class_path")).rpartition(".")[2] == "Scores"]


def _rule(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
