"""Objects that remember the arguments that they were built with, so that a run from Python can be loaded again.

They also refuse an option's word that is unknown, and a text that is none, as the command line does.
"""

import inspect
import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cache
from types import UnionType
from typing import Any, Literal, Self, Union, get_args, get_origin, get_type_hints

import numpy as np

from adapt.errors import AdaptError


class Recorded:
    """Base of what a run is built of: `built_with(object)` says how to build it anew."""

    _built_with: dict[str, Any]

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Note the arguments.

        Raises:
            AdaptError: A word is none of those that its argument is annotated with, or stands where none is taken.
        """
        # Here and not in `__init__`, which subclasses write and which changes its arguments.
        self = super().__new__(cls)
        given = _named(cls, args, kwargs)
        _check_words(cls, given)
        _check_texts(cls, given)
        object.__setattr__(self, "_built_with", given)
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


def plain_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of some named values that a configuration can hold."""
    plain = {name: _plain(value, ()) for name, value in values.items()}
    return {name: value for name, value in plain.items() if value is not _NOT_PLAIN}


_NOT_PLAIN = object()
_KINDS: Mapping[Any, str] = {int: "a number", float: "a number", bool: "True or False", type(None): "None"}


def of_python(value: Any) -> Any:
    """NumPy's numbers and texts as Python's own, and paths as texts, as torch, Lightning and YAML ask for.

    Args:
        value: One of them, dicts and lists in which they may be, or anything else, which stays as it is.

    Examples:
        >>> import numpy as np
        >>> of_python(np.int64(8)), of_python([{"lr": np.float64(0.1)}])
        (8, [{'lr': 0.1}])
    """
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    # Exactly these, because a NamedTuple or an own class is built in its own way.
    if type(value) in (list, tuple):
        return type(value)(of_python(part) for part in value)
    return {key: of_python(part) for key, part in value.items()} if type(value) is dict else value


def _plain(value: Any, leave_out: tuple[str, ...]) -> Any:
    value = of_python(value)
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


def _check_words(cls: type, given: Mapping[str, Any]) -> None:
    """Refuse a word that is none of its argument's annotation.

    Code that asks for one word after the other takes an unknown one for the last, and runs another algorithm.
    """
    for name, value in given.items():
        words, several, more = _words_of(_annotations(cls).get(name))
        if not words:
            continue
        parts = list(value) if several and isinstance(value, Iterable) and not isinstance(value, str) else None
        single = [value] if parts is None else parts
        fits = (parts is not None) == several or bool(more)
        # What is no text, where the annotation takes more than words, is for the owner to check.
        if fits and all(each in words if isinstance(each, str) else more for each in single):
            continue
        *most, last = [*map(repr, words), *more]
        either = f"{', '.join(most)} or {last}" if most else last
        raise AdaptError(f"{cls.__name__}: {name} expects {'a list of ' if several else ''}{either}, found {value!r}.")


def _check_texts(cls: type, given: Mapping[str, Any]) -> None:
    """Refuse a text in the place of a number, a function or an object, of which the command line knows the names.

    It would be noticed by Python in the middle of a training, in words that do not name the argument.
    """
    for name, value in given.items():
        annotation = _annotations(cls).get(name)
        if isinstance(value, str) and not _takes(annotation, text=True):
            odd = value
        elif isinstance(value, list | tuple) and (texts := [each for each in value if isinstance(each, str)]):
            if _takes(annotation, text=False):
                continue
            odd = texts[0]
        else:
            continue
        raise AdaptError(f"{cls.__name__}: {name} expects {_described(annotation)}, found the text {odd!r}.")


def _takes(annotation: Any, text: bool) -> bool:
    """Whether an annotation takes a text, or else a list with a text in it; what is not understood takes all."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        return any(_takes(part, text) for part in parts)
    if origin in (list, tuple, Sequence):
        return any(part is not ... and _takes(part, True) for part in parts)
    if origin is Callable or annotation in (int, float, bool, type(None)):
        return False
    if not isinstance(annotation, type) or annotation is Any or origin is not None or not text:
        return True
    try:
        # A path may be given as a text.
        return hasattr(annotation, "__fspath__") or issubclass(str, annotation)
    except TypeError:  # a protocol
        return True


def _described(annotation: Any) -> str:
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        return " or ".join(_described(part) for part in parts)
    if origin in (list, tuple, Sequence):
        return f"a list, each {_described(parts[0])}"
    if origin is Callable:
        return "a function or a class"
    return _KINDS.get(annotation) or f"an object of {getattr(annotation, '__name__', annotation)}"


@cache
def _annotations(cls: type) -> dict[str, Any]:
    """What is annotated of the arguments of a class, those that it passes to its bases among them."""
    found: dict[str, Any] = {}
    for owner in cls.__mro__:
        if "__init__" not in vars(owner):
            continue
        try:
            hints = get_type_hints(vars(owner)["__init__"])
        except (NameError, TypeError, AttributeError):  # a name that is imported for type checkers alone
            hints = {}
        parameters = inspect.signature(vars(owner)["__init__"]).parameters.values()
        found = {p.name: hints.get(p.name) for p in parameters if p.kind is not p.VAR_KEYWORD} | found
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            break
    return found


def _words_of(annotation: Any) -> tuple[tuple[str, ...], bool, tuple[str, ...]]:
    """The words of an annotation, whether it is of several of them, and what else it takes, as a person reads it."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return (parts if all(isinstance(word, str) for word in parts) else ()), False, ()
    if origin in (list, tuple, Sequence):
        words, several, more = _words_of(parts[0])
        return (() if several else words), True, more
    if origin in (Union, UnionType) and str not in parts:
        found = [part for part in map(_words_of, parts) if part[0]]
        if len(found) == 1:
            others = dict.fromkeys(_KINDS.get(part, "another type") for part in parts if not _words_of(part)[0])
            return found[0][0], found[0][1], tuple(others)
    return (), False, ()


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
