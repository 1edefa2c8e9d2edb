"""What each method reached under each shift of a streamed target."""

from collections.abc import Sequence

from adapt.benchmark.outputs.table import Table, over
from adapt.benchmark.outputs.tables.shares import methods_in, share_table
from adapt.benchmark.results.streams import read_shifts
from adapt.benchmark.statistics.analysis import Analysis


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
        methods = methods_in(shares, summary.methods)
        if methods and len(shares) > 1:
            caption = (
                f"Accuracy under each shift, of the predictions as they were made, in %, {task}; "
                f"{over(summary.seeds, named=False)}. Shifts in the order of their arrival."
            )
            tables.append(share_table(shares, samples, methods, len(summary.seeds), caption, ("Shift", "Samples")))
    return tables
