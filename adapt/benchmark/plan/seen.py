"""Which target labels a trained run has seen, itself or in the run that it started from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from adapt.benchmark.plan.plan import labels_seen, setting_of
from adapt.benchmark.vocabulary import SOURCE_ONLY, UNSUPERVISED
from adapt.errors import AdaptError
from adapt.training.model import read_config
from adapt.training.run_folder import CONFIG_FILE
from adapt.training.run_folder import folder_of as run_folder


def target_labels_of(content: Mapping[str, Any]) -> str:
    """The setting of a run that was trained with target labels, or whose start was; empty for any other run.

    Args:
        content: The run's configuration.
    """
    found, seen = "", set()
    while True:
        setting = setting_of(content)
        if setting not in (SOURCE_ONLY, UNSUPERVISED):
            found = max(found or UNSUPERVISED, setting, key=labels_seen)
        start = (content["model"].get("init_args") or {}).get("init_from")
        config = None if start is None else run_folder(Path(str(start))) / CONFIG_FILE
        if config is None or config in seen or not config.is_file():
            return found
        seen.add(config)
        try:
            content = read_config(config)
        except AdaptError:  # a start that was changed since says nothing
            return found
