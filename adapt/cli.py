"""The `adapt` command: the training commands are one LightningCLI; all others stand beside it."""

import json
import logging
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import torch
import yaml
from jsonargparse import ArgumentError
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar, RichProgressBar
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from torch import Tensor

import adapt.backbones
import adapt.methods
import adapt.penalties
import adapt.regularisers
import adapt.schedules  # short names on the command line need their classes imported
from adapt.analysis import Pictures
from adapt.data import DomainDataModule
from adapt.errors import AdaptError, DivergedError
from adapt.explain import cause, explain
from adapt.methods import Method
from adapt.methods.checkpoints import check_method
from adapt.monitor import Monitor
from adapt.processes import gather_rows
from adapt.run_folder import (
    announce,
    enter_folder,
    folder_of,
    folder_of_process_zero,
    free_folder,
    make_directory,
    process_rank,
    write_predictions,
)
from adapt.selection import Scores, checkpoint_path, selection_callbacks
from adapt.tracking import loggers_for

USAGE = """usage: adapt COMMAND [options]

  fit        train one method on one task     adapt fit --config configs/tasks/moons.yaml --model DANN
  validate   accuracy on the validation sets  adapt validate --config RUN/config.yaml
  test       accuracy on the test sets        adapt test --config RUN/config.yaml
  predict    label the target's test inputs   adapt predict --config RUN/config.yaml
  benchmark  run a grid, make the table       adapt benchmark --config configs/benchmarks/quickstart.yaml
  report     make table and page again        adapt report runs/quickstart
  compare    what changed between two grids   adapt compare runs/before runs/after
  features   run a frozen backbone once       adapt features --config configs/features/pacs_lite0.yaml
  style      paint one picture like another   adapt style --content a.jpg --style b.jpg --out c.png

`adapt COMMAND --help` lists the options of each.
"""

_NOISE = (
    "LightningCLI's args parameter",
    ".*does not have many workers.*",
    ".*in eval mode at the start of training.*",
    "Experiment logs directory .* exists",
    "Checkpoint directory .* exists",
    ".*smaller than the logging interval.*",
    "Be aware that when using `ckpt_path`.*",
    ".*`tensorboardX` has been removed.*",
    ".*isinstance\\(treespec, LeafSpec\\).*",
)


class AdaptCLI(LightningCLI):
    """Fit, validate, test or predict one method on one task.

    Each training has a folder of its own, `--run_dir`, with the resolved configuration, the metrics and one checkpoint
    per selection rule. The other commands read the checkpoint `last` of that folder unless `--ckpt_path` names another.

    Args:
        args: The command line without the program's name.
        run: Whether to run the command, or only to build trainer, method and data.
    """

    def __init__(self, args: Sequence[str], run: bool = True) -> None:
        options: dict[str, Any] = {"exit_on_error": False}
        super().__init__(
            Method,
            DomainDataModule,
            subclass_mode_model=True,
            subclass_mode_data=True,
            save_config_callback=None,
            seed_everything_default=0,
            trainer_defaults={"max_epochs": 10},
            parser_kwargs=options | {name: dict(options) for name in self.subcommands()},
            auto_configure_optimizers=False,
            args=list(args),
            run=run,
        )

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Link what the data knows to the method, and add the run's folder."""
        parser.add_argument(
            "--run_dir", type=str | None, default=None, help="The run's folder (default: runs/<task>/<method>/<seed>)."
        )
        parser.link_arguments("data.num_classes", "model.init_args.num_classes", apply_on="instantiate")
        parser.link_arguments(
            "data.input_shape", "model.init_args.backbone.init_args.input_shape", apply_on="instantiate"
        )

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Parse, then ask the data for the labels that the method needs, and find the checkpoint to evaluate."""
        super().parse_arguments(parser, args)
        command = self.config.subcommand
        config = self.config[command]
        for key, base, example in (("model", Method, "DANN"), ("data", DomainDataModule, "Digits")):
            if config[key] is None or imported(config[key].class_path) is base:
                raise AdaptError(
                    f"Nothing chosen for --{key}: give for example --{key} {example}, or a --config that does."
                )
        if imported(config.model.class_path).target_labels == "all" and config.data.init_args.shots is None:
            config.data.init_args.shots = "all"
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
        if config.ckpt_path is not None:
            # Its hyperparameters are about to replace the command line's, and would hide that it is another method's.
            check_method(imported(config.model.class_path), Path(config.ckpt_path))

    def instantiate_classes(self) -> None:
        """Build trainer, method and data, also where the data's shape is all that the backbone is told."""
        # Lightning puts linked arguments into its dump of the configuration, where `init_args` is missing if there is
        # no other one; the dump is made once, so that what is mended here stays.
        self._dump_config()
        backbone = self.config_dump["model"]["init_args"].get("backbone")
        if isinstance(backbone, dict):
            backbone.setdefault("init_args", {})
        super().instantiate_classes()

    @property
    def settings(self) -> Any:
        """The configuration of the chosen command."""
        return self.config[self.subcommand]

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Build the trainer with the run's folder, its loggers and callbacks."""
        given = self._get(self.config_init, "trainer")
        method, seed = type(self.model).__name__, self.settings.seed_everything
        self.run_dir = self._find_run_dir(method, seed)
        callbacks: list[Callback] = [Pictures(directory=str(self.run_dir))]
        chosen = given.callbacks or []
        chosen = chosen if isinstance(chosen, list) else [chosen]
        if given.enable_progress_bar is not False and not any(isinstance(c, ProgressBar) for c in chosen):
            callbacks.append(EpochProgressBar())
        if self.subcommand == "fit":
            if not process_rank():
                make_directory(self.run_dir)
            kwargs["logger"] = loggers_for(given.logger, self.run_dir, self.datamodule.task, method, seed)
            scores = next((callback for callback in chosen if isinstance(callback, Scores)), None) or Scores()
            chosen = [callback for callback in chosen if callback is not scores]
            callbacks += selection_callbacks(self.run_dir, self.model.source_free, scores)
            callbacks += [] if any(isinstance(callback, Monitor) for callback in chosen) else [Monitor()]
        else:
            kwargs["logger"] = False
        if given.deterministic is None and torch.cuda.is_available():
            kwargs["deterministic"] = "warn"
        kwargs["default_root_dir"] = str(self.run_dir)
        return super().instantiate_trainer(**kwargs, callbacks=[*callbacks, *chosen])

    def before_fit(self) -> None:
        """Write the resolved configuration into the run's folder and into every logger."""
        self.settings.run_dir = str(self.run_dir)
        text = self._parser(self.subcommand).dump(self.settings, skip_none=False, skip_link_targets=True)
        if self.trainer.is_global_zero:
            (self.run_dir / "config.yaml").write_text(text)
        resolved = yaml.safe_load(text) | {"method": type(self.model).__name__, "task": self.datamodule.task}
        for logger in self.trainer.loggers:
            logger.log_hyperparams(resolved)

    def after_fit(self) -> None:
        """Say where everything lies, and how to go on; a grid has its own words."""
        if self.settings.trainer.enable_progress_bar is False or not self.trainer.is_global_zero:
            return
        kept = ("val/source_accuracy", "oracle/target_accuracy")  # the scores say something only beside other steps'
        metrics = {k: float(v) for k, v in self.trainer.callback_metrics.items() if k in kept}
        found = ", ".join(f"{name} {value:.3f}" for name, value in sorted(metrics.items()))
        print(f"{found or 'trained'}\nrun: {self.run_dir}\ntest: adapt test --config {self.run_dir}/config.yaml")

    def after_test(self) -> None:
        """Keep the test accuracies beside the run."""
        if not self.trainer.is_global_zero:
            return
        metrics = {name: float(value) for name, value in self.trainer.callback_metrics.items()}
        (self.run_dir / "test.json").write_text(json.dumps(metrics, indent=2) + "\n")
        print(f"pictures and test.json: {self.run_dir}")

    def predict(self, model: LightningModule, **kwargs: Any) -> None:
        """Label the target's test inputs and write `predictions.csv` into the run's folder."""
        batches = cast(list[dict[str, Tensor]], self.trainer.predict(model, **kwargs) or [])
        if self.trainer.world_size > 1:
            device = self.trainer.strategy.root_device
            joined = {name: torch.cat([batch[name] for batch in batches]).to(device) for name in batches[0]}
            batches = [{name: gather_rows(column) for name, column in joined.items()}]
            if not self.trainer.is_global_zero:
                return
        path = self.run_dir / "predictions.csv"
        write_predictions(path, batches, self.datamodule.class_names)
        print(f"predictions: {path}")

    def _find_run_dir(self, method: str, seed: int) -> Path:
        given, checkpoint = self.settings.run_dir, self.settings.ckpt_path
        if self.subcommand != "fit":
            return Path(given) if given else folder_of(Path(checkpoint))
        if process_rank():
            return folder_of_process_zero(given)
        if given is None:
            return announce(free_folder(Path("runs", self.datamodule.task, method, str(seed))))
        return announce(enter_folder(Path(given), checkpoint))


class EpochProgressBar(RichProgressBar):
    """Lightning's bar, without the end that it makes up for a run whose length is given in steps."""

    def _get_train_description(self, current_epoch: int) -> str:
        if self.trainer.max_epochs == -1:
            return f"Epoch {current_epoch}, step {self.trainer.global_step}/{self.trainer.max_steps}"
        return super()._get_train_description(current_epoch)


def imported(class_path: str) -> Any:
    """The class at an import path."""
    module, _, name = class_path.rpartition(".")
    return getattr(import_module(module), name)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is 0, 1 where grid cells failed, 2 for wrong input, 3 for divergence."""
    args = list(sys.argv[1:] if argv is None else argv)
    # A researcher's own method lies in the folder that the command is typed in.
    if "" not in sys.path:
        sys.path.insert(0, "")
    _quieten()
    try:
        return _dispatch(args)
    except DivergedError as error:
        print(f"adapt: diverged: {error}", file=sys.stderr)
        return 3
    except Exception as error:
        ours = cause(error)
        if ours is None and not isinstance(error, ArgumentError):
            raise
        # A worker process of a loader puts its whole traceback before the error's own words.
        message = str(ours).rpartition("AdaptError: ")[2] if ours else explain(error)
        print(f"adapt: {message}", file=sys.stderr)
        return 2


def _dispatch(args: list[str]) -> int:
    command = args[0] if args else "--help"
    if command in ("-h", "--help"):
        print(USAGE)
        return 0
    if command == "--version":
        print(adapt.__version__)
        return 0
    if command in ("benchmark", "report", "compare"):
        # The grid stands on top of the command line, and fit does not need it.
        from adapt.benchmark import command as grids

        own = {"benchmark": grids.benchmark_command, "report": grids.report_command, "compare": grids.compare_command}
        return own[command](args[1:])
    if command == "features":
        from adapt.features import features_command

        return features_command(args[1:])
    if command == "style":
        from adapt.style import style_command

        return style_command(args[1:])
    if command not in LightningCLI.subcommands():
        raise AdaptError(f"Unknown command {command!r}.\n{USAGE}")
    AdaptCLI(args)
    return 0


def _quieten() -> None:
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in _NOISE:
        warnings.filterwarnings("ignore", message=message)
