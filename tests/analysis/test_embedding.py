import io

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import silhouette_score

from adapt.analysis.confusion import confusion_figure, confusion_matrix
from adapt.analysis.drawing import class_colours, new_figure, png_bytes
from adapt.analysis.embedding import embedding_figure, project
from adapt.errors import AdaptError


def clusters(n: int, d: int = 64) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    y = np.arange(n) % 3
    return rng.normal(size=(n, d)) + 8 * np.eye(3, d)[y], y


def test_clusters_stay_apart_in_the_plane_and_a_seed_gives_the_same_picture() -> None:
    features, y = clusters(90)
    xy = project(features)
    assert xy.shape == (90, 2)
    assert silhouette_score(xy, y) > 0.5
    np.testing.assert_array_equal(xy, project(features))


def test_few_samples_give_the_principal_components() -> None:
    features, _ = clusters(12, d=5)
    centred = features - features.mean(0)
    left, values, _ = np.linalg.svd(centred, full_matrices=False)
    expected = np.abs(left[:, :2] * values[:2]) / np.abs(centred).max()
    np.testing.assert_allclose(np.abs(project(features)), expected, atol=1e-10)


@pytest.mark.parametrize("shape", [(1, 4), (2, 1), (30, 1), (40, 2)])
def test_small_shapes_have_a_projection(shape: tuple[int, int]) -> None:
    xy = project(np.random.default_rng(0).normal(size=shape).astype(np.float32))
    assert xy.shape == (shape[0], 2)
    assert np.isfinite(xy).all()


def test_dead_features_fall_on_one_point() -> None:
    np.testing.assert_array_equal(project(np.full((50, 8), 3.0)), np.zeros((50, 2)))


def test_huge_features_of_a_diverging_network_are_projected() -> None:
    assert np.isfinite(project(clusters(40)[0].astype(np.float32) * 1e30)).all()


@pytest.mark.parametrize("features", [np.full((4, 2), np.nan), np.zeros((0, 3)), np.zeros(5)])
def test_features_without_a_picture_are_refused(features: np.ndarray) -> None:
    with pytest.raises(AdaptError, match="Expected"):
        project(features)


def test_the_embedding_picture_has_a_panel_by_class_and_one_by_domain() -> None:
    features, y = clusters(40)
    domain = np.repeat([0, 1], 20)
    figure = embedding_figure(features[:, :2], y, domain, ["a", "b", "c"], "title")
    by_class, by_domain = figure.axes
    assert [len(c.get_offsets()) for c in by_class.collections] == [20, 20]
    assert len(np.unique(by_class.collections[0].get_facecolors(), axis=0)) == 3
    assert len(np.unique(by_domain.collections[0].get_facecolors(), axis=0)) == 2
    assert [t.get_text() for t in by_class.get_legend().get_texts()] == ["a", "b", "c", "source", "target"]
    assert png_bytes(figure).startswith(b"\x89PNG")


def test_a_legend_keeps_its_colours_among_thousands_of_half_transparent_points() -> None:
    figure, rng = new_figure(6, 4), np.random.default_rng(0)
    axes = figure.subplots(2, 4)
    for panel in axes.flat:
        for colour in class_colours(10):
            panel.scatter(*rng.normal(size=(2, 60)), s=7, alpha=0.45, linewidths=0, c=colour, label=colour)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # each drawing would move it a little
    raw = io.BytesIO()
    figure.savefig(raw, format="png", facecolor="white")
    drawn, kept = (np.asarray(Image.open(b).convert("RGB")).astype(int) for b in (raw, io.BytesIO(png_bytes(figure))))
    assert np.abs(kept - drawn).max() < 32
    assert (kept[(drawn == 255).all(2)] == 255).all()


def test_confusion_counts_true_classes_by_row() -> None:
    matrix = confusion_matrix(np.array([0, 0, 1, 2]), np.array([0, 2, 1, 1]), 3)
    np.testing.assert_array_equal(matrix, [[1, 0, 1], [0, 1, 0], [0, 1, 0]])


def test_the_confusion_picture_shows_row_percentages_even_of_an_absent_class() -> None:
    figure = confusion_figure(np.array([[3, 1], [0, 0]]), ["cat", "dog"], "t")
    assert [t.get_text() for t in figure.axes[0].texts] == ["75", "25"]


def test_a_confusion_matrix_of_another_size_is_refused() -> None:
    with pytest.raises(AdaptError, match="2 × 2"):
        confusion_figure(np.zeros((3, 3), dtype=int), ["a", "b"], "t")


@pytest.mark.parametrize("count", [2, 10, 20, 65])
def test_every_class_has_its_own_colour(count: int) -> None:
    assert len(set(class_colours(count))) == count
