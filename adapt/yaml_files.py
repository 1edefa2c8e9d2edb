"""The only YAML reader, for configurations and grids: a hostile or wrong file gives an error of one line.

No file can name a Python class. Time and memory are proportional to the file's size: levels and values, also those
repeated by aliases, are counted before anything is built.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from adapt.errors import AdaptError

MAX_BYTES, MAX_NODES, MAX_LEVELS = 4_000_000, 200_000, 60

# YAML 1.1 reads `1e-3` as text, but a learning rate is a number.
_FLOAT = re.compile(
    r"[-+]?(?:(?:\d[\d_]*\.[\d_]*|\.\d[\d_]*)(?:[eE][-+]?\d+)?|\d[\d_]*[eE][-+]?\d+|\.(?:inf|Inf|INF))$|\.(?:nan|NaN|NAN)$"
)
# YAML 1.1 reads 010 as 8 and 1:30 as 90, but a domain called 007 or a time should stay as written.
_INT = re.compile(r"[-+]?(?:0|[1-9][\d_]*|0x[\da-fA-F_]+|0b[01_]+)$")


def _resolvers() -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    """PyYAML's rules for plain words, with our number formats and without dates, because no option takes a date."""
    ours = {"tag:yaml.org,2002:float": _FLOAT, "tag:yaml.org,2002:int": _INT}
    dropped = {*ours, "tag:yaml.org,2002:timestamp"}
    rules = {
        first: [(tag, pattern) for tag, pattern in known if tag not in dropped]
        for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    for tag, pattern in ours.items():
        for first in "-+.0123456789":
            rules[first] = [*rules.get(first, []), (tag, pattern)]
    return rules


class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # PyYAML is untyped
    """Safe YAML that reads `1e-3` as a number, and refuses duplicate keys and unbounded growth."""

    yaml_implicit_resolvers = _resolvers()

    def __init__(self, stream: Any) -> None:
        text = stream.read(MAX_BYTES + 1) if hasattr(stream, "read") else stream
        _check_growth(text)
        super().__init__(text)

    def get_single_node(self) -> Any:
        """The document as nodes; duplicate keys are found here, before `<<` merges other keys."""
        node = super().get_single_node()
        _check_keys(node, set())
        return node

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        """A value; if Python cannot read a number, the error names it and its line."""
        try:
            return super().construct_object(node, deep=deep)
        except (ValueError, OverflowError, KeyError, AttributeError) as error:  # all that PyYAML's builders raise
            raise _refusal(f"{node.value[:40]!r} cannot be read ({error})", node.start_mark) from error


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]  # PyYAML is untyped
    """Safe YAML without anchors; quotes texts that `Loader` would read as numbers."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


for _tag, _pattern in (("tag:yaml.org,2002:float", _FLOAT), ("tag:yaml.org,2002:int", _INT)):
    _Dumper.add_implicit_resolver(_tag, _pattern, list("-+.0123456789"))
# A callback's default may be a word of an enumeration, such as that of Lightning's Timer.
_Dumper.add_multi_representer(str, lambda dumper, word: dumper.represent_str(str.__str__(word)))


def read_yaml(path: Path) -> Any:
    """The content of a YAML file.

    Raises:
        AdaptError: The file is missing or not valid YAML; the message names file and line.
    """
    try:
        # A pipe or a device may never end. A shell's <(...) is a pipe that ends, but it looks the same.
        if not path.is_file():
            found = "a folder" if path.is_dir() else "something else" if path.exists() else "none (No such file)"
            raise AdaptError(f"Expected a YAML file at {path}, found {found}.")
        with path.open(encoding="utf-8") as file:
            return yaml.load(file, Loader=Loader)
    except OSError as error:
        raise AdaptError(f"Expected a YAML file at {path}, found none ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise AdaptError(f"{path} is not a text file in UTF-8, so it cannot be read as YAML.") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}, line {mark.line + 1}" if mark else str(path)
        raise AdaptError(f"{where}: not valid YAML: {getattr(error, 'problem', None) or error}.") from error


def to_yaml(config: Mapping[str, Any]) -> str:
    """A mapping as YAML in the order of its keys."""
    text: str = yaml.dump(dict(config), Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    return text


def _check_growth(text: str) -> None:
    """Count levels and nodes, also those repeated by aliases, without building any."""
    if len(text) > MAX_BYTES:
        raise _refusal(f"it is longer than {MAX_BYTES // 1_000_000} million characters", None)
    counts: list[int] = [0]
    open_anchors: list[str | None] = [None]
    sizes: dict[str, int] = {}
    for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        if isinstance(event, yaml.CollectionStartEvent):
            counts.append(1)
            open_anchors.append(event.anchor)
        elif isinstance(event, yaml.CollectionEndEvent):
            count, anchor = counts.pop(), open_anchors.pop()
            counts[-1] += count
            if anchor is not None:
                sizes[anchor] = count
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor in open_anchors:
                raise _refusal(f"*{event.anchor} contains itself", event.start_mark)
            counts[-1] += sizes.get(event.anchor, 1)
        elif isinstance(event, yaml.ScalarEvent):
            counts[-1] += 1
        if len(counts) > MAX_LEVELS:
            raise _refusal(f"it is nested deeper than {MAX_LEVELS} levels", event.start_mark)
        if sum(counts) > MAX_NODES:
            raise _refusal(f"it has more than {MAX_NODES} values, including those from aliases", event.start_mark)


def _check_keys(node: Any, seen: set[int]) -> None:
    if isinstance(node, yaml.CollectionNode) and id(node) not in seen:
        seen.add(id(node))
        keys: set[tuple[str, str]] = set()
        for part in node.value:
            if isinstance(node, yaml.MappingNode) and isinstance(part[0], yaml.ScalarNode):
                key = (part[0].tag, part[0].value)
                if key in keys:
                    raise _refusal(f"{key[1]!r} is given twice; one of them would be lost", part[0].start_mark)
                keys.add(key)
            for child in part if isinstance(part, tuple) else (part,):
                _check_keys(child, seen)


def _refusal(problem: str, mark: Any) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(None, None, problem, mark)
