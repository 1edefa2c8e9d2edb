"""Objects that remember the arguments that they were built with, so that a run from Python can be loaded again."""

import inspect
from collections.abc import Collection, Mapping
from typing import Any, Self


class Recorded:
    """Base of what a run is built of: `built_with(object)` says how to build it anew."""

    _built_with: dict[str, Any]

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Note the arguments."""
        # Here and not in `__init__`, which subclasses write and which changes its arguments.
        self = super().__new__(cls)
        object.__setattr__(self, "_built_with", _named(cls, args, kwargs))
        return self


def built_with(built: Recorded, leave_out: tuple[str, ...] = ()) -> dict[str, Any] | None:
    """Class and arguments as a configuration holds them, or None where one of them is no plain value.

    Args:
        built: What was built.
        leave_out: Arguments, of it and of what it is built of, that are not needed.
    """
    arguments = {}
    for name, value in built._built_with.items():
        if name in leave_out:
            continue
        plain = _plain(value, leave_out)
        if plain is _NOT_PLAIN:
            return None
        arguments[name] = plain
    cls = type(built)
    return {"class_path": f"{cls.__module__}.{cls.__qualname__}", "init_args": arguments}


def plain_arguments(built: Recorded, leave_out: Collection[str] = ()) -> dict[str, Any]:
    """All arguments, defaults among them, that are plain values, lists of such, or None.

    Args:
        built: What was built.
        leave_out: Names of arguments that are not needed.
    """
    found: dict[str, Any] = {}
    for cls in reversed(type(built).__mro__):
        if "__init__" in vars(cls):
            parameters = inspect.signature(vars(cls)["__init__"]).parameters.values()
            found |= {p.name: p.default for p in parameters if p.default is not p.empty}
    found |= built._built_with
    plain = {name: _plain(value, ()) for name, value in found.items() if name not in leave_out}
    return {name: value for name, value in plain.items() if value is not _NOT_PLAIN and not isinstance(value, dict)}


_NOT_PLAIN = object()


def _plain(value: Any, leave_out: tuple[str, ...]) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Recorded):
        found = built_with(value, leave_out)
        return _NOT_PLAIN if found is None else found
    if isinstance(value, list | tuple):
        parts = [_plain(part, leave_out) for part in value]
        return _NOT_PLAIN if any(part is _NOT_PLAIN for part in parts) else parts
    if isinstance(value, Mapping):
        entries = {key: _plain(part, leave_out) for key, part in value.items()}
        plain = all(isinstance(key, str) for key in entries) and _NOT_PLAIN not in entries.values()
        return entries if plain else _NOT_PLAIN
    if hasattr(value, "__fspath__"):
        return str(value)
    return _NOT_PLAIN


def _named(cls: type, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    try:
        signature = inspect.signature(cls.__init__)  # type: ignore[misc]  # of this class, on purpose
        bound = signature.bind_partial(None, *args, **kwargs).arguments
    except TypeError:  # wrong arguments: building it says which
        return dict(kwargs)
    first, *_ = signature.parameters
    bound.pop(first, None)
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            bound |= bound.pop(parameter.name, {})
        elif parameter.kind is parameter.VAR_POSITIONAL:
            bound.pop(parameter.name, None)
    return dict(bound)
