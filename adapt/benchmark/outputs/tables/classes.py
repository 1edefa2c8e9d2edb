"""How well each class of the target is told, per method."""

from collections.abc import Sequence

from adapt.benchmark.outputs.pictures.accuracy import read_arrays
from adapt.benchmark.outputs.table import Entry, Table, accuracy, over
from adapt.benchmark.statistics.analysis import Analysis
from adapt.benchmark.statistics.estimates import over_seeds


def class_tables(analysis: Analysis, tasks: Sequence[str]) -> list[Table]:
    """Per task a row per class and a column per method, from the confusion matrices that tests leave.

    Args:
        analysis: What it is taken from.
        tasks: The tasks; one whose runs have no class has no table.
    """
    summary = analysis.leading
    tables = []
    for task in tasks:
        shares: dict[str, dict[str, list[float]]] = {}
        samples: dict[str, int] = {}
        for result in (r for r in analysis.results if r.task == task and r.status == "ok"):
            arrays = read_arrays(result.directory / "confusion.npz", ("matrix", "class_names"))
            if arrays is None:
                continue
            matrix = arrays["matrix"].astype(int)
            for name, right, total in zip(
                map(str, arrays["class_names"]), matrix.diagonal(), matrix.sum(1), strict=True
            ):
                samples[name] = int(total)
                shares.setdefault(name, {})
                if total:
                    shares[name].setdefault(result.method, []).append(float(right / total))
        methods = [m for m in summary.methods if any(m in found for found in shares.values())]
        if methods:
            tables.append(_table(task, methods, shares, samples, summary.seeds))
    return tables


def _table(
    task: str,
    methods: Sequence[str],
    shares: dict[str, dict[str, list[float]]],
    samples: dict[str, int],
    seeds: Sequence[int],
) -> Table:
    def entry(values: list[float]) -> Entry:
        return accuracy(over_seeds(values), len(seeds)) if values else Entry()

    rows = tuple(
        (name, str(samples[name]), tuple(entry(found.get(m, [])) for m in methods)) for name, found in shares.items()
    )
    caption = (
        f"Accuracy per class: share of each class's target test samples that is right, in %, {task}; "
        f"{over(seeds, named=False)}. Model selection: last training step."
    )
    return Table(caption, tuple(methods), rows, head=("Class", "Test samples"))
