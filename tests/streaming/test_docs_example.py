"""The method that `docs/streams.md` prints works as printed."""

import re
import sys
from pathlib import Path

import pytest

from adapt.streaming.run import run_stream
from adapt.streaming.settings import method_class, method_entry
from tests.streaming.toy import prepare, target, trained

PAGE = (Path(__file__).parents[2] / "docs" / "streams.md").read_text(encoding="utf-8")


def test_the_own_method_streams_as_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    block = re.search(r"```python\n# my_stream\.py\n(.*?)```", PAGE, re.S)
    assert block is not None
    (tmp_path / "my_stream.py").write_text(block[1], encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "my_stream", raising=False)
    entry = method_entry("my_stream.Twice:lr=0.0005")
    method = method_class(entry["class_path"])(trained(), prepare, **entry["init_args"])
    found = run_stream(method, target(), 0)
    assert found.accuracy is not None
    assert found.accuracy > 0.9
    assert method.updates == 2 * len(found.batches)


def test_the_page_names_every_method_and_scenario() -> None:
    from adapt.data.streams import SCENARIOS
    from adapt.streaming import METHODS

    assert all(f"| `{name}` |" in PAGE for name in (*METHODS, *SCENARIOS))
