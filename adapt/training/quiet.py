"""What Lightning says that a person has no use for."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

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
_LOGGERS = ("lightning.pytorch", "lightning.fabric")


def quieten() -> None:
    """Silence it for the rest of the process."""
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in NOISE:
        warnings.filterwarnings("ignore", message=message)


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
