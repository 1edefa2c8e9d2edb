"""What each method reached under each shift of a streamed target."""

from collections.abc import Sequence

from adapt.benchmark.outputs.table import Entry, Row, Table, accuracy, over
from adapt.benchmark.results.streams import read_shifts
from adapt.benchmark.statistics.analysis import Analysis
from adapt.benchmark.statistics.estimates import over_seeds


def shift_tables(analysis: Analysis, tasks: Sequence[str]) -> list[Table]:
    """Per task a row per shift and a column per method, of targets that were streamed under several shifts.

    Args:
        analysis: What it is taken from.
        tasks: The tasks.
    """
    summary = analysis.leading
    tables = []
    for task in tasks:
        shares: dict[str, dict[str, list[float]]] = {}
        samples: dict[str, int] = {}
        for result in (r for r in analysis.results if r.task == task and r.status == "ok"):
            for score in read_shifts(result.directory):
                samples[score.shift] = score.samples
                found = shares.setdefault(score.shift, {})
                if score.labelled:
                    found.setdefault(result.method, []).append(score.right / score.labelled)
        methods = [m for m in summary.methods if any(m in found for found in shares.values())]
        if methods and len(shares) > 1:
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

    rows: tuple[Row, ...] = tuple(
        (name, str(samples[name]), tuple(entry(found.get(m, [])) for m in methods)) for name, found in shares.items()
    )
    caption = (
        f"Accuracy under each shift, of the predictions as they were made, in %, {task}; "
        f"{over(seeds, named=False)}. Shifts in the order of their arrival."
    )
    return Table(caption, tuple(methods), rows, head=("Shift", "Samples"))
