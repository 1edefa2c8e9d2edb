"""Configurations as mappings: merging, hashing, comparing."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from adapt.errors import AdaptError

Config = dict[str, Any]


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
