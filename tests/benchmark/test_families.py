"""The documentation's table of families is what the committed results say."""

import csv
import runpy
from pathlib import Path

import pytest

from adapt.benchmark.results.results import CSV_COLUMNS, read_csv
from adapt.benchmark.statistics import summarise
from adapt.benchmark.vocabulary import SOURCE_ONLY, TARGET_LABELS, UNSUPERVISED
from adapt.errors import AdaptError
from adapt.overview import FAMILIES

ROOT = Path(__file__).parents[2]
TABLE = runpy.run_path(str(ROOT / "benchmarks/families/table.py"))
KNOWN = {"S": "bounds", "A": "matching", "B": "matching", "C": "adversarial", "T": "bounds"}


@pytest.fixture
def results(tmp_path: Path) -> Path:
    accuracies = {"S": [0.5, 0.6], "A": [0.7, 0.6], "B": [0.3, 0.5], "C": [0.6, 0.7], "T": [0.9, 0.9]}
    settings = {"S": SOURCE_ONLY, "T": TARGET_LABELS}
    path = tmp_path / "results.csv"
    with path.open("w", newline="") as file:
        rows = csv.DictWriter(file, CSV_COLUMNS)
        rows.writeheader()
        for method, means in accuracies.items():
            for task, mean in zip("xy", means, strict=True):
                for seed, shift in enumerate((-0.01, 0.0, 0.01)):
                    for rule, accuracy in (("last", mean + shift), ("oracle", 0.95)):
                        row = {"task": task, "method": method, "setting": settings.get(method, UNSUPERVISED)}
                        row |= {"seed": seed, "rule": rule, "target_accuracy": accuracy, "status": "ok"}
                        rows.writerow(row | {"wall_seconds": 1.0})
    return path


def test_an_entry_has_the_range_of_gains_and_counts_negative_transfer(results: Path) -> None:
    summary = summarise(read_csv(results), "last")
    assert TABLE["entry"](summary, KNOWN, "matching") == "-15.0 (B) … +10.0 (A), ↓ 2 of 4"
    assert TABLE["entry"](summary, KNOWN, "adversarial") == "+10.0 (C)"
    assert TABLE["entry"](summary, KNOWN, "bounds") == ""


def test_every_method_of_the_committed_grids_has_a_family() -> None:
    for grid in TABLE["GRIDS"]:
        found = TABLE["families_of"](grid)
        assert set(found.values()) <= set(FAMILIES)
        path = ROOT / "benchmarks" / grid / "results.csv"
        if path.exists():
            assert {result.method for result in read_csv(path)} <= set(found)


def test_the_documentation_holds_the_table(tmp_path: Path) -> None:
    page = (ROOT / "docs/results.md").read_text()
    copy = tmp_path / "results.md"
    copy.write_text(page)
    TABLE["write"](copy)
    assert copy.read_text() == page, "run `python benchmarks/families/table.py docs/results.md`"
    copy.write_text("no markers")
    with pytest.raises(AdaptError, match="markers"):
        TABLE["write"](copy)
