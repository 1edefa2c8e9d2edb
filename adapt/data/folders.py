"""Image folders: `<domain>/<class>/<image>`, such as PACS, Office-31 and Office-Home, and domains without classes."""

import math
import unicodedata
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import Dataset, Subset
from torchvision.transforms import v2

from adapt.data.base import DomainDataModule, Split
from adapt.data.checks import check_class_names
from adapt.data.image_paths import ImagePaths, name_below
from adapt.data.images import (
    as_picture,
    image_files,
    is_hidden,
    is_one_picture,
    open_image,
    readable_endings,
    warn_of_skipped,
)
from adapt.data.labels import NO_LABEL, Labels, join_labels, marked_labels, no_labels
from adapt.data.store import ImageStore, shrunk
from adapt.errors import AdaptError

_EVALUATED_SHARE = 0.875
_STORED_SIDE = 256  # TLlib's
_FEWEST_STORED = 256
# Stores that were announced: grids and streams open the same images again and again.
_TOLD: set[Path] = set()
_SPLIT_WORDS = {"train", "training", "val", "valid", "validation", "test", "testing"}


class ImageDomain(Dataset[tuple[Tensor, Any]]):
    """Images that are decoded when they are asked for.

    Args:
        files: Image files.
        targets: Their class indices, as far as they have one.
        transform: What turns an RGB image into bytes `(3, H, W)`.
        read: What reads a file as an RGB image.

    Raises:
        UnreadableImageError: When asked for a file that is not an image.
    """

    def __init__(
        self,
        files: Sequence[Path],
        targets: Labels | Tensor,
        transform: Callable[[Image.Image], Tensor],
        read: Callable[[Path], Image.Image] = open_image,
    ) -> None:
        self.files, self.targets = files, marked_labels(targets, len(files))
        self.transform, self.read = transform, read

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, Any]:
        label = int(self.targets.y[index]) if self.targets.known[index] else NO_LABEL
        return self.transform(self.read(self.files[index])), label


class ImageFolders(DomainDataModule):
    """Domains found on disk: `<root>/<dataset>/<domain>/<class>/<image>`, or `<domain>/images/<class>/<image>`.

    A class has every file below its folder that Pillow can decode (`adapt.data.images`), in linked folders too; what is
    hidden is left out, and a warning names what else is. Images are decoded, cropped and flipped in the loader's
    workers, travel as bytes, and are normalised on the device.

    A domain whose folder holds images and no class folders has no labels; the classes are then the source's. Where
    its folders say something else than classes, name it in `unlabelled`.

    A domain whose folders are `train` and `test` (and perhaps `val`) has these splits, each with class folders or
    without. By default each other domain is cut into disjoint training, validation and test sets, the same for every
    seed. With `transductive`, as most published tables have it, the target is trained on (without labels), validated
    and tested on as a whole. The source then gives all but its held-out share to training, and that share is both its
    validation and its test set: published protocols train on the whole source, but a source accuracy on training
    images could select no model. A small `val_fraction` brings the two close.

    Args:
        source: One domain, or several to pool.
        target: The domain to adapt to.
        dataset: Folder below the root that holds the domains; the root itself when empty.
        image_size: Side of the square images, in pixels.
        resize: Length of the shorter side before the centre is cut out for evaluation; `image_size` / 0.875 by default.
        transductive: Train and test on the whole target, but for the few samples whose labels `shots` trains on.
        augment: Random crops and flips of training images; else they are cut as in evaluation.
        crop_scale: Smallest and largest share of the area that a random crop takes; TLlib's is (0.08, 1). None cuts out
            the centre, as in evaluation, and only flips, as the field does on VisDA-2017.
        test_fraction: Share of each domain that is its test set; without meaning when `transductive`, and of a domain
            that has its own.
        unlabelled: Domains whose folders are no classes: all images below them are taken, without labels.
        mean: Mean per channel of images in [0, 1], to subtract; ImageNet's by default.
        std: Standard deviation per channel, to divide by; ImageNet's by default.
        store: How images are kept after they were decoded once, in adapt's cache folder, so that later epochs and runs
            need not decode them again: as `pixels`, as `jpeg` (a seventh of the disk, a little slower, not quite the
            same pixels), or `none`. Domains of fewer than 256 images are never kept. See `adapt.data.store`.
        store_size: Shorter side that larger images are scaled down to before they are kept and cropped; by default
            256, or `resize` if that is larger. Without meaning for `store: none`.
        eval_batch_size: Samples per batch at validation, test and prediction. On a CPU, 256 images of 224 pixels take
            twice as long as four times 64, and four times the memory.
        **kwargs: See `DomainDataModule`.

    Raises:
        AdaptError: A domain is not there, has no images in a class or other classes than its partner, or an argument
            is out of range; while training, an image cannot be decoded.
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
        crop_scale: tuple[float, float] | None = (0.7, 1.0),
        test_fraction: float = 0.2,
        unlabelled: Sequence[str] = (),
        mean: tuple[float, float, float] = (0.485, 0.456, 0.406),
        std: tuple[float, float, float] = (0.229, 0.224, 0.225),
        store: Literal["pixels", "jpeg", "none"] = "pixels",
        store_size: int | None = None,
        eval_batch_size: int = 64,
        **kwargs: Any,
    ) -> None:
        self.dataset, self.image_size, self.transductive, self.augment = dataset, image_size, transductive, augment
        self.resize = round(image_size / _EVALUATED_SHARE) if resize is None else resize
        self.crop_scale, self.test_fraction, self.mean, self.std = crop_scale, test_fraction, mean, std
        self.store, self.store_size = store, max(_STORED_SIDE, self.resize) if store_size is None else store_size
        self._stores: dict[str, ImageStore | None] = {}
        self.input_shape = (3, image_size, image_size)
        self.unlabelled = [unlabelled] if isinstance(unlabelled, str) else list(unlabelled)
        self._listings: dict[str, dict[str, Listing]] = {}
        super().__init__(source, target, eval_batch_size=eval_batch_size, **kwargs)

    def _check_arguments(self) -> None:
        if not 1 <= self.image_size <= self.resize:
            raise AdaptError(
                f"Expected 1 <= image_size <= resize, found image_size {self.image_size} and resize {self.resize}."
            )
        if self.store not in ("pixels", "jpeg", "none"):
            raise AdaptError(f"Expected store pixels, jpeg or none, found {self.store!r}.")
        if self.store != "none" and self.store_size < self.resize:
            raise AdaptError(
                f"Expected a store_size of at least resize, {self.resize} pixels, found {self.store_size}."
            )
        if not 0 < self.test_fraction < 1:
            raise AdaptError(f"Expected a test fraction between 0 and 1, found {self.test_fraction}.")
        if self.crop_scale is not None and not 0 < self.crop_scale[0] <= self.crop_scale[1] <= 1:
            raise AdaptError(f"Expected crop_scale as 0 < smallest <= largest <= 1, found {list(self.crop_scale)}.")
        if not all(0 < value < math.inf for value in self.std):
            raise AdaptError(f"Expected positive standard deviations, found {list(self.std)}.")
        if not all(map(math.isfinite, self.mean)):
            raise AdaptError(f"Expected finite means, found {list(self.mean)}.")
        folder = self.data_path(self.dataset, instructions="Domains lie there as <domain>/<class>/<image>.")
        self.known_domains = self._find_domains(folder)
        for name in (self.target, *self.sources, *self.unlabelled):
            self.check_domain(name)
        self._check_sources()
        self.class_names = self.domain_classes(self.sources[0]) if self.sources else ()
        super()._check_arguments()

    def _find_domains(self, folder: Path) -> list[str]:
        return image_domains(folder)

    def _check_sources(self) -> None:
        for name in self.sources:
            if not self.domain_classes(name):
                raise AdaptError(
                    f"Expected images of the source {name!r} as {name}/<class>/<image>, found no class folders in "
                    f"{self._folder(name)}: a source needs labels.\nSort its images into a folder per class."
                )

    def domain_classes(self, name: str) -> Sequence[str]:
        """The class folders of one domain, in alphabetical order; none of a domain without labels."""
        if name in self.unlabelled:
            return []
        parts = {f"{name}/{part}": self._classes_in(name, part) for part in _parts(self._folder(name))}
        labelled = {where: names for where, names in parts.items() if names}
        check_class_names(labelled)
        return next(iter(labelled.values()), [])

    def label_names(self, name: str) -> Sequence[str]:
        """The classes that a domain's labels number: its own folders."""
        return self.domain_classes(name) or self.all_classes

    def _folder(self, name: str) -> Path:
        return self.root / self.dataset / name

    def _classes_in(self, name: str, part: str) -> list[str]:
        folders = _class_folders(self._folder(name) / part)
        _refuse_splits(folders, name)
        names = [_class_name(folder) for folder in folders]
        by_letters: dict[str, str] = {}
        for found in names:
            other = by_letters.setdefault(found.casefold(), found)
            if other is not found:
                raise AdaptError(
                    f"Expected classes with different names in {name!r}, found {other!r} and {found!r}, which on other "
                    "systems are one folder. Put their images together, or rename one."
                )
        return names

    def domain(self, name: str, split: Split) -> Dataset[tuple[Any, Any]]:
        """One split of a domain, the same for every seed of an experiment."""
        return self._split(name, split, augmented=self.augment and split == "train")

    def unaugmented(self, name: str) -> Dataset[tuple[Any, Any]]:
        """The training images of one domain, cut as in evaluation."""
        return self._split(name, "train", augmented=False)

    def _split(self, name: str, split: Split, augmented: bool) -> Dataset[tuple[Any, Any]]:
        listings = self._listing(name)
        how = self._pipeline(augmented), self._reader(name)
        if self.transductive:
            whole = ImageDomain(
                _all(listings, self.root / self.dataset),
                join_labels([listing.targets for listing in listings.values()]),
                *how,
            )
            return whole if name == self.target else self.holdout(whole, "train" if split == "train" else "val")
        if split in listings:
            own = ImageDomain(*listings[split], *how)
            return self.holdout(own, split) if split == "train" and "val" not in listings else own
        if listings.keys() != {""}:
            return self.holdout(ImageDomain(*listings["train"], *how), split)
        files, targets = listings[""]
        order = torch.randperm(len(files), generator=torch.Generator().manual_seed(self.split_seed))
        held = max(1, round(self.test_fraction * len(files)))
        at = order[:held] if split == "test" else order[held:]
        part = ImageDomain(files.take(at), targets.take(at), *how)
        return part if split == "test" else self.holdout(part, split)

    def sample_names(self, name: str, split: Split) -> Sequence[str]:
        """The images' paths, as `<domain>/<class>/<image>`; whole where they lie elsewhere."""
        folder = self.root / self.dataset
        return [name_below(path, folder) for path in _files(self.domain(name, split))]

    def read_inputs(self, path: str | Path) -> tuple[Dataset[tuple[Any, Any]], list[str]]:
        """The images of a folder, at any depth, or one image, cut as in evaluation; their names are their paths.

        Of a folder the paths begin with its own name.
        """
        path = Path(path)
        if path.is_dir():
            files = _images_without_class(path).files
            names = [file.relative_to(path.parent).as_posix() for file in files]
        elif path.is_file():
            files, names = ImagePaths(path.parent, [path]), [path.as_posix()]
        else:
            raise AdaptError(f"Expected an image or a folder of images at {path}, found nothing there.")
        return ImageDomain(files, no_labels(len(files)), self._pipeline(augmented=False)), names

    def transform(self, x: Tensor) -> Tensor:
        """Bytes to normalised floats."""
        x = x / 255
        # Filled on the device: a copy from the host would make it wait.
        mean, std = (torch.stack([x.new_full((1, 1), v) for v in values]) for values in (self.mean, self.std))
        return (x - mean) / std

    def inputs_path(self, name: str) -> Path | None:
        """The domain's folder."""
        return self.root / self.dataset / name

    def prepare(self, inputs: Any) -> Dataset[Any]:
        """Pictures that a person has in Python, cut as in evaluation.

        Args:
            inputs: A list of Pillow images, paths or arrays, or one array or tensor of bytes `(N, H, W, 3)`; or one
                picture, `(H, W, 3)` as an array.

        Raises:
            AdaptError: It is nothing of the kind.
        """
        if is_one_picture(inputs):
            inputs = [inputs]
        try:
            return _Pictures(list(inputs), self._pipeline(False))
        except TypeError as error:
            raise AdaptError(
                f"Expected pictures, paths or an array of bytes (N, H, W, 3), found {type(inputs).__name__}."
            ) from error

    def _pipeline(self, augmented: bool) -> v2.Compose:
        if augmented and self.crop_scale is not None:
            steps = [v2.RandomResizedCrop(self.image_size, scale=self.crop_scale)]
        else:
            steps = [v2.Resize(self.resize), v2.CenterCrop(self.image_size)]
        if augmented:
            steps.append(v2.RandomHorizontalFlip())
        # Also where an image is not kept, so that it is the same for training and for new data.
        first = [] if self.store == "none" else [_Shrink(self.store_size)]
        return v2.Compose([*first, *steps, v2.PILToTensor()])

    def _reader(self, name: str) -> Callable[[Path], Image.Image]:
        if name not in self._stores:
            files = _all(self._listing(name), self.root / self.dataset)
            self._stores[name] = None
            if self.store != "none" and len(files) >= _FEWEST_STORED:
                store = ImageStore(files, self.root / self.dataset, self.store_size, open_image, self.store)
                self._stores[name] = store if _announced(store, name) else None
        found = self._stores[name]
        return open_image if found is None else found.read

    def _listing(self, name: str) -> "dict[str, Listing]":
        """The images by split, or all of them under an empty name."""
        if name not in self._listings:
            folder = self._folder(name)
            read = _images_without_class if name in self.unlabelled else _images_by_class
            self._listings[name] = {part: read(folder / part) for part in _parts(folder)}
        return self._listings[name]


class _Pictures(Dataset[Tensor]):
    """Pictures in memory, cut when they are asked for."""

    def __init__(self, pictures: Sequence[Any], transform: Callable[[Image.Image], Tensor]) -> None:
        self.pictures, self.transform = pictures, transform

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> Tensor:
        return self.transform(as_picture(self.pictures[index]))


class _Shrink(nn.Module):
    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, image: Image.Image) -> Image.Image:
        return shrunk(image, self.side)


def _announced(store: ImageStore, name: str) -> bool:
    """Say how much disk a store takes before it takes it; False where there is too little."""
    if store.stored() == len(store.files):
        return True
    if not store.is_there():
        rank_zero_warn(
            f"The images of {name!r} are decoded in every epoch: they cannot be kept in {store.folder}, which cannot "
            "be made. Set XDG_CACHE_HOME to a folder that can be written, or take --data.store none."
        )
        return False
    room, free = store.has_room()
    size = f"about {store.expected_bytes() / 1e9:.2g} GB, {free / 1e9:.3g} GB are free"
    if room and store.folder not in _TOLD:
        _TOLD.add(store.folder)
        rank_zero_info(
            f"The images of {name!r} are kept in {store.folder} once decoded ({size}). To turn this off: "
            "--data.store none"
        )
    elif not room:
        rank_zero_warn(
            f"The images of {name!r} are decoded in every epoch: there is no room to keep them in {store.folder} "
            f"({size}). Free some, set XDG_CACHE_HOME to a folder on another disk, or take --data.store jpeg."
        )
    return room


class Listing(NamedTuple):
    """The images of a folder.

    Attributes:
        files: Their paths.
        targets: Their class indices, as far as they have one.
    """

    files: ImagePaths
    targets: Labels


def _all(listings: Mapping[str, Listing], folder: Path) -> ImagePaths:
    """The images of all splits, one split after the other."""
    parts = [listing.files for listing in listings.values()]
    return parts[0] if len(parts) == 1 else ImagePaths(folder, chain(*parts))


def _images_without_class(folder: Path) -> Listing:
    files, others = image_files(folder)
    if not files:
        named = f", but {others[0].name}" if others else ""
        raise AdaptError(f"Expected images in {folder}, found none{named}.")
    warn_of_skipped(others, folder)
    return Listing(ImagePaths(folder, files), no_labels(len(files)))


def _images_by_class(domain: Path) -> Listing:
    if not _class_folders(domain):
        return _images_without_class(domain)
    skipped: list[Path] = []
    counts: list[int] = []

    def of_classes() -> Iterator[Path]:
        # One class at a time: all paths of a large folder at once would take a gigabyte.
        for folder in _class_folders(domain):
            found, others = image_files(folder)
            if not found:
                named = f", but {others[0].name}" if others else ""
                raise AdaptError(
                    f"Expected images of class {folder.name!r} in {folder}, found none{named}. "
                    "Add some, or remove the folder."
                )
            skipped.extend(others)
            counts.append(len(found))
            yield from found

    files = ImagePaths(domain, of_classes())
    warn_of_skipped(skipped, domain)
    if loose := _loose_images(domain):
        warnings.warn(
            f"Left out {len(loose)} images of {domain} that lie in no class folder, the first {loose[0].name}.",
            stacklevel=2,
        )
    targets = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    return Listing(files, marked_labels(targets, len(files)))


def image_domains(folder: Path) -> list[str]:
    """The domains that lie in a folder as `<domain>/<class>/<image>` or `<domain>/<image>`, in alphabetical order.

    Raises:
        AdaptError: There is none.
    """
    found = [path.name for path in _folders(folder) if _class_folders(path) or _holds_images(path)]
    if not found:
        raise AdaptError(f"Expected domains as <domain>/<class>/<image> in {folder}, found none. See --data.dataset.")
    return found


def _files(dataset: Dataset[Any]) -> ImagePaths:
    if isinstance(dataset, Subset):
        files = _files(dataset.dataset)
        return files.take(dataset.indices)
    assert isinstance(dataset, ImageDomain)  # every split of this datamodule is one, or a part of one
    assert isinstance(dataset.files, ImagePaths)
    return dataset.files


def _folders(path: Path) -> list[Path]:
    return sorted((part for part in path.iterdir() if part.is_dir() and not is_hidden(part.name)), key=_class_name)


def _parts(domain: Path) -> Sequence[str]:
    """The splits that a domain's folder has, or an empty name for the whole of it."""
    names = {folder.name for folder in _folders(domain)}
    known = [part for part in ("train", "val", "test") if part in names]
    return known if {"train", "test"} <= names == set(known) else [""]


def _class_folders(domain: Path) -> list[Path]:
    folders = _folders(_images_of(domain))
    # Beside images, a folder without any is no class.
    return folders if not _holds_images(domain) or any(image_files(folder)[0] for folder in folders) else []


def _refuse_splits(folders: Sequence[Path], name: str) -> None:
    """Refuse class folders that are splits by their names: telling `train` from `val` is no task."""
    names = [_class_name(folder) for folder in folders]
    if names and _SPLIT_WORDS.issuperset(map(str.lower, names)) and any(map(_folders, folders)):
        raise AdaptError(
            f"Expected the folders of the domain {name!r} to be classes, found the splits {', '.join(names)} with "
            "folders in them.\nCall them `train` and `test`, and `val` if there are three, which is how fixed splits "
            "are read; or put the images of each class into one folder, and splits are drawn."
        )


def _images_of(domain: Path) -> Path:
    """Where a domain's images or classes lie: Office-31 as its authors pack it keeps them one folder deeper."""
    folders = _folders(domain)
    return folders[0] if [folder.name for folder in folders] == ["images"] else domain


def _holds_images(domain: Path) -> bool:
    """Whether images lie in a domain's folder beside its classes, if it has any."""
    return bool(_loose_images(domain) or _loose_images(_images_of(domain)))


def _loose_images(folder: Path) -> list[Path]:
    """Images that lie in a folder itself."""
    found = (path for path in folder.iterdir() if path.suffix.lower() in readable_endings())
    return sorted(path for path in found if not is_hidden(path.name) and not path.is_dir())


def _class_name(folder: Path) -> str:
    # An é may be one sign or two: systems differ in how they write it.
    return unicodedata.normalize("NFC", folder.name)
