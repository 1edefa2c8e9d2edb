import csv
import io

import pytest
from rich.console import Console

from adapt.benchmark.outputs.render import latex, to_csv, to_html, to_latex, to_markdown, to_terminal
from adapt.benchmark.outputs.tables.accuracy import COLUMNS, accuracy_table
from adapt.benchmark.outputs.words import rule_name
from adapt.benchmark.results.results import CellResult
from adapt.benchmark.statistics import Summary, summarise
from adapt.selection import ORACLE_RULES, RULES
from tests.benchmark.synthetic import result

TABLE: dict[str, list[float | None]] = {
    "SourceOnly": [0.60, 0.62, 0.61],
    "DANN": [0.70, 0.74, None],
    "MMD": [0.80, 0.80, 0.83],
    "CO_RAL": [0.30, 0.31, 0.32],
    "FineTuning": [0.90, 0.90, 0.90],
    "Broken": [None, None, None],
    "TargetOnly": [0.97, 0.98, 0.99],
}


def results(task: str = "a → b & c") -> list[CellResult]:
    return [result(task, m, seed, value) for m, values in TABLE.items() for seed, value in enumerate(values)]


@pytest.fixture
def summary() -> Summary:
    return summarise(results(), "last", methods=list(TABLE))


def test_markdown(summary: Summary) -> None:
    assert to_markdown(accuracy_table(summary)) == (
        "Target test accuracy in %, mean ± 95% interval (Student t over 3 seeds: 0, 1, 2). "
        "Model selection: last training step.\n"
        "\n"
        "| Method | Target labels | a → b & c |\n"
        "|---|---|--:|\n"
        "| SourceOnly | none | <ins>61.0 ± 2.5</ins> |\n"
        "| DANN | none | 72.0 [70.0, 74.0] failed (1 of 3) |\n"
        "| MMD | none | **81.0 ± 4.3** |\n"
        "| CO_RAL | none | 31.0 ± 2.5 ↓ |\n"
        "| FineTuning | few-shot (5 per class) | 90.0 ± 0.0 |\n"
        "| Broken | none | failed (3 of 3) |\n"
        "| TargetOnly | all | 98.0 [95.5, 100.0] |\n"
        "\n"
        "Bold: best, underlined: second best among methods that train with the same kind of target labels; "
        "train-on-target is never ranked.  \n"
        "↓ negative transfer: below source-only, with the 95% intervals apart.  \n"
        "In brackets: the range of two seeds, or a 95% interval cut where values end.\n"
    )


def test_latex_is_booktabs_and_escaped(summary: Summary) -> None:
    text = to_latex(accuracy_table(summary))
    assert text.startswith(
        "\\begin{table}\n\\centering\n\\caption{Target test accuracy in \\%, mean $\\pm$ 95\\% interval"
    )
    assert text.endswith(
        "\\begin{tabular}{llr}\n"
        "\\toprule\n"
        "Method & Target labels & a $\\rightarrow$ b \\& c \\\\\n"
        "\\midrule\n"
        "SourceOnly & none & \\underline{61.0 $\\pm$ 2.5} \\\\\n"
        "DANN & none & 72.0 [70.0, 74.0] failed (1 of 3) \\\\\n"
        "MMD & none & \\textbf{81.0 $\\pm$ 4.3} \\\\\n"
        "CO\\_RAL & none & 31.0 $\\pm$ 2.5 $\\downarrow$ \\\\\n"
        "FineTuning & few-shot (5 per class) & 90.0 $\\pm$ 0.0 \\\\\n"
        "Broken & none & failed (3 of 3) \\\\\n"
        "TargetOnly & all & 98.0 [95.5, 100.0] \\\\\n"
        "\\bottomrule\n"
        "\\end{tabular}\n"
        "\\end{table}\n"
    )


def test_every_special_character_of_latex_is_escaped() -> None:
    assert latex("&%$#_{}") == r"\&\%\$\#\_\{\}"
    assert latex("~^\\") == r"\textasciitilde{}\textasciicircum{}\textbackslash{}"


def test_html_escapes_names_and_marks_the_best(summary: Summary) -> None:
    text = to_html(accuracy_table(summary))
    assert "a → b &amp; c" in text
    assert "<td><strong>81.0 ± 4.3</strong></td>" in text
    assert "<td>72.0 [70.0, 74.0] <small>failed (1 of 3)</small></td>" in text
    assert "<strong>98.0" not in text


def test_csv_holds_the_numbers(summary: Summary) -> None:
    lines = {line["method"]: line for line in csv.DictReader(io.StringIO(to_csv([accuracy_table(summary)], COLUMNS)))}
    assert (lines["MMD"]["mean"], lines["MMD"]["n"], lines["MMD"]["task"]) == ("0.810000", "3", "a → b & c")
    assert (lines["DANN"]["n"], lines["DANN"]["n_failed"]) == ("2", "1")
    assert lines["CO_RAL"]["negative_transfer"] == "apart"
    assert lines["Broken"]["mean"] == ""


def terminal(summary: Summary) -> list[str]:
    text = io.StringIO()
    Console(file=text, width=160).print(to_terminal(accuracy_table(summary)))
    return text.getvalue().splitlines()


def test_the_terminal_shows_the_same_entries(summary: Summary) -> None:
    lines = terminal(summary)
    assert lines[0].startswith("Target test accuracy in %, mean ± 95% interval")
    assert next(line for line in lines if "DANN" in line).split("│")[3].strip() == "72.0 [70.0, 74.0] failed (1 of 3)"


def test_many_tasks_stand_below_one_another_in_a_terminal() -> None:
    many = [r for k in range(9) for r in results(f"task {k}")]
    lines = terminal(summarise(many, "last", methods=list(TABLE)))
    assert next(line for line in lines if "task 8" in line).split("│")[2].strip() == "61.0 ± 2.5"
    assert any("Average" in line for line in lines)


def test_one_seed_has_no_interval_and_says_so() -> None:
    text = to_markdown(
        accuracy_table(summarise([result("t", "SourceOnly", 4, 0.6), result("t", "DANN", 4, 0.5)], "last"))
    )
    assert "one seed (4), no interval" in text
    assert "| DANN | none | 50.0 ↓? |" in text
    assert "↓? below source-only, by one seed alone." in text


def test_an_incomplete_average_is_marked_and_explained() -> None:
    some = [*results("t"), *[r for r in results("u") if (r.method, r.seed) != ("MMD", 2) and r.method != "CO_RAL"]]
    text = to_markdown(accuracy_table(summarise(some, "last", methods=list(TABLE))))
    mmd, coral = (next(line for line in text.splitlines() if f"| {m} |" in line) for m in ("MMD", "CO_RAL"))
    assert mmd.split(" | ")[3:] == ["80.0 [80.0, 80.0] (n = 2)", "80.0 [80.0, 80.0] (n = 2) |"]
    assert coral.split(" | ")[3:] == ["–", "– |"]
    assert "n: seeds in the mean" in text
    assert "Average: over the seeds with which a method finished every task" in text


def test_the_oracle_is_labelled_as_using_target_labels() -> None:
    assert "uses target labels" in to_markdown(accuracy_table(summarise(results(), "oracle")))
    assert "best val_entropy (no target label)" in to_markdown(accuracy_table(summarise(results(), "val_entropy")))


def test_methods_with_some_target_labels_are_ranked_among_themselves() -> None:
    some = [result("t", m, 0, a) for m, a in (("SourceOnly", 0.5), ("DANN", 0.6), ("FineTuning", 0.9))]
    text = to_markdown(accuracy_table(summarise(some, "last")))
    assert "**60.0**" in text
    assert "**90.0**" not in text


def test_every_rule_has_words_and_only_the_oracle_says_that_it_uses_target_labels() -> None:
    words = {rule: rule_name(rule) for rule in RULES}
    assert len(set(words.values())) == len(RULES)
    assert [rule for rule, sentence in words.items() if "uses target labels" in sentence] == list(ORACLE_RULES)
    assert all("no target label" in sentence for rule, sentence in words.items() if rule not in ("last", *ORACLE_RULES))
