import numpy as np
import pytest
import torch
from sklearn.datasets import make_moons

from adapt.data import Moons
from adapt.data.views import in_memory
from adapt.errors import AdaptError


def points(data: Moons, name: str, split: str = "test") -> tuple[np.ndarray, np.ndarray]:
    part = in_memory(data.domain(name, split))
    assert part is not None
    return part[0].numpy(), part[1].numpy()


@pytest.mark.parametrize("degrees", [-20, 35, 90])
def test_target_is_the_moons_turned_counterclockwise_about_their_centre(degrees: int) -> None:
    x, y = points(Moons("moons", f"moons_{degrees}", noise=0.0), f"moons_{degrees}")
    still, labels = make_moons(300, shuffle=False)
    turned = ((still - [0.5, 0.25]) @ [1, 1j]) * np.exp(1j * np.radians(degrees))
    for k in (0, 1):
        found = x[y == k] @ np.array([1, 1j])
        assert np.abs(found[:, None] - turned[labels == k]).min(1).max() < 1e-6


def test_classes_are_balanced_and_named_as_they_lie() -> None:
    data = Moons()
    x, y = points(data, "moons")
    assert np.bincount(y).tolist() == [150, 150]
    assert x[y == data.class_names.index("upper"), 1].mean() > x[y == data.class_names.index("lower"), 1].mean()


def test_every_set_is_a_draw_of_its_own_and_the_same_each_time() -> None:
    data = Moons(samples=100)
    sets = [points(data, name, split)[0] for name in ("moons", "moons_35") for split in ("train", "val", "test")]
    rows = [tuple(row) for part in sets for row in part.tolist()]
    assert len(set(rows)) == len(rows) == 2 * 200
    np.testing.assert_array_equal(points(Moons(samples=100), "moons")[0], sets[2])
    assert sets[0].dtype == np.float32


def test_a_linear_map_fits_the_source_and_not_its_rotation() -> None:
    data = Moons("moons", "moons_90", samples=500)
    weight = np.linalg.lstsq(*((lambda x, y: (x, 2 * y - 1.0))(*points(data, "moons", "train"))), rcond=None)[0]
    accuracy = {name: ((points(data, name)[0] @ weight > 0) == points(data, name)[1]).mean() for name in data.sources}
    turned = ((points(data, "moons_90")[0] @ weight > 0) == points(data, "moons_90")[1]).mean()
    assert accuracy["moons"] > 0.8 > turned + 0.1


def test_pairs_reach_a_step() -> None:
    data = Moons(batch_size=32)
    data.setup("fit")
    source, target = data.train_dataloader()
    assert next(iter(source)).x.shape == next(iter(target)).x.shape == torch.Size([32, 2])


@pytest.mark.parametrize("name", ["moon", "moons_", "moons_x", "moons_35.5"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(AdaptError, match="moons_<degrees>"):
        Moons("moons", name)


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(AdaptError, match="at least 4"):
        Moons(samples=2)
