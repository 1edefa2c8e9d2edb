import base64
import html
import io
import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from adapt.benchmark.outputs import page
from adapt.benchmark.outputs.files import build_report
from adapt.benchmark.outputs.pictures import accuracy as drawing
from adapt.benchmark.outputs.words import rule_name
from adapt.benchmark.results.metrics import read_metrics
from adapt.commands.grids import report_command
from adapt.errors import AdaptError
from adapt.monitor import Warned, summary_of, warnings_of
from adapt.monitor.log import write_warnings
from adapt.selection import RULES
from tests.benchmark.synthetic import write_benchmark


class Page(HTMLParser):
    """Collects links, pictures and open tags."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.pictures: list[dict[str, str | None]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.links += [value for key, value in attrs if key in ("href", "src", "srcset", "action") and value]
        if tag == "img":
            self.pictures.append(found)
        elif tag not in ("meta", "input", "wbr"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "demo"
    write_benchmark(out)
    build_report(out)
    return out


def test_the_page_needs_nothing_but_itself(directory: Path) -> None:
    text = (directory / "report.html").read_text()
    parsed = Page(text)
    assert parsed.open == []
    assert parsed.links
    assert all(link.startswith(("data:image/png;base64,", "#")) for link in parsed.links)
    assert all(f'id="{link[1:]}"' in text for link in parsed.links if link.startswith("#"))
    assert not re.search(r"<script src|<link|@import|url\(|https?://|fetch|XMLHttpRequest|import\(", text)
    assert 'name="viewport"' in text
    assert "prefers-color-scheme: dark" in text


def test_every_picture_is_a_png_with_words_for_it(directory: Path) -> None:
    pictures = Page((directory / "report.html").read_text()).pictures
    # Gaps, bars and curves; an embedding of each method but source-only; a confusion matrix of each.
    assert len(pictures) == 3 + 3 + 4
    for picture in pictures:
        with Image.open(io.BytesIO(base64.b64decode(str(picture["src"]).partition(",")[2]))) as image:
            assert image.format == "PNG"
            assert min(image.size) > 250
            assert image.convert("L").getextrema()[0] < 100
        assert len(str(picture["alt"])) > 30
    assert any("SourceOnly 59.1 [59.0, 59.2]; DANN 79.1 [79.0, 79.2]" in str(picture["alt"]) for picture in pictures)
    assert {path.name.split("-")[0] for path in (directory / "pictures").iterdir()} == {
        "selection",
        "bars",
        "curves",
        "embedding",
        "confusion",
    }


def test_the_page_says_what_failed_and_how_it_was_made(directory: Path) -> None:
    text = (directory / "report.html").read_text()
    assert "a → b / MMD / seed 1: failed" in text
    assert "&lt;b&gt;&amp;boom&lt;/b&gt;" in text
    assert "<b>&boom" not in text
    for fact in (
        "adapt benchmark --config b.yaml",
        "c0ffee",
        "torch 2.6",
        "1 min 36 s",
        "oracle: best target validation",
    ):
        assert fact in text, fact


def test_tables_come_under_every_rule_and_the_csv_has_every_row(directory: Path) -> None:
    assert (directory / "table.md").read_text().count("Model selection:") == 3
    assert (directory / "table.tex").read_text().count(r"\begin{tabular}") == 3
    assert len((directory / "table.csv").read_text().splitlines()) == 1 + 3 * 4
    assert len((directory / "results.csv").read_text().splitlines()) == 1 + 7 * 3 + 1


def test_selection_and_significance_stand_in_files_and_on_the_page(directory: Path) -> None:
    page = (directory / "report.html").read_text()
    selection, tests = ((directory / name).read_text() for name in ("selection.md", "significance.md"))
    assert "| DANN | none | 80.1 [80.0, 80.2] | 79.1 [79.0, 79.2] | *81.1 [81.0, 81.2]* |" in selection
    assert "| DANN | none | **1.0 [1.0, 1.0]** | 2.0 [2.0, 2.0] |" in selection
    assert "| DANN | none | 1 | 1 / 0 / 0 | +20.0 [+20.0, +20.0] | +20.0 | no verdict | no verdict | +1.00 |" in tests
    assert [line for line in tests.splitlines() if line.startswith("## ")] == [
        "## source_accuracy",
        "## last",
        "## oracle",
    ]
    for text in ("<h2>Model selection</h2>", "<h2>Significance</h2>", "No Friedman test over tasks: it needs 3 tasks"):
        assert text in page, text
    assert len((directory / "significance.csv").read_text().splitlines()) == 1 + 3 * 2
    assert len((directory / "selection.csv").read_text().splitlines()) == 1 + 3 * 4


def test_a_grid_of_tasks_has_a_critical_difference_diagram(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("scikit_posthocs", reason="needs adapt-lightning[stats]")
    monkeypatch.setattr("adapt.benchmark.outputs.pictures.MOST_TASKS", 0)
    write_benchmark(tmp_path, tasks=("a", "b", "c", "d"), seeds=1)
    report = build_report(tmp_path)
    assert [picture.kind for picture in report.pictures] == ["critical-difference", "selection-gap", "bars"]
    assert "pictures/critical-difference.png" in (tmp_path / "significance.md").read_text()
    assert "<h2>Average ranks</h2>" in report.page.read_text()

    # Without the library there is a sentence in its place.
    monkeypatch.setitem(sys.modules, "scikit_posthocs", None)
    report = build_report(tmp_path)
    assert [picture.kind for picture in report.pictures] == ["selection-gap", "bars"]
    assert "pip install 'adapt-lightning[stats]'" in html.unescape(report.page.read_text())


def test_missing_and_broken_pictures_are_left_out(tmp_path: Path) -> None:
    write_benchmark(tmp_path)
    cell = tmp_path / "task0" / "DANN" / "0"
    (cell / "embedding.npz").write_bytes((cell / "embedding.npz").read_bytes()[:200])
    (cell / "confusion.npz").unlink()
    (cell / "metrics.csv").write_bytes(b"\xff\x00")
    for path in (tmp_path / "task0" / "SourceOnly").rglob("*.npz"):
        path.unlink()
    report = build_report(tmp_path)
    names = {picture.title for picture in report.pictures if picture.kind == "embedding"}
    assert names == {f"Embedding: a → b, {m}" for m in ("DANN", "MMD", "TargetOnly")}
    assert any("after (DANN)" in p.alt and "before" not in p.alt for p in report.pictures)


def test_large_grids_picture_their_first_tasks_and_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_benchmark(tmp_path, tasks=tuple(f"task {k}" for k in range(3)), seeds=1)
    monkeypatch.setattr("adapt.benchmark.outputs.pictures.MOST_TASKS", 1)
    monkeypatch.setattr(page, "MOST_PICTURE_BYTES", 60_000)
    report = build_report(tmp_path)
    assert {picture.task for picture in report.pictures} == {"Average", "task 0"}
    text = report.page.read_text()
    assert "By table only, to keep this page small: task 1, task 2." in text
    assert "more in the folder <code>pictures</code>" in text
    assert len(text) < 60_000 * 4 / 3 + 40_000


def test_a_report_shows_every_rule_of_a_run(tmp_path: Path) -> None:
    write_benchmark(tmp_path)
    for path in tmp_path.rglob("result.json"):
        content = json.loads(path.read_text())
        content["rows"] = [{**content["rows"][0], "rule": rule} for rule in RULES if content["rows"]]
        path.write_text(json.dumps(content))
    report = build_report(tmp_path)
    assert [summary.rule for summary in report.analysis.summaries] == list(RULES)
    for rule in RULES:
        assert rule_name(rule) in html.unescape(report.page.read_text())
        assert rule_name(rule) in (tmp_path / "table.md").read_text()


def test_a_report_says_how_many_cells_warned_and_of_what(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_benchmark(tmp_path)
    assert summary_of(build_report(tmp_path).analysis.warnings) == ""
    found = [Warned(30, "collapse", "At step 30, ..."), Warned(50, "zero_gradient", "At step 50, ...")]
    for seed, warned in enumerate((found, found[:1])):
        write_warnings(tmp_path / "task0" / "DANN" / str(seed), warned)
    assert warnings_of(tmp_path / "task0" / "DANN" / "0") == tuple(found)
    assert warnings_of(tmp_path / "task0" / "MMD" / "0") == ()
    assert report_command([str(tmp_path)]) == 0
    sentence = "2 of 8 cells warned while they trained: collapse (2), zero gradient (1); see warnings.jsonl of each."
    assert sentence in capsys.readouterr().out


def test_a_curve_is_read_past_the_gaps_that_the_logger_leaves(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text("epoch,step,a,b\n0,9,,0.5\n0,9,1.0,\n1,19,,0.75\n")
    assert read_metrics(path)["b"] == {9: 0.5, 19: 0.75}
    assert "c" not in read_metrics(path)
    assert read_metrics(tmp_path / "none.csv") == {}
    path.write_text("step,a\n9,0.5\n19,nan\n29,half\n")
    assert read_metrics(path) == {}


def test_a_report_of_nothing_or_of_a_damaged_result_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AdaptError, match="Expected results at"):
        build_report(tmp_path)
    write_benchmark(tmp_path)
    (tmp_path / "task0" / "DANN" / "0" / "result.json").write_text("{")
    with pytest.raises(AdaptError, match="Delete it"):
        build_report(tmp_path)


def test_a_grid_where_everything_failed_still_has_a_page(tmp_path: Path) -> None:
    write_benchmark(tmp_path)
    for path in tmp_path.rglob("result.json"):
        if path.parent.parent.name != "MMD" or path.parent.name != "1":
            path.unlink()
    report = build_report(tmp_path)
    assert "failed (1 of 1)" in report.page.read_text()


def test_pictures_of_runs_are_drawn_anew_only_where_they_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, drawn, draw = tmp_path / "demo", [], drawing.confusion_figure

    def counted(matrix: Any, names: Any, heading: str) -> Any:
        drawn.append(heading)
        return draw(matrix, names, heading)

    monkeypatch.setattr(drawing, "confusion_figure", counted)
    write_benchmark(out)
    build_report(out)
    before = {path.name: path.read_bytes() for path in (out / "pictures").iterdir()}
    assert len(drawn) == 4
    build_report(out)
    assert len(drawn) == 4 and {path.name: path.read_bytes() for path in (out / "pictures").iterdir()} == before
    path = next(out.glob("*/DANN/*/confusion.npz"))
    with np.load(path) as file:
        changed = {"matrix": file["matrix"] + 1, "class_names": file["class_names"]}
    np.savez(path, **changed)
    build_report(out)
    assert len(drawn) == 5 and drawn[-1].startswith("DANN")
