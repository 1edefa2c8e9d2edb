"""What a method refuses to train on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from adapt.errors import AdaptError, DivergedError
from adapt.penalties import TargetLabelPenalty
from adapt.problems import Problem
from adapt.trees import leaves

if TYPE_CHECKING:
    from adapt.data.batches import Pair
    from adapt.methods.base import Method


def refuse_infinite_loss(method: Method, step: int, terms: dict[str, Tensor], batch: Pair) -> None:
    """Refuse a sum of losses that is not finite, and say why it is not.

    Args:
        method: Whose losses they are.
        step: The training step.
        terms: Its terms, on the host.
        batch: Its batch.

    Raises:
        AdaptError: Because the inputs are not.
        DivergedError: Because training diverged.
    """
    if torch.isfinite(torch.stack(list(terms.values())).sum()):
        return
    for domain, part in batch._asdict().items():
        bad = torch.stack([(~torch.isfinite(leaf)).flatten(1).any(1) for leaf in leaves(part.x)]).any(0)
        if bad.any():
            where = part.index[bad][:3].tolist()
            raise AdaptError(
                f"Expected finite inputs, found NaN or infinity in {int(bad.sum())} {domain} samples at step "
                f"{step}, at positions {where} of the training set. Repair or drop them."
            )
    names = [name for name, value in terms.items() if not torch.isfinite(value)]
    raise DivergedError(
        f"The loss term {' and '.join(map(repr, names)) or 'sum'} of {type(method).__name__} is not finite at step "
        f"{step}. Lower the learning rate, or the term's weight."
    )


def refuse_problem(part: object, problem: Problem) -> None:
    """Refuse a method, penalty or regulariser that does not take the problem.

    Args:
        part: What says by `problems` which ones it takes; any where it says nothing.
        problem: What is predicted.

    Raises:
        AdaptError: It takes others.
    """
    taken: tuple[type[Problem], ...] = getattr(part, "problems", (Problem,))
    if not isinstance(problem, taken):
        kinds = " or ".join(cls.kind for cls in taken)
        raise AdaptError(
            f"{type(part).__name__} works on {kinds}, found {problem.kind}. "
            "Methods that align features take any problem: DANN, MMD, CORAL, CMD, HoMM, SWD, WDGRL, ADDA."
        )


def refuse_source_free_mismatch(method: Method) -> None:
    """Refuse data without a source for a method that needs it, the other way round, and penalties without a source.

    Raises:
        AdaptError: They do not fit.
    """
    if method.source_free and method.penalties:
        raise AdaptError(
            f"{type(method).__name__} has no source samples, on which penalties act too. Leave the penalties out."
        )
    found = getattr(getattr(method.trainer, "datamodule", None), "source_free", method.source_free)
    if found == method.source_free:
        return
    name = type(method).__name__
    if found:
        raise AdaptError(
            f"{name} trains on source samples, found a datamodule with source_free. Leave source_free out."
        )
    raise AdaptError(f"{name} adapts without the source, found a datamodule that reads it. Give it source_free=True.")


def refuse_unread_labels(method: Method) -> None:
    """Refuse labelled target samples that neither the method nor a penalty of it would read.

    Raises:
        AdaptError: They would be drawn, and change nothing.
    """
    shots = getattr(getattr(method.trainer, "datamodule", None), "shots", None)
    read = method.target_labels != "none" or any(isinstance(p, TargetLabelPenalty) for p in method.penalties)
    if shots is not None and not read:
        raise AdaptError(
            f"{type(method).__name__} reads no labelled target samples, found --data.shots {shots}. "
            "Add --model.penalties+=TargetCrossEntropy, which does, or leave --data.shots out."
        )


def refuse_missing_start(method: Method) -> None:
    """Refuse to train without the run that was asked for as the start, or that the method needs.

    Raises:
        AdaptError: There is neither a source run nor a checkpoint to continue from.
    """
    wanted = method.starts_from_source or method.init_from is not None
    if not wanted or method.started or method.trainer.ckpt_path is not None:
        return
    found = "none" if method.init_from is None else f"no file at {method.init_from}"
    raise AdaptError(
        f"{type(method).__name__} starts from a source run, found {found}. "
        "Give --model.init_from <a SourceOnly run>/checkpoints/last.ckpt."
    )
