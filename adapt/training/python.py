"""`adapt.fit`: a training without the command line."""

import contextlib
import os
import signal
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from numbers import Integral
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Trainer, seed_everything
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.utilities.seed import isolate_rng
from torch import nn

import adapt.backbones
import adapt.methods
from adapt.backbones import Backbone, ModuleBackbone
from adapt.data import DomainDataModule
from adapt.errors import AdaptError, chain
from adapt.files import write_atomically
from adapt.methods import Method
from adapt.methods.checkpoints import read_checkpoint
from adapt.methods.refusals import refuse_unfinished
from adapt.monitor import Monitor
from adapt.recorded import built_with, of_python, plain_values
from adapt.seeds import check_seed
from adapt.selection import Scores, checkpoint_path, selection_callbacks
from adapt.training.explain import arguments, forgotten_base
from adapt.training.interruption import saved_when_stopped
from adapt.training.model import TrainedModel
from adapt.training.quiet import quiet
from adapt.training.run_folder import CONFIG_FILE, enter_folder, held, make_directory, process_rank
from adapt.training.saved_config import portable
from adapt.training.trainer_flags import check_strategy
from adapt.yaml_files import to_yaml

_VALIDATIONS = 10
_TRAINED_BY = "_adapt_trained_by"  # on a network that a person built
_LIMITS = ("max_steps", "max_epochs", "val_check_interval", "check_val_every_n_epoch")
"""What a configuration says of the trainer, beside what the caller asked of it."""


def fit(
    method: str | type[Method] | Method,
    data: DomainDataModule,
    *,
    max_steps: int = 1000,
    seed: int = 0,
    rule: str = "last",
    run_dir: str | os.PathLike[str] | None = None,
    device: str = "auto",
    trainer: dict[str, Any] | None = None,
    **options: Any,
) -> TrainedModel:
    """Train a method on data, and return it for prediction.

    The same seed and data give the same weights; the random numbers of the caller are as they were afterwards.

    Args:
        method: A method's name such as `DANN`, its class, or a method that is built already.
        data: The source and the target.
        max_steps: Training steps.
        seed: Of weights and order; a network that is built already keeps the weights that it has.
        rule: Which checkpoint is returned: `last`, or a rule without target labels such as `information_maximisation`.
        run_dir: Keeps the run, which `adapt.load(run_dir)` and `adapt predict --config` read; None keeps nothing.
        device: `cpu`, `cuda` or another accelerator of Lightning's; `auto` takes the fastest there is. Which one of
            several, `trainer={"devices": [1]}` says.
        trainer: Further arguments of Lightning's `Trainer`. `run_dir` keeps those that are plain values.
        **options: Arguments of the method, where a name or class is given; its `backbone` may be a name (`MLP` by
            default), a class or an object; any `torch.nn.Module` that gives `(N, d)`. Of an object that is no
            `Backbone` nobody knows how it was built: `run_dir` keeps its weights and no configuration.

    Raises:
        AdaptError: The method is not known, an argument is wrong, or `run_dir` holds a run.
        DivergedError: A loss stopped being finite.
        KeyboardInterrupt: Ctrl-C; with `run_dir` the run is saved after the current step, and a line says how to go on.

    Examples:
        >>> import adapt
        >>> from adapt.data import Moons
        >>> model = adapt.fit("CORAL", Moons("moons", "moons_30"), max_steps=20, device="cpu")
        >>> model.class_names
        ['upper', 'lower']
        >>> model.predict([[0.0, 1.0]]).shape
        (1,)
    """
    max_steps, seed = of_python(max_steps), of_python(seed)
    more = _checked(data, max_steps, seed, trainer)
    network = options.get("backbone")
    if isinstance(network, nn.Module) and (before := vars(network).get(_TRAINED_BY)):
        warnings.warn(
            f"The backbone that was given is the one that {before} trained: this training goes on from its weights. "
            "Build a new one, or give its class or name, to start anew.",
            stacklevel=2,
        )
    # A caller may be within torch.inference_mode(), in which nothing can be trained.
    with torch.inference_mode(False), isolate_rng(), quiet(), _folder(run_dir) as folder, _lent(data):
        seed_everything(seed, verbose=False)
        data.order_seed = seed
        built = _method(method, data, options)
        _fit_data(built, data)
        more["callbacks"] = list(more.get("callbacks") or [])
        scores = next((each for each in more["callbacks"] if isinstance(each, Scores)), None) or Scores()
        more["callbacks"] = [each for each in more["callbacks"] if each is not scores]
        callbacks = selection_callbacks(folder, built.source_free, scores, built.problem)
        every = max(1, max_steps // _VALIDATIONS)
        given: dict[str, Any] = {
            "max_steps": max_steps,
            "max_epochs": -1,
            "val_check_interval": every,
            "check_val_every_n_epoch": None,
            "num_sanity_val_steps": 0,
            "accelerator": device,
            "devices": 1,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "logger": CSVLogger(folder, name="", version="") if run_dir is not None else False,
            "default_root_dir": str(folder),
        }
        for name in ("max_steps", "max_epochs", "limit_train_batches"):
            if (given | more).get(name) == 0:
                raise AdaptError(f"Expected {name} of at least 1, found 0: nothing would train.")
        check_strategy(more.get("strategy"), "trainer={'strategy': ...}")
        chosen = [*callbacks, Monitor(), *more.pop("callbacks", [])]
        goes_on = False
        if run_dir is not None:
            limits = {name: given[name] for name in _LIMITS}
            goes_on = _write_config(folder, built, data, seed, limits | plain_values(more))
        try:
            runner = Trainer(**given | more, callbacks=chosen)
        except (TypeError, ValueError, MisconfigurationException) as error:
            said = " ".join(str(error).split()).removeprefix("Trainer.__init__() ")
            raise AdaptError(f"Expected arguments that Lightning's Trainer takes: {said}") from error
        with _interruptible(runner, None if run_dir is None else folder, goes_on):
            runner.fit(built, datamodule=data)
        if isinstance(network, nn.Module):
            vars(network)[_TRAINED_BY] = type(built).__name__
        # Only process zero writes: without `run_dir` the others have a temporary folder of their own, which is empty.
        path = checkpoint_path(Path(runner.strategy.broadcast(str(folder))), rule)
        if not path.is_file():
            kept = ", ".join(sorted(file.stem for file in path.parent.glob("*.ckpt")))
            raise AdaptError(f"Expected a rule that this training has a checkpoint of ({kept}), found {rule!r}.")
        if rule != "last":
            built.load_state_dict(read_checkpoint(path)["state_dict"])
        runner.strategy.barrier()  # process zero's temporary folder goes once all have read
        return TrainedModel(built, data, "auto" if device == "auto" else str(built.device))


def _checked(data: Any, max_steps: Any, seed: Any, trainer: Any) -> dict[str, Any]:
    """Refuse what is no data, number or argument; the arguments of the trainer.

    Raises:
        AdaptError: Names the argument.
    """
    if not isinstance(data, DomainDataModule):
        raise AdaptError(
            f"Expected data such as InMemory(Xs, ys, Xt) or another class of adapt.data, found {_what(data)}."
        )
    if not hasattr(data, "shots"):
        raise AdaptError(forgotten_base(type(data)) or f"{type(data).__name__} was not set up by its base.")
    if not isinstance(trainer, Mapping | None):
        raise AdaptError(f"Expected trainer as a dict of arguments, found {_what(trainer)}.")
    more = dict(trainer or {})
    ends = any(more.get(name) not in (None, -1) for name in ("max_steps", "max_epochs", "max_time"))
    if not _is_whole(max_steps) or (max_steps < 0 and not (ends and max_steps == -1)):
        raise AdaptError(f"Expected max_steps as a whole number of at least 1, found {max_steps!r}.")
    check_seed(seed, "seed")
    return more


def _is_whole(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


@contextlib.contextmanager
def _interruptible(runner: Trainer, folder: Path | None, goes_on: bool) -> Iterator[None]:
    """Let Ctrl-C end a fit with KeyboardInterrupt, of which Lightning makes a SystemExit; a kept run is saved before.

    Args:
        runner: The trainer.
        folder: Where the run is kept; None where it is not.
        goes_on: Whether the command line can go on with it.
    """
    try:
        with contextlib.nullcontext() if folder is None else saved_when_stopped(runner, folder, goes_on):
            yield
    except SystemExit as stop:
        pressed = any(isinstance(link, KeyboardInterrupt) for link in chain(stop))
        if stop.code == 128 + signal.SIGINT or (pressed and stop.code != 128 + signal.SIGTERM):
            raise KeyboardInterrupt from stop
        raise


@contextlib.contextmanager
def _folder(run_dir: str | os.PathLike[str] | None) -> Iterator[Path]:
    if run_dir is None:
        with tempfile.TemporaryDirectory(prefix="adapt-") as name:
            yield Path(name)
        return
    # Lightning's checkpoints would lie in the home folder, and the rest in one that is called `~`.
    folder = enter_folder(Path(run_dir).expanduser(), None)
    make_directory(folder)
    with held(folder) if not process_rank() else contextlib.nullcontext():
        yield folder


def _method(method: str | type[Method] | Method, data: DomainDataModule, options: dict[str, Any]) -> Method:
    if isinstance(method, Method):
        if options:
            raise AdaptError(f"Expected no arguments beside a method that is built, found {', '.join(options)}.")
        return method
    cls: Any = _named(method, adapt.methods, Method) if isinstance(method, str) else method
    if not (isinstance(cls, type) and issubclass(cls, Method)):
        raise AdaptError(f"Expected a method's name, its class or an object of it, found {_what(cls)}.")
    unknown = [name for name in options if name not in arguments(cls)]
    if unknown:
        raise AdaptError(f"{cls.__name__} has no argument {unknown[0]!r}: it has {', '.join(sorted(arguments(cls)))}.")
    backbone: Any = options.pop("backbone", "MLP")
    if not isinstance(backbone, Backbone):
        made: Any = _named(backbone, adapt.backbones, Backbone) if isinstance(backbone, str) else backbone
        shape = tuple(data.input_shape)
        if isinstance(made, nn.Module):
            refuse_unfinished(made)
            backbone = ModuleBackbone(made, input_shape=shape)
        elif not (isinstance(made, type) and issubclass(made, nn.Module)):
            raise AdaptError(f"Expected a backbone's name, a torch.nn.Module or a class of these, found {_what(made)}.")
        elif issubclass(made, Backbone):
            backbone = made(**({"input_shape": shape} if "input_shape" in arguments(made) else {}))
        else:
            backbone = ModuleBackbone.of(made, shape)
    if "num_sources" in arguments(cls):
        options.setdefault("num_sources", data.num_sources)
    built: Method = cls(problem=data.problem, backbone=backbone, **options)
    if not hasattr(built, "problem"):
        raise AdaptError(forgotten_base(cls) or f"{cls.__name__} has no problem: hand it on to Method.")
    return built


def _named(name: str, module: Any, base: type) -> Any:
    found = getattr(module, name, None)
    if isinstance(found, type) and issubclass(found, base):
        return found
    names = [n for n in module.__all__ if isinstance(c := getattr(module, n), type) and issubclass(c, base)]
    raise AdaptError(f"Unknown {base.__name__.lower()} {name!r}: expected one of {', '.join(names)}, or a class.")


def _what(value: Any) -> str:
    return f"the class {value.__name__}" if isinstance(value, type) else f"a {type(value).__name__}"


@contextlib.contextmanager
def _lent(data: DomainDataModule) -> Iterator[None]:
    """Give the data back as they came: what one method needs of them, the next one must not find there."""
    before = data.shots, data.source_free
    try:
        yield
    finally:
        if (data.shots, data.source_free) != before:
            data.shots, data.source_free = before
            data.forget()


def _fit_data(method: Method, data: DomainDataModule) -> None:
    """Ask the data for what the method needs, as the command line does."""
    if method.target_labels == "all" and data.shots is None:
        data.shots = "all"
    if method.source_free:
        data.source_free = True


def _write_config(folder: Path, method: Method, data: DomainDataModule, seed: int, trainer: dict[str, Any]) -> bool:
    """Write the run's configuration, and say whether the command line can train from it."""
    model = built_with(method, ("problem", "optimizer", "lr_scheduler", "input_shape"))
    content = built_with(data, data.training_only)
    if model is None or content is None:
        return False  # an argument is no plain value: the checkpoint is loaded into objects that the caller builds
    config = portable({"seed_everything": seed, "trainer": trainer, "model": model, "data": content}, folder)
    write_atomically(folder / CONFIG_FILE, to_yaml(config))
    return not data.training_only
