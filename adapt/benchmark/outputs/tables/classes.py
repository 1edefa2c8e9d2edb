"""How well each class of the target is told, per method."""

from collections.abc import Sequence

from adapt.benchmark.outputs.pictures.accuracy import read_arrays
from adapt.benchmark.outputs.table import Table, over
from adapt.benchmark.outputs.tables.shares import methods_in, share_table
from adapt.benchmark.statistics.analysis import Analysis


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
        methods = methods_in(shares, summary.methods)
        if methods:
            caption = (
                f"Accuracy per class: share of each class's target test samples that is right, in %, {task}; "
                f"{over(summary.seeds, named=False)}. Model selection: last training step."
            )
            tables.append(share_table(shares, samples, methods, len(summary.seeds), caption, ("Class", "Test samples")))
    return tables
