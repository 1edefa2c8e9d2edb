"""The classes that a configuration names, as far as they can be found before a run asks for them."""

import inspect
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from adapt.paths import make_importable

_CLASS_PATH = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")
_SHORT = ("methods", "data", "backbones", "schedules", "penalties", "regularisers")


def resolve(class_path: Any) -> type | None:
    """The class at an import path, or of this package by its short name; None where there is no such class.

    A person's own module lies in the folder that the command is typed in. One that cannot be imported is no class
    either: the run that needs it says why.

    Args:
        class_path: `DANN`, `adapt.methods.DANN` or `my_module.MyClass`.
    """
    module, _, name = str(class_path).rpartition(".")
    with _working_folder_importable():
        for place in [module] if module else [f"adapt.{short}" for short in _SHORT]:
            try:
                found = vars(import_module(place)).get(name)
            except Exception:
                continue
            if isinstance(found, type):
                return found
    return None


def out_of_reach(config: Any, folder: Path) -> Path | None:
    """The file in a folder of which a configuration names a class that cannot be imported from here; None without one.

    Args:
        config: A configuration, or a part of one.
        folder: The folder, such as that of a grid's file.
    """
    if isinstance(config, Mapping):
        config = list(config.values())
    if isinstance(config, list):
        return next((found for part in config if (found := out_of_reach(part, folder)) is not None), None)
    if not isinstance(config, str) or not _CLASS_PATH.fullmatch(config):
        return None
    module = config.partition(".")[0]
    with _working_folder_importable():
        if find_spec(module) is not None:
            return None
    return next((path for path in (folder / f"{module}.py", folder / module / "__init__.py") if path.is_file()), None)


def default_of(cls: type, argument: str) -> Any:
    """The default of an argument that a class takes itself or hands on to a base; None without one."""
    for owner in cls.__mro__:
        if "__init__" in vars(owner):
            parameter = inspect.signature(vars(owner)["__init__"]).parameters.get(argument)
            if parameter is not None:
                return None if parameter.default is parameter.empty else parameter.default
    return None


@contextmanager
def _working_folder_importable() -> Iterator[None]:
    before = list(sys.path)
    make_importable(Path.cwd())
    try:
        yield
    finally:
        sys.path[:] = before
