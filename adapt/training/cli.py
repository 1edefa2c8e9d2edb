"""The training commands as one LightningCLI; `adapt.commands` calls it."""

import contextlib
import inspect
import json
import shlex
import sys
from argparse import ArgumentError
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import yaml
from jsonargparse import Namespace
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI, _InstantiatorFn
from torch import Tensor

from adapt.analysis import Pictures, class_accuracies, counted
from adapt.data import DomainDataModule
from adapt.errors import AdaptError
from adapt.estimation import Estimates
from adapt.measures import wilson
from adapt.methods import Method
from adapt.methods.checkpoints import check_checkpoint, read_own
from adapt.monitor import Monitor
from adapt.names import folder_name
from adapt.processes import gather_rows
from adapt.seeds import check_seed
from adapt.selection import Scores, checkpoint_path, selection_callbacks
from adapt.training.averaging import AveragedWeights as AveragedWeights  # a callback by its name
from adapt.training.contents import contents
from adapt.training.continuing import AskedFor, Settled, adopt, check_data, check_weights, settle
from adapt.training.denormals import flush_denormals
from adapt.training.explain import explain, forgotten_base, imported, not_handed_on, nothing_chosen
from adapt.training.interruption import saved_when_stopped
from adapt.training.memory import keep_freed_memory
from adapt.training.progress_bar import RunProgressBar
from adapt.training.quiet import quieten
from adapt.training.run_folder import (
    CONFIG_FILE,
    announce,
    enter_folder,
    folder_of,
    folder_of_process_zero,
    free_folder,
    held,
    make_directory,
    process_rank,
    write_predictions,
)
from adapt.training.saved_config import portable, read_from_home, read_where_it_lies
from adapt.training.tracking import loggers_for, offline_folders, pages, started
from adapt.training.trainer_flags import check_callbacks, check_flags, check_strategy
from adapt.training.trust import check_named, check_typed_configs, config_beside, restrict_parser
from adapt.yaml_files import to_yaml

BASES = {"model": Method, "data": DomainDataModule, "trainer": Trainer}


class _Given(_InstantiatorFn):
    """Builds what a configuration names; checkpoints hold the arguments that it gives, without those of the data."""

    def __call__(self, class_type: type, *args: Any, applied_instantiation_links: Any, **kwargs: Any) -> Any:
        """Build it."""
        # Lightning's own looks in the configuration for the places of linked arguments, which a network that has none
        # but these lacks.
        return super().__call__(class_type, *args, applied_instantiation_links={}, **kwargs)


class AdaptCLI(LightningCLI):
    """Fit, validate, test or predict one method on one task.

    Each training has its own folder, `--run_dir`, with the resolved configuration, the metrics and one checkpoint per
    selection rule. The other commands read that folder's checkpoint `last`, or the one given by `--ckpt_path`.

    Args:
        args: The command line without the program's name.
        says: Whether a training says what it trains, where it lies and what comes next; a grid says that itself.
    """

    def __init__(self, args: Sequence[str], says: bool = True) -> None:
        self.says = says
        quieten()  # once more: Lightning raises its voice when it is imported
        keep_freed_memory()  # once more: a grid's process may be no copy of the command's
        flush_denormals()
        restrict_parser()
        check_typed_configs(args)
        options: dict[str, Any] = {"exit_on_error": False, "allow_abbrev": False}
        own = {name: options | {"usage": f"adapt {name} [options]"} for name in self.subcommands()}
        super().__init__(
            Method,
            DomainDataModule,
            subclass_mode_model=True,
            subclass_mode_data=True,
            save_config_callback=None,
            seed_everything_default=0,
            trainer_defaults={"max_epochs": 10},
            parser_kwargs=options | own,
            auto_configure_optimizers=False,
            args=list(args),
        )

    def add_core_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add method and data first, so that the help begins with them; the trainer has forty options."""
        parser.add_lightning_class_args(Method, "model", subclass_mode=True)
        parser.add_lightning_class_args(DomainDataModule, "data", subclass_mode=True)
        parser.add_lightning_class_args(Trainer, "trainer")
        parser.set_defaults({f"trainer.{name}": value for name, value in self.trainer_defaults.items()})

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Link the data's problem and input shape to the method, and add the run's folder."""
        parser.add_argument(
            "--run_dir", type=str | None, default=None, help="The run's folder (default: runs/<task>/<method>/<seed>)."
        )
        parser.add_argument(
            "--saved_in", type=str | None, default=None, help="Written by `fit`: the run's folder when it was trained."
        )
        parser.add_argument(
            "--if_taken",
            type=dict[str, Any] | None,
            default=None,
            help="Arguments of the method that a recipe sets for those methods that have them.",
        )
        parser.link_arguments("data.problem", "model.init_args.problem", apply_on="instantiate")
        parser.link_arguments("data.num_sources", "model.init_args.num_sources", apply_on="instantiate")
        for network in ("", "module.init_args."):  # of a ModuleBackbone
            shape = f"model.init_args.backbone.init_args.{network}input_shape"
            parser.link_arguments("data.input_shape", shape, self._shape_where_none_is(shape), apply_on="instantiate")

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Parse, then set which labels the data must give the method, and find the checkpoint to evaluate."""
        try:
            super().parse_arguments(parser, args)
        except ArgumentError as error:
            if beside := config_beside(args):
                raise AdaptError(beside) from error
            raise AdaptError(explain(error, BASES, args, self._options(args[0] if args else ""))) from error
        command = self.config.subcommand
        config = self.config[command]
        missing = [
            key for key in ("model", "data") if config[key] is None or imported(config[key].class_path) is BASES[key]
        ]
        if missing:
            raise AdaptError(nothing_chosen(missing))
        seed = config.seed_everything
        if not isinstance(seed, bool):
            check_seed(seed, "--seed_everything")
        check_named(config, BASES)
        check_handed_on(config.model)
        read_from_home(config)
        read_where_it_lies(config, command, args)
        if imported(config.model.class_path).target_labels == "all" and config.data.init_args.shots is None:
            config.data.init_args.shots = "all"
        take_tokenizer(config)
        if imported(config.model.class_path).source_free:
            config.data.init_args.source_free = True
        if command != "fit" and config.ckpt_path is None:
            if config.run_dir is None:
                raise AdaptError(
                    f"`adapt {command}` needs trained weights: give --config <run>/config.yaml or --ckpt_path."
                )
            config.ckpt_path = str(checkpoint_path(Path(config.run_dir), "last"))
        if config.ckpt_path is not None and not Path(config.ckpt_path).is_file():
            raise AdaptError(f"Expected a checkpoint at {config.ckpt_path}, found no file there.")
        start = config.model.init_args.get("init_from")
        if start is not None and config.ckpt_path is None and not Path(start).is_file():
            raise AdaptError(f"Expected a checkpoint at {start}, found no file. Runs keep theirs in <run>/checkpoints.")
        self._given = parser.parse_args(args, defaults=False)[command].get("model")
        take_recipe(config, self._given)

    def before_instantiate_classes(self) -> None:
        """Check again all classes that will be built, because the configuration may have changed."""
        check_named(self.settings, BASES)

    def _parse_ckpt_path(self) -> None:
        # Replaces Lightning's version, in which the checkpoint overrides the command line.
        command = self.config.subcommand
        config = self.config[command]
        self._checkpoint: dict[str, Any] = {}
        self._settled = Settled((), (), "")
        self._begun: int | None = None  # the step from which training continues
        if config.ckpt_path is None:
            return
        self._checkpoint = read_own(imported(config.model.class_path).__name__, Path(config.ckpt_path))
        self._begun = self._checkpoint.get("global_step")
        plain = yaml.safe_load(self.parser.dump(self.config, skip_link_targets=False, skip_none=False))[command]
        given = self._given.get("init_args") if self._given else None
        self._settled = settle(plain["model"], given, self._checkpoint, training=command == "fit")
        adopt(config.model, self._settled.adopted)

    def _check_checkpoint(self) -> None:
        """Refuse a checkpoint that does not fit, and report different settings."""
        if not self._checkpoint:
            return
        training = self.subcommand == "fit"
        changed = check_data(self.datamodule, self._checkpoint, training)
        check_checkpoint(self.model.describe(), self._checkpoint)
        check_weights(self.model, self._checkpoint)
        if words := "; ".join(filter(None, [self._settled.words, changed])):
            print(f"adapt: the checkpoint has other settings: {words}.", file=sys.stderr)
        self._checkpoint = {}  # frees its memory

    def _options(self, command: str) -> set[str]:
        known = (
            word
            for action in self._subcommand_parsers.get(command, self.parser)._actions
            for word in action.option_strings
        )
        return {word.lstrip("-") for word in known if word.startswith("--") and not word.endswith(".help")}

    def instantiate_classes(self) -> None:
        """Build trainer, method and data."""
        try:
            super().instantiate_classes()
        except Exception as error:
            chosen = (self.settings.data, self.settings.model, self.settings.model.init_args.get("backbone"))
            named = [imported(part.class_path) for part in chosen if part is not None and "class_path" in part]
            if reason := next(filter(None, map(forgotten_base, named)), None):
                raise AdaptError(reason) from error
            raise

    def _add_instantiators(self) -> None:
        for key, base in (("model", Method), ("data", DomainDataModule)):
            self.parser.add_instantiator(_Given(cli=self, key=key), base, subclasses=True)

    def _shape_where_none_is(self, key: str) -> Callable[[Any], Any]:
        """The data's shape for an argument of a network, where a person has given no other."""

        def of_data(shape: Any) -> Any:
            network = self.settings.get(key.removesuffix(".init_args.input_shape"))
            given = self.settings.get(key) if isinstance(network, Namespace) else None
            if given is None:
                return shape
            parameter = inspect.signature(imported(network.class_path)).parameters.get("input_shape")
            default: Any = None if parameter is None else parameter.default
            if not any(np.array_equal(given, one) for one in (shape, default)):
                option = f"--{key.replace('.init_args', '')}"
                raise AdaptError(
                    f"Expected no {option} beside the data, whose inputs have the shape {tuple(shape)}, found {given}: "
                    "leave it out."
                )
            return shape

        return of_data

    @property
    def settings(self) -> Any:
        """The configuration of the chosen command."""
        return self.config[self.subcommand]

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Build the trainer with the run's folder, its loggers and callbacks."""
        self._check_checkpoint()
        given = self._get(self.config_init, "trainer")
        check_strategy(given.strategy, "--trainer.strategy")
        method, seed = type(self.model).__name__, self.settings.seed_everything
        self.run_dir = self._find_run_dir(method, seed)
        try:
            return self._trainer_in_folder(given, method, seed, kwargs)
        except BaseException:
            if self.subcommand == "fit" and self.settings.run_dir is None and not process_rank():
                with contextlib.suppress(OSError):
                    self.run_dir.rmdir()  # which was made for a run that does not begin
            raise

    def _trainer_in_folder(self, given: Any, method: str, seed: int, kwargs: dict[str, Any]) -> Trainer:
        callbacks: list[Callback] = [Pictures(directory=str(self.run_dir)), Estimates()]
        chosen = given.callbacks or []
        chosen = chosen if isinstance(chosen, list) else [chosen]
        if self.subcommand == "fit":
            check_flags(given)
            knows_labels = self.model.target_labels == "all"
            check_callbacks(chosen, self.model.lr_scheduler, knows_labels, self.run_dir, self.model.problem)
        if given.enable_progress_bar is not False and not any(isinstance(c, ProgressBar) for c in chosen):
            callbacks.append(RunProgressBar())
        if self.subcommand == "fit":
            if not process_rank():
                make_directory(self.run_dir)
            kwargs["logger"] = loggers_for(given.logger, self.run_dir, self.datamodule.task, method, seed)
            scores = next((callback for callback in chosen if isinstance(callback, Scores)), None) or Scores()
            chosen = [callback for callback in chosen if callback is not scores]
            callbacks += selection_callbacks(self.run_dir, self.model.source_free, scores, self.model.problem)
            callbacks += [AskedFor(self._settled.optimizer)] if self._settled.optimizer else []
            callbacks += [] if any(isinstance(callback, Monitor) for callback in chosen) else [Monitor()]
        else:
            kwargs["logger"] = False
        # Lightning's table has a dozen lines; `before_fit` prints one.
        if given.enable_model_summary is None:
            kwargs["enable_model_summary"] = False
        if given.deterministic is None and torch.cuda.is_available():
            kwargs["deterministic"] = "warn"
        kwargs["default_root_dir"] = str(self.run_dir)
        return super().instantiate_trainer(**kwargs, callbacks=[*callbacks, *chosen])

    def before_fit(self) -> None:
        """Write the resolved configuration into the run's folder and into every logger."""
        with contextlib.ExitStack() as until_written:
            if self.trainer.is_global_zero:
                until_written.enter_context(held(self.run_dir))
            # Do this first: if a logger fails, there must not be a folder that blocks a new run.
            self.trainer.loggers = started(self.trainer.loggers)
            self._record()
            self._held = until_written.pop_all()  # until the training ends

    def _record(self) -> None:
        text = self._parser(self.subcommand).dump(self.settings, skip_none=False, skip_link_targets=True)
        saved = portable(yaml.safe_load(text), self.run_dir)
        words = to_yaml(saved)
        if self.trainer.is_global_zero:
            (self.run_dir / CONFIG_FILE).write_text(words, encoding="utf-8")
        resolved = saved | {"method": type(self.model).__name__, "task": self.datamodule.task}
        for logger in self.trainer.loggers:
            logger.log_hyperparams(resolved)
        if not self.says or not self.trainer.is_global_zero:
            return
        print(f"{self.datamodule.task}: {contents(self.model)}")
        for where in pages(self.trainer.loggers):
            print(f"Weights & Biases: {where}")

    def fit(self, model: LightningModule, **kwargs: Any) -> None:
        """Train; a signal stops it and saves the state."""
        with self._held, saved_when_stopped(self.trainer, self.run_dir):
            self.trainer.fit(model, **kwargs)

    def after_fit(self) -> None:
        """Print the run's folder and the next commands; a grid prints its own."""
        if not self.says or not self.trainer.is_global_zero:
            return
        headline = self.model.problem.headline  # the scores only mean something in comparison with other steps
        kept = (f"val/source_{headline}", f"oracle/target_{headline}")
        metrics = {k: float(v) for k, v in self.trainer.callback_metrics.items() if k in kept}
        found = ", ".join(f"{name} {value:.3f}" for name, value in sorted(metrics.items()))
        if self._begun is not None and self._begun >= self.trainer.global_step:
            found = f"nothing was left to train: the checkpoint is at step {self._begun} (--trainer.max_steps goes on)"
        elif not self.datamodule.target_labels("val").labelled:
            found = ", ".join(filter(None, [found, "no target labels"]))
        test = shlex.join(["adapt", "test", "--config", str(self.run_dir / CONFIG_FILE)])
        # A trial (fast_dev_run), and a run without checkpoints, leave nothing to test.
        kept_any = checkpoint_path(self.run_dir, "last").is_file()
        print(f"{found or 'trained'}\nrun: {self.run_dir}\n{f'test: {test}' if kept_any else 'no weights were kept'}")
        for folder in offline_folders(self.trainer.loggers):
            print(f"to Weights & Biases: {shlex.join(['wandb', 'sync', folder])}")

    def after_test(self) -> None:
        """Write the test metrics into the run's folder, and say on how much of the target they were computed."""
        if not self.trainer.is_global_zero:
            return
        metrics: dict[str, Any] = {name: float(value) for name, value in self.trainer.callback_metrics.items()}
        labels = self.datamodule.target_labels("test")
        if not labels.all:
            metrics |= {"target_labelled": labels.labelled, "target_samples": labels.samples}
            if labels.labelled:
                print(
                    f"of the {labels.samples} target test samples {labels.labelled} have a label: metrics are of these"
                )
            else:
                print(f"no target labels: nothing is measured on {self.datamodule.target}")
        if (classes := class_accuracies(self.run_dir)) is not None:
            metrics["per_class_accuracy"] = classes
        if self.model.evaluation.per_source:
            metrics["per_source"] = self.model.evaluation.per_source
            shares = ", ".join(f"{name} {value:.3f}" for name, value in self.model.evaluation.per_source.items())
            print(f"{self.model.problem.headline} of each source: {shares}")
        metrics |= self.model.findings()
        found = counted(self.run_dir)
        if getattr(self.model.problem, "has_unknown", False) and "test/target_h_score" in metrics:
            shown = ("h_score", "known_accuracy", "unknown_accuracy")
            print("target " + ", ".join(f"{name} {metrics[f'test/target_{name}']:.3f}" for name in shown))
        if found is not None:
            low, high = wilson(*found)
            metrics |= {"target_accuracy_interval": [low, high], "target_test_samples": found[1]}
            print(
                f"target accuracy {100 * found[0] / found[1]:.1f} %, 95% interval {100 * low:.1f} to {100 * high:.1f} "
                f"(binomial, {found[1]} samples of this one run; other seeds vary beyond it)"
            )
        (self.run_dir / "test.json").write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
        print(f"pictures and test.json: {self.run_dir}")

    def predict(self, model: LightningModule, **kwargs: Any) -> None:
        """Predict the target's test inputs, or all its inputs, and write `predictions.csv` into the run's folder."""
        batches = cast(list[dict[str, Tensor]], self.trainer.predict(model, **kwargs) or [])
        if self.trainer.world_size > 1:
            device = self.trainer.strategy.root_device
            joined = {name: torch.cat([batch[name] for batch in batches]).to(device) for name in batches[0]}
            batches = [{name: gather_rows(column) for name, column in joined.items()}]
            if not self.trainer.is_global_zero:
                return
        path = self.run_dir / "predictions.csv"
        names, total = self.datamodule.predicted_names()
        before = write_predictions(path, batches, self.model.problem, names)
        count = sum(len(batch["index"]) for batch in batches)
        more = "" if count == total else " (its test set; for all: --data.predict_split all)"
        print(f"{count} of the {total} target samples{more}\npredictions: {path}")
        if before is not None:
            print(f"earlier predictions, moved to: {before}")

    def _find_run_dir(self, method: str, seed: int) -> Path:
        given, checkpoint = self.settings.run_dir, self.settings.ckpt_path
        if self.subcommand != "fit":
            return Path(given) if given else folder_of(Path(checkpoint))
        if process_rank():
            return folder_of_process_zero(given)
        if given is None:
            base = Path("runs", folder_name(self.datamodule.task), folder_name(method), str(seed))
            return announce(free_folder(base))
        return announce(enter_folder(Path(given), checkpoint))


def check_handed_on(model: Any) -> None:
    """Refuse a method whose own `__init__` does not hand problem and backbone on to `Method`.

    Args:
        model: The method's settings, parsed.

    Raises:
        AdaptError: Says what to write.
    """
    cls = imported(model.class_path)
    own = inspect.signature(cls.__init__).parameters
    bare = [name for name in ("problem", "backbone") if name in own and own[name].annotation is own[name].empty]
    if "backbone" in (model.get("init_args") or {}) and not bare:
        return
    found = f"takes {' and '.join(bare)} without a type" if bare else "takes no 'backbone'"
    raise AdaptError(f"{cls.__name__} {found}: {not_handed_on(cls)}")


def take_recipe(config: Any, given: Any) -> None:
    """Set what a recipe says for the methods that have such an argument, where nobody set it otherwise.

    Args:
        config: A command's settings, parsed; the recipe's part is taken out of it.
        given: The method as files and command line gave it, without defaults.
    """
    wanted, config.if_taken = config.if_taken or {}, None
    said = (given.get("init_args") if given else None) or {}
    for name, value in wanted.items():
        if name in config.model.init_args and name not in said:
            config.model.init_args[name] = value


def take_tokenizer(config: Any) -> None:
    """Let texts be cut into the tokens of the encoder that reads them, where the command does not say otherwise.

    Args:
        config: A command's settings, parsed.
    """
    backbone = config.model.init_args.get("backbone")
    data = config.data.init_args
    own = None if backbone is None else backbone.get("init_args")
    path = None if not own else own.get("path")
    if own and path is None and own.get("text") is not None and own.text.get("init_args"):
        path = own.text.init_args.get("path")  # the encoder of texts within a FusionBackbone
    if path is not None and "tokenizer" in data and data.tokenizer is None:
        data.tokenizer = path
