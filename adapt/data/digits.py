"""Digits: MNIST, USPS, SVHN, two kinds of MNIST-M, Synthetic Digits and three embedded domains, in any pairing."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.io import loadmat
from torch import Tensor, nn
from torch.utils.data import Dataset
from torchvision.datasets import MNIST, SVHN, USPS
from torchvision.transforms.v2 import functional

from adapt.data.base import DomainDataModule, Split
from adapt.data.batches import Labelled, Unlabelled
from adapt.data.optdigits import optdigits
from adapt.data.views import TensorDomain
from adapt.errors import AdaptError

_EMBEDDED = ("optdigits", "optdigits_photo", "optdigits_inverted")
_MNIST_M = ("mnist_m", "mnist_m_gray")
_COLOUR = ("svhn", *_MNIST_M, "syn", "optdigits_photo", "optdigits_inverted")
# Training file, test file, instructions; those of MNIST-M look for their own.
_FILES: dict[str, tuple[str, str, str]] = {
    "mnist": (
        "MNIST/raw/train-images-idx3-ubyte",
        "MNIST/raw/t10k-images-idx3-ubyte",
        "Pass --data.download true, or unpack MNIST's four files to <root>/MNIST/raw.",
    ),
    "usps": (
        "usps.bz2",
        "usps.t.bz2",
        "Pass --data.download true, or put usps.bz2 and usps.t.bz2 (LIBSVM's multiclass data sets) into the root.",
    ),
    "svhn": (
        "train_32x32.mat",
        "test_32x32.mat",
        "Pass --data.download true, or put SVHN's cropped digits (format 2) into the root.",
    ),
    "syn": (
        "synth_train_32x32.mat",
        "synth_test_32x32.mat",
        "Download Synthetic Digits from the page of DANN's authors, and put its two files into the root.",
    ),
}
_TORCHVISION = {"mnist": MNIST, "usps": USPS}
_CHUNK = 4096


class Digits(DomainDataModule):
    """Ten digits in nine domains: `mnist`, `usps`, `svhn`, `mnist_m`, `mnist_m_gray`, `syn`, and three without a file.

    The two of MNIST-M are described in `adapt.data.mnist_m`, the three embedded ones in `adapt.data.optdigits`.
    A domain is one tensor of bytes in memory, resized once with antialiasing; batches are scaled to [−1, 1] on the
    device. Test sets are the official ones; validation is held out of the training sets.

    Args:
        source: One domain, or several to pool.
        target: The domain to adapt to.
        image_size: Side of the square images, in pixels.
        channels: 1 (colour becomes gray) or 3 (gray is replicated); by default 3 if any of the domains is colour.
        download: Fetch MNIST, USPS and SVHN with torchvision where they are missing.
        augmentation: Module from images in [0, 1] to changed ones, such as `Augmentation`; both domains' training
            batches pass through it, and nothing else does. SHOT's authors turn USPS by up to 10 degrees and move it
            by up to 4 of 28 pixels: `rotation: 10, translation: 0.143, padding: zeros`. None changes nothing.
        **kwargs: See `DomainDataModule`.

    Raises:
        AdaptError: An argument is out of range; at setup, a file is missing or cannot be read.
    """

    known_domains = (*_TORCHVISION, "svhn", *_MNIST_M, "syn", *_EMBEDDED)
    class_names = tuple("0123456789")

    def __init__(
        self,
        source: str | list[str],
        target: str,
        image_size: int = 28,
        channels: int | None = None,
        download: bool = False,
        augmentation: nn.Module | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(source, target, **kwargs)
        if image_size < 1:
            raise AdaptError(f"Expected an image size of at least 1 pixel, found {image_size}.")
        if channels not in (None, 1, 3):
            raise AdaptError(f"Expected 1 or 3 channels (or null, to choose by the domains), found {channels}.")
        self.names = [*self.sources, self.target]
        self.channels = channels or (3 if any(name in _COLOUR for name in self.names) else 1)
        self.image_size, self.download, self.augmentation = image_size, download, augmentation
        self.input_shape = (self.channels, image_size, image_size)

    def prepare_data(self) -> None:
        """Download what torchvision has, if asked to, and make MNIST-M where it is needed; once per machine."""
        if self.download:
            self.root.mkdir(parents=True, exist_ok=True)
            wanted = {"mnist" if name in _MNIST_M else name for name in self.names}
            for train in (True, False):
                for name in wanted & _TORCHVISION.keys():
                    _TORCHVISION[name](str(self.root), train=train, download=True)
                if "svhn" in wanted:
                    SVHN(str(self.root), split="train" if train else "test", download=True)
        for name in (name for name in self.names if name in _MNIST_M):
            # Here and not above: `python -m adapt.data.mnist_m` would find itself imported, and warn.
            from adapt.data import mnist_m

            mnist_m.ensure(self.root, name)

    def domain(self, name: str, split: Split) -> Dataset[tuple[Any, Any]]:
        """The official test set, or a share of the official training set."""
        if name in _FILES:
            self.data_path(_FILES[name][split == "test"], instructions=_FILES[name][2])
        images = _resized(self.root.resolve(), name, split != "test", self.image_size, self.channels)
        return images if split == "test" else self.holdout(images, split)

    def transform(self, x: Tensor) -> Tensor:
        """Bytes to floats in [−1, 1]."""
        return _normalised(x / 255)

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Augment the parts of a training batch, on the device; what is evaluated comes alone, and stays as it is."""
        if self.augmentation is None or isinstance(batch, Labelled | Unlabelled):
            return super().on_after_batch_transfer(batch, dataloader_idx)
        return type(batch)(*(part._replace(x=_normalised(self.augmentation(part.x / 255))) for part in batch))


def _normalised(pixels: Tensor) -> Tensor:
    return (pixels - 0.5) / 0.5


# Two domains with two sets each, and as many again for pooled sources; a grid of hundreds of cells holds no more.
@lru_cache(maxsize=8)
def _resized(root: Path, name: str, train: bool, size: int, channels: int) -> TensorDomain:
    raw = _read(root, name, train)
    x = torch.empty(len(raw), channels, size, size, dtype=torch.uint8)
    for part, out in zip(torch.split(raw.x, _CHUNK), torch.split(x, _CHUNK), strict=True):
        image = functional.rgb_to_grayscale(part) if channels < part.shape[1] else part
        # A single channel that is copied into three spreads by itself.
        out.copy_(functional.resize(image, [size, size], antialias=True))
    return TensorDomain(x, raw.y)


def _read(root: Path, name: str, train: bool) -> TensorDomain:
    if name in _EMBEDDED:
        return optdigits(name, train)
    if name in _MNIST_M:
        from adapt.data import mnist_m

        return mnist_m.load(root, train, name)
    path = root / _FILES[name][not train]
    try:
        if name not in _TORCHVISION:
            return _read_mat(path)
        files = _TORCHVISION[name](str(root), train=train)
        return TensorDomain(torch.as_tensor(files.data)[:, None], torch.as_tensor(files.targets))
    # Each reader has its own idea of what a broken file raises; what a person needs is the path.
    except Exception as error:
        what = f"{type(error).__name__}: {error}"
        raise AdaptError(f"Expected {name} at {path}, could not read it ({what}). {_FILES[name][2]}") from error


def _read_mat(path: Path) -> TensorDomain:
    # SVHN and Synthetic Digits share the format; 10 stands for the digit 0 in the former.
    file = loadmat(path)
    x, y = file["X"], file["y"].ravel()
    if x.dtype != np.uint8 or x.ndim != 4 or x.shape[2] not in (1, 3):
        raise AdaptError(f"images X as bytes (height, width, colours, N) expected, {x.dtype} {x.shape} found")
    y = np.where(y == 10, 0, y)
    return TensorDomain(torch.from_numpy(np.ascontiguousarray(x.transpose(3, 2, 0, 1))), torch.from_numpy(y))
