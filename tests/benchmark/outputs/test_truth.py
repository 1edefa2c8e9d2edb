"""What a report must not hide, and what it must not let through: gaps, seeds, shared test sets, names, paths."""

import csv
import html
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from adapt.benchmark.outputs import pictures
from adapt.benchmark.outputs.answer import answer
from adapt.benchmark.outputs.files import build_report
from adapt.benchmark.outputs.page import without_paths
from adapt.benchmark.outputs.pictures.picture import label, saved
from adapt.benchmark.outputs.render import latex, markdown, to_csv, to_html, to_latex, to_markdown
from adapt.benchmark.outputs.table import Entry, Table, accuracy
from adapt.benchmark.results.results import write_result
from adapt.benchmark.statistics.analysis import analyse
from adapt.benchmark.statistics.estimates import negative_transfer, over_seeds
from adapt.commands.grids import report_command
from tests.benchmark.synthetic import result

TASKS, METHODS, SEEDS = ["a → b"], ["SourceOnly", "DANN", "MMD", "CORAL", "CDAN", "MCD", "SHOT"], [0, 1, 2, 3, 4]
HOSTILE = [
    "DANN | a\\|b",
    "=1+1",
    "<script>alert(1)</script>",
    "a\nb\tc",
    "\x1b[31mred",
    "\u202eevil",
    "[x](http://y)",
    "*b*",
]


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures take most of a report's time, and no part in what is asked here."""
    monkeypatch.setattr(pictures, "draw", lambda *_: ([], []))


def write(out: Path, methods: list[str], seeds: list[int], config: str = "") -> None:
    for m, method in enumerate(methods):
        for seed in seeds:
            directory = out / "a-to-b" / f"method{m}" / str(seed)
            write_result(result("a → b", method, seed, 0.5 + m / 100 + seed / 1000, directory))
            if config:
                (directory / "cell.yaml").write_text(config, encoding="utf-8")
    plan = {"benchmark": "demo", "tasks": TASKS, "methods": METHODS, "seeds": SEEDS, "command": "adapt benchmark"}
    (out / "plan.json").write_text(json.dumps(plan), encoding="utf-8")


@pytest.mark.usefixtures("undrawn")
def test_an_unfinished_grid_says_so_before_any_number(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, ["SourceOnly", "DANN"], [0])
    assert report_command([str(tmp_path)]) == 0
    sentence = "33 of 35 cells missing"
    assert sentence in capsys.readouterr().out.splitlines()[0]
    assert sentence in (tmp_path / "table.md").read_text(encoding="utf-8").splitlines()[0]
    assert all(sentence in (tmp_path / name).read_text(encoding="utf-8") for name in ("table.tex", "selection.md"))
    header = (tmp_path / "report.html").read_text(encoding="utf-8").partition("</header>")[0]
    assert sentence in header
    assert "2 runs of 35" in header
    # A mean over a part of the planned seeds is marked, also where every method has the same part.
    assert "| DANN | none | **50.0** (n = 1) |" in (tmp_path / "table.md").read_text(encoding="utf-8")


@pytest.mark.usefixtures("undrawn")
def test_a_finished_grid_misses_nothing(tmp_path: Path) -> None:
    write(tmp_path, METHODS, SEEDS)
    build_report(tmp_path)
    assert "missing" not in (tmp_path / "table.md").read_text(encoding="utf-8")


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("transductive", [True, False])
def test_tables_say_that_the_test_set_was_trained_on(tmp_path: Path, transductive: bool) -> None:
    config = f"data:\n  class_path: FeatureDomains\n  init_args: {{transductive: {str(transductive).lower()}}}\n"
    write(tmp_path, METHODS, SEEDS, config)
    build_report(tmp_path)
    for name in ("table.md", "table.tex", "selection.md", "selection.tex", "report.html"):
        text = html.unescape((tmp_path / name).read_text(encoding="utf-8"))
        said = "the test set was trained on" in text and "the oracle's validation set is the test set" in text
        assert said == transductive, name


def test_two_seeds_have_their_range_and_no_interval_leaves_what_can_be() -> None:
    two = over_seeds([0.04, 0.24])
    assert (two.interval, accuracy(two, 2).number) == ((0.04, 0.24), "14.0 [4.0, 24.0]")
    cut = over_seeds([0.9, 0.95, 1.0])
    assert cut.interval is not None
    assert cut.interval[1] == 1.0
    assert accuracy(cut, 3).number == "95.0 [82.6, 100.0]"
    assert accuracy(over_seeds([0.5, 0.51, 0.52]), 3).number == "51.0 ± 2.5"
    # A difference may lie below zero, but not below −100.
    assert accuracy(over_seeds([-0.1, 0.1, 0.0], floor=-1.0), 3, unit="points").number == "0.0 ± 24.8"
    assert accuracy(over_seeds([-0.99, -0.5, -0.9], floor=-1.0), 3, unit="points").number.startswith("-79.7 [-100.0, ")
    assert accuracy(over_seeds([0.5]), 1).number == "50.0"


def test_two_seeds_below_source_only_are_marked_when_their_ranges_are_apart() -> None:
    source_only = over_seeds([0.6, 0.62])
    assert negative_transfer(over_seeds([0.5, 0.55]), source_only) == "two seeds"
    assert negative_transfer(over_seeds([0.5, 0.61]), source_only) is None


def test_a_lost_seed_is_seen_beside_the_failed_one() -> None:
    assert accuracy(over_seeds([0.5, 0.5, 0.5], failed=1), 5).notes == "(n = 3) failed (1 of 5)"
    assert accuracy(over_seeds([0.5, 0.5, 0.5], failed=2), 5).notes == "failed (2 of 5)"
    assert accuracy(over_seeds([0.5, 0.5, 0.5], failed=1), 4, average=True).notes == "(n = 3)"


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_stays_one_cell_of_every_table(name: str) -> None:
    table = Table("caption", ("a → b",), ((name, "none", (Entry(0.5, "percent", record={"method": name}),)),))
    (row,) = to_markdown(table).splitlines()[4:5]
    # Cells end at bars without a backslash before them; a backslash before a backslash is none.
    assert len(re.sub(r"\\.", "", row).split("|")) == 5
    (line,) = list(csv.reader(io.StringIO(to_csv([table], ["method"]))))[1:]
    assert not line[0].startswith(("=", "+", "-", "@"))
    assert to_latex(table).count(r"\\") == 2
    page = to_html(table)
    assert "<script" not in page
    assert not set("\x1b\u202e") & set(page + to_markdown(table) + to_latex(table))


def test_markdown_latex_and_directions() -> None:
    assert markdown("a\\|b") == "a\\\\\\|b"
    assert markdown("CO_RAL __init__ <b> 1 < 2") == r"CO_RAL \_\_init\_\_ \<b> 1 < 2"
    assert latex("[x] 50 %") == r"{[}x] 50 \%"
    # What runs right to left is isolated, so that the numbers after it stay in their place.
    assert markdown("שלום עולם 1") == "\u2068שלום עולם\u2069 1"


@pytest.mark.usefixtures("undrawn")
def test_the_page_names_no_folder_of_this_machine(tmp_path: Path) -> None:
    out = tmp_path / "runs"
    write(out, METHODS, SEEDS, f"data: {{root: {tmp_path}/private/data}}\n")
    failed = result(
        "a → b", "MMD", 1, None, out / "a-to-b" / "method2" / "1", f"No such file: '{tmp_path}/private/x.npz'"
    )
    write_result(failed)
    plan = json.loads((out / "plan.json").read_text(encoding="utf-8"))
    plan["command"] = f"adapt benchmark --config {tmp_path}/b.yaml --out={tmp_path}/runs"
    (out / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
    text = build_report(out).page.read_text(encoding="utf-8")
    assert str(tmp_path) not in text
    assert "private/" not in text
    assert "a-to-b/method2/1/cell.yaml" in text
    assert "…/x.npz" in text
    assert without_paths("see https://a.b/c/d and 1/2, not /e/f/g.py or C:\\h\\i.txt") == (
        "see https://a.b/c/d and 1/2, not …/g.py or …/i.txt"
    )


@pytest.mark.usefixtures("undrawn")
def test_a_report_that_is_stopped_leaves_the_earlier_one_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, METHODS, SEEDS)
    build_report(tmp_path)
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "old.png").write_bytes(b"old")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("adapt.benchmark.outputs.files.build_page", stop)
        write_result(result("a → b", "DANN", 0, 0.1, tmp_path / "a-to-b" / "method1" / "0"))
        before[tmp_path / "a-to-b" / "method1" / "0" / "result.json"] = b""
        assert report_command([str(tmp_path)]) == 130
    assert "is unchanged" in capsys.readouterr().out
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert set(after) == set(before)
    assert [path.name for path in after if before[path] and after[path] != before[path]] == []
    # The next one replaces what changed, and a picture of what is gone goes.
    build_report(tmp_path)
    assert not (tmp_path / "pictures" / "old.png").exists()


def test_long_names_fit_pictures_and_file_systems(tmp_path: Path) -> None:
    from adapt.analysis.drawing import new_figure

    long = "😀" * 255
    first = saved(new_figure(2, 2), tmp_path, "embedding", "t", f"t-{long}{'x' * 300}", "first", "alt")
    again = saved(new_figure(2, 2), tmp_path, "embedding", "a-b", "a-b-c", "one", "alt")
    twin = saved(new_figure(2, 2), tmp_path, "embedding", "a", "a-b-c", "two", "alt")
    assert len({first.path, again.path, twin.path}) == 3
    assert len(first.path.name.encode()) < 255
    assert len(label(long)) <= 28
    assert label("_x $y$") == r" _x \$y\$"


def test_the_answer_says_who_gained_who_lost_and_what_the_choice_cost() -> None:
    accuracies = {"SourceOnly": 0.6, "DANN": 0.8, "MMD": 0.4, "TargetOnly": 0.95}
    results = [result("a → b", m, s, a + s / 500) for m, a in accuracies.items() for s in range(3)]
    first, *others = answer(analyse(results))
    assert first.startswith("Without target labels DANN gained most: +20.0 ± 0.0 points over SourceOnly")
    assert "under the rule source_accuracy" in first
    above = "1 of 2 methods without target labels lie above SourceOnly, all with a 95% interval over seeds above zero."
    assert above in others
    assert "Negative transfer, below source-only with the intervals apart: MMD (a → b)." in others
    assert any("TargetOnly reaches 94.2" in sentence for sentence in others)
    assert any("by the oracle instead would add 2.0 ± 0.0 points" in sentence for sentence in others)
    two = answer(analyse([replace(r, task=task) for r in results for task in ("a", "b")]))
    assert any(sentence.startswith("No verdict is possible over 2 tasks") for sentence in two)
    many = answer(analyse([replace(r, task=f"t{k}") for r in results for k in range(8)]))
    assert "Tested over 8 tasks (Wilcoxon, Holm), 1 are better than SourceOnly and 1 worse." in many
    alone = answer(analyse([result("a → b", "DANN", 0, 0.5)]))
    assert alone == ["No gain can be said on a → b: there is no source-only."]


def test_a_gain_stands_beside_the_means_of_its_own_seeds() -> None:
    # Source-only lost seed 2, where it would have been worse; Lucky lost two seeds, where it would have been.
    values = {"SourceOnly": [0.5, 0.5, None], "DANN": [0.4, 0.4, 0.9], "Lucky": [0.7, None, None]}
    results = [result("a → b", m, seed, value) for m, own in values.items() for seed, value in enumerate(own)]
    first = answer(analyse(results))[0]
    assert "DANN did best of those with 2 seeds (Lucky had more with fewer): -10.0" in first
    assert "(49.0 % → 39.0 %; 2 seeds)" in first


def test_without_a_source_only_that_finished_nothing_is_said_of_negative_transfer() -> None:
    results = [result("a → b", "SourceOnly", 0, None), result("a → b", "DANN", 0, 0.5)]
    assert not any("negative transfer" in sentence for sentence in answer(analyse(results)))
