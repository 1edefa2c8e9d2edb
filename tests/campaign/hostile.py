"""Files that want more than to be read. Each entry writes them into a folder and returns the command that meets them.

The campaign holds every entry to the same: it ends in time, is refused in words, and no file `ran` appears.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

TASK: dict[str, Any] = {
    "data": {"class_path": "Moons", "init_args": {"source": "moons", "target": "moons_35"}},
    "model": {"class_path": "SourceOnly", "init_args": {"backbone": {"class_path": "MLP"}}},
    "trainer": {"max_steps": 2, "accelerator": "cpu", "enable_progress_bar": False},
}
TOUCH = {"command": "touch ran"}


def _fit(folder: Path, text: str) -> list[str]:
    (folder / "hostile.yaml").write_text(text)
    return ["fit", "--config", "hostile.yaml", "--run_dir", "run"]


def _class(part: str, argument: str | None = None) -> Callable[[Path], list[str]]:
    def write(folder: Path) -> list[str]:
        config = yaml.safe_load(yaml.safe_dump(TASK))
        entry = {"class_path": "os.system", "init_args": TOUCH}
        if argument is None:
            config[part] = entry
        else:
            config[part]["init_args"][argument] = entry
        return _fit(folder, yaml.safe_dump(config))

    return write


def _bomb(folder: Path) -> list[str]:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 9)}]" for k in range(1, 12)]
    return _fit(folder, "\n".join([*lines, "trainer: {callbacks: *a11}"]))


def _circle(folder: Path) -> list[str]:
    return _fit(folder, "model: &m\n  class_path: SourceOnly\n  init_args: *m\n")


def _deep(folder: Path) -> list[str]:
    return _fit(folder, "model: " + "[" * 5000 + "]" * 5000)


def _tag(folder: Path) -> list[str]:
    return _fit(folder, "model: !!python/object/apply:os.system ['touch ran']\n")


def _plan_bomb(folder: Path) -> list[str]:
    _bomb(folder)
    return ["benchmark", "--config", "hostile.yaml", "--out", "out", "--wandb", "disabled"]


def _pipe(folder: Path) -> list[str]:
    os.mkfifo(folder / "hostile.yaml")
    return ["report", "hostile.yaml"]


def _result(folder: Path) -> list[str]:
    place = folder / "grid" / "t" / "m" / "0"
    place.mkdir(parents=True)
    (place / "result.json").write_text("[" * 100_000)
    return ["report", "grid"]


HOSTILE: dict[str, Callable[[Path], list[str]]] = {
    "a command as the model": _class("model"),
    "a command as the data": _class("data"),
    "a command as the optimizer": _class("model", "optimizer"),
    "a command as the schedule": _class("model", "lr_scheduler"),
    "a command as the backbone": _class("model", "backbone"),
    "a YAML tag that runs": _tag,
    "aliases that multiply": _bomb,
    "aliases that multiply, in a plan": _plan_bomb,
    "a mapping inside itself": _circle,
    "brackets without end": _deep,
    "a pipe as the folder of results": _pipe,
    "a result without end": _result,
}
