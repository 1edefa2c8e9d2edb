"""Checks before and during training, with clear errors."""

import warnings
from collections.abc import Mapping, Sequence, Sized
from numbers import Integral
from typing import Any

import torch
from torch import Tensor, nn

from adapt.data.batches import Labelled, Pair, Unlabelled
from adapt.errors import AdaptError, DivergedError
from adapt.penalties import Penalty
from adapt.problems import Classification, ClassSets, Problem
from adapt.trees import all_finite, leaves


def refuse_infinite_loss(method: str, step: int, terms: dict[str, Tensor], batch: Pair) -> None:
    """Refuse a sum of losses that is not finite, and say why.

    Args:
        method: The method's name.
        step: The training step.
        terms: Its loss terms, on the CPU.
        batch: Its batch.

    Raises:
        AdaptError: The inputs are not finite.
        DivergedError: Training diverged.
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
        f"The loss term {' and '.join(map(repr, names)) or 'sum'} of {method} is not finite at step "
        f"{step}. Lower the learning rate, or the term's weight."
    )


def refuse_odd_terms(method: str, terms: object) -> None:
    """Refuse what is no dict of named scalars, which a method or penalty of a person's own may return by a slip.

    Args:
        method: The method's name.
        terms: What its `losses` returned, or these with the penalties' terms.

    Raises:
        AdaptError: Says what was found.
    """
    if not isinstance(terms, Mapping):
        found = "None (is the return missing?)" if terms is None else f"a {type(terms).__name__}"
        raise AdaptError(
            f'Expected losses(batch) of {method} to return a dict such as {{"source": loss}}, found {found}.'
        )
    if not terms:
        raise AdaptError(f"Expected at least one loss term of {method}, found none.")
    if "loss" in terms and len(terms) > 1:
        raise AdaptError(
            f"Expected another name for the loss term 'loss' of {method}: the sum of all {len(terms)} has it. Such as "
            "'source'."
        )
    for name, value in terms.items():
        if not isinstance(value, Tensor) or value.ndim:
            kind = f"a tensor {tuple(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
            raise AdaptError(
                f"Expected the loss term {name!r} of {method} as a scalar tensor, found {kind}. Take its mean."
            )


def refuse_odd_parts(method: str, penalties: object, optimizer: object, lr_scheduler: object) -> None:
    """Refuse penalties that are no objects, and what makes no optimizer or schedule; texts `Recorded` refuses before.

    Args:
        method: The method's name.
        penalties: Its penalties.
        optimizer: What makes its optimizer.
        lr_scheduler: What makes its schedule, or None.

    Raises:
        AdaptError: Says what was found.
    """
    if not isinstance(penalties, Sequence) or not all(isinstance(penalty, Penalty) for penalty in penalties):
        raise AdaptError(
            f"{method} expects penalties as a list of objects such as [MCC(0.1)], found {penalties!r:.80}."
        )
    if not callable(optimizer):
        raise AdaptError(
            f"{method} expects optimizer as a function, such as lambda p: torch.optim.Adam(p, lr=1e-3), found "
            f"{optimizer!r:.80}."
        )
    if lr_scheduler is not None and not callable(lr_scheduler):
        raise AdaptError(
            f"{method} expects lr_scheduler as a function of the optimizer, such as "
            f"lambda o: torch.optim.lr_scheduler.StepLR(o, 100), found {lr_scheduler!r:.80}."
        )


def refuse_constant_loss(method: str, total: Tensor) -> None:
    """Refuse a loss from which no gradient comes.

    Args:
        method: The method's name.
        total: The sum of its terms.

    Raises:
        AdaptError: It depends on no weight.
    """
    if torch.is_grad_enabled() and not total.requires_grad:
        raise AdaptError(
            f"Expected a loss of {method} that depends on its weights, found one without a gradient: was it detached?"
        )


def refuse_backbone(backbone: Any) -> None:
    """Refuse a backbone that does not say how wide its features are, or that is no finished module.

    Args:
        backbone: The feature extractor.

    Raises:
        AdaptError: It does not.
    """
    if isinstance(backbone, nn.Module):
        refuse_unfinished(backbone)
    width = getattr(backbone, "num_features", None)
    if not isinstance(width, Integral) or width < 1:
        raise AdaptError(
            f"Expected the backbone {type(backbone).__name__} to set self.num_features, the width of its features, "
            f"found {width!r}."
        )


def refuse_unfinished(network: nn.Module) -> None:
    """Refuse a network whose class does not call its base.

    Args:
        network: The network.

    Raises:
        AdaptError: It does not.
    """
    if "_parameters" not in vars(network):
        raise AdaptError(f"{type(network).__name__}.__init__ does not call its base: begin it with super().__init__().")


def refuse_features(backbone: Any, features: object) -> None:
    """Refuse features that are not as wide as their backbone says.

    Args:
        backbone: The feature extractor.
        features: What it returned.

    Raises:
        AdaptError: Says what was found.
    """
    if isinstance(features, Tensor) and features.ndim == 2 and features.shape[1] == backbone.num_features:
        return
    found = tuple(features.shape) if isinstance(features, Tensor) else f"a {type(features).__name__}"
    raise AdaptError(
        f"Expected features (N, {backbone.num_features}) of the backbone {type(backbone).__name__}, as its "
        f"num_features says, found {found}. Flatten or pool them, or set num_features to their width."
    )


def refuse_infinite_inputs(batch: Labelled | Unlabelled, whose: str) -> None:
    """Refuse inputs that are not finite in evaluation and prediction, where the answer would be a class all the same.

    Args:
        batch: The inputs, and where they stand.
        whose: Whose samples they are, for the message.

    Raises:
        AdaptError: Says how many there are, and where the first one is.
    """
    floats = [leaf for leaf in leaves(batch.x) if leaf.is_floating_point() or leaf.is_complex()]
    if all_finite(floats):
        return
    bad = torch.stack([(~torch.isfinite(leaf)).flatten(1).any(1) for leaf in floats]).any(0)
    raise AdaptError(
        f"Expected finite inputs, found NaN or infinity in {int(bad.sum())} {whose} of a batch of {len(bad)}, the "
        f"first at position {int(batch.index[bad][0])} (from 0). Fill in what is missing, or leave these samples out."
    )


def refuse_problem(part: object, problem: Problem) -> None:
    """Refuse a method, penalty or regulariser that does not work on the problem.

    Args:
        part: The method, penalty or regulariser; its `problems` names the problems that it takes, all by default.
        problem: What is predicted.

    Raises:
        AdaptError: It only takes other problems.
    """
    taken: tuple[type[Problem], ...] = getattr(part, "problems", (Problem,))
    if not isinstance(problem, taken):
        kinds = " or ".join(cls.kind for cls in taken)
        raise AdaptError(
            f"{type(part).__name__} works on {kinds}, found {problem.kind}. "
            "Methods that align features take any problem: DANN, MMD, CORAL, CMD, HoMM, SWD, WDGRL, ADDA."
        )


def refuse_anchors(method: Any, problem: Problem) -> None:
    """Refuse fixed anchors where a method trains another output layer, or where there are no classes.

    Args:
        method: The class of the method.
        problem: What is predicted.

    Raises:
        AdaptError: They do not fit.
    """
    if not isinstance(problem, Classification):
        raise AdaptError(f"Expected classes for anchors, found {problem.kind}: leave --model.anchors out.")
    if not method.takes_anchors:
        raise AdaptError(
            f"{method.__name__} has an output layer of its own, or maps frozen features, found anchors. Leave them "
            "out, or take a method such as SourceOnly, DANN, MCC or SHOT."
        )


def refuse_class_sets(method: str, taken: Sequence[ClassSets], problem: Problem, threshold: float | None) -> None:
    """Refuse a method for class sets that it cannot take, and a threshold that is none.

    Args:
        method: The method's name.
        taken: The class sets that it takes.
        problem: What is predicted.
        threshold: Its `unknown_threshold`.

    Raises:
        AdaptError: It takes others.

    Warns:
        UserWarning: The threshold decides nothing.
    """
    if threshold is not None and not 0 < threshold < 1:
        raise AdaptError(f"Expected an unknown_threshold between 0 and 1, found {threshold}.")
    found = problem.class_sets if isinstance(problem, Classification) else "closed"
    if found in taken:
        if threshold is not None:
            why = (
                f"{method} finds unknown samples in its own way"
                if found in ("open", "universal")
                else f"no sample is unknown in {found} class sets; where the target may have other classes, say "
                "--data.class_sets open"
            )
            warnings.warn(f"unknown_threshold {threshold} decides nothing here: {why}.", stacklevel=2)
        return
    if found in ("open", "universal"):
        if threshold is not None:
            return
        others = "OSBP, OVANet or DANCE" if found == "open" else "OVANet or DANCE"
        raise AdaptError(
            f"{method} takes {' and '.join(taken)} class sets, found {found} ones: {_told_apart(problem)}.\n"
            f"If they are the same by another name, rename them. Else choose {others}, or let it reject what it is not "
            "sure of: --model.unknown_threshold 0.5."
        )
    raise AdaptError(
        f"{method} takes {' and '.join(taken)} class sets, found {found} ones.\n"
        "Say if the target has other classes (--data.class_sets), or choose another method."
    )


def _told_apart(problem: Problem) -> str:
    """Which classes one domain alone has."""
    sets = [("target", getattr(problem, "only_target", ())), ("source", getattr(problem, "only_source", ()))]
    named = [f"only the {role} has {', '.join(map(repr, names[:6]))}" for role, names in sets if names]
    return "; ".join(named) or "the target has classes that the source has not"


def refuse_sharpness(method: str, sharpness: float, source_free: bool) -> None:
    """Refuse a radius that makes no sense, and one for a method without a task loss.

    Args:
        method: The method's name.
        sharpness: The radius that was asked for.
        source_free: Whether it trains without source samples.

    Raises:
        AdaptError: It is negative, or there is no source loss that it could be about.
    """
    if sharpness < 0:
        raise AdaptError(f"Expected a sharpness of at least 0, found {sharpness}.")
    if sharpness and source_free:
        raise AdaptError(f"{method} has no source samples, whose loss sharpness is about. Leave sharpness out.")


def refuse_source_free_mismatch(method: str, source_free: bool, penalties: Sized, data: Any) -> None:
    """Refuse a method that needs the source on data without it, the reverse, and penalties without a source.

    Args:
        method: The method's name.
        source_free: Whether it trains without source samples.
        penalties: The penalties added to it.
        data: The trainer's datamodule; another class, or None, is accepted unchecked.

    Raises:
        AdaptError: They do not fit.
    """
    if source_free and penalties:
        raise AdaptError(f"{method} has no source samples, but penalties need them. Leave the penalties out.")
    found = getattr(data, "source_free", source_free)
    if found and not source_free:
        raise AdaptError(
            f"{method} trains on source samples, found a datamodule with source_free. Leave source_free out."
        )
    if source_free and not found:
        raise AdaptError(
            f"{method} adapts without the source, found a datamodule that reads it. Give it source_free=True."
        )


def refuse_unread_labels(method: str, reads: bool, data: Any) -> None:
    """Refuse labelled target samples that neither the method nor its penalties use.

    Args:
        method: The method's name.
        reads: Whether the method or one of its penalties uses them.
        data: The trainer's datamodule, or None.

    Raises:
        AdaptError: They would have no effect.
    """
    shots = getattr(data, "shots", None)
    if shots is not None and not reads:
        raise AdaptError(
            f"{method} uses no labelled target samples, found --data.shots {shots}. "
            "Add --model.penalties+=TargetCrossEntropy, which uses them, or leave --data.shots out."
        )


def refuse_other_problem(method: str, problem: Problem, data: Any) -> None:
    """Refuse data with other classes or outputs than the method was built for.

    Args:
        method: The method's name.
        problem: What it was built for.
        data: The trainer's datamodule; one that is not of this package poses no problem that could be compared.

    Raises:
        AdaptError: The output layer has another width than the data's problem, or is of another kind.
    """
    posed = getattr(data, "problem", None)
    if not isinstance(posed, Problem):
        return
    found, expected = ((p.kind, p.num_outputs) for p in (posed, problem))
    if found != expected:
        raise AdaptError(
            f"{method} was built for {expected[0]} with {expected[1]} outputs, found data of {found[0]} with "
            f'{found[1]}. Build it with `problem=data.problem`, after `data.setup("fit")`.'
        )


def refuse_missing_start(method: str, needed: bool, init_from: str | None) -> None:
    """Refuse to train without a source run if one was given, or if the method needs one.

    Args:
        method: The method's name.
        needed: Whether the method needs one.
        init_from: The given checkpoint, which does not exist.

    Raises:
        AdaptError: A run was needed or given.
    """
    if needed or init_from is not None:
        found = "none" if init_from is None else f"no file at {init_from}"
        raise AdaptError(
            f"{method} starts from a source run, found {found}. "
            "Give --model.init_from <a SourceOnly run>/checkpoints/last.ckpt."
        )
