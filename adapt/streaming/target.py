"""The target of a stream: what arrives in each batch, with its corruption, and labels for the score alone."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from adapt.data import DomainDataModule
from adapt.data.checks import labels_of
from adapt.data.corruptions import check_images, corrupted
from adapt.data.labels import Labels
from adapt.data.streams import Order, Shift, arrange
from adapt.data.views import fetch, in_memory
from adapt.errors import AdaptError
from adapt.names import in_numbers
from adapt.problems import Classification, Problem
from adapt.training.model import TrainedModel, data_of
from adapt.trees import Tree, all_finite, cat, leaves, size, take

_KEPT_BYTES = 2**30


class Arrivals:
    """The batches of a stream in their order, the same for every method.

    Args:
        order: What arrives.
        domains: The samples `(x, y)` of each domain of its shifts.
        problem: What is predicted.
        batch_size: Samples of each batch but the last.
        seed: Seed of the corruptions.
        names: What the samples of each domain are called.
    """

    def __init__(
        self,
        order: Order,
        domains: Mapping[str, Any],
        problem: Problem,
        batch_size: int,
        seed: int,
        names: Mapping[str, Sequence[str]],
    ) -> None:
        self.order, self.domains, self.problem = order, domains, problem
        self.batch_size, self.seed, self.names = batch_size, seed, names
        # Corruptions take longer than a small network: methods that run one after the other share them.
        self._kept: dict[int, tuple[Tree, Tensor]] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return -(-len(self.order) // self.batch_size)

    def rows(self, number: int) -> slice:
        """Positions of a batch in the order."""
        return slice(number * self.batch_size, min(len(self.order), (number + 1) * self.batch_size))

    def batch(self, number: int) -> tuple[Tree, Tensor]:
        """Inputs `(N, ...)` of a batch, and its labels `(N,)`, −1 where there is none."""
        if number not in self._kept:
            found = self._read(number)
            held = sum(leaf.numel() * leaf.element_size() for leaf in leaves(found[0]))
            if self._bytes + held > _KEPT_BYTES:
                return found
            self._kept[number] = found
            self._bytes += held
        return self._kept[number]

    def _read(self, number: int) -> tuple[Tree, Tensor]:
        rows = self.rows(number)
        shift, sample = self.order.shift[rows], self.order.sample[rows]
        parts: list[Tree] = []
        labels: list[Tensor] = []
        places: list[Tensor] = []
        for k in sorted(set(shift.tolist())):
            at = (shift == k).nonzero().flatten()
            found = self.order.shifts[k]
            numbers = sample[at].tolist()
            x, y = fetch(self.domains[found.domain], numbers)
            _check_finite(x, found.domain, numbers, self.names[found.domain])
            if found.corruption is not None:
                check_images(x)
                x = corrupted(x, found.corruption, found.severity, numbers, self.seed)
            parts.append(x)
            labels.append(self._checked(y, found.domain, numbers))
            places.append(at)
        order = torch.cat(places).argsort()
        x = parts[0] if len(parts) == 1 else take(cat(parts), order)
        return x, torch.cat(labels)[order]

    def _checked(self, labels: Labels, domain: str, numbers: Sequence[int]) -> Tensor:
        y = torch.full((len(labels.known),), -1)
        if labels.known.any():
            at = torch.tensor(numbers)[labels.known]
            y[labels.known] = self.problem.labels(labels.y[labels.known], repr(domain), at)
        return y

    def sample_names(self, rows: slice) -> list[str]:
        """What the samples of a batch are called."""
        shifts = self.order.shift[rows].tolist()
        pairs = zip(shifts, self.order.sample[rows].tolist(), strict=True)
        return [self.names[self.order.shifts[k].domain][number] for k, number in pairs]


def arrivals(model: TrainedModel, content: Mapping[str, Any], settings: Mapping[str, Any], seed: int) -> Arrivals:
    """The arrivals of a run's target.

    Args:
        model: The trained run.
        content: Its configuration.
        settings: Of the stream, see `adapt.streaming.settings`.
        seed: Seed of order and corruptions.

    Raises:
        AdaptError: The run is of no classes, a domain is not there or does not fit, or the settings do not.
    """
    problem = model.problem
    if not isinstance(problem, Classification) or problem.has_unknown:
        kind = f"{problem.class_sets} sets of classes" if isinstance(problem, Classification) else problem.kind
        raise AdaptError(f"Expected a run that predicts the source's classes to stream with, found {kind}.")
    domains: dict[str, Any] = {}
    names: dict[str, Sequence[str]] = {}
    if settings["input"] is not None:
        path = Path(settings["input"])
        domains[path.name], found = model.data.read_inputs(path)
        names[path.name] = found
    else:
        for name in settings["domains"] or [content["data"]["init_args"].get("target", model.data.target)]:
            data = data_with(content["data"], name)
            if tuple(data.input_shape) != tuple(model.data.input_shape):
                raise AdaptError(
                    f"Expected {name!r} with inputs of shape {tuple(model.data.input_shape)}, on which the run was "
                    f"trained, found {tuple(data.input_shape)}. Train it with --data.channels 3, or stream another "
                    "domain."
                )
            domains[name] = data.domain_samples(name, settings["split"])
            names[name] = data.taken_names(name, settings["split"])
    kinds = settings["corruptions"] or [None]
    shifts = [Shift(name, kind, settings["severity"] if kind is not None else 0) for name in domains for kind in kinds]
    labels = None
    if settings["scenario"] == "correlated":
        counted = {name: labels_of(dataset) for name, dataset in domains.items()}
        complete = all(bool(found.known.all()) for found in counted.values())
        labels = [counted[shift.domain].y.long() for shift in shifts] if complete else None
    order = arrange(
        settings["scenario"],
        shifts,
        [len(domains[shift.domain]) for shift in shifts],
        seed,
        samples=settings["samples"],
        rounds=settings["rounds"],
        labels=labels,
        delta=settings["delta"],
        classes=problem.num_outputs,
    )
    for name, dataset in domains.items():
        if settings["corruptions"]:
            check_images(fetch(dataset, [0])[0])
        if (whole := in_memory(dataset)) is not None:
            at = torch.tensor([shift.domain == name for shift in order.shifts])[order.shift]
            rows = torch.tensor(sorted(set(order.sample[at].tolist())))
            # A copy only where some samples stay out.
            x = whole[0] if len(rows) == len(dataset) else take(whole[0], rows)
            _check_finite(x, name, rows.tolist(), names[name])
    if settings["input"] is not None and settings["scenario"] == "single":
        # Files of a folder come in the order of their names, as a camera's do; rows of a file in its own.
        place = {number: at for at, number in enumerate(_as_they_come(Path(settings["input"]), *names.values()))}
        sample = torch.tensor(sorted(order.sample.tolist(), key=place.__getitem__))
        order = Order(order.shifts, order.shift, sample, order.window)
    return Arrivals(order, domains, problem, settings["batch_size"], seed, names)


def _as_they_come(path: Path, names: Sequence[str]) -> Sequence[int]:
    return sorted(range(len(names)), key=lambda at: in_numbers(names[at])) if path.is_dir() else range(len(names))


def _check_finite(x: Tree, domain: str, numbers: Sequence[int], names: Sequence[str]) -> None:
    floats = [leaf for leaf in leaves(x) if leaf.is_floating_point()]
    if all_finite(floats):
        return
    bad = torch.stack([(~torch.isfinite(leaf)).flatten(1).any(1) for leaf in floats]).any(0)
    at = numbers[int(bad.nonzero()[0])]
    called = "" if names[at] == str(at) else f" ({names[at]!r})"
    raise AdaptError(
        f"Expected finite inputs to stream, found NaN or infinity in {int(bad.sum())} of {len(bad)} samples of "
        f"{domain!r}, the first at position {at}{called}. Fill in what is missing, or leave these samples out."
    )


def data_with(content: Mapping[str, Any], name: str) -> DomainDataModule:
    """A run's data with a domain as one of its own, so that its labels are numbered as the source's."""
    data = data_of(content, shots=None)
    if name in (*data.sources, data.target):
        return data
    data.check_domain(name)
    return data_of(content, target=name, shots=None)


def source_batches(content: Mapping[str, Any], samples: int, batch_size: int) -> list[Tree]:
    """Inputs of the source's held-out share, for methods that look at them; none where the source is not there."""
    try:
        loader = data_of(content, shots=None, source_free=False, eval_batch_size=batch_size).held_out_dataloader()
        found: list[Tree] = []
        count = 0
        for batch in loader:
            found.append(batch.x)
            count += size(batch.x)
            if count >= samples:
                break
    except AdaptError:
        return []
    return found
