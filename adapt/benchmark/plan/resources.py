"""What a cell asks of the machine that runs it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from adapt.benchmark.plan.checks import check_keys
from adapt.errors import AdaptError

_KEYS = ("cpu", "gpu")


@dataclass(frozen=True)
class Resources:
    """How many CPUs and GPUs a cell has for itself; the engine decides where nothing is asked.

    Attributes:
        cpu: CPUs, which are also the threads of torch.
        gpu: GPUs; below 1 several cells share one (0.25: four cells), 0 hides them.
    """

    cpu: int | None = None
    gpu: float | None = None


NOTHING_ASKED = Resources()


def read_resources(entry: Any, where: str, default: Resources = NOTHING_ASKED) -> Resources:
    """The `resources` of a benchmark's file or of one of its methods.

    Args:
        entry: What is written there; None where nothing is.
        where: Name of the place, for messages.
        default: What holds for keys that are not written.

    Raises:
        AdaptError: It is no mapping of `cpu` and `gpu` to numbers that a scheduler can grant.
    """
    if entry is None:
        return default
    if not isinstance(entry, Mapping):
        raise AdaptError(f"{where}: expected a mapping such as {{cpu: 2, gpu: 0.25}}, found {entry!r:.60}.")
    check_keys(entry, _KEYS, where)
    asked = default
    if (cpu := entry.get("cpu")) is not None:
        if isinstance(cpu, bool) or not isinstance(cpu, int) or cpu < 1:
            raise AdaptError(f"{where}: expected cpu, a whole number from 1 on, found {cpu!r}.")
        asked = replace(asked, cpu=cpu)
    if (gpu := entry.get("gpu")) is not None:
        known = isinstance(gpu, int | float) and not isinstance(gpu, bool)
        if not known or not gpu >= 0 or (gpu > 1 and gpu != int(gpu)):
            raise AdaptError(f"{where}: expected gpu, a share of one such as 0.25 or a whole number, found {gpu!r}.")
        asked = replace(asked, gpu=float(gpu))
    return asked
