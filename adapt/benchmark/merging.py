"""Configurations as mappings: reading YAML, merging, hashing, comparing."""

import hashlib
import json
import re
from collections.abc import Hashable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from adapt.errors import AdaptError

Config = dict[str, Any]

# YAML 1.1 reads `1e-3` as text; everybody who writes a learning rate means the number.
_FLOAT = re.compile(r"[-+]?(\d[\d_]*\.?[\d_]*|\.\d[\d_]*)[eE][-+]?\d+$")


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # PyYAML is untyped
    """Safe YAML that reads `1e-3` as a number and refuses a key given twice."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable) and key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key!r} is given twice; one of them would be lost", key_node.start_mark
                )
            seen.add(key if isinstance(key, Hashable) else id(key))
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep=deep)
        return mapping


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]  # PyYAML is untyped
    """Safe YAML without anchors, which quotes the texts that `_Loader` would read as numbers."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


for _class in (_Loader, _Dumper):
    _class.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+.0123456789"))


def read_yaml(path: Path) -> Any:
    """The content of a YAML file.

    Raises:
        AdaptError: When the file is missing or not valid YAML; names file and line.
    """
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
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


def merge(first: Any, second: Any) -> Any:
    """Lay one configuration over another; neither is changed.

    Mappings merge key by key; anything else, lists included, is replaced. Where the second names another `class_path`,
    the first's `init_args` beside it are dropped: they belong to another class.
    """
    if isinstance(first, str) and isinstance(second, Mapping) and {"init_args"} == set(second):
        first = {"class_path": first}
    if not isinstance(first, Mapping) or not isinstance(second, Mapping):
        return second
    other = "class_path" in first and "class_path" in second and not _same_class(first, second)
    merged = {key: value for key, value in first.items() if not (other and key in ("init_args", "dict_kwargs"))}
    for key, value in second.items():
        merged[key] = merge(merged[key], value) if key in merged else value
    return merged


def config_hash(config: Mapping[str, Any]) -> str:
    """First 12 hexadecimal digits of the SHA-256 of the configuration as JSON with sorted keys.

    Raises:
        AdaptError: When a value is neither text, number, truth value, null, list nor mapping.
    """
    try:
        text = json.dumps(config, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    except TypeError as error:
        raise AdaptError(f"Expected plain YAML values in a configuration, found one that is not: {error}.") from error
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def differences(old: Any, new: Any, prefix: str = "") -> Iterator[str]:
    """Lines such as `trainer.max_steps: 600 → 800`, one per value that differs."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in [*old, *(key for key in new if key not in old)]:
            yield from differences(old.get(key), new.get(key), f"{prefix}.{key}" if prefix else str(key))
    elif old != new:
        yield f"{prefix}: {json.dumps(old, ensure_ascii=False)} → {json.dumps(new, ensure_ascii=False)}"


def _same_class(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    a, b = str(first["class_path"]), str(second["class_path"])
    # `DANN` and `adapt.methods.DANN` name one class; two full paths must agree.
    return a == b or (("." not in a or "." not in b) and a.rpartition(".")[2] == b.rpartition(".")[2])
