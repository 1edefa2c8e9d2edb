"""How a run's checkpoints reach the disk: whole, or not at all."""

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
    """Writes a checkpoint beside its place and then puts it there in one step.

    A reader, after whatever crash, finds the old checkpoint or the new one. Lightning writes to the temp folder and
    moves the file; where that is another filesystem the move copies *into* the old file, and whatever shares that file
    by a hard link changes too.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write a checkpoint.

        Args:
            checkpoint: What to save.
            path: Where; a URL is left to Lightning.
            storage_options: Not used for files.

        Raises:
            AdaptError: It cannot be written; what was there before still is.
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
        except (OSError, RuntimeError) as error:  # torch turns a write that fails into an error of its own
            raise AdaptError(_not_written(target, error)) from error
        finally:
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)


def share_file(existing: Path, path: Path) -> None:
    """Give a checkpoint a second name in one step, or copy it where the filesystem has no links.

    Raises:
        AdaptError: It cannot be written; what was there before still is.
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
        # To rename a file to another name of itself does nothing, and leaves both.
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)


def write_whole_files(trainer: Trainer) -> None:
    """Let a trainer save by `WholeFiles`, unless a plugin of the user's does it."""
    # Asking the strategy for its plugin would already give a wrapper, such as the asynchronous one, Lightning's own.
    chosen = trainer.strategy._checkpoint_io
    if chosen is None or type(chosen) is TorchCheckpointIO:
        trainer.strategy.checkpoint_io = WholeFiles()
    elif getattr(chosen, "checkpoint_io", chosen) is None:
        chosen.checkpoint_io = WholeFiles()  # type: ignore[attr-defined]  # asked for above


def _draft(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def _not_written(path: Path, error: Exception) -> str:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error).partition("\n")[0]
    kept = "the one that was there is whole" if path.is_file() else "none was there before"
    return f"Expected to write a checkpoint to {path}, found: {reason}; {kept}. Free some space, or check the folder."
