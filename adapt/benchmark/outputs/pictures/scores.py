"""One picture per task of every score over training: a small panel per score, a line per method."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from adapt.analysis.drawing import FAINT, new_figure
from adapt.benchmark.outputs.pictures.picture import (
    Picture,
    curves_of,
    label,
    method_styles,
    saved,
)
from adapt.benchmark.results.metrics import metrics_file, read_metrics
from adapt.benchmark.results.results import CellResult
from adapt.benchmark.statistics.estimates import Summary
from adapt.measures import ACCURACY, Measure

KIND = "scores"
_ACROSS = 3

Curve = Mapping[int, float]


def draw_scores(results: Sequence[CellResult], summary: Summary, tasks: Sequence[str], folder: Path) -> list[Picture]:
    """Draw each task whose cells recorded scores; the headline alone has a picture already."""
    pictures = []
    for task in tasks:
        own = [result for result in results if result.task == task and result.status == "ok"]
        curves = {(r.method, r.seed): read_scores(metrics_file(r.directory), r.measures[0]) for r in own}
        names = list(dict.fromkeys(name for found in curves.values() for name in found))
        if names:
            pictures.append(_draw(task, names, curves, summary, folder))
    return pictures


def read_scores(path: Path, headline: Measure = ACCURACY) -> dict[str, dict[int, float]]:
    """Score → step → value, of the finite values in the columns `val/…` of a metrics file; empty where there is none.

    The headline on the source is left out, which the learning curves show beside the target's.
    """
    return {
        column.removeprefix("val/"): curve
        for column, curve in read_metrics(path).items()
        if column.startswith("val/") and column not in curves_of(headline)
    }


def mean_curve(curves: Sequence[Curve]) -> tuple[list[int], list[float]]:
    """Steps that all seeds share, or the first seed's where they share none, and the mean over seeds at each."""
    steps = sorted(set.intersection(*map(set, curves)) or set(curves[0]))
    return steps, [float(np.mean([curve[step] for curve in curves if step in curve])) for step in steps]


def _draw(
    task: str,
    names: Sequence[str],
    curves: Mapping[tuple[str, int], Mapping[str, Curve]],
    summary: Summary,
    folder: Path,
) -> Picture:
    styles = method_styles(summary)
    rows = math.ceil(len(names) / _ACROSS)
    methods = [m for m in summary.methods if any(found for (method, _), found in curves.items() if method == m)]
    legend_rows = math.ceil(len(methods) / 5)
    figure = new_figure(8.0, 1.9 * rows + 0.22 * legend_rows + 0.5)
    panels: list[Axes] = list(figure.subplots(rows, _ACROSS, sharex=True, squeeze=False).flat)
    for axes, name in zip(panels, names, strict=False):
        drawn: list[float] = []
        for method in methods:
            found = [scores[name] for (m, _), scores in curves.items() if m == method and name in scores]
            if found:
                steps, values = mean_curve(found)
                # Alone, a point has no line to be seen by.
                marker = "o" if len(steps) == 1 else ""
                colour, style = styles[method]
                drawn += values
                axes.plot(steps, values, style, color=colour, label=label(method), linewidth=1.2, marker=marker)
        cut = _cut(axes, drawn)
        axes.set_title(name.replace("_", " ") + (" (outliers cut)" if cut else ""), fontsize=9)
        axes.grid(color=FAINT, linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=7, labelbottom=True)
        axes.locator_params(nbins=4)  # room for four labels; each more costs as much to lay out as a curve to draw
    for axes in panels[len(names) :]:
        axes.set_visible(False)
    # Each column's lowest panel has the label: one of the whole figure would lie under the legend.
    for axes in panels[max(0, len(names) - _ACROSS) : len(names)]:
        axes.set_xlabel("training step", fontsize=8)
    handles = {name: h for axes in panels for h, name in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(
        [handles[label(m)] for m in methods if label(m) in handles],
        [label(m) for m in methods if label(m) in handles],
        loc="outside lower center",
        ncols=min(5, len(handles)),
        fontsize=8,
        frameon=False,
    )
    figure.suptitle(label(task, 60), fontsize=10)
    seeds = len({seed for _, seed in curves})
    alt = (
        f"Selection scores over training steps on {task}, a panel each for {', '.join(names)}; a line per method, "
        f"mean over {seeds} {'seed' if seeds == 1 else 'seeds'}."
    )
    return saved(figure, folder, KIND, task, task, f"Scores: {task}", alt)


def _cut(axes: Axes, values: Sequence[float]) -> bool:
    """Whether a few values were so far out, as weighted risks' are, that they had to leave the panel."""
    low, high = np.percentile(values, [25, 75])
    room = 10 * (high - low)
    if not room or (min(values) > low - room and max(values) < high + room):
        return False
    inside = [value for value in values if low - room <= value <= high + room]
    margin = 0.05 * (max(inside) - min(inside))
    axes.set_ylim(min(inside) - margin, max(inside) + margin)
    return True
