"""Loggers of a run: always a CSV file, and Weights & Biases by default."""

import configparser
import netrc
import os
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlparse

import wandb
from lightning.pytorch.loggers import CSVLogger, Logger, WandbLogger
from lightning.pytorch.utilities import rank_zero_only

from adapt.errors import AdaptError

WandbMode = Literal["auto", "online", "offline", "disabled"]
Settled = Literal["online", "offline", "disabled"]

# How long a run waits for the server before it continues without it.
PATIENCE_SECONDS = 10

# W&B's own names. Lightning sets `dryrun` in the environment, which means offline.
_MODES: dict[str, Settled] = {
    "online": "online",
    "run": "online",
    "shared": "online",
    "offline": "offline",
    "dryrun": "offline",
    "disabled": "disabled",
}


def wandb_key_is_configured() -> bool:
    """Whether there is a W&B key in the environment or in the netrc file."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    try:
        file = netrc.netrc(os.environ.get("NETRC"))
    except (OSError, netrc.NetrcParseError):
        return False
    # W&B also accepts a key under its service's old name.
    return bool({urlparse(_server()).hostname, "api.wandb.ai"} & file.hosts.keys())


def asked_mode(mode: WandbMode = "auto") -> Settled:
    """W&B's mode: from the argument, `WANDB_MODE` or `wandb offline`; otherwise online if there is a key.

    Raises:
        AdaptError: `WANDB_MODE` is not one of W&B's modes. W&B would fail, and a typo must not cause an upload.
    """
    found = os.environ.get("WANDB_MODE")
    if found is not None and found not in _MODES:
        raise AdaptError(f"Expected WANDB_MODE to be one of {', '.join(_MODES)}, found {found!r}. Correct or unset it.")
    asked = _setting("mode") if mode == "auto" else mode
    if asked in _MODES:
        return _MODES[asked]
    return "online" if wandb_key_is_configured() else "offline"


def is_disabled(mode: WandbMode = "auto") -> bool:
    """Whether W&B should not write anything."""
    return asked_mode(mode) == "disabled"


def is_offline(mode: WandbMode = "auto") -> bool:
    """Whether W&B should only write to disk: as requested, or because there is no key."""
    return asked_mode(mode) == "offline"


def settled_mode(mode: WandbMode = "auto") -> Settled:
    """W&B's mode; `offline`, with a message, if its server cannot be reached."""
    asked = asked_mode(mode)
    if asked != "online" or (reason := _unreachable()) is None:
        return asked
    _say(f"Weights & Biases cannot be reached at {_server()} ({reason}), so this is logged offline.")
    return "offline"


def wandb_logger(
    run_dir: Path,
    name: str,
    job_type: str,
    tags: Sequence[str],
    group: str | None = None,
    project: str = "adapt",
    mode: WandbMode = "auto",
) -> dict[str, Any]:
    """The `trainer.logger` entry of one run, in the form of a configuration."""
    return {
        "class_path": "lightning.pytorch.loggers.WandbLogger",
        "init_args": {
            "name": name,
            # W&B's service resolves a relative path in the folder where it was started.
            "save_dir": str(run_dir.resolve()),
            "project": project,
            "group": group,
            "job_type": job_type,
            "tags": list(tags),
            # Each run gets its mode explicitly: W&B reads the environment only once per process.
            "mode": asked_mode(mode),
        },
    }


def loggers_for(chosen: Any, run_dir: Path, task: str, method: str, seed: int) -> list[Logger]:
    """The loggers from `--trainer.logger`, and a CSV log.

    Args:
        chosen: The trainer's value: None or True for the default, False for only the CSV log, or loggers.
        run_dir: The run's folder.
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


def started(loggers: Iterable[Logger]) -> list[Logger]:
    """Start the loggers' W&B runs: offline if the server does not answer, or left out.

    A failing log must not stop a training: any error of W&B becomes a message.
    """
    return [logger for logger in loggers if not isinstance(logger, WandbLogger) or _start(logger)]


def _start(logger: WandbLogger) -> bool:
    if getattr(rank_zero_only, "rank", 0):  # only the first process has a run
        return True
    # Lightning has no public way to a logger's own arguments; the version in use is pinned below 2.7.
    options = logger._wandb_init
    if options.get("anonymous") is None:
        options.pop("anonymous", None)  # W&B warns about this option even at its default
    asked = settled_mode("offline" if logger._offline else options.get("mode") or "auto")
    # Otherwise Lightning changes WANDB_MODE for all later runs of the process.
    logger._offline = False
    # W&B's eight lines about every run are the command's two: where the run is, and how to send it.
    options.setdefault("settings", {"init_timeout": PATIENCE_SECONDS, "silent": True})
    for mode in dict.fromkeys((asked, "offline")):
        options["mode"] = mode
        try:
            _ = logger.experiment
        except Exception as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            instead = "offline" if mode == "online" else "into metrics.csv alone"
            _say(f"Weights & Biases did not start {mode} ({reason:.200}), so this is logged {instead}.")
        else:
            return True
    return False


def pages(loggers: Iterable[Logger]) -> list[str]:
    """Addresses of the loggers' W&B runs that are online."""
    runs = [logger.experiment for logger in loggers if isinstance(logger, WandbLogger)]
    # Asked for the address of an offline run, W&B warns.
    return [run.url for run in runs if not getattr(run, "offline", True) and run.url]


def offline_folders(loggers: Iterable[Logger]) -> list[str]:
    """Folders of the loggers' W&B runs that `wandb sync` sends, as seen from here."""
    runs = [logger.experiment for logger in loggers if isinstance(logger, WandbLogger)]
    return [short_path(Path(run.dir).parent) for run in runs if getattr(run, "offline", False)]


def short_path(path: Path) -> str:
    """A path as a person types it here: relative, if it lies below the current folder."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _unreachable() -> str | None:
    """Why W&B's server does not answer; None if it does."""
    found: list[str | None] = []

    def ask() -> None:
        try:
            urllib.request.urlopen(_server(), timeout=PATIENCE_SECONDS).close()
        except urllib.error.HTTPError:
            found.append(None)  # any answer will do
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            # A certificate error means that a server answers; W&B handles certificates itself.
            found.append(None if "CERTIFICATE" in str(reason) else str(reason))
        else:
            found.append(None)

    # A DNS lookup has no time limit of its own.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PATIENCE_SECONDS)
    return found[0] if found else f"no answer within {PATIENCE_SECONDS} s"


def _server() -> str:
    return _setting("base_url") or str(wandb.Settings().base_url)


def _setting(name: str) -> str | None:
    """A W&B setting from the environment, or saved by its command line for the folder or the user."""
    found = os.environ.get(f"WANDB_{name.upper()}")
    for folder in (Path("wandb"), Path(os.environ.get("WANDB_CONFIG_DIR") or "~/.config/wandb").expanduser()):
        if not found:
            saved = configparser.ConfigParser(interpolation=None)
            try:
                saved.read(folder / "settings", encoding="utf-8")
            except (OSError, ValueError, configparser.Error):
                continue
            found = saved.get("default", name, fallback=None)
    return found


def _say(line: str) -> None:
    print(f"adapt: {line}", file=sys.stderr)
