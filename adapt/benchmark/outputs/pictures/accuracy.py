"""The pictures of a report: bars with intervals, learning curves, embeddings before and after, confusion."""

import zipfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from adapt.analysis.confusion import confusion_figure
from adapt.analysis.drawing import FAINT, INK, new_figure
from adapt.analysis.embedding import class_handles, domain_handles, draw_by_class, draw_by_domain, marker_handles
from adapt.benchmark.outputs.pictures.picture import (
    Picture,
    curves_of,
    kept_or_saved,
    label,
    method_styles,
    saved,
    scale_of,
)
from adapt.benchmark.outputs.table import accuracy, unit_of
from adapt.benchmark.outputs.words import measured
from adapt.benchmark.results.metrics import metrics_file, read_metrics
from adapt.benchmark.results.results import CellResult
from adapt.benchmark.statistics.estimates import FEWEST_SEEDS, Estimate, Summary, of_measure
from adapt.benchmark.vocabulary import AVERAGE, SOURCE_ONLY
from adapt.measures import ACCURACY, Measure

Arrays = Mapping[str, npt.NDArray[np.generic]]


def draw_pictures(
    results: Sequence[CellResult],
    summary: Summary,
    tasks: Sequence[str],
    folder: Path,
    most: int = 24,
    measured: bool = True,
    *,
    earlier: Path,
) -> list[Picture]:
    """Draw all that the files on disk allow, for the given tasks; files that are missing or broken are left out.

    Args:
        results: Results of a grid.
        summary: What the bars show.
        tasks: Tasks in the order of the pictures.
        folder: Where they go.
        most: Embeddings of methods, and confusion matrices likewise, after which no more are drawn.
        measured: Whether the tasks have target labels, and so bars.
        earlier: Folder of an earlier report's pictures, which are kept where they show the same.
    """
    pictures: list[Picture] = []
    if summary.averages and measured:
        pictures.append(_bars(summary, AVERAGE, summary.averages, folder))
    for task in tasks:
        estimates = {m: summary.cells[m, task] for m in summary.methods if (m, task) in summary.cells}
        own = [result for result in results if result.task == task and result.status == "ok"]
        pictures += [_bars(summary, task, estimates, folder)] if measured else []
        pictures += _curves(summary, task, own, folder)
        for kind, draw in (("embedding", _embeddings), ("confusion", _confusions)):
            left = most - sum(picture.kind == kind for picture in pictures)
            pictures += draw(summary, task, own, folder, left, earlier)
    return pictures


def read_arrays(path: Path, names: Sequence[str]) -> Arrays | None:
    """Arrays of an npz file, or None when it is missing, broken or incomplete."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in names}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def _bars(summary: Summary, task: str, estimates: Mapping[str, Estimate], folder: Path) -> Picture:
    styles = method_styles(summary)
    methods = [method for method in summary.methods if method in estimates]
    figure = new_figure(5.6, 0.9 + 0.4 * len(methods))
    axes = figure.subplots()
    measure, scale = summary.measure, scale_of(summary.measure)
    # Room beside the longest bar for its number.
    ends = [end for e in estimates.values() if e.mean is not None for end in e.interval or (e.mean,)]
    low_end, high_end = (0.0, 100.0) if measure.share else (min([0.0, *ends]), max([0.0, *ends]) or 1.0)
    room = 0.018 * (high_end - low_end)
    spoken = []
    for position, method in enumerate(methods):
        estimate = estimates[method]
        if estimate.mean is None:
            axes.text(room, position, "no finished run", va="center", fontsize=8, color=INK)
            continue
        mean = scale * estimate.mean
        low, high = (scale * end for end in estimate.interval or (estimate.mean, estimate.mean))
        axes.barh(position, mean, color=styles[method][0], height=0.68, alpha=0.85)
        if estimate.interval is not None:
            axes.errorbar(mean, position, xerr=[[mean - low], [high - mean]], color=INK, capsize=3, linewidth=1.2)
        number = accuracy(estimate, 0, unit=unit_of(measure)).number
        box = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}
        axes.text(max(high, 0.0) + room, position, number, va="center", fontsize=9, color=INK, bbox=box)
        spoken.append(f"{method} {number}")
        if summary.settings[method] == SOURCE_ONLY:
            axes.axvline(mean, color="#7f7f7f", linestyle="--", linewidth=1, zorder=0)
    axes.set_yticks(range(len(methods)), [label(method) for method in methods], fontsize=9)
    axes.invert_yaxis()
    axes.set_xlim(low_end, high_end + 0.22 * (high_end - low_end))
    if measure.share:
        axes.set_xticks(range(0, 101, 20))
    beside = "range of two seeds" if len(summary.seeds) < FEWEST_SEEDS else "95% interval"
    axes.set_xlabel(f"target test {measured(measure)}, lines: {beside}", fontsize=8)
    axes.set_title(f"{task} over tasks" if task == AVERAGE else label(task, 60), fontsize=10)
    _plain(axes)
    unit = " in percent" if measure.share else ""
    alt = f"Bar chart of target {measure.words}{unit}, {task}: {'; '.join(spoken)}."
    return saved(figure, folder, "bars", task, task, f"{measure.words.capitalize()}: {task}", alt)


def _curves(summary: Summary, task: str, results: Sequence[CellResult], folder: Path) -> list[Picture]:
    styles = method_styles(summary)
    figure = new_figure(8.0, 3.8)
    panels = figure.subplots(1, 2, sharey=True)
    drawn, headline = False, results[0].measures[0] if results else ACCURACY
    metrics = [(result.method, read_metrics(metrics_file(result.directory))) for result in results]
    for axes, column in zip(panels, curves_of(headline), strict=True):
        for method in summary.methods:
            curves = [found[column] for name, found in metrics if name == method and column in found]
            if curves:
                drawn = True
                _draw_curve(axes, method, curves, headline, *styles[method])
        axes.set_xlabel("training step", fontsize=8)
        axes.grid(color=FAINT, linewidth=0.6)
        _plain(axes)
    if not drawn:
        return []
    panels[0].set_ylabel(f"validation {measured(headline)}", fontsize=8)
    panels[0].set_title("source", fontsize=9)
    shown = "oracle: for viewing, never for choosing" if panels[1].has_data() else "no labels"
    panels[1].set_title(f"target ({shown})", fontsize=9)
    handles, labels = max((axes.get_legend_handles_labels() for axes in panels), key=lambda pair: len(pair[1]))
    figure.legend(handles, labels, loc="outside lower center", ncols=min(6, len(labels)), fontsize=8, frameon=False)
    figure.suptitle(label(task, 60), fontsize=10)
    alt = (
        f"Validation {headline.words} over training steps on {task}, source and target, mean over seeds with 95% band."
    )
    return [saved(figure, folder, "curves", task, task, f"Learning curves: {task}", alt)]


def _draw_curve(
    axes: Axes, method: str, curves: Sequence[Mapping[int, float]], headline: Measure, colour: str, style: str
) -> None:
    # Where seeds were validated at different steps only the common ones have a mean over the same seeds.
    steps = sorted(set.intersection(*map(set, curves)) or set(curves[0]))
    values = [[curve[step] for curve in curves if step in curve] for step in steps]
    scale, estimates = scale_of(headline), [of_measure(v, headline) for v in values]
    mean = np.array([scale * (e.mean or 0.0) for e in estimates])
    low, high = np.array([[scale * end for end in e.interval or (e.mean or 0.0, e.mean or 0.0)] for e in estimates]).T
    # Alone, a point has no line to be seen by.
    marker = "o" if len(steps) == 1 else ""
    axes.plot(steps, mean, style, color=colour, label=label(method), linewidth=1.5, marker=marker)
    axes.fill_between(steps, low, high, color=colour, alpha=0.13, lw=0)


def _columns(names: Sequence[str]) -> int:
    """How many columns of a legend fit under a panel of the embedding, in points: a symbol, then letters of 4."""
    return max(1, min(6, 250 // (32 + 4 * max(map(len, names), default=1))))


def _embeddings(
    summary: Summary, task: str, results: Sequence[CellResult], folder: Path, most: int, earlier: Path
) -> list[Picture]:
    names = ("xy_2d", "y", "domain")
    arrays = {(r.method, r.seed): read_arrays(r.directory / "embedding.npz", names) for r in results}
    source_only = next((m for m in summary.methods if summary.settings[m] == SOURCE_ONLY), None)
    pictures: list[Picture] = []
    for method in summary.methods:
        seeds = sorted(seed for (m, seed), found in arrays.items() if m == method and found is not None)
        if method == source_only or not seeds or len(pictures) >= most:
            continue
        paired = [seed for seed in seeds if source_only and arrays.get((source_only, seed)) is not None]
        seed = (paired or seeds)[0]
        rows = [(f"before ({source_only})", arrays[str(source_only), seed])] if paired else []
        rows.append((f"after ({method})", arrays[method, seed]))
        found = [(row, shown) for row, shown in rows if shown is not None]
        class_names = _class_names(results, method, seed, max(int(shown["y"].max()) for _, shown in found) + 1)
        heading = f"{label(task, 40)}, {label(method)}, seed {seed}"
        alt = (
            f"Test features of both domains of {task} in the plane, {' and '.join(row for row, _ in rows)}: "
            "coloured by class on the left, by domain on the right."
        )
        content = [heading, class_names, *(part for row, shown in found for part in (row, *shown.values()))]
        draw = partial(_embedding, found, class_names, heading)
        title = f"Embedding: {task}, {method}"
        place = (folder, "embedding", task, f"{task}-{method}", title, alt)
        pictures.append(kept_or_saved(draw, content, earlier, *place))
    return pictures


def _embedding(rows: Sequence[tuple[str, Arrays]], class_names: Sequence[str], heading: str) -> Figure:
    grey = any(bool((shown["y"].astype(int) < 0).any()) for _, shown in rows)
    figure = new_figure(7.2, 3.5 * len(rows) + 0.6)
    panels = figure.subplots(len(rows), 2, squeeze=False)
    for (row, shown), (left, right) in zip(rows, panels, strict=True):
        xy, y, domain = (np.asarray(shown["xy_2d"], float), shown["y"].astype(int), shown["domain"].astype(int))
        draw_by_class(left, xy, y, domain, len(class_names))
        draw_by_domain(right, xy, domain)
        left.set_ylabel(label(row, 40), fontsize=9)
    panels[0, 0].set_title("by class", fontsize=9)
    panels[0, 1].set_title("by domain", fontsize=9)
    style = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.01), "fontsize": 7, "frameon": False}
    handles = [*class_handles(class_names), *marker_handles(grey)]
    panels[-1, 0].legend(handles=handles, ncols=_columns([label(str(h.get_label())) for h in handles]), **style)
    panels[-1, 1].legend(handles=domain_handles(), ncols=2, **style)
    figure.suptitle(heading, fontsize=10)
    return figure


def _confusions(
    summary: Summary, task: str, results: Sequence[CellResult], folder: Path, most: int, earlier: Path
) -> list[Picture]:
    pictures: list[Picture] = []
    for method in summary.methods:
        for result in sorted((r for r in results if r.method == method), key=lambda r: r.seed):
            arrays = read_arrays(result.directory / "confusion.npz", ("matrix", "class_names"))
            if arrays is None or len(pictures) >= most:
                continue
            matrix, names = arrays["matrix"].astype(int), [str(name) for name in arrays["class_names"]]
            if matrix.shape != (len(names), len(names)) or not names:
                continue
            heading = f"{label(method)}, seed {result.seed}: {label(task)}"
            off = matrix - np.diag(np.diag(matrix))
            true, predicted = np.unravel_index(off.argmax(), off.shape)
            alt = f"Confusion matrix of {method} on the target of {task}" + (
                f"; most often {names[true]} is taken for {names[predicted]}." if off.max() else "; no mistakes."
            )
            title = f"Confusion: {task}, {method}"
            draw = partial(confusion_figure, matrix, names, heading)
            place = (folder, "confusion", task, f"{task}-{method}", title, alt)
            pictures.append(kept_or_saved(draw, [heading, names, matrix], earlier, *place))
            break
    return pictures


def _class_names(results: Sequence[CellResult], method: str, seed: int, count: int) -> list[str]:
    directory = next(r.directory for r in results if r.method == method and r.seed == seed)
    files = (directory / f"{kind}.npz" for kind in ("confusion", "embedding"))
    arrays = next((found for path in files if (found := read_arrays(path, ("class_names",))) is not None), None)
    names = [] if arrays is None else [str(name) for name in arrays["class_names"]]
    return names if len(names) >= count else [str(k) for k in range(count)]


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
