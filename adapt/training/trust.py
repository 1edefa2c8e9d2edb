"""What a configuration may name, and what is refused before it is loaded or called; docs/trust.md explains why."""

import inspect
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import jsonargparse
import yaml
from jsonargparse import Namespace, _loaders_dumpers, _typehints
from jsonargparse._util import get_import_path

from adapt.errors import AdaptError
from adapt.training.explain import argument_classes, imported, needs_value, no_subclass
from adapt.yaml_files import Loader, read_yaml, to_yaml

_PLAN = {"tasks", "methods", "seeds"}


def restrict_parser() -> None:
    """Make the command line's parser read YAML like grids, and never import from Python's standard library.

    The standard library has no method, dataset, optimizer or callback, and much of it can run commands. Untyped
    arguments keep their value; no object is built from it.
    """
    jsonargparse.set_parsing_settings(
        config_read_mode_fsspec_enabled=False,
        instantiate_subclass_spec_in_any=False,
        import_path_denylist=sorted({*sys.stdlib_module_names, "pip", "setuptools", "pkg_resources"}),
    )
    # The public setting does not affect numbers and booleans.
    _loaders_dumpers.yaml_default_loader = Loader  # type: ignore[assignment]  # otherwise it is set at its first use
    # PyYAML's own dumper leaves the text 1e3 without quotes, and `Loader` would read a number.
    jsonargparse.set_dumper("yaml", to_yaml)
    jsonargparse.set_loader("yaml", _value, (yaml.YAMLError,))
    _typehints.resolve_class_path_by_name = _shipped_first


_loaded = jsonargparse.get_loader("yaml")


def _value(text: str) -> Any:
    """What is typed, as YAML; a word such as `#3`, in which YAML sees no value but a comment, stays that word."""
    found = _loaded(text)
    none = text.strip().lower() in ("", "~", "null") or "\n" in text
    return text if found is None and not none else found


_resolved = _typehints.resolve_class_path_by_name
_SHIPPED = ("adapt", "torch", "lightning")


def _shipped_first(cls: Any, name: str) -> str:
    """The import path of a short name: it stands for a shipped class, also beside one of a person's own of that name.

    The parser refuses a name that two classes have. An own `MLP`, given by its path, would then keep the shipped task
    files, which name `MLP`, from being read.
    """
    bases = cls if isinstance(cls, tuple) else get_args(cls) or (cls,)
    found = {c for base in bases for c in _subclasses(base) if c.__name__ == name}
    shipped = [c for c in found if c.__module__.partition(".")[0] in _SHIPPED]
    if len(shipped) > 1:  # Lightning's ReduceLROnPlateau is torch's and takes the metric to watch
        shipped = [c for c in shipped if c.__module__.startswith("lightning.")]
    if "." in name or len(found) < 2 or len(shipped) != 1:
        return _resolved(cls, name)
    return str(get_import_path(shipped[0]))


def _subclasses(base: Any) -> set[type]:
    below = set(base.__subclasses__()) if inspect.isclass(base) and base is not type else set()
    return below | {cls for child in below for cls in _subclasses(child)}


def check_typed_configs(args: Sequence[str]) -> None:
    """Read the files of `--config` before the parser does, because the parser does not name the wrong file and line.

    Raises:
        AdaptError: A file is missing, is not YAML, holds no mapping, or is of another kind.
    """
    for path in map(Path, _given(args, "--config", "-c")):
        if path.suffix in (".ckpt", ".pt", ".pth") and path.is_file():
            raise AdaptError(f"{path} is a checkpoint, not a configuration: give it as --ckpt_path.")
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
    """The values of an option on a command line."""
    values = []
    for word, after in zip(args, [*args, None][1:], strict=True):
        name, equals, value = word.partition("=")
        if name in options and (equals or after is not None):
            values.append(value if equals else str(after))
    return values


def config_beside(args: Sequence[str]) -> str | None:
    """How to use a checkpoint without a configuration: it only holds weights; the configuration names the classes.

    The configuration next to it is not read automatically, because its author would then choose which code runs.
    """
    given = _given(args, "--ckpt_path")
    if not given or any(word.partition("=")[0] in ("--config", "-c", "--model") for word in args):
        return None
    folder = Path(given[-1]).parent
    config = (folder.parent if folder.name == "checkpoints" else folder) / "config.yaml"
    if not config.is_file():
        return "A checkpoint only holds weights: also give the run's --config <run>/config.yaml."
    command = shlex.join(["adapt", args[0], "--config", str(config), *args[1:]])
    return f"A checkpoint only holds weights. The configuration next to it seems to belong to it: {command}"


def check_named(config: Namespace, bases: Mapping[str, type]) -> None:
    """Refuse names in a configuration that are not a class of the expected kind.

    Args:
        config: The parsed configuration, before anything is built.
        bases: The base classes that the first keys expect.

    Raises:
        AdaptError: A name is not allowed at its place.
    """
    for key, base in bases.items():
        if key in config:
            _check(config[key], f"--{key}", (base,))


def _check(value: Any, place: str, expected: tuple[type, ...]) -> None:
    """Check a value and everything inside it."""
    if isinstance(value, list | tuple):
        for part in value:
            _check(part, place, expected)
    elif inspect.isroutine(value):
        # A user's class may take a function; but a function in place of a class would be called.
        if expected and not _is_ours(value):
            raise AdaptError(f"{place} expects a subclass of {_names(expected)}, found the function {value.__name__}.")
    elif isinstance(value, Namespace | Mapping):
        inside = _content(value)
        named = inside.get("class_path")
        owner: Any = expected[0] if len(expected) == 1 else None
        if isinstance(named, str):
            owner = imported(named)
            if not inspect.isclass(owner) and not _is_ours(owner):
                raise AdaptError(f"{place} expects a class, found {named}, which is not one.")
            if inspect.isclass(owner) and expected and not issubclass(owner, expected):
                raise AdaptError(f"{place} expects a subclass of {_names(expected)}, found {no_subclass(named, place)}")
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
