"""The report in Weights & Biases: what is said offline, and what the library is asked for online."""

import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from adapt.benchmark.outputs.files import Output, build_report
from adapt.benchmark.outputs.wandb_report import publish
from adapt.benchmark.outputs.wandb_runs import TABLES
from adapt.commands.grids import report_command
from adapt.errors import AdaptError
from tests.benchmark.synthetic import write_benchmark


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "demo"
    write_benchmark(out)
    return out


@pytest.fixture(scope="module")
def report(directory: Path) -> Output:
    return build_report(directory)


class Term:
    """A metric of the filter language."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __eq__(self, other: object) -> Any:
        return f"{self.name} = {other}"

    def __ne__(self, other: object) -> Any:
        return f"{self.name} != {other}"

    __hash__ = None  # type: ignore[assignment]


class Built:
    def __init__(self, kind: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.kind, self.args, self.kwargs = kind, args, kwargs
        self.url = "https://wandb.ai/me/adapt/reports/1"

    def save(self) -> None:
        self.kwargs["saved"] = True


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Built]:
    """Every object that was made of a library that takes whatever it is given."""
    made: list[Built] = []

    class Recorder(ModuleType):
        def __getattr__(self, name: str) -> Callable[..., Built]:
            if name.startswith("__"):
                raise AttributeError(name)

            def make(*args: Any, **kwargs: Any) -> Built:
                made.append(Built(name, args, kwargs))
                return made[-1]

            return make

    root, reports, v2, expr = (ModuleType("wandb_workspaces"), ModuleType("r"), Recorder("v2"), ModuleType("expr"))
    root.reports, root.expr, reports.v2, expr.Metric = reports, expr, v2, Term  # type: ignore[attr-defined]
    for name, module in (("", root), (".reports", reports), (".reports.v2", v2), (".expr", expr)):
        monkeypatch.setitem(sys.modules, f"wandb_workspaces{name}", module)
    return made


def test_the_report_groups_runs_by_method_and_shows_the_comparison(calls: list[Built], report: Output) -> None:
    assert publish(report, "project", "me") == "https://wandb.ai/me/adapt/reports/1"
    built = next(call for call in calls if call.kind == "Report")
    assert built.kwargs["saved"]
    assert (built.kwargs["project"], built.kwargs["entity"], built.kwargs["title"]) == (
        "project",
        "me",
        "demo: benchmark",
    )
    runs, comparison = (call.kwargs for call in calls if call.kind == "Runset")
    assert runs["filters"] == ["Group = demo", "JobType != comparison"]
    assert runs["groupby"] == ["JobType"]
    assert comparison["filters"] == ["Group = demo", "JobType = comparison"]
    tables = [call.kwargs["table_name"] for call in calls if call.kind == "WeavePanelSummaryTable"]
    assert tables == list(TABLES)
    metrics = [call.args[0] for call in calls if call.kind == "SummaryMetric"]
    assert metrics == [f"{rule}/target_accuracy" for rule in ("last", "source_accuracy", "oracle")]
    text = next(call for call in calls if call.kind == "MarkdownBlock").kwargs["text"]
    assert "best source validation accuracy" in text


def test_the_library_knows_every_argument_that_it_is_given(report: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    wr = pytest.importorskip("wandb_workspaces.reports.v2", reason="needs adapt-lightning[wandb-report]")
    saved: list[Any] = []
    # A run set looks its project's id up, over the network.
    monkeypatch.setattr("wandb_workspaces.reports.v2.interface._get_api", lambda: None)
    found = {"project": {"id": "1", "internalId": "1"}}
    monkeypatch.setattr("wandb_workspaces.reports.v2.interface.execute_graphql", lambda *_, **__: found)
    monkeypatch.setattr(wr.Report, "save", lambda self: saved.append(self._to_model()))
    monkeypatch.setattr(wr.Report, "url", property(lambda self: f"https://wandb.ai/{self.entity}"))
    # Its own classes refuse what they do not know, and its model is what would be sent.
    assert publish(report, "project", "me") == "https://wandb.ai/me"
    sent = saved[0].model_dump_json(by_alias=True)
    for part in ("oracle/target_accuracy", '"jobType"', "pictures/bars", "demo: benchmark"):
        assert part in sent, part
    assert "save" in dir(wr.Report)
    assert {"project", "entity", "title", "blocks"} <= set(inspect.signature(wr.Report).parameters)


def test_offline_it_says_in_two_lines_what_it_would_do(
    directory: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert report_command([str(directory), "--wandb"]) == 0
    would, how = capsys.readouterr().out.splitlines()[-2:]
    assert would.startswith("Offline:")
    assert "“demo: benchmark”" in would
    assert "adapt-lightning[wandb-report]" in how
    assert "wandb login" in how


def test_without_the_library_or_with_a_refusal_one_line_says_so(
    report: Output, calls: list[Built], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Built) -> None:
        raise ConnectionError("no route")

    monkeypatch.setattr(Built, "save", refuse)
    with pytest.raises(AdaptError, match=r"did not take the report \(ConnectionError: no route\)"):
        publish(report, "project", "me")
    monkeypatch.setitem(sys.modules, "wandb_workspaces.reports.v2", None)
    with pytest.raises(AdaptError, match=r"pip install 'adapt-lightning\[wandb-report\]'"):
        publish(report, "project")


def test_the_page_is_opened_as_a_file(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda address: opened.append(address) or True)
    assert report_command([str(directory), "--open"]) == 0
    assert opened == [(directory / "report.html").resolve().as_uri()]
