from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from adapt.data import Features, ImageFolders
from adapt.data.views import in_memory
from adapt.errors import AdaptError
from tests.data.files import write_features, write_images


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for seed, (name, size) in enumerate((("art", 40), ("photo", 60), ("sketch", 50))):
        write_features(tmp_path / "pacs" / f"{name}.npz", size, seed=seed)
    return tmp_path


def make(root: Path, source: str | list[str] = "photo", target: str = "sketch", **kwargs: Any) -> Features:
    return Features(source, target, **{"root": str(root), "folder": "pacs", "batch_size": 4} | kwargs)


def whole(data: Features, name: str, split: Any) -> tuple[torch.Tensor, torch.Tensor]:
    found = in_memory(data.domain(name, split))
    assert found is not None
    return found


def test_domains_classes_and_width_are_the_files(root: Path) -> None:
    data = make(root)
    assert data.known_domains == ["art", "photo", "sketch"]
    assert (list(data.class_names), data.num_classes, data.input_shape) == (["bike", "mug"], 2, (6,))
    with np.load(root / "pacs" / "photo.npz") as file:
        features, labels = file["features"], file["labels"]
    parts = [whole(data, "photo", split) for split in ("train", "val", "test")]
    assert [len(x) for x, _ in parts] == [43, 5, 12]
    x, y = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
    order, expected = x[:, 0].argsort(), torch.from_numpy(features)[:, 0].argsort()
    assert torch.equal(x[order], torch.from_numpy(features)[expected])
    assert torch.equal(y[order], torch.from_numpy(labels)[expected])


@pytest.mark.parametrize("transductive", [False, True])
def test_splits_are_those_of_the_image_folders(transductive: bool, tmp_path: Path) -> None:
    for name in ("photo", "sketch"):
        write_images(tmp_path / "images" / name, ["bike", "mug"], 20)
        write_features(tmp_path / "images" / f"{name}.npz", 40)
    options: dict[str, Any] = {"root": str(tmp_path), "transductive": transductive, "batch_size": 4}
    features = Features("photo", "sketch", folder="images", **options)
    images = ImageFolders("photo", "sketch", dataset="images", **options)
    for name in ("photo", "sketch"):
        for split in ("train", "val", "test"):
            x, y = whole(features, name, split)
            part: Any = images.domain(name, split)  # type: ignore[arg-type]
            assert [int(label) for _, label in part] == y.tolist()
            assert len(x) == len(part)


def test_standardisation_takes_means_and_deviations_where_it_says(root: Path) -> None:
    plain = make(root)
    mean, std = whole(plain, "photo", "train")[0].mean(0), whole(plain, "photo", "train")[0].std(0)
    std[5] = 1  # this feature never fires
    by_source, by_domain = make(root, standardise="source"), make(root, standardise="domains")
    for name in ("photo", "sketch"):
        for split in ("train", "test"):
            x, y = whole(by_source, name, split)
            torch.testing.assert_close(x, (whole(plain, name, split)[0] - mean) / std)
            assert torch.equal(y, whole(plain, name, split)[1])
    for name in ("photo", "sketch"):
        x, _ = whole(by_domain, name, "train")
        torch.testing.assert_close(x.mean(0), torch.zeros(6), atol=1e-5, rtol=0)
        torch.testing.assert_close(x.std(0)[:5], torch.ones(5))
        assert (x[:, 5] == 0).all()


def test_a_batch_is_ready_to_train_and_pooled_sources_share_one_scale(root: Path) -> None:
    data = make(root, ["photo", "art"], standardise="source")
    data.setup("fit")
    loaders = data.train_dataloader()
    batch = next(iter(loaders.source))
    assert batch.x.shape == (4, 6) and batch.x.dtype == torch.float32
    pooled = torch.cat([whole(data, name, "train")[0] for name in ("photo", "art")])
    torch.testing.assert_close(pooled.std(0)[:5], torch.ones(5))


def test_what_does_not_fit_is_refused(root: Path) -> None:
    with pytest.raises(AdaptError, match="Did you mean 'sketch'"):
        make(root, target="sketc")
    with pytest.raises(AdaptError, match=r"found nothing there.*adapt features"):
        make(root, folder="office")
    with pytest.raises(AdaptError, match="found source, which reads its samples"):
        make(root, standardise="source", source_free=True)
    with pytest.raises(AdaptError, match="standardise expects 'none', 'source' or 'domains'"):
        make(root, standardise="both")
    write_features(root / "pacs" / "wide.npz", 20, width=9)
    with pytest.raises(AdaptError, match=r"found 9 in 'wide' and 6 in 'sketch'"):
        make(root, "wide")
    write_features(root / "pacs" / "other.npz", 20, classes=["bike", "cup"])
    with pytest.raises(AdaptError, match="only 'other' has cup"):
        make(root, "other", class_sets="closed")
    (root / "pacs" / "photo.npz").write_bytes(b"half a file")
    with pytest.raises(AdaptError, match=r"could not read them.*run `adapt features` again"):
        make(root)


def changed(root: Path, **arrays: Any) -> Features:
    path = root / "pacs" / "sketch.npz"
    with np.load(path) as file:
        content = dict(file) | arrays
    np.savez(path, **content)
    return make(root)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (np.arange(50) % 2 + 1, "found 2 in"),
        (np.arange(50) % 2 - 1, "found -1 in"),
        (np.eye(2)[np.arange(50) % 2], r"labels \(N,\).*\(50, 2\)"),
        ((np.arange(50) % 2)[:, None], r"labels \(N,\).*\(50, 1\)"),
        (np.arange(50) % 2 + 0.5, "found 0.5, 1.5 in"),
        (np.where(np.arange(50) < 9, np.nan, 1.0), "found nan in"),
        (np.array(["cat", "dog"] * 25), r"<U3 \(50,\)"),
    ],
)
def test_labels_of_a_file_made_by_hand_are_class_indices_or_refused(labels: Any, words: str, root: Path) -> None:
    with pytest.raises(AdaptError, match=words):
        changed(root, labels=labels).setup("fit")


@pytest.mark.parametrize("dtype", ["float64", "float16", "int64", "bool", ">f4"])
@pytest.mark.parametrize("standardise", ["none", "domains"])
def test_features_of_every_type_become_the_network_s(dtype: str, standardise: str, root: Path) -> None:
    with np.load(root / "pacs" / "sketch.npz") as file:
        features = (3 * file["features"]).clip(0).astype(dtype)
    changed(root, features=features)
    data = make(root, standardise=standardise)
    data.setup("fit")
    batch = data.on_after_batch_transfer(next(iter(data.train_dataloader().target)), 0)
    assert batch.x.dtype == torch.float32 and batch.x.isfinite().all()


@pytest.mark.parametrize("kind", ["features", "images"])
def test_the_few_samples_whose_labels_are_trained_on_are_not_evaluated_on(kind: str, tmp_path: Path) -> None:
    options: dict[str, Any] = {"root": str(tmp_path), "transductive": True, "batch_size": 4, "eval_batch_size": 7}
    for name in ("photo", "sketch"):
        write_images(tmp_path / "images" / name, ["bike", "mug"], 20)
        write_features(tmp_path / "images" / f"{name}.npz", 40)

    def made(**more: Any) -> Any:
        if kind == "features":
            return Features("photo", "sketch", folder="images", **options, **more)
        return ImageFolders("photo", "sketch", dataset="images", augment=False, **options, **more)

    data = made(shots=3)
    data.order_seed = 5
    # A test without training comes first: it must not pass for training, and draws the same samples.
    before = [batch.y for batch in data.test_dataloader()[1]]
    data.setup("fit")
    seen = set(data.train_dataloader().target_labelled.dataset.positions.tolist())
    assert len(seen) == 6
    target = [y for _, y in data.domain("sketch", "test")]
    expected = [int(y) for row, y in enumerate(target) if row not in seen]
    for batches in (
        before,
        *([batch.y for batch in loaders()[1]] for loaders in (data.test_dataloader, data.val_dataloader)),
    ):
        assert torch.cat(list(batches)).tolist() == expected
    # Without such labels, and with all of them (which no table calls adaptation), the whole target is the test set.
    for more in ({}, {"shots": "all"}):
        assert sum(len(batch.y) for batch in made(**more).test_dataloader()[1]) == len(target)
