"""Ctrl-C and SIGTERM stop a training after the current step: it is saved, with a message and a clear exit code."""

import os
import shlex
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from lightning.pytorch import Trainer

from adapt.selection import checkpoint_path
from adapt.training.run_folder import CONFIG_FILE

_NAMES = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}


@contextmanager
def saved_when_stopped(trainer: Trainer, run_dir: Path, goes_on: bool = True) -> Iterator[None]:
    """Stop a fit gently within this context; a second Ctrl-C stops at once.

    Handlers that somebody else has set, for example a grid, stay.

    Args:
        trainer: The trainer.
        run_dir: The run's folder.
        goes_on: Whether the command line can go on with the run: not where its data lie in memory.

    Raises:
        SystemExit: A signal came; the code is 128 plus its number, 130 or 143, as in a shell.
    """
    received: list[signal.Signals] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        received.append(signal.SIGINT)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if signal.getsignal(signal.SIGTERM) is terminate:  # Lightning does not handle signals yet, or not any more
            raise KeyboardInterrupt
        print("\nadapt: Ctrl-C: stopping after this step and saving; press again to stop at once.", file=sys.stderr)
        # Only with SIGTERM does Lightning stop between two batches and in every process.
        os.kill(os.getpid(), signal.SIGTERM)

    def terminate(number: int, frame: FrameType | None) -> None:
        if not received:
            received.append(signal.SIGTERM)
        # Lightning calls this after its own handler, which asks the training to stop.
        if not trainer.received_sigterm:
            raise KeyboardInterrupt

    # Ctrl-C reaches every process of a terminal: the first one tells the others.
    ours = {signal.SIGINT: interrupt if trainer.is_global_zero else signal.SIG_IGN, signal.SIGTERM: terminate}
    unclaimed = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    taken = {}
    for number, handler in ours.items():
        if signal.getsignal(number) is unclaimed[number]:
            try:
                taken[number] = signal.signal(number, handler)
            except ValueError:  # only the main thread may set handlers
                break
    try:
        yield
    except (SystemExit, KeyboardInterrupt) as stop:
        if not received:
            raise
        if trainer.is_global_zero:
            print(f"adapt: {_words(received[0], trainer, run_dir, goes_on)}", file=sys.stderr)
        raise SystemExit(128 + received[0]) from stop
    finally:
        for number, before in taken.items():
            signal.signal(number, before)


def _words(number: signal.Signals, trainer: Trainer, run_dir: Path, goes_on: bool) -> str:
    last = checkpoint_path(run_dir, "last")
    begun = f"stopped by {_NAMES[number]} at step {trainer.global_step}"
    if not last.is_file():
        return f"{begun}, before anything was saved."
    if not goes_on:
        return f"{begun}. Its weights: {last}"
    again = shlex.join(["adapt", "fit", "--config", str(run_dir / CONFIG_FILE), "--ckpt_path", str(last)])
    return f"{begun}. To continue: {again}"
