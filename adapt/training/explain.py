"""The parser's errors in one or two lines: what was expected, what was found, and what was probably meant."""

import contextlib
import difflib
import inspect
import re
import sys
import traceback
import typing
from collections.abc import Collection, Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from adapt.errors import chain

_WHERE = "a class of adapt or an import path (my_module.MyClass, with its file in this folder)"


def explain(error: Exception, bases: dict[str, type], args: Sequence[str] = (), options: Iterable[str] = ()) -> str:
    """The actual mistake: the innermost reason, with its option.

    The parser's text lists every type that the value could have had, as a tree. Its chain of exceptions is the branch
    that came closest.

    Args:
        error: The parser's error.
        bases: Expected base class of the options that name a class: `{"model": Method}`.
        args: The command line.
        options: All options of the command, dotted, without dashes.
    """
    links = chain(error)
    keys = [found[1] for link in links if isinstance(link, TypeError) and (found := _KEY.match(str(link)))]
    # The command's own level occurs more than once.
    keys = [key for place, key in enumerate(keys) if place == 0 or key != keys[place - 1]]
    owners = [found[1] or found[2] for link in links if (found := _OWNER.search(str(link).partition("\n- ")[0]))]
    owner = _loaded(owners[-1]) if owners else bases.get(keys[0]) if keys else None
    place = "--" + ".".join(keys)
    text = str(links[-1])
    if foreign := _import_problem(links, place, owners):
        return foreign
    if len(keys) == 1 and owner is bases.get(keys[0]) and re.match(r"Option|the following arguments", text):
        return _missing(keys, None, place)  # of an abstract base: no class was chosen
    if found := re.match(r"Option '([\w.]+)' is not accepted", text):
        if owner is None:
            return _unknown_option(f"--{found[1]}", options)
        known = arguments(owner)
        if found[1] in known:  # of its base, which its own `__init__` does not reach
            return f"{owner.__name__} takes no {found[1]!r}: {not_handed_on(owner)}"
        return (
            f"{owner.__name__} has no argument {found[1]!r}: expected one of {_listed(known)}.{_close(found[1], known)}"
        )
    if found := re.match(r"Subcommand '\w+' does not accept option '([^']+)'", text):
        return _unknown_option(f"--{found[1]}", options)
    if found := re.match(r"unrecognized arguments: (\S+)", text):
        return _unknown_option(found[1], options)
    if found := re.match(r"Expected a dot import path string: (.*)|Unexpected import path format: (.*)", text):
        return _unknown_class(place, (found[1] or found[2] or "")[:80], bases, keys, owners)
    if found := re.search(r"Import path ([\w.]+) does not correspond to a subclass of (\w+)", text):
        return f"{place} expects a subclass of {found[2]}, found {no_subclass(found[1], place)}"
    if found := re.search(r"Expected '([\w.]+)' to be a (?:subclass of|function that returns) (.+?)\.(?: |$)", text):
        return f"{place} expects a subclass of {_type(found[2])}, found {no_subclass(found[1], place)}"
    if found := re.search(r"Expected an instantiatable class, but ([\w.]+) is abstract", text):
        lacking = ", ".join(sorted(getattr(_loaded(found[1]), "__abstractmethods__", ())))
        return f"{place} names {found[1]}, which has to define {lacking or 'more than it does'}."
    if found := re.search(r"following arguments are required: (.+)", text):
        return _missing(found[1].split(", "), owner, place)
    if found := re.search(r"argument (?:-\w/)?(--[\w.]+): expected (?:one|1) argument", text):
        return f"{_without_value(found[1], args)} needs a value."
    if found := re.match(r"(?:Not a valid subclass of|Does not implement protocol) (\w+)\. Got value: ([^\n]*)", text):
        return f"{place} expects {_subclass(found[1])}, found {_short(found[2])}."
    if found := re.match(r"Expected an? (.+?)\. Got value: (.*)", text, re.DOTALL):
        value = _typed(place, args) or found[2]
        return f"{place} expects {_kinds(links, found[1])}, found {_short(value)!r}.{_quoted(found[1], value)}"
    if text.startswith("argument of type"):
        return f"{place} expects class_path with the name of a class, found none."
    words = " ".join(re.sub(r"[Pp]arser key \"([\w.]+)\":", r"--\1:", text).split())
    return f"{'' if not keys or words.startswith('--') else place + ': '}{_short(words, 300)}"


_KEY = re.compile(r'Parser key "([\w.]+)"')
_OWNER = re.compile(
    r"^Problem with given class_path '([\w.]+)'|^Type typing\.Callable.*Got value: Namespace\(class_path='([\w.]+)'",
    re.DOTALL,
)


def _import_problem(links: list[BaseException], place: str, owners: list[str]) -> str | None:
    """Why a class that a configuration names could not be imported."""
    reason = links[-1]
    denied = next((link for link in links if type(link).__name__ == "ImportDenied"), None)
    if denied is not None:
        found = re.search(r"Importing '([\w.]+)'", str(denied))
        named = found[1] if found else "this"
        return (
            f"{place} may not name {named}: classes of Python's standard library are not allowed there."
            f"{_namesake(named)}"
        )
    if isinstance(reason, ModuleNotFoundError) and reason.name and owners and _leads_to(reason.name, owners[-1]):
        return (
            f"{place} names {owners[-1]}, and no module {reason.name!r} was found in this folder or installed. "
            "Run the command where its file lies, or put that folder into PYTHONPATH."
        )
    where = _raised_in(reason)
    missing = re.match(r"module '([\w.]+)' has no attribute '(\w+)'", str(reason))
    asked = missing is not None and owners[-1:] == [f"{missing[1]}.{missing[2]}"]
    if missing and isinstance(reason, AttributeError) and (where is None or asked):
        known = [name for name, value in vars(sys.modules[missing[1]]).items() if inspect.isclass(value)]
        hint = _namesake(missing[1]) or _close(missing[2], known)
        return f"{missing[1]} has no class {missing[2]!r} ({place}).{hint}"
    if where is None:
        return None
    word = "" if isinstance(reason, SyntaxError) else f"{type(reason).__name__}: "
    what = reason.msg if isinstance(reason, SyntaxError) else str(reason)
    return f"{place} names a class whose file cannot be imported: {where}: {word}{_short(what, 200)}"


def _namesake(name: str) -> str:
    """What to do where a person's own file was meant, and another module of its name was found."""
    top = name.partition(".")[0]
    own, found = Path(f"{top}.py").resolve(), getattr(sys.modules.get(top), "__file__", None)
    if not own.is_file() or (found is not None and Path(found).resolve() == own):
        return ""
    return f" Rename your {own.name}: there is another module {top}."


def _raised_in(error: BaseException) -> str | None:
    """File and line of a user's module that raised while it was imported."""
    if isinstance(error, SyntaxError):
        return f"{error.filename}, line {error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    imports = [n for n, frame in enumerate(frames) if "importlib" in frame.filename or frame.name == "import_object"]
    if not imports or imports[-1] == len(frames) - 1:
        return None
    return f"{frames[-1].filename}, line {frames[-1].lineno}"


def _leads_to(module: str, class_path: str) -> bool:
    return f"{class_path}.".startswith(f"{module}.")


def _unknown_class(place: str, name: str, bases: dict[str, type], keys: list[str], owners: list[str]) -> str:
    expected_classes = _expected(bases, keys, owners)
    if expected_classes and not re.fullmatch(r"[\w.]*", name):
        return f"{place} expects {_subclass(expected_classes[0].__name__)}, found {name!r}."
    known = sorted({cls for base in expected_classes for cls in _names(base)})
    # Similar names help more than a long list of all names.
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
    expected = f"one of {_listed(known)}, or " if known and not close else ""
    hint = f" Did you mean {' or '.join(close)}?" if close else ""
    return f"Unknown class {name!r} for {place}: expected {expected}{_WHERE}.{hint}"


def _expected(bases: dict[str, type], keys: list[str], owners: list[str]) -> Sequence[type]:
    """The base classes that an option accepts, from the type of its argument."""
    if not keys or (len(keys) == 1 and keys[0] in bases):
        return [bases[keys[0]]] if keys else []
    first, _, name = keys[-1].rpartition(".")
    return argument_classes(_loaded(owners[-1]) if owners else bases.get(first), name)


def argument_classes(owner: Any, name: str) -> tuple[type, ...]:
    """The classes in the type of an argument; for a function, the classes that it returns."""
    return tuple(dict.fromkeys(_classes(_argument(owner, name)[0])))


def needs_value(owner: Any, name: str) -> str | None:
    """In words, the type of an argument that has a default and must not be null; None for other arguments."""
    hint, default = _argument(owner, name)
    optional = hint is None or type(None) in typing.get_args(hint) or hint is Any
    return None if optional or default in (None, inspect.Parameter.empty) else _type(str(hint))


def _argument(owner: Any, name: str) -> tuple[Any, Any]:
    """Type and default of an argument that a class takes itself or passes to its bases."""
    for cls in inspect.getmro(owner) if inspect.isclass(owner) else ():
        try:
            hint = typing.get_type_hints(vars(cls)["__init__"]).get(name)
            if hint is not None:
                return hint, inspect.signature(vars(cls)["__init__"]).parameters[name].default
        except Exception:  # a foreign class may name types that cannot be resolved
            continue
    return None, None


def _classes(hint: Any) -> list[type]:
    if parts := typing.get_args(hint):
        return [cls for part in parts if not isinstance(part, list) for cls in _classes(part)]
    return [hint] if inspect.isclass(hint) and hint.__module__ not in ("builtins", "collections.abc", "typing") else []


def _unknown_option(option: str, options: Iterable[str]) -> str:
    if not option.startswith("-"):
        return f"Unexpected word {option!r}: options begin with two dashes. `adapt COMMAND --help` lists them."
    shown = option.partition("=")[0]
    close = _close(shown, [f"--{known}" for known in options])
    return f"Unknown option {shown}.{close} `adapt COMMAND --help` lists the options."


def _missing(names: list[str], owner: Any, place: str) -> str:
    if owner is None:
        chosen = [short for name in names if (short := name.rpartition(".")[2]) in _EXAMPLES]
        return nothing_chosen(chosen) if chosen else f"Missing {', '.join('--' + name for name in names)}."
    return f"{owner.__name__} needs {', '.join(names)}: give {' and '.join(f'{place}.{name}' for name in names)}."


_EXAMPLES = {"model": "DANN", "data": "Digits"}


def nothing_chosen(names: Iterable[str]) -> str:
    """The message for a command without a method or data."""
    options = [f"--{name}" for name in _EXAMPLES if name in names]
    example = " ".join(f"--{name} {value}" for name, value in _EXAMPLES.items() if name in names)
    return f"Nothing chosen for {' and '.join(options)}: give for example {example}, or a --config that does."


def _without_value(option: str, args: Sequence[str]) -> str:
    following = [*args, "--"][1:]
    given = [word for word, after in zip(args, following, strict=True) if word.startswith(option) and after[:2] == "--"]
    return given[-1] if given else option


def _kinds(links: list[BaseException], kind: str) -> str:
    """What a value may be, from the innermost list of types, if there is one."""
    around = str(links[-2]) if len(links) > 1 else ""
    union = re.search(r"Union subtypes\nSubtypes: \[(.*)\]\nErrors", around)
    if union is None or "class_path" in around.partition("Given value")[0]:
        return _type(kind)
    return " or ".join(dict.fromkeys(_type(part) for part in re.split(r", (?![^\[]*\])", union[1])))


def _type(text: str) -> str:
    words = re.sub(r"<class '([\w.]+)'>", r"\1", text).replace("NoneType", "null")
    words = re.sub(r"(?:\w+\.)+(\w+)", r"\1", words)
    words = re.sub(r"\b(?:Sequence|Iterable)\b(?!\[)", "list", words)
    return re.sub(r"^Literal(?=\[)", "one of ", words)


def _subclass(name: str) -> str:
    return f"the name of a {name} class, or class_path and init_args"


def _quoted(kind: str, value: str) -> str:
    if "'int'" in kind and re.fullmatch(r"[+-]?[\d.]+(e\+?\d+)?", value, re.IGNORECASE):
        with contextlib.suppress(ValueError, OverflowError):
            return f" Write {int(float(value))}." if float(value).is_integer() else ""
    if "'str'" not in kind or not re.fullmatch(r"[\w.+-]+", value):
        return ""
    return f" In a file, put text that looks like a number or a boolean in quotes: '{value.lower()}'."


def _short(text: str, width: int = 80) -> str:
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 4] + " ..."


def _listed(known: Collection[str], width: int = 240) -> str:
    names = sorted(known)
    while len(", ".join(names)) > width:
        names = [*names[: len(names) * 4 // 5], "..."]
    return ", ".join(names) or "none"


def _close(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" Did you mean {close[0]!r}?" if close else ""


def _typed(place: str, args: Sequence[str]) -> str | None:
    """The option's last value on the command line; the parser's own error may name a default instead."""
    found = None
    for word, after in zip(args, [*args, ""][1:], strict=True):
        if word == place or word.startswith(f"{place}="):
            found = after if word == place else word.partition("=")[2]
    return found


def no_subclass(class_path: str, place: str) -> str:
    """The end of a sentence about a class of another kind; of a network it says how it becomes a backbone.

    Args:
        class_path: The class that was found.
        place: The option.
    """
    cls = _loaded(class_path)
    network = cls is not None and any(f"{base.__module__}.{base.__name__}" == _MODULE for base in cls.__mro__)
    if not network or not place.endswith(".backbone"):
        return f"{class_path}, which is not one."
    return f"{class_path}, a plain network: write {place} ModuleBackbone {place}.module {class_path}."


_MODULE = "torch.nn.modules.module.Module"


def _loaded(class_path: str) -> Any:
    """A class that the parser has imported; None for anything else."""
    module, _, name = class_path.rpartition(".")
    found = getattr(sys.modules.get(module), name, None)
    return found if inspect.isclass(found) else None


def imported(class_path: str) -> Any:
    """The class at an import path."""
    module, _, name = class_path.rpartition(".")
    return getattr(import_module(module), name)


def forgotten_base(cls: type) -> str | None:
    """What to write where a class's own `__init__` calls none of its bases; None where it does, or has none.

    A reason for an error that came up, and no error: a base may be reached in other ways.

    Args:
        cls: The class.
    """
    for owner in cls.__mro__:
        if owner.__module__.partition(".")[0] in ("adapt", "torch", "lightning"):
            return None
        if "__init__" in vars(owner):
            code = getattr(inspect.unwrap(vars(owner)["__init__"]), "__code__", None)
            if code is None or "__init__" in code.co_names:
                return None
            return (
                f"{owner.__name__}.__init__ does not call its base: begin it with super().__init__(), to which go the "
                "base's arguments (**kwargs)."
            )
    return None


def not_handed_on(cls: type) -> str:
    """What to write where a class's own `__init__` keeps the arguments of its base for itself."""
    return f"let {cls.__name__}.__init__ take **kwargs and hand them on by super().__init__(**kwargs)."


def arguments(cls: type) -> set[str]:
    """Names of the arguments that a class takes, including those that it passes to its bases."""
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
