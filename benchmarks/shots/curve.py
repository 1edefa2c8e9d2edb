"""Target accuracy over the number of shots, one line per method: python benchmarks/shots/curve.py RUNS OUT.png

RUNS is a benchmark's folder, or its results.csv, whose tasks are named like "MNIST → USPS, 3 shots".
"""

import re
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from adapt.analysis.drawing import FAINT, class_colours, new_figure, save_png
from adapt.benchmark.results.results import read_csv
from adapt.benchmark.statistics import half_width
from adapt.benchmark.vocabulary import SOURCE_ONLY
from adapt.errors import AdaptError

Accuracies = Mapping[str, Mapping[str, Mapping[int, Sequence[float]]]]

_GREY = "#7f7f7f"
_TASK = re.compile(r"(.+), (\d+) shots?$")


def read(path: Path, rule: str = "last") -> tuple[Accuracies, str | None]:
    """Accuracies in % of all seeds, by task, method and shots, and the name of the method that sees none."""
    found: dict[str, dict[str, dict[int, list[float]]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    source_only = None
    for result in read_csv(path / "results.csv" if path.is_dir() else path):
        named = _TASK.match(result.task)
        if named is None:
            raise AdaptError(f"Expected tasks named like 'MNIST → USPS, 3 shots', found {result.task!r} in {path}.")
        if result.setting == SOURCE_ONLY:
            source_only = result.method
        if (accuracy := result.value(rule, "accuracy")) is not None:
            found[named[1]][result.method][int(named[2])].append(100 * accuracy)
    return found, source_only


def draw(accuracies: Accuracies, source_only: str | None, path: Path) -> None:
    """One panel per task; bars are 95% intervals over seeds."""
    methods = list(dict.fromkeys(method for task in accuracies.values() for method in task))
    tuned = [method for method in methods if method != source_only]
    # Grey is source-only's.
    palette = [colour for colour in class_colours(len(tuned) + 1) if colour != _GREY]
    colours = dict(zip(tuned, palette, strict=False))
    figure = new_figure(4.6 * len(accuracies) + 1.2, 4.2)
    panels = figure.subplots(1, len(accuracies), squeeze=False)[0]
    for axes, (task, by_method) in zip(panels, accuracies.items(), strict=True):
        for position, method in enumerate(methods):
            by_shots = sorted(by_method.get(method, {}).items())
            shots, means = [k for k, _ in by_shots], [sum(v) / len(v) for _, v in by_shots]
            widths = [half_width(v) or 0.0 for _, v in by_shots]
            style = {"color": colours.get(method, _GREY), "linestyle": "-" if method in colours else "--"}
            # Side by side, so that intervals do not hide each other.
            beside = [k * 1.02 ** (position - len(methods) / 2) for k in shots]
            bars = {"elinewidth": 0.8, "capsize": 1.5, "marker": "o", "markersize": 3, "linewidth": 1.4}
            axes.errorbar(beside, means, widths, label=method, **bars, **style)
        ticks = sorted({k for by_shots in by_method.values() for k in by_shots})
        axes.set_xscale("log")
        axes.set_xticks(ticks, [str(k) for k in ticks])
        axes.set_xticks([], minor=True)
        axes.set_xlabel("labelled target samples per class", fontsize=8)
        axes.set_title(task, fontsize=10)
        axes.grid(color=FAINT, linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=8)
    figure.axes[0].set_ylabel("target test accuracy in %, bars: 95% interval", fontsize=8)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, fontsize=8, frameon=False, loc="outside right center")
    save_png(figure, path)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    draw(*read(Path(sys.argv[1])), Path(sys.argv[2]))
