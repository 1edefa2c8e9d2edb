import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from adapt.data import Digits
from adapt.data.optdigits import optdigits
from adapt.data.views import TensorDomain
from adapt.errors import AdaptError

NAMES = ["optdigits", "optdigits_photo", "optdigits_inverted"]


def scans(domain: TensorDomain) -> set[int]:
    """Which of scikit-learn's scans a plain domain holds; the corners of bilinear doubling keep the scan's own."""
    small = torch.nn.functional.avg_pool2d(domain.x.float(), 2)
    known = torch.as_tensor(load_digits().images, dtype=torch.float32)[:, None]
    doubled = torch.nn.functional.interpolate(known, scale_factor=2.0, mode="bilinear")
    known = torch.nn.functional.avg_pool2d(doubled, 2) * 255 / 16
    return set(torch.cdist(small.flatten(1), known.flatten(1)).argmin(1).tolist())


def plain(domain: TensorDomain, inverted: TensorDomain) -> TensorDomain:
    """The digit under a pasted pair: where 1 − d beats the photo, the inverted domain shows it."""
    return TensorDomain((255 - inverted.x).amax(1, keepdim=True), domain.y)


@pytest.mark.parametrize(("name", "train", "test"), [(NAMES[0], 777, 120), (NAMES[1], 600, 300), (NAMES[2], 600, 300)])
def test_sizes_types_and_classes(name: str, train: int, test: int) -> None:
    for part, size in ((True, train), (False, test)):
        domain = optdigits(name, part)
        assert domain.x.shape == (size, 1 if name == "optdigits" else 3, 16, 16)
        assert domain.x.dtype == torch.uint8
        assert sorted(set(domain.y.tolist())) == list(range(10))


def test_no_scan_lies_in_two_sets() -> None:
    sets = [scans(optdigits("optdigits", part)) for part in (True, False)]
    for part in (True, False):
        photo, inverted = optdigits("optdigits_photo", part), optdigits("optdigits_inverted", part)
        # Not every scan is recovered from under its photo; a shared pool would still share most of them.
        sets.append(scans(plain(photo, inverted)))
    assert [len(s) for s in sets[:2]] == [777, 120]
    assert not sets[0] & sets[1]
    shared = [len(sets[i] & sets[j]) / len(sets[j]) for i in (0, 1) for j in (2, 3)] + [
        len(sets[2] & sets[3]) / len(sets[3])
    ]
    assert max(shared) < 0.25


def test_digits_shine_through_the_dimmed_photo_and_the_inverse_shares_its_crop() -> None:
    photo, inverted = optdigits("optdigits_photo", True).x.float(), optdigits("optdigits_inverted", True).x.float()
    # max(d, .7p) and max(1 - d, .7p): their minimum over a set is the photo wherever d is 0 or 1.
    low = torch.minimum(photo, inverted)
    assert low.median() <= 0.7 * 255
    assert ((photo > 0.71 * 255).flatten(1).any(1)).float().mean() > 0.99
    assert (photo.amax(1) + inverted.amax(1)).min() >= 254


def test_two_constructions_agree() -> None:
    for name in NAMES:
        again = optdigits.__wrapped__(name, True)
        assert torch.equal(optdigits(name, True).x, again.x)
        assert torch.equal(optdigits(name, True).y, again.y)


def test_plain_digits_match_their_labels() -> None:
    domain, digits = optdigits("optdigits", True), load_digits()
    means = np.stack([digits.images[digits.target == k].mean(0).ravel() for k in range(10)])
    small = torch.nn.functional.avg_pool2d(domain.x.float(), 2).flatten(1).numpy() / 255 * 16
    nearest = ((small[:, None] - means) ** 2).sum(-1).argmin(1)
    assert (nearest == domain.y.numpy()).mean() > 0.85


def test_a_task_of_embedded_domains_needs_no_file() -> None:
    data = Digits("optdigits", "optdigits_photo", root="nowhere", image_size=16)
    data.prepare_data()
    data.setup("fit")
    assert len(data.train_dataloader().source) == 699 // 64


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(AdaptError, match="embedded digit domain"):
        optdigits("optdigits_blue", True)
