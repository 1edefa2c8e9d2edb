"""One cell of a grid: what `adapt fit` and `adapt test` give on the cell's own saved configuration."""

import hashlib
import json
import os
from collections.abc import Mapping
from typing import Any

import torch
import wandb
from lightning.pytorch.loggers import Logger, WandbLogger
from torch import Tensor

from adapt.analysis import Pictures, class_accuracies
from adapt.benchmark.plan.plan import Cell
from adapt.benchmark.results.results import Row, Tested
from adapt.estimation.callback import PREFIX
from adapt.methods.checkpoints import read_checkpoint
from adapt.selection import Scores, checkpoint_path, rules_of
from adapt.training.tracking import is_disabled, wandb_logger


def run_cell(cell: Cell) -> Tested:
    """Train one cell, and test the checkpoint that each selection rule picked.

    Args:
        cell: What to run, and where.

    Returns:
        One row per selection rule, with every metric of both domains.

    Raises:
        AdaptError: The configuration does not fit.
        DivergedError: A loss stopped being finite.
    """
    from adapt.training.cli import AdaptCLI  # the command line itself imports the benchmark command

    path = cell.directory / "cell.yaml"
    # W&B's lines about every run would push the grid's own away.
    os.environ.setdefault("WANDB_SILENT", "true")
    quiet = ["--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false"]
    try:
        words = ["fit", "--config", str(path), "--run_dir", str(cell.directory), *_logger(cell), *quiet]
        cli = AdaptCLI(words, says=False)
        loggers = cli.trainer.loggers
        with cli.datamodule.reading_tests_once():
            rows = _test(cli, cell)
        _summarise(loggers, rows, class_accuracies(cell.directory))
        if cell.checkpoints == "last":
            _keep_last(cell)
    except BaseException:
        wandb.finish(exit_code=1)
        raise
    wandb.finish()
    labels = cli.datamodule.target_labels("test")
    counts = () if labels.all else labels
    return Tested(rows, cli.model.problem.measures(), *counts)


def _logger(cell: Cell) -> list[str]:
    if is_disabled(cell.wandb_mode):
        return ["--trainer.logger=false"]
    tags = [cell.task, f"seed {cell.seed}"]
    entry = wandb_logger(cell.directory, cell.name, cell.method, tags, cell.benchmark, cell.project, cell.wandb_mode)
    return [f"--trainer.logger={json.dumps(entry)}"]


def _test(cli: Any, cell: Cell) -> list[Row]:
    trainer: Any = cli.trainer
    for pictures in (callback for callback in trainer.callbacks if isinstance(callback, Pictures)):
        pictures.embedding = cell.embedding
    rows: list[Row] = []
    tested: dict[str, Row] = {}
    scores = next((callback for callback in trainer.callbacks if isinstance(callback, Scores)), None)
    for rule in rules_of(cli.model.problem, scores):
        path = checkpoint_path(cell.directory, rule)
        if not path.exists():
            continue
        checkpoint = read_checkpoint(path)
        step, weights = int(checkpoint["global_step"]), _digest(checkpoint["state_dict"])
        if weights not in tested:
            results = trainer.test(cli.model, datamodule=cli.datamodule, ckpt_path=str(path), verbose=False)
            found = {name: float(value) for result in results for name, value in result.items()}
            tested[weights] = {name.removeprefix("test/"): found[name] for name in found if name.startswith("test/")}
            estimates = {name.removeprefix(PREFIX): found[name] for name in found if name.startswith(PREFIX)}
            tested[weights] |= {"estimates": estimates} if estimates else {}
        rows.append(tested[weights] | {"rule": rule, "step": step})
        # `last` comes first: the logs and the pictures are of its weights alone.
        trainer.loggers = []
        trainer.callbacks = [callback for callback in trainer.callbacks if not isinstance(callback, Pictures)]
    return rows


def _digest(state: Mapping[str, Tensor]) -> str:
    # Not the step: weights that are averaged at the end have the step of those that were validated before.
    digest = hashlib.sha256()
    for name, value in state.items():
        digest.update(name.encode() + value.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _keep_last(cell: Cell) -> None:
    last = checkpoint_path(cell.directory, "last")
    for path in last.parent.glob("*.ckpt"):
        if path != last:
            path.unlink()


def _summarise(loggers: list[Logger], rows: list[Row], classes: Mapping[str, float | None] | None) -> None:
    values = {
        f"{row['rule']}/{name}": value
        for row in rows
        for name, value in row.items()
        if name not in ("rule", "step", "estimates")
    }
    values |= {
        f"{row['rule']}/estimate_{name}": value for row in rows for name, value in row.get("estimates", {}).items()
    }
    values |= {f"last/target_accuracy_of/{name}": share for name, share in (classes or {}).items()}
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            logger.experiment.summary.update(values)
