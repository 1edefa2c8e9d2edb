"""The tables of this folder's README, from its rows: python benchmarks/image_text/tables.py"""

import csv
import statistics
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from run import CLASSES, PAIRS

from adapt.benchmark.outputs.table import accuracy
from adapt.benchmark.statistics.estimates import of_measure
from adapt.measures import ACCURACY

HERE = Path(__file__).resolve().parent
Row = dict[str, str]
SEEDS = ("0", "1", "2")


def read(name: str) -> list[Row]:
    with (HERE / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def by_seed(rows: Sequence[Row]) -> list[float]:
    """Accuracy in [0, 1] for each seed, the mean over its rows."""
    return [statistics.mean(float(r["accuracy"]) / 100 for r in rows if r["seed"] == seed) for seed in SEEDS]


def interval(rows: Sequence[Row]) -> str:
    return accuracy(of_measure(by_seed(rows), ACCURACY), len(SEEDS)).number


def plain(rows: Sequence[Row]) -> str:
    return f"{100 * statistics.mean(by_seed(rows)):.1f}"


def show(
    rows: Sequence[Row], keys: Sequence[str], columns: dict[str, tuple[Callable[[Row], bool], Callable[..., str]]]
) -> None:
    """A line for each combination of the keys; a column takes some of its rows, and says them in its way."""
    print("| " + " | ".join([*keys, *columns]) + " |\n|" + "---|" * len(keys) + "--:|" * len(columns))
    for key in dict.fromkeys(tuple(row[name] for name in keys) for row in rows):
        own = [row for row in rows if tuple(row[name] for name in keys) == key]
        cells = (say(part) if (part := list(filter(take, own))) else "–" for take, say in columns.values())
        print("| " + " | ".join([*key, *cells]) + " |")
    print()


def named(column: str, values: Iterable[str]) -> dict[str, tuple[Callable[[Row], bool], Callable[..., str]]]:
    return {value.replace("_", " "): (lambda row, v=value: row[column] == v, interval) for value in values}


def main() -> None:
    fusion = read("fusion")
    for method in ("SourceOnly", "MMD"):
        own = [row for row in fusion if row["method"] == method]
        show(own, ("fusion", "modality_dropout"), named("target", dict.fromkeys(row["target"] for row in own)))
    pairs = {f"{s} → {t}": (lambda row, s=s, t=t: (row["source"], row["target"]) == (s, t), interval) for s, t in PAIRS}
    show(read("anchors"), ("method", "head"), pairs | {"Average": (lambda row: True, interval)})
    unseen = {
        name: (lambda row, name=name: row["of"] == "unseen" and row["left_out"] == name, plain) for name in CLASSES
    }
    means = {
        "mean, left out": (lambda row: row["of"] == "unseen", interval),
        "mean, the six others": (lambda row: row["of"] == "seen", interval),
    }
    show(read("unseen"), ("method", "head", "margin"), unseen | means)


if __name__ == "__main__":
    main()
