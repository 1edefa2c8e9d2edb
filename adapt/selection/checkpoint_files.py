"""Write a run's checkpoints completely or not at all."""

import contextlib
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io import TorchCheckpointIO
from lightning.pytorch import Trainer

from adapt.errors import AdaptError


class WholeFiles(TorchCheckpointIO):
    """Write a checkpoint to a file in the same folder, then rename it in one step.

    After any crash a reader finds the old checkpoint or the new one. Lightning writes to the temp folder and moves the
    file. If that folder is on another filesystem, the move copies *into* the old file, which also changes all its hard
    links.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write a checkpoint.

        Args:
            checkpoint: What to save.
            path: Where; a URL is left to Lightning.
            storage_options: Not used for files.

        Raises:
            AdaptError: It cannot be written; an old file stays unchanged.
        """
        if "://" in str(path):
            super().save_checkpoint(checkpoint, path, storage_options)
            return
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = _draft(target)
        try:
            with draft.open("wb") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(target)
        except (OSError, RuntimeError) as error:  # torch raises its own error if a write fails
            raise AdaptError(_not_written(target, error)) from error
        finally:
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)


def share_file(existing: Path, path: Path) -> None:
    """Give a checkpoint a second name in one step, or copy it if the filesystem has no links.

    Raises:
        AdaptError: It cannot be written; an old file stays unchanged.
    """
    draft = _draft(path)
    try:
        draft.unlink(missing_ok=True)
        try:
            os.link(existing, draft)
        except OSError:
            shutil.copyfile(existing, draft)
        draft.replace(path)
    except OSError as error:
        raise AdaptError(_not_written(path, error)) from error
    finally:
        # Renaming a file to another hard link of itself does nothing and leaves both names.
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)


def write_whole_files(trainer: Trainer) -> None:
    """Let a trainer save with `WholeFiles`, unless the user's plugin saves."""
    # Do not read the strategy's plugin: this would already set Lightning's own in a wrapper, such as an async one.
    chosen = trainer.strategy._checkpoint_io
    if chosen is None or type(chosen) is TorchCheckpointIO:
        trainer.strategy.checkpoint_io = WholeFiles()
    elif getattr(chosen, "checkpoint_io", chosen) is None:
        chosen.checkpoint_io = WholeFiles()  # type: ignore[attr-defined]  # asked for above


def _draft(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def _not_written(path: Path, error: Exception) -> str:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error).partition("\n")[0]
    kept = "the old one is unchanged" if path.is_file() else "there was none before"
    return f"Expected to write a checkpoint to {path}, found: {reason}; {kept}. Free some space, or check the folder."
