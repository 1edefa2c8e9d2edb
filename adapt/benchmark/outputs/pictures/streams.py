"""The running accuracy of streamed targets: a line per method over the samples that have come."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from adapt.analysis.drawing import FAINT, INK, new_figure
from adapt.benchmark.outputs.pictures.picture import Picture, label, method_styles, saved
from adapt.benchmark.results.results import CellResult
from adapt.benchmark.results.streams import Batch, ShiftScore, read_shifts, read_stream
from adapt.benchmark.statistics.estimates import Summary

KIND = "stream"
_POINTS = 200
# Shorter than each of fifteen shifts.
_SHARE = 30
_MOST_NAMED = 20


def draw_streams(results: Sequence[CellResult], summary: Summary, tasks: Sequence[str], folder: Path) -> list[Picture]:
    """Draw each task whose cells were streamed and have labels."""
    pictures = []
    for task in tasks:
        own = [result for result in results if result.task == task and result.status == "ok"]
        batches = {(r.method, r.seed): read_stream(r.directory) for r in own}
        measured = {key: found for key, found in batches.items() if any(batch.labelled for batch in found)}
        if measured:
            pictures.append(_draw(task, measured, read_shifts(own[0].directory), summary, folder))
    return pictures


def running_accuracy(batches: Sequence[Batch]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Samples that had come, and the share of right predictions among the labelled of the last thirtieth of the stream.

    A window and not the mean since the beginning: that hides a collapse until it is long over. The window ends at each
    batch and holds the largest batch at least: the stream's last one may have a sample or two. At the beginning it is
    what there is.
    """
    samples = np.array([batch.samples for batch in batches])
    right, labelled = (np.cumsum([getattr(batch, name) for batch in batches]) for name in ("right", "labelled"))
    window = max(samples[-1] // _SHARE, np.diff(samples, prepend=0).max())
    before = np.searchsorted(samples, samples - window, "right") - 1
    earlier = before >= 0
    lost_right, lost = (np.where(earlier, sums[np.maximum(before, 0)], 0) for sums in (right, labelled))
    counted = labelled - lost
    return samples, np.where(counted > 0, (right - lost_right) / np.maximum(counted, 1), np.nan)


def _draw(
    task: str,
    batches: Mapping[tuple[str, int], Sequence[Batch]],
    shifts: Sequence[ShiftScore],
    summary: Summary,
    folder: Path,
) -> Picture:
    styles = method_styles(summary)
    methods = [method for method in summary.methods if any(name == method for name, _ in batches)]
    figure = new_figure(8.0, 4.2 + 0.2 * ((len(methods) + 4) // 5))
    axes = figure.subplots()
    spoken = []
    for method in methods:
        curves = [running_accuracy(found) for (name, _), found in batches.items() if name == method]
        end = min(int(samples[-1]) for samples, _ in curves)
        at = np.linspace(int(curves[0][0][0]), end, min(_POINTS, len(curves[0][0])))
        mean = 100 * np.mean([np.interp(at, samples, values) for samples, values in curves], axis=0)
        colour, style = styles[method]
        axes.plot(at, mean, style, color=colour, label=label(method), linewidth=1.4)
        spoken.append(f"{method} ends at {mean[-1]:.1f} %")
    _mark_shifts(axes, next(iter(batches.values())), shifts)
    axes.set_xlabel("samples that have come", fontsize=8)
    axes.set_ylabel("accuracy of the last thirtieth (%)", fontsize=8)
    axes.grid(color=FAINT, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(5, len(labels)), fontsize=8, frameon=False)
    figure.suptitle(label(task, 70), fontsize=10)
    seeds = len({seed for _, seed in batches})
    alt = (
        f"Running accuracy on {task}, over the samples that have come, mean over {seeds} "
        f"{'seed' if seeds == 1 else 'seeds'}: {'; '.join(spoken)}."
    )
    return saved(figure, folder, KIND, task, task, f"Running accuracy: {task}", alt)


def _mark_shifts(axes: Axes, batches: Sequence[Batch], shifts: Sequence[ShiftScore]) -> None:
    # Where every batch mixes shifts there is nothing to mark.
    ends = [k for k in range(1, len(batches)) if batches[k].shift != batches[k - 1].shift]
    if not ends or len(ends) > len(batches) // 2:
        return
    starts = [0, *(batches[k - 1].samples for k in ends)]
    names = [batches[0].shift, *(batches[k].shift for k in ends)]
    if names == [shift.shift for shift in shifts]:
        # One after the other: then a shift begins where it does, and not with the next batch.
        starts = [0, *np.cumsum([shift.samples for shift in shifts])[:-1].tolist()]
    for start, name in zip(starts, names, strict=True):
        axes.axvline(start, color=INK, linewidth=0.5, alpha=0.35)
        if len(names) <= _MOST_NAMED:
            short = name.rpartition(", ")[2].replace("_", " ")
            axes.text(
                start, 1.01, f" {label(short, 22)}", fontsize=6, rotation=45, transform=axes.get_xaxis_transform()
            )
