"""Features of both domains in the plane."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from adapt.analysis.drawing import INK, SOURCE_COLOUR, TARGET_COLOUR, UNLABELLED_COLOUR, class_colours, new_figure
from adapt.errors import AdaptError

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]

_FEW = 20
_MOST_LEGEND_ENTRIES = 12


def project(features: Floats, seed: int = 0) -> npt.NDArray[np.float64]:
    """Map features `(N, d)` to the plane `(N, 2)`.

    PCA to at most 50 dimensions, then t-SNE (https://jmlr.org/papers/v9/vandermaaten08a.html); with fewer than 20
    samples, where t-SNE shows its perplexity rather than the data, the first two principal components.

    Raises:
        AdaptError: When the features are not a finite matrix of at least one row.
    """
    if features.ndim != 2 or len(features) == 0:
        raise AdaptError(f"Expected features of shape (N, d) with N ≥ 1, found {features.shape}.")
    if not np.isfinite(features).all():
        raise AdaptError(f"Expected finite features, found {int((~np.isfinite(features)).sum())} entries that are not.")
    x = features.astype(np.float64)
    x -= x.mean(axis=0)
    scale = np.abs(x).max(initial=0.0)
    if scale < 1e-12:
        return np.zeros((len(x), 2))
    # t-SNE squares distances in float32: features of a diverging network would overflow there.
    x = PCA(n_components=min(50, *x.shape), random_state=seed).fit_transform(x / scale)
    x = np.pad(x, ((0, 0), (0, max(0, 2 - x.shape[1]))))
    if len(x) < _FEW or np.ptp(x[:, 1]) < 1e-9:
        return np.asarray(x[:, :2], dtype=np.float64)
    perplexity = min(30.0, (len(x) - 1) / 3)
    plane = TSNE(n_components=2, init="pca", perplexity=perplexity, random_state=seed).fit_transform(x)
    return np.asarray(plane, dtype=np.float64)


def draw_by_class(axes: Axes, xy: Floats, y: Ints, domain: Ints, count: int) -> None:
    """Scatter points in class colours: filled circles for the source, crosses for the target.

    What has no label, a y of −1, is grey.
    """
    colours = np.array([*class_colours(count), UNLABELLED_COLOUR])
    source, target = domain == 0, domain == 1
    axes.scatter(xy[source, 0], xy[source, 1], c=colours[y[source]], s=14, alpha=0.75, linewidths=0)
    axes.scatter(xy[target, 0], xy[target, 1], c=colours[y[target]], s=16, alpha=0.85, marker="x", linewidths=0.9)
    _bare(axes)


def draw_by_domain(axes: Axes, xy: Floats, domain: Ints) -> None:
    """Scatter points in the two domains' colours, in a mixed order so that neither domain covers the other."""
    order = np.random.default_rng(0).permutation(len(xy))
    colours = np.array([SOURCE_COLOUR, TARGET_COLOUR])
    axes.scatter(xy[order, 0], xy[order, 1], c=colours[domain[order]], s=12, alpha=0.6, linewidths=0)
    _bare(axes)


def class_handles(class_names: Sequence[str]) -> list[Line2D]:
    """Legend entries of the classes, and none when there are too many to read."""
    if len(class_names) > _MOST_LEGEND_ENTRIES:
        return []
    colours = class_colours(len(class_names))
    return [_handle(name, "s", colour) for name, colour in zip(class_names, colours, strict=True)]


def marker_handles(unlabelled: bool = False) -> list[Line2D]:
    """Legend entries of the two markers of the picture by class, and of what has no label where that is shown."""
    target = _handle("target", "x", INK)
    return [_handle("source", "o", INK), target, *([_handle("no label", "x", UNLABELLED_COLOUR)] if unlabelled else [])]


def domain_handles() -> list[Line2D]:
    """Legend entries of the two colours of the picture by domain."""
    return [_handle("source", "o", SOURCE_COLOUR), _handle("target", "o", TARGET_COLOUR)]


def embedding_figure(xy: Floats, y: Ints, domain: Ints, class_names: Sequence[str], title: str) -> Figure:
    """Two panels of the same points `xy (N, 2)`: by class and by domain.

    Args:
        xy: Points in the plane, as from `project`.
        y: Class indices `(N,)`, −1 of a point without a label.
        domain: 0 for source, 1 for target `(N,)`.
        class_names: Names of the classes, in the order of their indices.
        title: Heading over both panels.
    """
    figure = new_figure(9.0, 4.6)
    left, right = figure.subplots(1, 2)
    draw_by_class(left, xy, y, domain, len(class_names))
    draw_by_domain(right, xy, domain)
    left.set_title("by class", fontsize=10)
    right.set_title("by domain", fontsize=10)
    figure.suptitle(title, fontsize=11)
    handles = [*class_handles(class_names), *marker_handles(bool((y < 0).any()))]
    left.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.02), ncols=6, fontsize=7, frameon=False)
    right.legend(
        handles=domain_handles(), loc="upper center", bbox_to_anchor=(0.5, -0.02), ncols=2, fontsize=7, frameon=False
    )
    return figure


def _bare(axes: Axes) -> None:
    axes.set(xticks=[], yticks=[])
    axes.margins(0.04)
    for spine in axes.spines.values():
        spine.set_color("#bbbbbb")


def _handle(label: str, marker: Literal["o", "x", "s"], colour: str) -> Line2D:
    return Line2D([], [], linestyle="", marker=marker, markersize=5, color=colour, label=label)
