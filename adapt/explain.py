"""Errors of the command line's parser in one or two lines, with what was probably meant."""

import difflib
import inspect
import re
from importlib import import_module

from torch import nn

from adapt.backbones import Backbone
from adapt.data import DomainDataModule
from adapt.methods import Method


def explain(error: Exception) -> str:
    """The one cause behind a parser error, which lists every type that a value could have had.

    Args:
        error: The parser's error.
    """
    message = str(error)
    key = re.search(r'Parser key "([\w.]+)"', message)
    unknown = re.search(r"Expected a dot import path string: (\S+)", message) or re.search(
        r"Import path \S+ does not correspond to a subclass of \w+|Unexpected import path format: (\S+)", message
    )
    option = re.search(r"class_path '?([\w.]+)'?:\s+(?:Validation failed: )?.*?(?:Option|Key) '([\w.]+)' is not", message, re.S)
    if option:
        return _unknown_option(option[1], option[2])
    if unknown and unknown[1]:
        return _unknown_class(key[1] if key else "", unknown[1])
    required = re.search(r'Key "([\w.]+)" is required', message)
    if required:
        return f"--{required[1]} is missing. `adapt COMMAND --help` lists the options."
    lines = [line.strip(" -") for line in message.splitlines() if line.strip()]
    return " ".join(lines[:4])


def _unknown_class(key: str, name: str) -> str:
    base = {"model": Method, "data": DomainDataModule}.get(key.split(".")[0], nn.Module)
    if "backbone" in key:
        base = Backbone
    known = sorted(_names(base)) if base is not nn.Module else []
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f" Did you mean {close[0]}?" if close else ""
    return (
        f"Unknown class {name!r} for --{key}: expected one of {', '.join(known)}, or the import path of your own "
        f"(my_module.MyClass, its file in this folder).{hint}"
    )


def _unknown_option(class_path: str, option: str) -> str:
    module, _, name = class_path.rpartition(".")
    known = sorted(_arguments(getattr(import_module(module), name)))
    close = difflib.get_close_matches(option, known, n=1, cutoff=0.5)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return f"{name} has no argument {option!r}: expected one of {', '.join(known)}.{hint}"


def _arguments(cls: type) -> set[str]:
    names: set[str] = set()
    for owner in cls.__mro__:
        if "__init__" not in vars(owner):
            continue
        parameters = inspect.signature(owner.__init__).parameters.values()  # type: ignore[misc]  # read, not called
        names |= {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)} - {"self"}
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            break
    return names


def _names(base: type) -> set[str]:
    found: set[str] = set()
    for cls in base.__subclasses__():
        found |= {cls.__name__} | _names(cls)
    return found
