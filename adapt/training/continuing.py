"""Settings that differ between a checkpoint and a command: which one wins, and what is refused.

The configuration decides which classes are built. The checkpoint gives plain values that the command does not name. A
class that only the checkpoint names is never built.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from jsonargparse import Namespace
from lightning.pytorch import Callback, LightningModule, Trainer
from torch.optim import Optimizer

from adapt.data import DomainDataModule
from adapt.errors import AdaptError
from adapt.methods import Method
from adapt.training.saved_config import PATHS

_LINKED = ("problem", "num_classes", "num_sources", "input_shape")
_START = (*PATHS, "pretrained")
_SPLITTING = ("split_seed", "val_fraction", "test_fraction", "transductive", "groups", "split", "patient_pattern")
"""Arguments of the data that decide which samples are trained on."""
_RUN = "Give the --config of its run, or start from its network with --model.init_from."


class Difference(NamedTuple):
    """One setting of the method that differs.

    Attributes:
        keys: Its place in the configuration.
        asked: The command's value.
        kept: The checkpoint's value.
        given: Whether the command names it; False for a default.
    """

    keys: tuple[str, ...]
    asked: Any
    kept: Any
    given: bool

    @property
    def name(self) -> str:
        """The option as typed."""
        return ".".join(("model", *(key for key in self.keys if key not in ("init_args", "class_path"))))

    @property
    def part(self) -> str:
        """The method's argument to which it belongs."""
        return next(key for key in self.keys if key != "init_args")

    @property
    def is_class(self) -> bool:
        """Whether it changes which class is built."""
        return self.keys[-1] == "class_path" or _names_class(self.asked) or not _is_plain(self.kept)


class Settled(NamedTuple):
    """What to do with the differences.

    Attributes:
        adopted: Differences that take the checkpoint's value.
        optimizer: Arguments of the optimizer to set after the checkpoint's are restored.
        words: The message for the user, in one line; empty if there is none.
    """

    adopted: tuple[Difference, ...]
    optimizer: tuple[str, ...]
    words: str


def settle(asked: Mapping[str, Any], given: Namespace | None, checkpoint: Mapping[str, Any], training: bool) -> Settled:
    """Compare a command's method with the method that wrote a checkpoint.

    Training continues with the values that the command names, otherwise with the checkpoint's plain values. Evaluation
    takes the checkpoint's values, because its weights were trained with them.

    Args:
        asked: The method's configuration, `class_path` and `init_args`.
        given: The part that the command names, in files or options.
        checkpoint: The file's content.
        training: Whether training continues.

    Raises:
        AdaptError: A different class cannot load the checkpoint's weights or state.
    """
    kept = {k: v for k, v in checkpoint.get("hyper_parameters", {}).items() if not k.startswith("_")}
    arguments = asked.get("init_args") or {}
    found = list(_differences(arguments, kept, ("init_args",), given))
    _refuse(found, training)
    taken, stays, adopted, optimizer = [], [], [], []
    for one in found:
        if one.is_class:
            if training and one.given:
                taken.append(one)
        elif not one.given:
            adopted.append(one)
        elif not training or one.part == "lr_scheduler":
            adopted.append(one)
            stays.append(one)
        else:
            taken.append(one)
            if one.part == "optimizer":
                optimizer.append(one.keys[-1])
    sentences = [
        f"{', '.join(f'{one.name} {one.asked!r} (the checkpoint: {one.kept!r})' for one in taken)}: taken as asked"
        if taken
        else "",
        f"{', '.join(f'{one.name} {one.kept!r} (asked for: {one.asked!r})' for one in stays)}: the checkpoint's stays"
        if stays
        else "",
    ]
    return Settled(tuple(adopted), tuple(optimizer), "; ".join(filter(None, sentences)))


def adopt(model: Namespace, differences: Sequence[Difference]) -> None:
    """Put the checkpoint's values into the parsed configuration of a method."""
    for one in differences:
        node: Any = model
        for key in one.keys[:-1]:
            node = node[key]
        node[one.keys[-1]] = one.kept


def check_weights(method: Method, checkpoint: Mapping[str, Any]) -> None:
    """Refuse weights that do not fit the network, before the run is changed.

    Raises:
        AdaptError: A parameter is missing or unknown, or has another shape.
    """
    try:
        method.load_state_dict(checkpoint["state_dict"], strict=method.strict_loading)
    except RuntimeError as error:
        reason = " ".join(str(error).split()).partition(": ")[2][:200]
        raise AdaptError(f"The checkpoint does not fit this {type(method).__name__}: {reason}. {_RUN}") from error


def check_data(data: DomainDataModule, checkpoint: Mapping[str, Any], training: bool) -> str:
    """Refuse to continue on other data than the checkpoint was trained on, or with other class names.

    Returns:
        Allowed changes of the data, in one line; empty if there are none.

    Raises:
        AdaptError: The domains, the classes or the held-out shares differ.
    """
    kept = checkpoint.get(type(data).__qualname__)
    if kept is None or "fixed" not in kept:  # from a script, or from an earlier version
        return ""
    now = data.state_dict()
    fixed = [k for k, value in kept["fixed"].items() if now["fixed"].get(k, value) != value]
    # Checkpoints of earlier versions have no arguments.
    before, after = kept.get("arguments", {}), now.get("arguments", {})
    other_arguments = {k: (after[k], v) for k, v in before.items() if k in after and after[k] != v}
    every = {k: (now["fixed"][k], kept["fixed"][k]) for k in fixed} | other_arguments
    splits = [k for k in other_arguments if k in _SPLITTING]
    refused = [*fixed, *splits] if training else [k for k in fixed if k == "class_names"]
    if refused:
        parts = [f"{k} {every[k][1]!r:.80}, found {every[k][0]!r:.80}" for k in refused]
        raise AdaptError(
            f"Expected the data that the checkpoint was trained on, with {'; '.join(parts)}. "
            "Start from its network with --model.init_from to train on other data."
        )
    other = dict(every)
    if training:
        other |= {"batch_size": (now["batch_size"], kept["batch_size"])}
    changed = [f"data.{k} {one!r} (the checkpoint: {two!r})" for k, (one, two) in other.items() if one != two]
    seen = ", so that samples that were trained on may be among the tested ones" if {*every} & {*_SPLITTING} else ""
    return f"{', '.join(changed)}: taken as asked{seen}" if changed else ""


class AskedFor(Callback):
    """Set the optimizer arguments that the command names, after a checkpoint has restored others.

    A new learning rate keeps the schedule's current factor and the factors of the parameter groups.

    Args:
        names: Arguments of the optimizer, such as `lr` and `weight_decay`.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self._fresh: list[list[dict[str, Any]]] = []

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Store the command's values, before the checkpoint's state is restored."""
        self._fresh = [
            [{k: v for k, v in group.items() if k != "params"} for group in optimizer.param_groups]
            for optimizer in trainer.optimizers
        ]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Set them."""
        for optimizer, fresh in zip(trainer.optimizers, self._fresh, strict=True):
            for group, asked in zip(optimizer.param_groups, fresh, strict=True):
                for name in self.names:
                    if name == "lr":
                        _set_rate(group, asked)
                    elif name in group:
                        group[name] = asked[name]
        for config in trainer.lr_scheduler_configs:
            for scheduler in (config.scheduler, *getattr(config.scheduler, "_schedulers", ())):
                if "lr" in self.names and hasattr(scheduler, "base_lrs"):
                    scheduler.base_lrs = _first_rates(scheduler.optimizer)


def _set_rate(group: dict[str, Any], asked: Mapping[str, Any]) -> None:
    start = group.get("initial_lr", group["lr"])
    wanted = asked.get("initial_lr", asked["lr"])
    group["lr"] = group["lr"] * wanted / start if start else wanted
    if "initial_lr" in group:
        group["initial_lr"] = wanted


def _first_rates(optimizer: Optimizer) -> list[float]:
    return [group.get("initial_lr", group["lr"]) for group in optimizer.param_groups]


def _refuse(found: Sequence[Difference], training: bool) -> None:
    for one in found:
        if not one.is_class:
            continue
        held = one.part == "backbone" or (training and one.part in ("optimizer", "lr_scheduler"))
        if held or (training and not one.given):
            raise AdaptError(
                f"Expected --{one.name} as in the checkpoint, {_short(one.kept)}, found {_short(one.asked)}. {_RUN}"
            )


def _differences(asked: Any, kept: Any, keys: tuple[str, ...], given: Any) -> Iterator[Difference]:
    if keys[-1] in (*_LINKED, *_START):
        return
    if isinstance(asked, Mapping) and isinstance(kept, Mapping):
        if asked.get("class_path") != kept.get("class_path"):
            yield Difference((*keys, "class_path"), asked.get("class_path"), kept.get("class_path"), given is not None)
            return
        for key in kept:
            if key in asked or isinstance(kept[key], Mapping):
                below = given.get(key) if isinstance(given, Namespace) else None
                # A class all of whose arguments are linked, such as Identity, has no `init_args` in a configuration.
                nothing: Any = {} if key == "init_args" else None
                yield from _differences(asked.get(key, nothing), kept[key], (*keys, key), below)
    elif asked != kept:
        yield Difference(keys, asked, kept, given is not None)


def _names_class(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(_names_class(part) for part in value)
    return isinstance(value, Mapping)


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(_is_plain(part) for part in value)
    # A dotted word could be an import path.
    return value is None or isinstance(value, bool | int | float) or (isinstance(value, str) and "." not in value)


def _short(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_short, value))}]"
    if isinstance(value, Mapping):
        return _short(value.get("class_path"))
    return "none" if value is None else value.rpartition(".")[2] if isinstance(value, str) else str(value)
