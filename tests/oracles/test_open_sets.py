"""Losses and metrics of class sets that differ and of several sources, against the formulas written out in NumPy."""

import numpy as np
import pytest
import torch
from scipy.special import expit, logsumexp, softmax
from sklearn.metrics import recall_score

from adapt.errors import AdaptError
from adapt.losses import (
    entropy_separation,
    moment_distance,
    neighbourhood_entropy,
    one_versus_all,
    one_versus_all_entropy,
    soft_maximum,
    target_class_weights,
    unknown_boundary,
)
from adapt.methods.evaluation import Evaluation
from adapt.problems import Classification


def draw(*shape: int, seed: int = 0, scale: float = 3.0) -> torch.Tensor:
    return scale * torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_class_weights_are_the_mean_softmax_over_its_largest() -> None:
    z = draw(9, 4)
    mean = softmax(z.numpy(), axis=1).mean(0)
    np.testing.assert_allclose(target_class_weights(z).numpy(), mean / mean.max())


@pytest.mark.parametrize("t", [0.5, 0.2])
def test_unknown_boundary_is_a_binary_cross_entropy(t: float) -> None:
    z = draw(7, 4)
    p = softmax(z.numpy(), axis=1)[:, -1]
    expected = -(t * np.log(p) + (1 - t) * np.log(1 - p)).mean()
    assert unknown_boundary(z, threshold=t).item() == pytest.approx(expected)
    assert torch.autograd.gradcheck(lambda x: unknown_boundary(x, threshold=t), (z.requires_grad_(),))


def test_one_versus_all_takes_the_hardest_negative() -> None:
    z, y = draw(6, 4), torch.tensor([0, 1, 2, 3, 0, 2])
    p = expit(z.numpy())
    rows = []
    for i, k in enumerate(y.tolist()):
        rows.append(-np.log(p[i, k]) + max(-np.log(1 - p[i, j]) for j in range(4) if j != k))
    assert one_versus_all(z, y).item() == pytest.approx(np.mean(rows) / 2)
    entropy = -(p * np.log(p) + (1 - p) * np.log(1 - p)).mean()
    assert one_versus_all_entropy(z).item() == pytest.approx(entropy)
    assert torch.autograd.gradcheck(lambda x: one_versus_all(x, y), (z.requires_grad_(),))


def test_neighbourhood_entropy_leaves_the_sample_itself_out() -> None:
    memory, prototypes, index = draw(8, 5, seed=1), draw(3, 5, seed=2), torch.tensor([2, 6])
    f = draw(2, 5, seed=3).requires_grad_()
    unit = [
        x.detach().numpy() / np.linalg.norm(x.detach().numpy(), axis=1, keepdims=True) for x in (f, memory, prototypes)
    ]
    expected = []
    for row, i in enumerate(index.tolist()):
        others = np.concatenate([np.delete(unit[1], i, 0), unit[2]])
        p = softmax(others @ unit[0][row] / 0.1)
        expected.append(-(p * np.log(p)).sum())
    found = neighbourhood_entropy(f, memory, prototypes, index, temperature=0.1)
    assert found.item() == pytest.approx(np.mean(expected))
    assert torch.autograd.gradcheck(lambda x: neighbourhood_entropy(x, memory, prototypes, index), (f,))


def test_entropy_separation_leaves_the_margin_alone() -> None:
    z = draw(40, 5)
    p = softmax(z.numpy(), axis=1)
    distance = abs(-(p * np.log(p)).sum(1) - np.log(5) / 2)
    assert 0 < (distance > 0.3).sum() < 40
    assert entropy_separation(z, margin=0.3).item() == pytest.approx(-np.where(distance > 0.3, distance, 0).mean())


def test_moment_distance_of_three_sources() -> None:
    sources, target = [draw(n, 4, seed=n) for n in (5, 6, 7)], draw(8, 4)
    means = [[x.numpy().__pow__(k).mean(0) for x in (*sources, target)] for k in (1, 2)]
    expected = 0.0
    for m in means:
        expected += np.mean([np.linalg.norm(m[i] - m[3]) for i in range(3)])
        expected += np.mean([np.linalg.norm(m[i] - m[j]) for i in range(3) for j in range(i)])
    assert moment_distance(sources, target).item() == pytest.approx(expected)
    assert moment_distance([target, target], target).item() == pytest.approx(0, abs=1e-9)


def test_soft_maximum_is_a_mean_exponent() -> None:
    v = draw(4).abs()
    assert soft_maximum(v, sharpness=2.0).item() == pytest.approx((logsumexp(2 * v.numpy()) - np.log(4)) / 2)
    assert v.mean() < soft_maximum(v, sharpness=2.0) < v.max()


def test_the_h_score_is_the_harmonic_mean_of_sklearns_recalls() -> None:
    problem = Classification(list("abc"), "open")
    y = torch.randint(0, 4, (200,), generator=torch.Generator().manual_seed(1))
    p = draw(200, 4).softmax(1) + 0.3 * torch.eye(4)[y]
    collection = problem.collection("")
    for part in (slice(0, 70), slice(70, 200)):
        collection.update(p[part], y[part])
    found = {name: value.item() for name, value in collection.compute().items()}
    recall = recall_score(y, p.argmax(1), average=None)
    known, unknown = recall[:3].mean(), recall[3]
    assert found["known_accuracy"] == pytest.approx(known, abs=1e-6)
    assert found["unknown_accuracy"] == pytest.approx(unknown, abs=1e-6)
    assert found["h_score"] == pytest.approx(2 * known * unknown / (known + unknown), abs=1e-6)
    assert problem.headline == "h_score"


def test_the_source_has_no_accuracy_on_unknown_classes() -> None:
    of_source, of_target = (
        set(dict(found.items(keep_base=True))) for found in Evaluation(Classification(list("abc"), "universal")).tested
    )
    assert of_target - of_source == {"unknown_accuracy"} and not of_source - of_target


def test_classes_without_samples_do_not_lower_the_mean_of_partial_sets() -> None:
    metric = Classification(3, "partial").metrics()["mean_class_accuracy"]
    metric.update(torch.eye(3)[[0, 2, 1]], torch.tensor([0, 0, 1]))
    assert metric.compute().item() == 0.75


@pytest.mark.parametrize(
    "call",
    [
        lambda: unknown_boundary(torch.zeros(2, 1)),
        lambda: unknown_boundary(torch.zeros(2, 3), threshold=1.0),
        lambda: one_versus_all(torch.zeros(2, 3), torch.zeros(3, dtype=torch.long)),
        lambda: entropy_separation(torch.zeros(2, 3), margin=-1),
        lambda: neighbourhood_entropy(torch.zeros(2, 3), torch.zeros(4, 2), torch.zeros(2, 3), torch.arange(2)),
        lambda: moment_distance([], torch.zeros(2, 3)),
        lambda: soft_maximum(torch.zeros(0)),
        lambda: Classification(["a", "unknown"], "open"),
    ],
)
def test_bad_input_is_named(call: object) -> None:
    with pytest.raises(AdaptError):
        call()  # type: ignore[operator]
