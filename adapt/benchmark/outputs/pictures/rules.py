"""Pictures of the selection rules: score against target accuracy, and what each rule loses to the oracle."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from scipy import stats

from adapt.analysis.drawing import FAINT, INK, new_figure
from adapt.benchmark.outputs.pictures.picture import Picture, label, method_styles, saved, scale_of
from adapt.benchmark.outputs.table import points
from adapt.benchmark.outputs.words import measured
from adapt.benchmark.statistics.estimates import FEWEST_SEEDS, Summary
from adapt.benchmark.statistics.paired_tests import ALPHA
from adapt.benchmark.statistics.rule_ranks import Quality, RuleRanks
from adapt.benchmark.statistics.selection_cost import SelectionCost
from adapt.benchmark.vocabulary import AVERAGE, ORACLE, count
from adapt.measures import Measure

SCATTER_KIND, GAP_KIND, CHANCE_KIND = "rule-scatter", "selection-gap", "rule-chance"

_MARKERS = "os^DvP*X<>"
_PANEL_COLUMNS = 4
_SEEN_GAP = 25.0


def draw_rules(ranking: RuleRanks, selection: SelectionCost, summary: Summary, folder: Path) -> list[Picture]:
    """The chart against chance, the scatter and the gap chart, each where the files on disk have what it shows."""
    found = (draw_chance(ranking, folder), draw_scatter(ranking, summary, folder), draw_gaps(selection, folder))
    return [picture for picture in found if picture is not None]


def draw_chance(ranking: RuleRanks, folder: Path) -> Picture | None:
    """A line per rule: its weighted correlation with its interval, over the band of chance; None without a rule.

    A dashed line is what a rule that knows the true accuracies would reach.
    """
    qualities = [q for q in ranking.qualities if q.weighted is not None and q.chance is not None]
    if not qualities:
        return None
    figure = new_figure(6.4, 1.3 + 0.34 * len(qualities))
    axes = figure.subplots()
    spoken = []
    for position, q in enumerate(qualities):
        assert q.weighted is not None
        assert q.chance is not None
        band = q.chance.band
        axes.barh(position, band.high - band.low, left=band.low, height=0.72, color="#d9d9d9", zorder=1)
        axes.plot([band.mean] * 2, [position - 0.36, position + 0.36], color="#9a9a9a", linewidth=1.2, zorder=1.5)
        if q.interval is not None:
            axes.plot(q.interval, [position] * 2, color=INK, linewidth=1.3, zorder=2)
        apart = q.chance.p_holm is not None and q.chance.p_holm < ALPHA
        axes.plot(q.weighted, position, "o", ms=6, mec=INK, mfc=INK if apart else "white", zorder=3)
        spoken.append(f"{q.rule} {q.weighted:.2f} (chance {band.low:.2f} to {band.high:.2f})")
    reached = "" if ranking.ceiling is None else "\ndashed: what a perfect rule would reach"
    if ranking.ceiling is not None:
        axes.axvline(ranking.ceiling.overall.mean, color=INK, linewidth=1, linestyle="--", zorder=1)
    axes.set_yticks(range(len(qualities)), [q.rule for q in qualities], fontsize=8.5)
    axes.invert_yaxis()
    axes.set_xlim(-1.02, 1.02)
    axes.grid(axis="x", color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    tested = any(q.chance is not None and q.chance.p_holm is not None for q in qualities)
    filled = "filled: told apart from chance (Holm, 0.05)" if tested else "no test: too few methods"
    axes.set_xlabel(
        f"weighted Spearman correlation with target {ranking.measure.words}; lines: 95% interval\n"
        f"grey: 95% band of chance; {filled}{reached}",
        fontsize=8,
    )
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="x", labelsize=8)
    several = len(ranking.tasks) > 1
    task = AVERAGE if several else ranking.tasks[0]
    where = f"{len(ranking.tasks)} tasks" if several else task
    axes.set_title(f"Each rule against chance: {label(where, 50)}", fontsize=10)
    alt = f"Weighted correlation of each rule over the band of chance, {where}: {'; '.join(spoken)}."
    return saved(figure, folder, CHANCE_KIND, task, "", f"Each rule against chance: {where}", alt)


def draw_scatter(ranking: RuleRanks, summary: Summary, folder: Path) -> Picture | None:
    """A panel per rule that has a correlation, a point per checkpoint; None where no rule has one.

    Tasks differ in level and scores in scale, some by orders of magnitude: the score is shown as its rank within the
    task, which is what the correlation sees, and with several tasks the metric as the difference to the task's mean.
    """
    qualities = [q for q in ranking.qualities if q.weighted is not None]
    if not qualities:
        return None
    several = len(ranking.tasks) > 1
    columns = min(_PANEL_COLUMNS, len(qualities))
    lines = math.ceil(len(qualities) / columns)
    methods = [method for method in summary.methods if method in ranking.methods]
    legend = math.ceil(len(methods) / 7)
    figure = new_figure(max(2.2 * columns, 5.6), 2.05 * lines + 0.6 + 0.2 * legend)
    panels = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
    styles = {m: (method_styles(summary)[m][0], _MARKERS[k % len(_MARKERS)]) for k, m in enumerate(methods)}
    for quality, axes in zip(qualities, panels.flat, strict=False):
        _draw_panel(axes, quality, ranking, styles, several)
    for position, axes in enumerate(panels.flat):
        axes.set_visible(position < len(qualities))
        # With a last row that is not full the panels above it carry the axis.
        axes.tick_params(labelsize=7, labelbottom=position + columns >= len(qualities))
    words = f"{ranking.measure.words}{', points' if ranking.measure.share else ','} from its task's mean"
    figure.supylabel(
        f"target {'test' if ranking.on_test else 'validation'} {words if several else _short(ranking.measure)}",
        fontsize=8,
    )
    if not ranking.measure.higher:
        panels[0, 0].invert_yaxis()  # panels share it: what is better stays on top
    handles = [
        Line2D([], [], linestyle="", marker=marker, markersize=4, color=colour, label=label(method))
        for method, (colour, marker) in styles.items()
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(7, len(handles)), fontsize=6.5, frameon=False)
    task = AVERAGE if several else ranking.tasks[0]
    where = f"{len(ranking.tasks)} tasks" if several else task
    counted = f"{where}: {len(ranking.checkpoints)} checkpoints"
    figure.suptitle(
        f"{label(where, 40)}: {len(ranking.checkpoints)} checkpoints; ρ: weighted Spearman correlation\n"
        "across: rank of the score within its task in %, the rule prefers what is on the right",
        fontsize=8.5,
    )
    spoken = "; ".join(f"{q.rule} {q.weighted:.2f}" for q in qualities)
    words = ranking.measure.words
    alt = f"Score against target {words}, a panel per rule, {counted}; weighted correlation: {spoken}."
    return saved(figure, folder, SCATTER_KIND, task, "", f"Score against target {words}: {where}", alt)


def draw_gaps(selection: SelectionCost, folder: Path) -> Picture | None:
    """A bar per rule, the mean of methods, with its interval and a dot per method; None without gaps."""
    means = {rule: e for rule, e in selection.means.items() if e.mean is not None}
    if not means:
        return None
    order = sorted(means, key=lambda rule: means[rule].mean or 0.0)
    figure = new_figure(6.4, 1.3 + 0.36 * len(order))
    axes = figure.subplots()
    spoken, beyond = [], False
    measure, scale = selection.measure, scale_of(selection.measure)
    dots = {rule: {m: scale * (selection.gaps[m, rule].mean or 0.0) for m in selection.averaged} for rule in order}
    most = max(scale * abs(end) for r in order for end in means[r].interval or (means[r].mean or 0.0,))
    farthest = max(abs(gap) for own in dots.values() for gap in own.values())
    # One method that a rule ruins would press all bars against the axis.
    reach = max(1.15 * most, 0.5, min(_SEEN_GAP, farthest)) if measure.share else 1.15 * max(most, farthest) or 1.0
    for position, rule in enumerate(order):
        mean, interval = scale * (means[rule].mean or 0.0), means[rule].interval
        axes.barh(position, mean, height=0.7, color="#8fb3d1", zorder=1.5)
        for k, gap in enumerate(dots[rule].values()):
            beyond |= abs(gap) > reach
            shift = 0.5 * ((k + 0.5) / len(dots[rule]) - 0.5)
            axes.plot(np.clip(gap, -reach, reach), position + shift, ".", ms=3.5, color=INK, alpha=0.5)
        if interval is not None:
            ends = [[mean - scale * interval[0]], [scale * interval[1] - mean]]
            axes.errorbar(mean, position, xerr=ends, color=INK, capsize=3, linewidth=1.3, zorder=3)
        number = points(means[rule], measure)
        axes.text(1.02, position, number, transform=axes.get_yaxis_transform(), va="center", fontsize=8.5, color=INK)
        spoken.append(f"{rule} {number}")
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_yticks(range(len(order)), order, fontsize=8.5)
    axes.invert_yaxis()
    low = min(0.0, *(gap for own in dots.values() for gap in own.values()))
    axes.set_xlim(max(-reach, low) * 1.06 - 0.02 * reach, reach * 1.06)
    axes.grid(axis="x", color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    known = [means[rule] for rule in order if means[rule].interval is not None]
    kind = "95% interval over seeds" if any(e.n >= FEWEST_SEEDS for e in known) else "range of two seeds"
    lines = f", lines: {kind}" if known else ""
    unit = ", in points" if measure.share else ""
    edge = "; dots at the edge lie beyond it" if beyond else ""
    axes.set_xlabel(
        f"target test {measure.words} lost to the oracle{unit}\n"
        f"bars: mean of {count(len(selection.averaged), 'method')}{lines}; dots: methods{edge}",
        fontsize=8,
    )
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="x", labelsize=8)
    where = f"average over {selection.tasks} tasks" if selection.tasks > 1 else selection.task
    axes.set_title(f"Gap to the {ORACLE}: {label(where, 50)}", fontsize=10)
    lost = f"{measure.words} that each rule loses to the oracle{', points' if measure.share else ''}"
    alt = f"Bar chart of the target {lost}, {where}: {'; '.join(spoken)}."
    return saved(figure, folder, GAP_KIND, selection.task, selection.task, f"Gap to the oracle: {where}", alt)


def _short(measure: Measure) -> str:
    return measured(measure) if measure.share or not measure.unit else f"{measure.words} ({measure.unit})"


def _draw_panel(
    axes: Axes,
    quality: Quality,
    ranking: RuleRanks,
    styles: Mapping[str, tuple[str, str]],
    several: bool,
) -> None:
    points: dict[str, list[tuple[float, float]]] = {}
    checkpoints = ranking.checkpoints
    # Checkpoints are signed such that higher is better.
    scale = scale_of(ranking.measure) * (1 if ranking.measure.higher else -1)
    for task in dict.fromkeys(c.task for c in checkpoints):
        own = [c for c in checkpoints if c.task == task and math.isfinite(c.scores.get(quality.rule, math.nan))]
        if not own:
            continue
        ranks = (stats.rankdata([c.scores[quality.rule] for c in own]) - 0.5) / len(own)
        middle = float(np.mean([c.accuracy for c in own])) if several else 0.0
        for c, rank in zip(own, ranks, strict=True):
            points.setdefault(c.method, []).append((100 * float(rank), scale * (c.accuracy - middle)))
    many = sum(map(len, points.values())) > 500
    for method, (colour, marker) in styles.items():
        if method in points:
            x, y = zip(*points[method], strict=True)
            size, alpha = (2.6, 0.45) if many else (4, 0.75)
            # Much faster than a scatter plot, whose points may differ.
            axes.plot(x, y, marker, color=colour, markersize=size, alpha=alpha, markeredgewidth=0)
    band = None if quality.chance is None else quality.chance.band
    by_chance = "" if band is None else f" (chance {band.low:.2f} to {band.high:.2f})"
    axes.set_title(f"{quality.rule}\nρ = {quality.weighted:.2f}{by_chance}", fontsize=7.5)
    axes.grid(color=FAINT, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.set_xlim(-3, 103)
    axes.spines[["top", "right"]].set_visible(False)
