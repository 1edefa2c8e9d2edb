"""What arrives when: each sample once, in an order that the seed alone decides; corruptions that no batch changes."""

import sys

import numpy as np
import pytest
import torch

from adapt.data import TensorDomain
from adapt.data.corruptions import CORRUPTIONS, corrupted
from adapt.data.streams import Order, Shift, arrange, by_label
from adapt.errors import AdaptError
from adapt.problems import Classification
from adapt.streaming.target import Arrivals

NOISE, FOG = Shift("a", "gaussian_noise", 3), Shift("a", "fog", 3)


def pairs(order: Order) -> list[tuple[int, int]]:
    return list(zip(order.shift.tolist(), order.sample.tolist(), strict=True))


def test_continual_gives_each_shift_whole_one_after_the_other() -> None:
    found = arrange("continual", [NOISE, FOG], [5, 5], 0)
    assert found.shift.tolist() == [0] * 5 + [1] * 5
    assert sorted(pairs(found)) == [(k, n) for k in range(2) for n in range(5)]
    assert pairs(found) == pairs(arrange("continual", [NOISE, FOG], [5, 5], 0))
    assert pairs(found) != pairs(arrange("continual", [NOISE, FOG], [5, 5], 1))


def test_samples_and_rounds() -> None:
    found = arrange("continual", [NOISE, FOG], [50, 50], 0, samples=4, rounds=3)
    assert len(found) == 24
    assert pairs(found)[:8] == pairs(found)[8:16]
    assert len(arrange("single", [NOISE], [3], 0, samples=9)) == 3


def test_gradual_rises_and_falls_over_one_pass() -> None:
    found = arrange("gradual", [NOISE, FOG], [20, 20], 0)
    assert [shift.severity for shift in found.shifts] == [1, 2, 3, 2, 1] * 2
    assert sorted(found.sample[found.shift < 5].tolist()) == list(range(20))
    assert (found.shift.diff() >= 0).all()


def test_mixed_shuffles_all_together() -> None:
    found = arrange("mixed", [NOISE, FOG], [200, 200], 0)
    assert sorted(pairs(found)) == [(k, n) for k in range(2) for n in range(200)]
    assert int((found.shift.diff() != 0).sum()) > 150


@pytest.mark.parametrize("delta", [0.01, 0.1, 100.0])
def test_correlated_keeps_every_sample_once_and_the_smaller_delta_the_longer_the_runs(delta: float) -> None:
    labels = torch.arange(1000) % 10
    found = arrange("correlated", [NOISE], [1000], 0, labels=[labels], delta=delta)
    assert sorted(found.sample.tolist()) == list(range(1000))
    runs = 1 + int((labels[found.sample].diff() != 0).sum())
    assert runs <= 100  # at most ten slots of ten pieces; a shuffled order has about 900
    # In batches of 50 most samples are of one class, the more the smaller δ is.
    shares = labels[found.sample].view(20, 50)
    top = np.mean([row.bincount().max().item() / 50 for row in shares])
    assert top > {0.01: 0.8, 0.1: 0.6, 100.0: 0.15}[delta]
    assert found.window == 1000


def test_by_label_leaves_out_no_class_and_no_sample() -> None:
    labels = np.array([3, 3, 7, 7, 7])
    assert sorted(by_label(labels, 0.5, np.random.default_rng(0)).tolist()) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("scenario", "shifts", "more", "word"),
    [
        ("sometimes", [NOISE], {}, "scenario out of"),
        ("single", [NOISE, FOG], {}, "one shift"),
        ("continual", [NOISE], {}, "several shifts"),
        ("mixed", [Shift("a")], {}, "several shifts"),
        ("gradual", [Shift("a")], {}, "corruptions for the scenario gradual"),
        ("correlated", [NOISE], {}, "found some without"),
        ("single", [Shift("a", "rain", 3)], {}, "gaussian_noise"),
        ("single", [Shift("a", "fog", 6)], {}, "severity from 1 to 5"),
        ("single", [NOISE], {"samples": 0}, "at least 1 sample"),
        ("single", [NOISE], {"rounds": 0}, "at least 1 round"),
        ("correlated", [NOISE], {"delta": 0.0}, "positive delta"),
    ],
)
def test_what_does_not_fit_is_refused(scenario: str, shifts: list[Shift], more: dict[str, int], word: str) -> None:
    with pytest.raises(AdaptError, match=word):
        arrange(scenario, shifts, [10] * len(shifts), 0, **more)  # type: ignore[arg-type]


def pictures(channels: int, side: int, count: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, channels, side, side), generator=generator, dtype=torch.uint8)


@pytest.mark.parametrize(("channels", "side"), [(1, 28), (3, 32)])
@pytest.mark.parametrize("kind", ["impulse_noise", "contrast", "motion_blur"])
def test_a_corruption_depends_on_seed_and_sample_alone(kind: str, channels: int, side: int) -> None:
    x = pictures(channels, side)
    found = corrupted(x, kind, 3, [4, 5, 6])
    assert found.shape == x.shape
    assert found.dtype == torch.uint8
    assert not torch.equal(found, x)
    torch.manual_seed(7)
    np.random.seed(7)  # noqa: NPY002  # whatever ran before
    assert torch.equal(found, corrupted(x, kind, 3, [4, 5, 6]))
    assert torch.equal(found[1:2], corrupted(x[1:2], kind, 3, [5]))
    if kind != "contrast":
        assert not torch.equal(found, corrupted(x, kind, 3, [4, 5, 6], seed=1))


@pytest.mark.slow
@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_every_kind_grows_with_severity(kind: str) -> None:
    x = torch.zeros(4, 1, 28, 28, dtype=torch.uint8)
    x[:, :, 8:20, 8:20] = 200
    distances = [
        float((corrupted(x, kind, severity, range(4)).float() - x.float()).square().mean()) for severity in (1, 5)
    ]
    assert 0 < distances[0] < 1.2 * distances[1]


def test_without_the_package_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "imagecorruptions", None)
    with pytest.raises(AdaptError, match=r"imagecorruptions-imaug: pip install 'adapt-lightning\[streams\]'"):
        corrupted(pictures(1, 28), "fog", 1, [0, 1, 2])


def test_the_older_package_of_that_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import imagecorruptions

    old = {kind: (lambda x, severity=1: x) for kind in CORRUPTIONS}
    monkeypatch.setattr(imagecorruptions, "corruption_dict", old)
    with pytest.raises(AdaptError, match="older one"):
        corrupted(pictures(1, 28), "fog", 1, [0, 1, 2])


def test_vectors_cannot_be_corrupted() -> None:
    with pytest.raises(AdaptError, match="--corruptions none"):
        corrupted(torch.zeros(3, 8), "fog", 1, [0, 1, 2])


def test_a_batch_of_several_shifts_has_each_sample_under_its_own() -> None:
    x, y = pictures(1, 28, 6), torch.arange(6) % 2
    shifts = (Shift("a"), Shift("b", "contrast", 5))
    order = Order(shifts, torch.tensor([0, 1, 1, 0, 1, 0]), torch.tensor([5, 0, 3, 2, 1, 4]), 10)
    domains = {"a": TensorDomain(x, y), "b": TensorDomain(255 - x, 1 - y)}
    names = {"a": list("uvwxyz"), "b": list("UVWXYZ")}
    arrivals = Arrivals(order, domains, Classification(2), 4, 0, names)
    assert len(arrivals) == 2
    found, labels = arrivals.batch(0)
    assert torch.equal(found[[0, 3]], x[[5, 2]])
    assert torch.equal(found[[1, 2]], corrupted(255 - x[[0, 3]], "contrast", 5, [0, 3]))
    assert labels.tolist() == [1, 1, 0, 0]
    assert arrivals.sample_names(arrivals.rows(0)) == ["z", "U", "X", "w"]
    assert len(arrivals.batch(1)[1]) == 2
    assert arrivals.batch(0)[0] is found  # kept for the next method
