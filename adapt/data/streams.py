"""The order in which a target arrives: pure functions from sizes, labels and a seed to positions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from adapt.data.corruptions import check_corruption
from adapt.errors import AdaptError

Scenario = Literal["single", "continual", "gradual", "mixed", "correlated"]
SCENARIOS: tuple[str, ...] = get_args(Scenario)

# So that a correlated stream's pieces stay longer than a batch where there are hundreds of classes; RoTTA's number.
_MOST_SLOTS = 100


class Shift(NamedTuple):
    """What a part of the target is like.

    Attributes:
        domain: The domain's name.
        corruption: One of `CORRUPTIONS`, None for none.
        severity: From 1 to 5; without meaning where there is no corruption.
    """

    domain: str
    corruption: str | None = None
    severity: int = 0

    @property
    def name(self) -> str:
        """As tables have it."""
        return self.domain if self.corruption is None else f"{self.domain}, {self.corruption} {self.severity}"


@dataclass(frozen=True)
class Order:
    """What arrives, one entry per sample.

    Attributes:
        shifts: What the parts are like.
        shift: Position in `shifts` `(N,)`, int64.
        sample: Number of the sample in its domain `(N,)`, int64.
        window: Samples over which all classes are expected.
    """

    shifts: tuple[Shift, ...]
    shift: Tensor
    sample: Tensor
    window: int

    def __len__(self) -> int:
        return len(self.shift)


def arrange(
    scenario: str,
    shifts: Sequence[Shift],
    sizes: Sequence[int],
    seed: int,
    *,
    samples: int | None = None,
    rounds: int = 1,
    labels: Sequence[Tensor] | None = None,
    delta: float = 0.1,
    classes: int = 10,
) -> Order:
    """The order of a stream.

    `single` and `continual` give the shifts one after the other, each domain shuffled. `gradual` raises each
    corruption from severity 1 to its own and lowers it again, over one pass of its domain. `mixed` shuffles all
    shifts together. `correlated` is `continual` with each shift sorted into pieces of a few classes, whose shares are
    drawn from a Dirichlet distribution (Yuan et al., CVPR 2023, https://arxiv.org/abs/2303.13899): it alone reads
    labels, to lay the order.

    Args:
        scenario: One of `SCENARIOS`.
        shifts: In the order of their arrival.
        sizes: Samples of each shift's domain.
        seed: Seed of the order; a stream and its corruptions are the same for all methods.
        samples: Samples of each shift at most, drawn with the seed; None for all.
        rounds: How often the whole sequence comes.
        labels: Class indices of each shift's domain, for `correlated` alone.
        delta: Concentration of the Dirichlet distribution; smaller is more correlated.
        classes: Number of classes.

    Raises:
        AdaptError: An argument is out of range, or the shifts do not fit the scenario.
    """
    _check(scenario, shifts, samples, rounds, delta)
    generator = torch.Generator().manual_seed(seed)
    parts = [torch.randperm(size, generator=generator)[:samples] for size in sizes]
    if any(not len(part) for part in parts):
        raise AdaptError("Expected samples in every domain of the stream, found an empty one.")
    found = tuple(shifts)
    if scenario == "gradual":
        stages = [_stages(shift) for shift in shifts]
        parts = [
            piece
            for part, own in zip(parts, stages, strict=True)
            for piece in part.tensor_split(len(own))  # one pass of the domain, in as many pieces as there are stages
        ]
        found = tuple(stage for own in stages for stage in own)
    if scenario == "correlated":
        if labels is None:
            raise AdaptError(
                "Expected a label of every sample to lay the order of a correlated stream, found some without. Give "
                "another --scenario."
            )
        draws = np.random.default_rng(seed)
        parts = [
            part[torch.from_numpy(by_label(own[part].numpy(), delta, draws))]
            for part, own in zip(parts, labels, strict=True)
        ]
    shift = torch.cat([torch.full((len(part),), k) for k, part in enumerate(parts)])
    sample = torch.cat(parts)
    if scenario == "mixed":
        at = torch.randperm(len(shift), generator=generator)
        shift, sample = shift[at], sample[at]
    window = max(len(part) for part in parts) if scenario == "correlated" else max(50 * classes, 500)
    return Order(found, shift.repeat(rounds), sample.repeat(rounds), window)


def by_label(labels: NDArray[np.int64], delta: float, generator: np.random.Generator) -> NDArray[np.int64]:
    """Positions sorted into pieces in which few classes prevail.

    The time has as many slots as there are classes (at most 100). Each class is dealt over them with shares from
    Dir(δ); the slots come one after the other, and in each of them its classes.

    Args:
        labels: Class indices `(N,)`.
        delta: δ.
        generator: Draws the shares and the order of a slot's classes.

    Returns:
        Positions `(N,)`, each once.

    Examples:
        >>> import numpy as np
        >>> order = by_label(np.array([0, 1] * 50), 0.01, np.random.default_rng(0))
        >>> int(np.abs(np.diff(np.array([0, 1] * 50)[order])).sum())  # two blocks
        1
    """
    known = np.unique(labels)
    count = min(len(known), _MOST_SLOTS)
    slots: list[list[NDArray[np.int64]]] = [[] for _ in range(count)]
    for k in known:
        own = np.flatnonzero(labels == k)
        ends = (np.cumsum(generator.dirichlet([delta] * count))[:-1] * len(own)).astype(int)
        for slot, piece in zip(slots, np.split(own, ends), strict=True):
            slot.append(piece)
    pieces = [slot[k] for slot in slots for k in generator.permutation(len(slot))]
    return np.concatenate(pieces)


def _stages(shift: Shift) -> list[Shift]:
    rising = list(range(1, shift.severity + 1))
    return [shift._replace(severity=severity) for severity in (*rising, *rising[-2::-1])]


def _check(scenario: str, shifts: Sequence[Shift], samples: int | None, rounds: int, delta: float) -> None:
    if scenario not in SCENARIOS:
        raise AdaptError(f"Expected a scenario out of {', '.join(SCENARIOS)}, found {scenario!r}.")
    for shift in shifts:
        if shift.corruption is not None:
            check_corruption(shift.corruption, shift.severity)
    if not shifts or (scenario == "single" and len(shifts) > 1):
        raise AdaptError(
            f"Expected one shift for the scenario single, found {len(shifts)}. Name one of --corruptions and one of "
            "--domains, or give --scenario continual."
        )
    if scenario in ("continual", "mixed") and len(shifts) < 2:
        raise AdaptError(
            f"Expected several shifts for the scenario {scenario}, found one. Give --corruptions all, or several "
            "--domains."
        )
    if scenario == "gradual" and any(shift.corruption is None for shift in shifts):
        raise AdaptError("Expected corruptions for the scenario gradual, which raises their severity, found none.")
    if samples is not None and samples < 1:
        raise AdaptError(f"Expected at least 1 sample of each shift, found {samples}.")
    if rounds < 1:
        raise AdaptError(f"Expected at least 1 round, found {rounds}.")
    if not delta > 0:
        raise AdaptError(f"Expected a positive delta, found {delta}.")
