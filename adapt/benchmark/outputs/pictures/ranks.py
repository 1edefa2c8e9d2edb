"""The critical-difference diagram, drawn by scikit-posthocs."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.transforms import ScaledTranslation

from adapt.analysis.drawing import FAINT, INK, new_figure
from adapt.benchmark.outputs.pictures.picture import Picture, label, method_styles, saved
from adapt.benchmark.statistics.analysis import Significance
from adapt.benchmark.statistics.method_ranks import nemenyi
from adapt.benchmark.statistics.paired_tests import ALPHA
from adapt.benchmark.vocabulary import AVERAGE
from adapt.extras import optional

KIND = "critical-difference"


def draw_diagram(found: Significance, folder: Path) -> Picture | None:
    """Draw average ranks, the critical difference, and bars over methods that it does not tell apart.

    None where there was no test.

    Raises:
        AdaptError: Without scikit-posthocs.
    """
    ranking = found.ranking
    if ranking.critical_difference is None:
        return None
    # It brings pandas and statsmodels, which nothing else here needs.
    posthocs = optional("scikit_posthocs", "scikit-posthocs", "stats", "The critical-difference diagram")
    import pandas as pd

    groups, names = ranking.alike(), list(ranking.ranks)
    shown = dict(zip(names, _distinct(names), strict=True))
    ranks = {shown[name]: rank for name, rank in ranking.ranks.items()}
    pairs = nemenyi(ranking)
    p = pd.DataFrame([[pairs[a, b] for b in names] for a in names], index=list(ranks), columns=list(ranks))
    levels = (len(names) + 1) // 2 + min(len(groups), len(names))
    figure = new_figure(6.4, 1.3 + 0.26 * levels)
    axes = figure.subplots()
    artists = posthocs.critical_difference_diagram(
        ranks,
        p,
        alpha=ALPHA,
        ax=axes,
        label_fmt_left="{label}  {rank:.2f}",
        label_fmt_right="{rank:.2f}  {label}",
        label_props={"fontsize": 9},
        color_palette={shown[m]: style[0] for m, style in method_styles(found.summary).items() if m in shown},
        marker_props={"s": 22},
        elbow_props={"linewidth": 1.2},
        crossbar_props={"color": INK, "linewidth": 2.6, "solid_capstyle": "round"},
        text_h_margin=0.04 * (max(ranks.values()) - min(ranks.values())),
    )
    for elbow in artists["elbows"]:
        elbow.set_clip_on(False)
    for text in artists["labels"]:
        # Labels in the lines' colours would be read badly where those are light; and they would touch the lines.
        text.set_color(INK)
        gap = ScaledTranslation((-4 if text.get_ha() == "right" else 4) / 72, 0, figure.dpi_scale_trans)
        text.set_transform(text.get_transform() + gap)
    top = axes.get_ylim()[1] + 0.6
    axes.plot([1, 1 + ranking.critical_difference], [top, top], color=INK, linewidth=1.4, marker="|", clip_on=False)
    axes.text(
        1 + ranking.critical_difference / 2,
        top + 0.25,
        f"critical difference {ranking.critical_difference:.2f}",
        ha="center",
        va="bottom",
        fontsize=8,
        color=INK,
    )
    axes.set_xlim(1, len(names))
    axes.tick_params(axis="x", labelsize=8, color=FAINT)
    figure.suptitle(f"average rank over {ranking.tasks} tasks (1 is the best), {found.summary.rule}", fontsize=9)
    listed = "; ".join(f"{method} {rank:.2f}" for method, rank in ranking.ranks.items())
    alike = "; ".join(", ".join(group) for group in groups) or "none"
    alt = (
        f"Critical-difference diagram over {ranking.tasks} tasks, average ranks: {listed}. "
        f"Critical difference {ranking.critical_difference:.2f}; not told apart: {alike}."
    )
    title = f"Average ranks and critical difference, {found.summary.rule}"
    return saved(figure, folder, KIND, AVERAGE, "", title, alt)


def _distinct(names: Sequence[str]) -> list[str]:
    # Two long names may look alike once they are short.
    shown = [label(name) for name in names]
    return [text if shown.count(text) == 1 else f"{text} ({k + 1})" for k, text in enumerate(shown)]
