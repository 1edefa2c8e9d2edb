"""Reads the records of an offline run of Weights & Biases: LevelDB's log format around protobuf messages."""

import json
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wandb.proto.wandb_internal_pb2 import Record

_BLOCK, _FILE_HEADER, _HEADER = 32768, 7, struct.Struct("<IHB")
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4


def read_records(path: Path, patience_seconds: float = 10.0) -> list[Record]:
    """All records of a finished run's `.wandb` file.

    `finish` returns some milliseconds before the background process has flushed the file, whose last record is `exit`.
    """
    end = time.monotonic() + patience_seconds
    while True:
        data = path.read_bytes()
        records = [Record.FromString(payload) for payload in _payloads(data)] if data else []
        if any(record.HasField("exit") for record in records) or time.monotonic() > end:
            return records
        time.sleep(0.02)


def run_files(directory: Path) -> list[Path]:
    """The `.wandb` files below a folder."""
    return sorted(directory.rglob("*.wandb"))


def config_of(records: list[Record]) -> dict[str, Any]:
    """The configuration that the run logged, of `run` and `config` records together."""
    updates = [u for r in records for u in (*r.run.config.update, *r.config.update)]
    return {u.key or ".".join(u.nested_key): json.loads(u.value_json) for u in updates}


def history_of(records: list[Record]) -> dict[str, list[Any]]:
    """Logged key → its values in order; the parts of nested keys, as of tables, are joined by dots."""
    history: dict[str, list[Any]] = {}
    for record in records:
        for item in record.history.item:
            history.setdefault(item.key or ".".join(item.nested_key), []).append(json.loads(item.value_json))
    return history


def _payloads(data: bytes) -> Iterator[bytes]:
    assert data[:4] == b":W&B", "not a file of Weights & Biases"
    position, parts = _FILE_HEADER, b""
    while position + _HEADER.size <= len(data):
        left = _BLOCK - position % _BLOCK
        if left < _HEADER.size:
            position += left
            continue
        _, length, kind = _HEADER.unpack_from(data, position)
        position += _HEADER.size
        if kind not in (_FULL, _FIRST, _MIDDLE, _LAST):
            break
        parts = (
            data[position : position + length]
            if kind in (_FULL, _FIRST)
            else parts + data[position : position + length]
        )
        position += length
        if kind in (_FULL, _LAST):
            yield parts
