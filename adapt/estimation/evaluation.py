"""Every estimate by name, and their values for samples of both domains."""

import json
import warnings
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from adapt.errors import AdaptError
from adapt.estimation.agreement import agreement
from adapt.estimation.average_threshold_confidence import average_threshold_confidence
from adapt.estimation.difference_of_confidences import difference_of_confidences
from adapt.estimation.importance_weighted import importance_weighted
from adapt.estimation.nuclear_norm import nuclear_norm
from adapt.estimation.transport import confidence_optimal_transport
from adapt.selection import Samples

_MEASURED = Path(__file__).with_name("measured.json")


class Estimate(NamedTuple):
    """What an estimate is and how it is computed.

    Attributes:
        words: Its name, for tables and cards.
        reads: What it looks at.
        compute: Its value for samples of both domains; None where it needs a second training.
    """

    words: str
    reads: str
    compute: Callable[[Samples], Tensor] | None


_BOTH = "labelled held-out source samples, unlabelled target samples"

ESTIMATES: dict[str, Estimate] = {
    "atc": Estimate(
        "average threshold confidence",
        _BOTH,
        lambda s: average_threshold_confidence(s.source.logits, s.source_y, s.target.logits),
    ),
    "doc": Estimate(
        "difference of confidences",
        _BOTH,
        lambda s: difference_of_confidences(s.source.logits, s.source_y, s.target.logits),
    ),
    "nuclear_norm": Estimate(
        "nuclear norm", _BOTH, lambda s: nuclear_norm(s.source.logits, s.source_y, s.target.logits)
    ),
    "cot": Estimate(
        "confidence optimal transport",
        "labels of the source, unlabelled target samples",
        lambda s: confidence_optimal_transport(s.source_y, s.target.logits),
    ),
    "importance_weighted": Estimate(
        "importance-weighted validation",
        f"{_BOTH}, features of both",
        lambda s: importance_weighted(s.source.logits, s.source_y, s.weights),
    ),
    "agreement": Estimate("agreement of two seeds", "unlabelled target samples, a second training", None),
}
"""Estimate of target accuracy by name."""


class Measured(NamedTuple):
    """How far an estimate was from the truth, where the truth is known.

    Attributes:
        error: Mean of |estimate − accuracy|, in points.
        upper: What 9 of 10 errors were below, in points.
        bias: Mean of estimate − accuracy, in points: above 0 it flatters.
        cells: Number of runs.
    """

    error: float
    upper: float
    bias: float
    cells: int


@cache
def measured() -> dict[str, Measured]:
    """What `benchmarks/estimation` measured, by the estimate's name; empty where it never ran."""
    if not _MEASURED.is_file():
        return {}
    content = json.loads(_MEASURED.read_text(encoding="utf-8"))
    return {name: Measured(**values) for name, values in content["errors"].items()}


def default_estimate() -> str:
    """The estimate with the smallest measured error among those that one run gives."""
    alone = {name: found.error for name, found in measured().items() if ESTIMATES[name].compute is not None}
    return min(alone, key=lambda name: alone[name]) if alone else "atc"


@torch.no_grad()
def estimate(samples: Samples, names: Sequence[str] | None = None, other: Tensor | None = None) -> dict[str, float]:
    """Values of the named estimates; undefined, with a warning that says why, where one refuses the samples.

    Args:
        samples: Encodings of both domains: the source's held out, with classes.
        names: Keys of `ESTIMATES`; None for all that can be computed.
        other: Logits of the same target samples by another seed `(M, K)`, for `agreement`.

    Raises:
        AdaptError: A name is unknown.
    """
    if names is None:
        names = [name for name in ESTIMATES if ESTIMATES[name].compute or other is not None]
    if unknown := [name for name in names if name not in ESTIMATES]:
        raise AdaptError(f"Expected estimates out of {', '.join(ESTIMATES)}, found {', '.join(unknown)}.")
    values: dict[str, float] = {}
    for name in names:
        compute = ESTIMATES[name].compute
        try:
            if compute is not None:
                values[name] = float(compute(samples))
            elif other is None:
                raise AdaptError("agreement needs the logits of another seed.")
            else:
                values[name] = float(agreement(samples.target.logits, other))
        except AdaptError as error:
            warnings.warn(f"No value of the estimate {name}: {error}", stacklevel=1)
            values[name] = float("nan")
    return values
