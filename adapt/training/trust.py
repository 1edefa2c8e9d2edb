"""What a configuration may name, and what is refused before it is loaded or called: docs/trust.md says why."""

import inspect
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jsonargparse
from jsonargparse import Namespace, _loaders_dumpers

from adapt.errors import AdaptError
from adapt.training.explain import argument_classes, imported, needs_value
from adapt.yaml_files import Loader, read_yaml

_PLAN = {"tasks", "methods", "seeds"}


def restrict_parser() -> None:
    """Have the command line's parser read YAML as grids do, and import no module of Python's own library.

    Nothing there is a method, a dataset, an optimizer or a callback, and much of it runs commands. Untyped arguments
    keep what they are given, and never build an object from it.
    """
    jsonargparse.set_parsing_settings(
        config_read_mode_fsspec_enabled=False,
        instantiate_subclass_spec_in_any=False,
        import_path_denylist=sorted({*sys.stdlib_module_names, "pip", "setuptools", "pkg_resources"}),
    )
    # The public setting would not reach the values of numbers and truth values.
    _loaders_dumpers.yaml_default_loader = Loader  # type: ignore[assignment]  # made at its first use, otherwise


def check_typed_configs(args: Sequence[str]) -> None:
    """Read the files of `--config` once before the parser does, which would not say which file and line is wrong.

    Raises:
        AdaptError: One is missing, is no YAML, holds no mapping, or is a file of another kind.
    """
    for path in map(Path, _given(args, "--config", "-c")):
        if path.suffix in (".ckpt", ".pt", ".pth") and path.is_file():
            raise AdaptError(f"{path} is a checkpoint, no configuration: give it as --ckpt_path.")
        content = read_yaml(path)
        if not isinstance(content, Mapping):
            found = "nothing" if content is None else f"{type(content).__name__} {content!r:.60}"
            raise AdaptError(f"{path}: expected a mapping of keys to values, found {found}.")
        if odd := [key for key in content if not isinstance(key, str)]:
            raise AdaptError(f"{path}: expected keys that are words, found {odd[0]!r}.")
        if content.keys() >= _PLAN:
            command = shlex.join(["adapt", "benchmark", "--config", str(path)])
            raise AdaptError(f"{path} describes a grid: run it with `{command}`.")


def _given(args: Sequence[str], *options: str) -> list[str]:
    """The values that a command line gives an option."""
    values = []
    for word, after in zip(args, [*args[1:], None], strict=True):
        name, equals, value = word.partition("=")
        if name in options and (equals or after is not None):
            values.append(value if equals else str(after))
    return values


def config_beside(args: Sequence[str]) -> str | None:
    """How to use a checkpoint that was given alone: it holds weights, and its run's configuration says of what.

    That file is not read unasked: whoever packed it beside the checkpoint would choose the code that runs.
    """
    given = _given(args, "--ckpt_path")
    if not given or any(word.partition("=")[0] in ("--config", "-c", "--model") for word in args):
        return None
    folder = Path(given[-1]).parent
    config = (folder.parent if folder.name == "checkpoints" else folder) / "config.yaml"
    if not config.is_file():
        return "A checkpoint holds weights alone: give the run's --config <run>/config.yaml with it."
    command = shlex.join(["adapt", args[0], "--config", str(config), *args[1:]])
    return f"A checkpoint holds weights alone. The configuration beside it looks like its own: {command}"


def check_named(config: Namespace, bases: Mapping[str, type]) -> None:
    """Refuse what a configuration would have called that is no class of the kind that is expected there.

    Args:
        config: The parsed configuration, in which nothing has been called yet.
        bases: What the first keys expect.

    Raises:
        AdaptError: Something is named that may not be called there.
    """
    for key, base in bases.items():
        if key in config:
            _check(config[key], f"--{key}", (base,))


def _check(value: Any, place: str, expected: tuple[type, ...]) -> None:
    """Look at a value, and at all that lies in it."""
    if isinstance(value, list | tuple):
        for part in value:
            _check(part, place, expected)
    elif inspect.isroutine(value):
        # A function that somebody's own class asks for is theirs; where a class belongs, it would be called as one.
        if expected and not _is_ours(value):
            raise AdaptError(f"{place} expects a subclass of {_names(expected)}, found the function {value.__name__}.")
    elif isinstance(value, Namespace | Mapping):
        inside = _content(value)
        named = inside.get("class_path")
        owner: Any = expected[0] if len(expected) == 1 else None
        if isinstance(named, str):
            owner = imported(named)
            if not inspect.isclass(owner) and not _is_ours(owner):
                raise AdaptError(f"{place} expects a class, found {named}, which is none.")
            if inspect.isclass(owner) and expected and not issubclass(owner, expected):
                raise AdaptError(f"{place} expects a subclass of {_names(expected)}, found {named}, which is none.")
            inside = _content(inside.get("init_args")) | _content(inside.get("dict_kwargs"))
        for key, part in inside.items():
            if part is None and inspect.isclass(owner) and (needed := needs_value(owner, key)) is not None:
                raise AdaptError(f"{place}.{key} expects {needed}, found null. Leave it out for its default.")
            _check(part, f"{place}.{key}", argument_classes(owner, key) if inspect.isclass(owner) else ())


def _content(value: Any) -> dict[str, Any]:
    return dict(vars(value) if isinstance(value, Namespace) else value or {})


def _is_ours(found: Any) -> bool:
    return getattr(found, "__module__", None) == "adapt.schedules"


def _names(classes: Sequence[type]) -> str:
    return " or ".join(cls.__name__ for cls in classes)
