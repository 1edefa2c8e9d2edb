"""What Lightning says that a person has no use for."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

NOISE = (
    "LightningCLI's args parameter",
    ".*does not have many workers.*",
    ".*in eval mode at the start of training.*",
    "Experiment logs directory .* exists",
    "Checkpoint directory .* exists",
    ".*smaller than the logging interval.*",
    "Be aware that when using `ckpt_path`.*",
    ".*`tensorboardX` has been removed.*",
    ".*isinstance\\(treespec, LeafSpec\\).*",
    "GPU available but not used.*",
)
_PACKAGE = Path(__file__).resolve().parents[1]
_LOGGERS = ("lightning.pytorch", "lightning.fabric")


def quieten() -> None:
    """Silence it for the rest of the process."""
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in NOISE:
        warnings.filterwarnings("ignore", message=message)


@cache  # once in a process: Lightning may have taken it for the usual form by then
def plain_warnings() -> None:
    """Show warnings of ours as one line: the place in our code says nothing to a person who typed a command."""
    usual = warnings.formatwarning

    def plain(
        message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
    ) -> str:
        if issubclass(category, UserWarning) and Path(filename).is_relative_to(_PACKAGE):
            return f"adapt: warning: {message}\n"
        return usual(message, category, filename, lineno, line)

    warnings.formatwarning = plain


@contextmanager
def quiet() -> Iterator[None]:
    """Silence it within a call from Python; warnings of ours still come."""
    levels = {name: logging.getLogger(name).level for name in _LOGGERS}
    with warnings.catch_warnings():
        quieten()
        try:
            yield
        finally:
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)
