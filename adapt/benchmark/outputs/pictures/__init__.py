"""An analysis as pictures, one module per kind."""

from functools import partial
from pathlib import Path

from adapt.benchmark.outputs.pictures.accuracy import draw_pictures
from adapt.benchmark.outputs.pictures.picture import Picture
from adapt.benchmark.outputs.pictures.ranks import KIND as OF_RANKS
from adapt.benchmark.outputs.pictures.ranks import draw_diagram
from adapt.benchmark.outputs.pictures.rules import CHANCE_KIND, GAP_KIND, SCATTER_KIND, draw_rules
from adapt.benchmark.outputs.pictures.scores import draw_scores
from adapt.benchmark.outputs.pictures.side_by_side import Part, side_by_side
from adapt.benchmark.outputs.pictures.streams import draw_streams
from adapt.benchmark.statistics.analysis import Analysis
from adapt.benchmark.statistics.estimates import Summary
from adapt.errors import AdaptError

__all__ = ["MOST_OF_METHODS", "OF_RANKS", "OF_RULES", "Picture", "draw", "pictured_tasks"]

MOST_TASKS = 6
"""Tasks with pictures of their own."""

MOST_OF_METHODS = 24
"""Embeddings, and confusion matrices: a picture per task and method, which a large grid has hundreds of."""

OF_RULES = (CHANCE_KIND, SCATTER_KIND, GAP_KIND)


def draw(analysis: Analysis, folder: Path, earlier: Path) -> tuple[list[Picture], list[str]]:
    """All pictures that the files on disk allow, the critical-difference diagram first, and what is lacking.

    Args:
        analysis: What they show.
        folder: Where they go.
        earlier: Folder of an earlier report's pictures; those of single runs are kept where they show the same.
    """
    leading, results = analysis.leading, analysis.results
    tasks = tuple(task for task in pictured_tasks(leading) if task not in analysis.unlabelled)
    without_labels = analysis.unlabelled[: MOST_TASKS - len(tasks)]
    remarks: list[str] = []
    try:
        diagram = draw_diagram(analysis.tested, folder)
    except AdaptError as error:
        diagram, remarks = None, [str(error)]
    per_method = partial(draw_pictures, results, leading, folder=folder, most=MOST_OF_METHODS, earlier=earlier)
    parts: list[Part] = [
        partial(draw_rules, analysis.rules, analysis.selections[-1], leading, folder),
        partial(draw_streams, results, leading, tasks, folder),
        partial(per_method, tasks),
        partial(per_method, without_labels, measured=False),
        *(partial(draw_scores, results, leading, [task], folder) for task in (*tasks, *without_labels)),
    ]
    drawn = [picture for part in side_by_side(parts) for picture in part]
    return [*([] if diagram is None else [diagram]), *drawn], remarks


def pictured_tasks(summary: Summary) -> tuple[str, ...]:
    """The tasks with pictures of their own."""
    return summary.tasks[:MOST_TASKS]
