"""Image folders: PACS, Office-31, Office-Home, and any other `root/<domain>/<class>/<image>`."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from adapt.data.base import DomainDataModule, Split
from adapt.errors import AdaptError

_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm"}
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
# 256 to 224 pixels, the field's ratio of the resized side to the crop.
_MARGIN = 256 / 224
_INSTRUCTIONS = (
    "Unpack the dataset so that images lie at <root>/<dataset>/<domain>/<class>/*.jpg (or .png, .webp, ...)."
)


class ImageFolders(DomainDataModule):
    """Domains and classes are folders: `root/dataset/<domain>/<class>/*`, or `<domain>/images/<class>/*` (Office-31).

    Training images are cropped and flipped at random, each by itself; evaluation takes the centre. Crops leave as
    bytes, and are normalised a batch at a time on the device.

    Without `transductive`, each domain is split, by `split_seed`, into disjoint training, validation and test sets.
    With it, all of the target is its training, its validation and its test set, as Office-31 is used; the source is
    split into training and validation alone, and its test set is its validation set.

    Args:
        source: One domain, or several to pool.
        target: The domain to adapt to.
        dataset: Folder of the dataset below the root, such as `PACS`.
        image_size: Side of the square crops, in pixels.
        resize: Shorter side before the centre crop; by default 8/7 of `image_size`.
        transductive: Train and test on the same target images.
        augment: Random crops (70 to 100 % of the area) and flips in training.
        test_fraction: Share of each domain that is its test set, unless `transductive`.
        mean: Mean per channel of images in [0, 1]; ImageNet's by default.
        std: Standard deviation per channel of images in [0, 1]; ImageNet's by default.
        **kwargs: See `DomainDataModule`.

    Raises:
        AdaptError: A folder is missing or empty, or an argument is out of range.
    """

    def __init__(
        self,
        source: str | list[str],
        target: str,
        dataset: str = "",
        image_size: int = 224,
        resize: int | None = None,
        transductive: bool = False,
        augment: bool = True,
        test_fraction: float = 0.2,
        mean: tuple[float, float, float] = _IMAGENET[0],
        std: tuple[float, float, float] = _IMAGENET[1],
        **kwargs: Any,
    ) -> None:
        if not 0 < test_fraction < 1:
            raise AdaptError(f"Expected a test fraction between 0 and 1, found {test_fraction}.")
        # The base asks for the domains while it starts.
        self.dataset, self.image_size = dataset, image_size
        self.input_shape = (3, image_size, image_size)
        super().__init__(source, target, **kwargs)
        self.class_names = self.domain_classes(target)
        self.resize = resize or round(_MARGIN * image_size)
        self.transductive, self.augment, self.test_fraction = transductive, augment, test_fraction
        self.mean, self.std = (torch.tensor(v).view(1, 3, 1, 1) for v in (mean, std))

    @cached_property
    def known_domains(self) -> Sequence[str]:  # type: ignore[override]  # known once the folder is
        """The folders that hold classes."""
        folder = self.data_path(self.dataset, instructions=_INSTRUCTIONS)
        found = [child.name for child in sorted(folder.iterdir()) if child.is_dir() and _subfolders(_classes_in(child))]
        if not found:
            raise AdaptError(f"Expected domains in {folder}, found no folder of class folders. {_INSTRUCTIONS}")
        return found

    def domain_classes(self, name: str) -> Sequence[str]:
        """Names of the class folders, in alphabetical order."""
        return [child.name for child in _subfolders(_classes_in(self.root / self.dataset / name))]

    def domain(self, name: str, split: Split) -> Dataset[tuple[Any, Any]]:
        """The images of one domain; only its training set is augmented."""
        samples = self._samples(name)
        crop = self._training_crop() if split == "train" and self.augment else self._centre_crop()
        if self.transductive:
            images = ImageList(samples, crop)
            return images if name == self.target else self.holdout(images, "val" if split == "test" else split)
        generator = torch.Generator().manual_seed(self.split_seed + 1)
        order = torch.randperm(len(samples), generator=generator).tolist()
        held = max(1, round(self.test_fraction * len(samples)))
        chosen = order[:held] if split == "test" else order[held:]
        images = ImageList([samples[i] for i in chosen], crop)
        return images if split == "test" else self.holdout(images, split)

    def transform(self, x: Tensor) -> Tensor:
        """Bytes to floats with the mean and standard deviation of the pretraining."""
        return (x / 255 - self.mean.to(x.device)) / self.std.to(x.device)

    def _samples(self, name: str) -> list[tuple[Path, int]]:
        samples: list[tuple[Path, int]] = []
        for label, folder in enumerate(_subfolders(_classes_in(self.root / self.dataset / name))):
            images = sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES)
            if not images:
                raise AdaptError(f"Expected images in {folder}, found none. Remove the folder, or unpack it again.")
            samples += [(path, label) for path in images]
        return samples

    def _training_crop(self) -> v2.Transform:
        crop = v2.RandomResizedCrop(self.image_size, scale=(0.7, 1.0), antialias=True)
        return v2.Compose([crop, v2.RandomHorizontalFlip()])

    def _centre_crop(self) -> v2.Transform:
        return v2.Compose([v2.Resize(self.resize, antialias=True), v2.CenterCrop(self.image_size)])


class ImageList(Dataset[tuple[Tensor, int]]):
    """Images decoded when they are asked for.

    Args:
        samples: Paths and class indices.
        crop: From an image `(3, H, W)` of bytes to one of fixed size.
    """

    def __init__(self, samples: Sequence[tuple[Path, int]], crop: v2.Transform) -> None:
        self.samples, self.crop = samples, crop
        self.targets = [label for _, label in samples]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        path, label = self.samples[index]
        try:
            with Image.open(path) as file:
                image = functional.pil_to_tensor(file.convert("RGB"))
        except (OSError, SyntaxError) as error:
            raise AdaptError(
                f"Expected an image at {path}, could not decode it ({error}). Restore or remove it."
            ) from error
        cropped: Tensor = self.crop(image)
        return cropped, label


def _classes_in(domain: Path) -> Path:
    return domain / "images" if (domain / "images").is_dir() else domain


def _subfolders(folder: Path) -> list[Path]:
    return sorted(child for child in folder.iterdir() if child.is_dir() and not child.name.startswith("."))
