"""Errors of the command line's parser in one or two lines, with what was probably meant."""

import difflib
import inspect
import re
from importlib import import_module

from adapt.backbones import Backbone
from adapt.data import DomainDataModule
from adapt.errors import AdaptError
from adapt.methods import Method


def cause(error: BaseException) -> AdaptError | None:
    """The error of ours behind one that the parser made of it, if there is one.

    Args:
        error: Whatever was raised.
    """
    link: BaseException | None = error
    while link is not None and not isinstance(link, AdaptError):
        link = link.__cause__ or link.__context__
    return link


def explain(error: Exception) -> str:
    """The one thing that is wrong, out of a message that lists every type that a value could have had.

    Args:
        error: The parser's error.
    """
    message = str(error)
    key = "--" + ".".join(re.findall(r'Parser key "([\w.]+)"', message))
    classes = re.findall(r"class_path '?=?'?([\w.]+)'?:", message)
    if option := re.search(r"Option '([\w.]+)' is not accepted", message):
        owner = re.search(r"Got value: Namespace\(class_path='([\w.]+)'", message)
        return _unknown_option(owner[1] if owner else classes[-1], option[1])
    if unknown := re.search(r"Expected a dot import path string: (\S+)", message):
        return _unknown_class(key, unknown[1])
    if missing := re.search(r"following arguments are required: (.+)", message):
        return f"{classes[-1].rpartition('.')[2]} needs {missing[1]}: give {key}.{missing[1].split(',')[0]}."
    if value := re.search(r"Expected an? (.+?)\. Got value: (.*)", message):
        kind = re.sub(r"typing\.Literal|<class '(\w+)'>", lambda found: found[1] or "one of ", value[1])
        return f"{key} expects {kind}, found {value[2]!r}."
    if unrecognized := re.search(r"unrecognized arguments: (.*)", message):
        return f"Unknown option {unrecognized[1]}. `adapt COMMAND --help` lists the options."
    return " ".join(line.strip(" -") for line in message.splitlines()[:4] if line.strip())


def _unknown_class(key: str, name: str) -> str:
    bases = {"--model": Method, "--data": DomainDataModule, "--model.backbone": Backbone}
    known = sorted(_names(bases[key])) if key in bases else []
    # The names that are near say more than all of them, which are many.
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
    expected = f"one of {', '.join(known)}, or " if known and not close else ""
    hint = f" Did you mean {' or '.join(close)}?" if close else ""
    return (
        f"Unknown class {name!r} for {key}: expected {expected}a class of adapt or an import path (my_module.MyClass, "
        f"whose file lies in this folder).{hint}"
    )


def _unknown_option(class_path: str, option: str) -> str:
    module, _, name = class_path.rpartition(".")
    known = sorted(arguments(getattr(import_module(module), name)))
    close = difflib.get_close_matches(option, known, n=1, cutoff=0.5)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return f"{name} has no argument {option!r}: expected one of {', '.join(known)}.{hint}"


def arguments(cls: type) -> set[str]:
    """Names of the arguments that a class takes, those that it hands on to its bases included."""
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
    cls: type
    for cls in base.__subclasses__():
        found |= {cls.__name__} | _names(cls)
    return found
