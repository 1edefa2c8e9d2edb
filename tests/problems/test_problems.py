"""Losses, metrics and prediction columns of the problems against scikit-learn and SciPy."""

import numpy as np
import pytest
import torch
from scipy.special import expit, log_softmax, softmax
from sklearn import metrics

from adapt.errors import AdaptError
from adapt.problems import Classification, MultiLabel, Problem, Regression, as_problem


def outputs(n: int = 40, k: int = 3) -> torch.Tensor:
    return 2 * torch.randn(n, k, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def classes(n: int = 40, k: int = 3) -> torch.Tensor:
    return torch.randint(k, (n,), generator=torch.Generator().manual_seed(1))


def evaluated(problem: Problem, z: torch.Tensor, y: torch.Tensor) -> dict[str, float]:
    collection = problem.collection("")
    for part, labels in zip(z.split(7), y.split(7), strict=True):
        collection.update(problem.predict(part), labels)
    return {name: float(value) for name, value in collection.compute().items()}


def test_accuracy_is_estimated_for_classes_that_both_domains_have_alone() -> None:
    sets = [Classification("ab", found) for found in ("closed", "partial", "open", "universal")]
    assert [problem.estimable for problem in sets] == [True, False, False, False]
    assert not Classification("abc", "closed", unseen=["c"]).estimable
    assert not MultiLabel(2).estimable and not Regression(2).estimable


def test_a_class_without_test_samples_is_in_no_mean_over_classes() -> None:
    # Torchmetrics counts it with 0 as soon as it is predicted once: one subject's windows may lack an activity.
    y, predicted = [0, 0, 1, 1], [0, 2, 1, 1]
    metric = Classification(3).metrics()["mean_class_accuracy"]
    metric.update(torch.eye(3)[predicted], torch.tensor(y))
    assert float(metric.compute()) == 0.75  # scikit-learn's balanced accuracy


def test_classification_agrees_with_scikit_learn() -> None:
    problem, z, y = Classification(3), outputs(), classes()
    found = evaluated(problem, z, y)
    predicted = z.argmax(1).numpy()
    assert list(problem.metrics()) == ["accuracy", "mean_class_accuracy", "macro_f1", "calibration_error"]
    assert problem.headline == "accuracy"
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(y, predicted))
    assert found["mean_class_accuracy"] == pytest.approx(metrics.balanced_accuracy_score(y, predicted))
    assert found["macro_f1"] == pytest.approx(metrics.f1_score(y, predicted, average="macro"))
    expected = -log_softmax(z.numpy(), 1)[np.arange(40), y].mean()
    assert problem.loss(z, y).item() == pytest.approx(expected)
    assert problem.loss(z, y, reduction="none").shape == (40,)


def test_the_calibration_error_is_the_gap_between_confidence_and_accuracy_in_fifteen_bins() -> None:
    z, y = outputs(), classes()
    confidence, right = softmax(z.numpy(), 1).max(1), (z.argmax(1) == y).numpy()
    bins = np.minimum((confidence * 15).astype(int), 14)
    expected = sum(
        (bins == b).mean() * abs(confidence[bins == b].mean() - right[bins == b].mean()) for b in set(bins.tolist())
    )
    assert evaluated(Classification(3), z, y)["calibration_error"] == pytest.approx(expected, abs=1e-6)


def test_label_smoothing_mixes_in_the_uniform_distribution() -> None:
    z, y = outputs(), classes()
    logs = log_softmax(z.numpy(), 1)
    expected = -(0.9 * logs[np.arange(40), y] + 0.1 * logs.mean(1)).mean()
    assert Classification(3).loss(z, y, label_smoothing=0.1).item() == pytest.approx(expected)


def test_multi_label_agrees_with_scikit_learn() -> None:
    problem, z = MultiLabel(3), outputs()
    y = torch.stack([classes(k=2), classes(k=2).flip(0), classes(k=2).roll(3)], 1)
    found, p = evaluated(problem, z, y), expit(z.numpy())
    assert problem.headline == "mean_average_precision"
    assert found["mean_average_precision"] == pytest.approx(metrics.average_precision_score(y, p, average="macro"))
    assert found["auroc"] == pytest.approx(metrics.roc_auc_score(y, p, average="macro"))
    assert found["macro_f1"] == pytest.approx(metrics.f1_score(y, p >= 0.5, average="macro"))
    assert found["label_accuracy"] == pytest.approx(((p >= 0.5) == y.numpy()).mean())
    assert found["exact_match"] == pytest.approx(metrics.accuracy_score(y, p >= 0.5))
    assert problem.loss(z, y).item() == pytest.approx(metrics.log_loss(y.flatten(), p.flatten()))
    torch.testing.assert_close(problem.loss(z, y, reduction="none").mean(), problem.loss(z, y))


@pytest.mark.parametrize("count", [1, 2])
def test_regression_agrees_with_scikit_learn(count: int) -> None:
    z = outputs(k=count)
    y = (z + outputs(k=count).flip(0)).float()
    problem = Regression.of(count, y)
    found = evaluated(problem, z, problem.labels(y, "all"))
    assert found["mae"] == pytest.approx(metrics.mean_absolute_error(y, z), rel=1e-5)
    assert found["r2"] == pytest.approx(metrics.r2_score(y, z), rel=1e-4)
    assert found["rmse"] == pytest.approx(float(((z - y) ** 2).mean().sqrt()), rel=1e-5)
    scaled = (z - y) / torch.tensor(np.std(y.numpy(), 0))
    assert problem.loss(z, problem.labels(y, "all")).item() == pytest.approx(float(scaled.square().mean()), rel=1e-5)


def test_a_regressions_loss_does_not_depend_on_the_unit() -> None:
    z, y = outputs(k=1), outputs(k=1).flip(0)
    in_metres, in_millimetres = Regression.of(1, y), Regression.of(1, 1000 * y)
    torch.testing.assert_close(in_metres.loss(z, y), in_millimetres.loss(1000 * z, 1000 * y))


def test_a_regressions_network_starts_around_the_labels_mean() -> None:
    problem = Regression(["price"], mean=[500.0], std=[20.0])
    layer = problem.output_layer(8)
    found = layer(torch.randn(200, 8, generator=torch.Generator().manual_seed(0)))
    assert abs(float(found.mean()) - 500) < 20
    assert {"1.mean", "1.std"} <= layer.state_dict().keys()


def test_which_way_is_good() -> None:
    directions = {k: m.higher_is_better for p in (Classification(2), Regression()) for k, m in p.metrics().items()}
    assert directions == {
        "accuracy": True,
        "mean_class_accuracy": True,
        "macro_f1": True,
        "calibration_error": False,
        "mae": False,
        "rmse": False,
        "r2": True,
    }


def test_prediction_columns() -> None:
    z = torch.tensor([[0.0, 1.0], [2.0, 0.0]])
    found = Classification(["cat", "dog"]).columns(z)
    assert list(found) == ["prediction", "probability", "p_cat", "p_dog"]
    assert found["prediction"].tolist() == [1, 0]
    torch.testing.assert_close(found["p_cat"] + found["p_dog"], torch.ones(2))
    assert list(MultiLabel(["a", "b"]).columns(z)) == ["a", "b", "p_a", "p_b"]
    assert Regression(["x", "y"]).columns(z)["y"].tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    ("problem", "y", "words"),
    [
        (Classification(2), torch.tensor([1, 2]), "0 to 1, found 2 in 1 of 2 samples.*start at 1"),
        (Classification(2), torch.tensor([0, -100]), "found -100 in 1 of 2"),
        (Classification(2), torch.tensor([[0], [1]]), r"found torch.int64 \(2, 1\).*y\[:, 0\]"),
        (Classification(2), torch.tensor([0.5, 1.0]), "found 0.5.*whole numbers"),
        (Classification(2), torch.tensor([float("nan"), 1.0]), "found nan.*whole numbers"),
        (MultiLabel(2), torch.tensor([0, 1]), r"rows of 2 zeros and ones, found torch.int64 \(2,\)"),
        (MultiLabel(2), torch.tensor([[0, 2]]), "found 0, 2 in 1 of 1 samples"),
        (Regression(), torch.tensor([1.0, float("inf")]), "found inf in 1 of 2 samples, the first at position 1"),
        (Regression(2), torch.tensor([1.0, 2.0]), r"2 finite numbers per sample, found torch.float32 \(2,\)"),
    ],
)
def test_labels_of_another_kind_are_refused(problem: Problem, y: torch.Tensor, words: str) -> None:
    with pytest.raises(AdaptError, match=words):
        problem.labels(y, "'b' (test)")


def test_a_number_means_classes_and_nonsense_is_refused() -> None:
    assert as_problem(10) == Classification(10)
    assert as_problem(Regression()) == Regression()
    for wrong in (0, True, "ten", 2.0):
        with pytest.raises(AdaptError, match="number of classes"):
            as_problem(wrong)  # type: ignore[arg-type]
    with pytest.raises(AdaptError, match="all source labels are equal"):
        Regression.of(1, torch.ones(5))


def test_one_label_alone_is_a_classification() -> None:
    with pytest.raises(AdaptError, match=r"at least two labels, found one.*Classification"):
        MultiLabel(1)


def test_two_outputs_of_one_name_are_refused() -> None:
    # Their columns would be one: probabilities that do not add up to 1.
    for build in (Classification, MultiLabel, lambda names: Regression.of(names, torch.randn(5, 3))):
        with pytest.raises(AdaptError, match="each name of an output once, found 'a' several times"):
            build(["a", "b", "a"])
