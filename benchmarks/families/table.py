"""Where each family helps and where it hurts: python benchmarks/families/table.py docs/results.md

Out of the committed results: each entry is the range, over a family's methods, of the gain over source-only in points
of target test accuracy, averaged over a benchmark's tasks and seeds, at the last training step; ↓ counts the pairs of
method and task with negative transfer, the 95% intervals apart.
"""

import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path

from adapt.benchmark.outputs.table import Entry
from adapt.benchmark.plan.plan import read_plan
from adapt.benchmark.results.results import read_csv
from adapt.benchmark.statistics import Summary, summarise
from adapt.benchmark.vocabulary import SOURCE_ONLY, TARGET_LABELS
from adapt.overview import FAMILIES, fill

ROOT = Path(__file__).resolve().parents[2]
GRIDS = {
    "methods": "Digits, USPS ↔ MNIST",
    "source_free": "the same, from a source run",
    "amazon": "Amazon reviews, 12 pairs",
    "pacs": "PACS on frozen features, 12 pairs",
    "pixels": "PACS, few pixels",
    "shots": "digits, 1 to 10 shots per class",
}


def families_of(grid: str) -> dict[str, str]:
    """Method of a grid → family of its class."""
    plan = read_plan(ROOT / "configs" / "benchmarks" / f"{grid}.yaml")
    found = {}
    for cell in plan.cells:
        name = cell.config["model"]["class_path"].rpartition(".")[2]
        found[cell.method] = getattr(import_module("adapt.methods"), name).family
    return found


def gains(summary: Summary, families: Mapping[str, str], family: str) -> dict[str, float]:
    """Mean gain over source-only of each method of a family, in [−1, 1]."""
    baseline = next(m for m in summary.methods if summary.settings[m] == SOURCE_ONLY)
    means = summary.averages or {method: summary.cells[method, summary.tasks[0]] for method in summary.methods}
    start = means[baseline].mean
    return {
        method: estimate.mean - start
        for method, estimate in means.items()
        if families[method] == family
        and summary.settings[method] not in (SOURCE_ONLY, TARGET_LABELS)
        and estimate.mean is not None
        and start is not None
    }


def entry(summary: Summary, families: Mapping[str, str], family: str) -> str:
    """One cell of the table."""
    found = sorted(gains(summary, families, family).items(), key=lambda item: item[1])
    if not found:
        return ""
    (worst, least), (best, most) = found[0], found[-1]
    cells = [e for (method, _), e in summary.cells.items() if method in dict(found)]
    hurt = sum(e.negative == "apart" for e in cells)
    lowest, highest = (Entry(gain, "signed points").number for gain in (least, most))
    span = f"{highest} ({best})"
    if len(found) > 1:
        span = f"{lowest} ({worst}) … {span}"
    return f"{span}, ↓ {hurt} of {len(cells)}" if hurt else span


def table(grids: Sequence[str]) -> str:
    """Markdown rows, a family each, in the order of the table of methods."""
    summaries = {grid: summarise(read_csv(ROOT / "benchmarks" / grid / "results.csv"), "last") for grid in grids}
    known = {grid: families_of(grid) for grid in grids}
    lines = [
        f"| family | {' | '.join(f'[{GRIDS[grid]}](../benchmarks/{grid}/README.md)' for grid in grids)} |",
        "|---|" + "---|" * len(grids),
    ]
    for family in FAMILIES:
        entries = [entry(summaries[grid], known[grid], family) for grid in grids]
        if any(entries):
            lines.append(f"| {family} | {' | '.join(entries)} |")
    return "\n".join(lines) + "\n"


def committed() -> list[str]:
    """The grids whose results are in the repository."""
    return [grid for grid in GRIDS if (ROOT / "benchmarks" / grid / "results.csv").exists()]


def write(path: Path) -> None:
    """Put the table between its markers in a Markdown file."""
    fill(path, {"families": table(committed())}, "python benchmarks/families/table.py docs/results.md")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
