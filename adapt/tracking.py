"""Loggers of a run: a CSV file always, Weights & Biases unless told otherwise."""

import netrc
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlparse

import wandb
from lightning.pytorch.loggers import CSVLogger, Logger, WandbLogger

WandbMode = Literal["auto", "online", "offline", "disabled"]


def wandb_key_is_configured() -> bool:
    """Whether a W&B key lies in the environment or in the netrc file."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    try:
        file = netrc.netrc(os.environ.get("NETRC"))
    except (OSError, netrc.NetrcParseError):
        return False
    # W&B accepts a key of the name that its service had before, too.
    return bool({urlparse(str(wandb.Settings().base_url)).hostname, "api.wandb.ai"} & file.hosts.keys())


def is_disabled(mode: WandbMode = "auto") -> bool:
    """Whether W&B should write nothing at all."""
    return mode == "disabled" or (mode == "auto" and os.environ.get("WANDB_MODE") == "disabled")


def is_offline(mode: WandbMode = "auto") -> bool:
    """Whether W&B should write to disk only: asked for, or no key is configured."""
    asked = os.environ.get("WANDB_MODE") if mode == "auto" else mode
    if asked in ("online", "offline"):
        return asked == "offline"
    return not wandb_key_is_configured()


def wandb_logger(
    run_dir: Path,
    name: str,
    job_type: str,
    tags: Sequence[str],
    group: str | None = None,
    project: str = "adapt",
    mode: WandbMode = "auto",
) -> dict[str, Any]:
    """The `trainer.logger` entry of one run, as a configuration holds it."""
    return {
        "class_path": "lightning.pytorch.loggers.WandbLogger",
        "init_args": {
            "name": name,
            # W&B's service resolves a relative path in the folder that it was started in.
            "save_dir": str(run_dir.resolve()),
            "project": project,
            "group": group,
            "job_type": job_type,
            "tags": list(tags),
            # `offline` alone sets an environment variable, which W&B ignores once it has started in this process.
            "offline": is_offline(mode),
            "mode": "offline" if is_offline(mode) else "online",
        },
    }


def loggers_for(chosen: Any, run_dir: Path, task: str, method: str, seed: int) -> list[Logger]:
    """The loggers that `--trainer.logger` asks for, with a CSV log beside them.

    Args:
        chosen: What the trainer was given: None or True for the default, False for the CSV log alone, or loggers.
        run_dir: The run's own folder.
        task: Name of the task, a tag and the group.
        method: Name of the method, the job type.
        seed: The experiment's seed, a tag.
    """
    csv = CSVLogger(save_dir=run_dir, name="", version="")
    if chosen in (None, True):
        if is_disabled():
            return [csv]
        entry = wandb_logger(run_dir, f"{task}/{method}/{seed}", method, [task, f"seed {seed}"], group=task)
        return [csv, WandbLogger(**entry["init_args"])]
    if not chosen:
        return [csv]
    loggers = list(chosen) if isinstance(chosen, list | tuple) else [chosen]
    return loggers if any(isinstance(logger, CSVLogger) for logger in loggers) else [csv, *loggers]
