"""Which target labels a trained run has seen, itself or in the run that it started from."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from adapt.benchmark.plan.plan import labels_seen, setting_of
from adapt.benchmark.vocabulary import CHOICE_FILE, SOURCE_ONLY, UNSUPERVISED
from adapt.errors import AdaptError
from adapt.training.model import read_config
from adapt.training.run_folder import CONFIG_FILE
from adapt.training.run_folder import folder_of as run_folder


def target_labels_of(content: Mapping[str, Any], folder: Path) -> str:
    """The setting of a run that was trained with target labels, or whose start was; empty for any other run.

    Args:
        content: The run's configuration.
        folder: Where it lies. That of `adapt choose` has no start any more, and says itself what was seen.
    """
    found, seen = "", set()
    while True:
        for setting in (setting_of(content), _noted(folder)):
            if setting not in (SOURCE_ONLY, UNSUPERVISED, ""):
                found = max(found or UNSUPERVISED, setting, key=labels_seen)
        start = (content["model"].get("init_args") or {}).get("init_from")
        if start is None:
            return found
        folder = run_folder(Path(str(start)))
        config = folder / CONFIG_FILE
        if config in seen or not config.is_file():
            return found
        seen.add(config)
        try:
            content = read_config(config)
        except AdaptError:  # a start that was changed since says nothing
            return found


def _noted(folder: Path) -> str:
    try:
        noted = json.loads((folder / CHOICE_FILE).read_text(encoding="utf-8")).get("target_labels")
    except (OSError, ValueError, AttributeError):  # there is none, or another file of that name
        return ""
    return noted if isinstance(noted, str) else ""
