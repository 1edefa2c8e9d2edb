import os
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from jsonargparse import ArgumentParser
from lightning.pytorch import Callback, Trainer, seed_everything
from scipy.io import savemat
from torch import nn
from torchvision.datasets import MNIST, USPS

from adapt.backbones import SmallCNN
from adapt.data import Digits
from adapt.data.views import in_memory
from adapt.errors import AdaptError
from adapt.layers import Augmentation
from adapt.methods import DANN
from tests.data.files import write_mat, write_mnist, write_usps


def test_mnist_keeps_its_pixels_and_usps_agrees_with_torchvision(tmp_path: Path) -> None:
    images = write_mnist(tmp_path)
    write_usps(tmp_path)
    data = Digits("mnist", "usps", root=str(tmp_path))
    assert data.input_shape == (1, 28, 28)
    test = data.domain("mnist", "test")
    np.testing.assert_array_equal(test.x[:, 0].numpy(), images["t10k"])
    assert test.x.dtype == torch.uint8
    usps = Digits("usps", "mnist", root=str(tmp_path), image_size=16).domain("usps", "test")
    np.testing.assert_array_equal(usps.x[:, 0].numpy(), USPS(str(tmp_path), train=False).data)
    assert sorted(set(usps.y.tolist())) == list(range(10))


@pytest.mark.parametrize(("name", "prefix", "zero"), [("svhn", "", 10), ("syn", "synth_", 0)])
def test_mat_files_turn_into_images_and_zero_is_zero(tmp_path: Path, name: str, prefix: str, zero: int) -> None:
    write_mat(tmp_path / f"{prefix}train_32x32.mat", 30, zero)
    images, labels = write_mat(tmp_path / f"{prefix}test_32x32.mat", 20, zero)
    test = Digits(name, "mnist", root=str(tmp_path), image_size=32).domain(name, "test")
    np.testing.assert_array_equal(test.x[7].numpy(), images[..., 7].transpose(2, 0, 1))
    np.testing.assert_array_equal(test.y.numpy(), labels)


def test_one_channel_is_luminance_and_three_replicate_gray(tmp_path: Path) -> None:
    images, _ = write_mat(tmp_path / "test_32x32.mat", 5, 10)
    gray = Digits("svhn", "usps", root=str(tmp_path), image_size=32, channels=1).domain("svhn", "test").x
    expected = (images.astype(float) * np.array([0.299, 0.587, 0.114])[:, None]).sum(2).transpose(2, 0, 1)
    assert gray.shape == (5, 1, 32, 32)
    assert np.abs(gray[:, 0].numpy() - expected).max() <= 1.1
    images = write_mnist(tmp_path)["t10k"]
    colour = Digits("mnist", "svhn", root=str(tmp_path)).domain("mnist", "test").x
    np.testing.assert_array_equal(colour.numpy(), np.repeat(images[:, None], 3, 1))


@pytest.mark.parametrize(("target", "channels"), [("usps", 1), ("svhn", 3), ("mnist_m", 3), ("optdigits_photo", 3)])
def test_shape_is_known_before_any_file_is_read(target: str, channels: int) -> None:
    data = Digits("mnist", target, root="nowhere", image_size=20)
    assert (data.input_shape, data.num_classes) == ((channels, 20, 20), 10)


def test_train_and_val_are_disjoint_shares_of_the_training_set(tmp_path: Path) -> None:
    write_mnist(tmp_path, train=40)
    data = Digits("mnist", "usps", root=str(tmp_path), val_fraction=0.25)
    train, val = in_memory(data.domain("mnist", "train")), in_memory(data.domain("mnist", "val"))
    assert train is not None and val is not None
    rows = [{tuple(x.flatten().tolist()) for x in part[0]} for part in (train, val)]
    assert [len(r) for r in rows] == [30, 10]
    assert not rows[0] & rows[1]


def test_resized_tensors_are_shared_between_loaders(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    make = lambda: Digits("mnist", "usps", root=str(tmp_path)).domain("mnist", "test")  # noqa: E731
    assert make().x.data_ptr() == make().x.data_ptr()


def test_bytes_become_floats_between_minus_one_and_one() -> None:
    out = Digits("mnist", "usps").transform(torch.tensor([0, 255], dtype=torch.uint8))
    assert out.tolist() == [-1, 1]


@pytest.mark.parametrize("name", ["mnist", "usps", "svhn", "syn", "mnist_m"])
def test_a_missing_file_says_what_to_do(tmp_path: Path, name: str) -> None:
    target = "usps" if name != "usps" else "mnist"
    with pytest.raises(AdaptError, match=r"(?i)(put|unpack)"):
        Digits(name, target, root=str(tmp_path)).domain(name, "train")


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "train_32x32.mat").write_bytes(b"no matlab")
    with pytest.raises(AdaptError, match=r"could not read.*"):
        Digits("svhn", "mnist", root=str(tmp_path)).domain("svhn", "train")


@pytest.mark.parametrize("odd", [17, 11, -3, 2.5])
@pytest.mark.parametrize("split", ["train", "test"])
def test_labels_beyond_the_ten_digits_are_refused(odd: float, split: str, tmp_path: Path) -> None:
    write_mnist(tmp_path)
    for part in ("train", "test"):
        y = np.where(np.arange(40) == 9, odd if part == split else 1.0, 1.0)[:, None]
        savemat(tmp_path / f"{part}_32x32.mat", {"X": np.full((32, 32, 3, 40), range(40), np.uint8), "y": y})
    data = Digits("mnist", "svhn", root=str(tmp_path), batch_size=8, val_fraction=0.02)
    with pytest.raises(AdaptError, match=rf"labels of 'svhn' \({split}\) as class indices 0 to 9, found {odd:g} in 1"):
        data.setup("fit") if split == "train" else data.test_dataloader()


def test_a_byte_of_a_label_file_that_is_no_digit_is_refused(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    write_usps(tmp_path)
    raw = tmp_path / "MNIST" / "raw" / "t10k-labels-idx1-ubyte"
    raw.write_bytes(raw.read_bytes()[:-1] + b"\x0c")
    with pytest.raises(AdaptError, match=r"labels of 'mnist' \(test\).*found 12 in 1"):
        Digits("mnist", "usps", root=str(tmp_path)).test_dataloader()


def test_images_that_are_no_bytes_are_refused(tmp_path: Path) -> None:
    savemat(tmp_path / "train_32x32.mat", {"X": np.full((32, 32, 3, 9), 0.5), "y": np.ones((9, 1))})
    with pytest.raises(AdaptError, match="float64"):
        Digits("svhn", "mnist", root=str(tmp_path)).domain("svhn", "train")


@pytest.mark.parametrize("kwargs", [{"channels": 2}, {"image_size": 0}])
def test_impossible_images_are_refused(kwargs: dict[str, int]) -> None:
    with pytest.raises(AdaptError, match="Expected"):
        Digits("mnist", "usps", **kwargs)


def test_download_asks_torchvision_for_the_chosen_domains_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    for name in ("MNIST", "USPS", "SVHN"):
        cls = getattr(__import__("adapt.data.digits", fromlist=[name]), name)
        monkeypatch.setattr(cls, "__init__", lambda self, root, *a, n=name, **k: asked.append((n, k["download"])))
    Digits("mnist", "svhn", root=str(tmp_path / "new"), download=True).prepare_data()
    assert sorted(asked) == [("MNIST", True)] * 2 + [("SVHN", True)] * 2
    Digits("mnist", "svhn", root=str(tmp_path)).prepare_data()
    assert len(asked) == 4


class Painter(nn.Module):
    """Paints every pixel in one value, and keeps what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[torch.Tensor] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen.append(x)
        return torch.full_like(x, 0.75)


@pytest.mark.parametrize(("kwargs", "parts"), [({}, 2), ({"shots": 1}, 3), ({"source_free": True}, 1)])
def test_training_batches_alone_are_augmented_as_pixels_in_zero_to_one(kwargs: dict[str, Any], parts: int) -> None:
    painter = Painter()
    options: dict[str, Any] = {"image_size": 16, "batch_size": 4}
    data = Digits("optdigits", "optdigits_photo", augmentation=painter, **options, **kwargs)
    plain = Digits("optdigits", "optdigits_photo", **options, **kwargs)
    data.setup("fit")
    loaders = data.train_dataloader()
    raw = type(loaders)(*(next(iter(loader)) for loader in loaders))
    batch = data.on_after_batch_transfer(raw, 0)
    assert len(painter.seen) == len(batch) == parts
    for part, before, seen in zip(batch, raw, painter.seen, strict=True):
        torch.testing.assert_close(seen, before.x / 255)
        assert torch.equal(part.x, torch.full_like(part.x, 0.5))
    alone = [
        *data.val_dataloader(),
        *data.test_dataloader(),
        data.predict_dataloader(),
        data.domain_dataloader("target"),
    ]
    for loader in alone:
        before = next(iter(loader))
        assert torch.equal(data.on_after_batch_transfer(before, 0).x, plain.on_after_batch_transfer(before, 0).x)
    assert len(painter.seen) == parts


class SaveAt(Callback):
    def __init__(self, step: int, path: Path) -> None:
        self.step, self.path = step, path

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        if trainer.global_step == self.step:
            trainer.save_checkpoint(self.path)


def test_a_continued_augmented_run_equals_the_uninterrupted_one(tmp_path: Path) -> None:
    def trained(augmentation: nn.Module | None, seed: int, start: Path | None = None) -> dict[str, torch.Tensor]:
        seed_everything(seed, verbose=False)
        method = DANN(problem=10, backbone=SmallCNN((3, 16, 16), width=8), optimizer=partial(torch.optim.SGD, lr=0.05))
        trainer = Trainer(
            accelerator="cpu",
            max_steps=20,
            limit_val_batches=0,
            logger=False,
            default_root_dir=tmp_path,
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_checkpointing=False,
            callbacks=[] if start else [SaveAt(7, tmp_path / "seven.ckpt")],
        )
        data = Digits("optdigits", "optdigits_photo", image_size=16, augmentation=augmentation)
        trainer.fit(method, datamodule=data, ckpt_path=start, weights_only=True)
        return method.state_dict()

    plain = trained(None, seed=0)
    augmentation = Augmentation(rotation=10.0, translation=0.14, inversion=0.5, gain=0.5)
    whole = trained(augmentation, seed=0)
    continued = trained(augmentation, seed=5, start=tmp_path / "seven.ckpt")
    assert all(torch.equal(whole[key], continued[key]) for key in whole)
    assert not all(torch.equal(whole[key], plain[key]) for key in whole)


def test_the_command_line_takes_an_augmentation_by_its_name() -> None:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(Digits, "data")
    tokens = ["--data", "Digits", "--data.source", "mnist", "--data.target", "usps"]
    chosen = ["--data.augmentation", "Augmentation", "--data.augmentation.inversion", "0.5"]
    data = parser.instantiate(parser.parse_args([*tokens, *chosen])).data
    assert isinstance(data.augmentation, Augmentation)
    assert data.augmentation.image[1].rate == 0.5


ROOT = Path(os.environ.get("ADAPT_DATA", "nowhere"))


@pytest.mark.skipif(not (ROOT / "MNIST" / "raw").exists(), reason="needs MNIST under ADAPT_DATA")
def test_real_mnist_has_its_published_size() -> None:
    data = Digits("mnist", "usps")
    assert len(data.domain("mnist", "train")) == 54000
    assert torch.equal(data.domain("mnist", "test").x[:, 0], MNIST(str(ROOT), train=False).data)


@pytest.mark.skipif(not (ROOT / "usps.bz2").exists(), reason="needs USPS under ADAPT_DATA")
def test_real_usps_has_its_published_size() -> None:
    data = Digits("usps", "mnist")
    assert len(data.domain("usps", "train")) + len(data.domain("usps", "val")) == 7291
    assert len(data.domain("usps", "test")) == 2007
