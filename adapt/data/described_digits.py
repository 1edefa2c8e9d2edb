"""Handwritten digits with generated descriptions: a shift in one of two modalities, without a file."""

import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import label as components
from sklearn.datasets import load_digits, load_sample_images
from torch import Tensor
from torch.nn.functional import interpolate, pad
from torch.utils.data import Dataset
from torchvision.datasets import MNIST

from adapt.backbones.words import hash_words
from adapt.data.base import DomainDataModule, Split
from adapt.data.image_text import with_short_texts
from adapt.data.views import TensorDomain
from adapt.errors import AdaptError
from adapt.trees import Tree

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_DOMAINS = ("clean", "photo", "misheard", "reworded", "photo_misheard", "no_text", "no_image")
_LENGTH = 32
_DIMMED = 0.7
_PAPER = 0.4  # ink up to which a pixel is background: above it, small loops fill up or break open
_MISHEARD, _LOST = 0.5, 0.2
_NAMED, _MENTIONED = 0.5, 0.7
# Source and targets never share a digit: positions in one permutation, training and test.
_PARTS = {
    "optdigits": {"clean": (777, 120), "target": (600, 300)},
    "mnist": {"clean": (6000, 1000), "target": (6000, 2000)},
}
_SIZES = {"optdigits": 16, "mnist": 28}
# What another speaker calls the same thing.
_OTHER_WORDS = {
    **dict(zip(NAMES, "0123456789", strict=True)),
    **{
        "thin": "fine",
        "medium": "usual",
        "bold": "fat",
        "strokes": "lines",
        "leaning": "slanted",
        "upright": "straight",
    },
    **{"narrow": "slim", "regular": "average", "wide": "broad", "loop": "ring", "digit": "number"},
}


class Described(NamedTuple):
    """One split of one domain.

    Attributes:
        images: Bytes `(N, 3, S, S)`.
        texts: Their descriptions; empty where there is none.
        present: Whether there is an image and a text `(N, 2)`.
        y: The digits `(N,)`.
    """

    images: Tensor
    texts: list[str]
    present: Tensor
    y: Tensor


class DescribedDigits(DomainDataModule):
    """Images of handwritten digits, each with a short description, and domains that differ in one of the two.

    **The texts are generated; no person wrote them.** The images are real: scikit-learn's 8×8 scans at 16×16, which
    need no file, or MNIST. A text says what was measured in its image: the strokes' thickness (area over outline), the
    lean and the width (second moments), where its ink lies, how many loops it has (holes), and what is behind it; each
    with probability 0.7, by terciles of the source, in any order. With probability 0.5 it also names the digit, as
    somebody who describes it would: **the name is the label**, so half of the texts hold the answer, in the target too.
    For example "a three, thin strokes, leaning right, no loop, on black".

    Domains, of which `clean` is the natural source; the others share their digits, which are none of its:

    - `clean`: a digit on black, and its text.
    - `photo`: max(d, 0.7 p) with a crop p of a photograph, per channel; the text is right. A shift of the image.
    - `misheard`: the name, where one is said, is another digit's with probability 0.5, and each word is lost with
      probability 0.2; the image is clean. Noise of the text.
    - `reworded`: the same said in other words ("a 3, fine lines"). A shift of the text's vocabulary.
    - `photo_misheard`: both.
    - `no_text`, `no_image`: clean, and one modality is missing.

    Inputs are those of `ImageText` without a tokenizer, for `FusionBackbone` with `BagOfWords`.

    Args:
        source: One domain, or several to pool.
        target: The domain to adapt to.
        images: `optdigits` (777 and 120 source images, 600 and 300 of the target's), or `mnist` (6000 and 1000, 6000
            and 2000), which lies below the root as torchvision has it.
        **kwargs: See `DomainDataModule`.

    Raises:
        AdaptError: An argument is out of range, or MNIST is not there.
    """

    known_domains = _DOMAINS
    class_names = tuple("0123456789")

    def __init__(
        self,
        source: str | list[str] = "clean",
        target: str = "photo",
        images: Literal["optdigits", "mnist"] = "optdigits",
        **kwargs: Any,
    ) -> None:
        if images not in _SIZES:
            raise AdaptError(f"Expected images optdigits or mnist, found {images!r}.")
        self.images = images
        self.input_shape = (3, _SIZES[images], _SIZES[images])
        super().__init__(source, target, **kwargs)

    def domain(self, name: str, split: Split) -> Dataset[tuple[Any, Any]]:
        """The digits of one domain with their descriptions."""
        found = self.described(name, split)
        words = hash_words(found.texts, _LENGTH)
        text = {key: pad(part, (0, _LENGTH - part.shape[1])) for key, part in words.items()}
        whole = TensorDomain({"image": found.images, "text": text, "present": found.present}, found.y)
        return whole if split == "test" else self.holdout(whole, split)

    def described(self, name: str, split: Split) -> Described:
        """Images and texts as a person sees them; training and validation are one.

        Args:
            name: The domain.
            split: `train`, `val` or `test`.
        """
        if self.images == "mnist":
            self.data_path("MNIST/raw", instructions="Unpack MNIST's four files to <root>/MNIST/raw.")
        return describe(self.images, str(self.root.resolve()), name, split != "test")

    def transform(self, x: Tree) -> Tree:
        """Bytes to floats in [−1, 1]; words stay what they are."""
        return {**x, "image": (x["image"] / 255 - 0.5) / 0.5}

    def on_before_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Cut the padding that no text of the step needs."""
        return with_short_texts(batch)


@lru_cache(maxsize=16)
def describe(images: str, root: str, name: str, train: bool) -> Described:
    """One split of one domain of `DescribedDigits`, always the same.

    Args:
        images: `optdigits` or `mnist`.
        root: Folder of MNIST.
        name: The domain.
        train: The training or the test set.
    """
    digits, labels = _digits(images, root)
    at = _positions(images, len(digits), "clean" if name == "clean" else "target", train)
    # The target domains have the same digits and say the same of them, before something happens to either.
    draw = np.random.default_rng([name == "clean", train])
    spoken = np.random.default_rng([_DOMAINS.index(name), train, 1])
    drawn, y = digits[at], labels[at]
    behind = "on black"
    pictures = np.repeat(drawn[:, None], 3, 1)
    if name.startswith("photo"):
        pictures, behind = np.maximum(pictures, _DIMMED * _crops(len(at), drawn.shape[1], spoken)), "on a photograph"
    texts = _texts(measured(drawn), _terciles(images, root), y, behind, draw)
    if name.endswith("misheard"):
        texts = [_misheard(text, spoken) for text in texts]
    elif name == "reworded":
        texts = [re.sub(r"\w+", lambda found: _OTHER_WORDS.get(found[0], found[0]), text) for text in texts]
    present = torch.ones(len(at), 2, dtype=torch.bool)
    if name == "no_text":
        texts, present[:, 1] = [""] * len(at), False
    if name == "no_image":
        pictures, present[:, 0] = np.full_like(pictures, 0.5), False
    inks = torch.from_numpy((255 * pictures).round().astype(np.uint8))
    return Described(inks, texts, present, torch.from_numpy(y))


def measured(digits: NDArray[np.float32]) -> NDArray[np.float64]:
    """What a text may say of digits `(N, S, S)` in [0, 1].

    Returns:
        `(N, 5)`: thickness of the strokes in pixels (2 · area / outline), lean (the covariance of the ink's coordinates
        over its vertical variance; above 0 to the right), width (ratio of the standard deviations), height of the ink's
        centre (0 bottom, 1 top of the ink's rows), and number of holes.

    Examples:
        >>> import numpy as np
        >>> ring = np.zeros((1, 9, 9), np.float32)
        >>> ring[0, 2:7, 2:7] = 1
        >>> ring[0, 4, 4] = 0
        >>> measured(ring)[0].round(2).tolist()
        [1.6, 0.0, 1.0, 0.5, 1.0]
    """
    size = digits.shape[1]
    up, right = (axis.astype(float) for axis in np.mgrid[size - 1 : -1 : -1, 0:size])
    ink = np.maximum(digits.sum((1, 2)), 1e-6)
    padded = np.pad(digits, ((0, 0), (1, 1), (1, 1)))
    outline = np.abs(np.diff(padded, axis=1)).sum((1, 2)) + np.abs(np.diff(padded, axis=2)).sum((1, 2))
    x, y = ((digits * axis).sum((1, 2)) / ink for axis in (right, up))
    dx, dy = right[None] - x[:, None, None], up[None] - y[:, None, None]
    var_x, var_y, both = ((digits * part).sum((1, 2)) / ink for part in (dx * dx, dy * dy, dx * dy))
    rows = digits.max(2) > 0.5
    top = size - 1 - rows.argmax(1)
    bottom = rows[:, ::-1].argmax(1)
    height = (y - bottom) / np.maximum(top - bottom, 1)
    # The background around the digit is one component, each hole one more.
    holes = [components(np.pad(digit <= _PAPER, 1, constant_values=True))[1] - 1 for digit in digits]
    lean, width = both / np.maximum(var_y, 1e-6), np.sqrt(var_x / np.maximum(var_y, 1e-6))
    return np.stack([2 * digits.sum((1, 2)) / np.maximum(outline, 1e-6), lean, width, height, np.array(holes)], 1)


def _texts(
    found: NDArray[np.float64],
    bounds: NDArray[np.float64],
    y: NDArray[np.int64],
    behind: str,
    draw: np.random.Generator,
) -> list[str]:
    said: Sequence[Sequence[str]] = (
        ("thin strokes", "medium strokes", "bold strokes"),
        ("leaning left", "upright", "leaning right"),
        ("narrow", "regular", "wide"),
        ("heavy at the bottom", "even", "heavy at the top"),
    )
    texts = []
    for values, digit in zip(found, y, strict=True):
        phrases = [words[int((bounds[:, k] < values[k]).sum())] for k, words in enumerate(said)]
        holes = int(values[4])
        phrases.append(["no loop", "single loop", "double loop"][min(holes, 2)])
        phrases.append(behind)
        kept = [phrase for phrase in phrases if draw.random() < _MENTIONED]
        draw.shuffle(kept)
        name = NAMES[digit] if draw.random() < _NAMED else "digit"
        texts.append(", ".join([f"{'an' if name == 'eight' else 'a'} {name}", *kept]))
    return texts


def _misheard(text: str, draw: np.random.Generator) -> str:
    words = []
    for word in text.split():
        if draw.random() < _LOST:
            continue
        name = word.strip(",")
        if name in NAMES and draw.random() < _MISHEARD:
            others = [other for other in NAMES if other != name]
            word = word.replace(name, others[int(draw.integers(len(others)))])
        words.append(word)
    return " ".join(words) or "something"


def _positions(images: str, size: int, part: str, train: bool) -> NDArray[np.int64]:
    order = torch.randperm(size, generator=torch.Generator().manual_seed(0)).numpy()
    start = 0
    for name, (training, testing) in _PARTS[images].items():
        if name == part:
            first = start if train else start + training
            return np.asarray(order[first : first + (training if train else testing)])
        start += training + testing
    raise AssertionError(part)


@lru_cache(maxsize=2)
def _digits(images: str, root: str) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    if images == "optdigits":
        scans = load_digits()
        small = torch.as_tensor(scans.images, dtype=torch.float32)[:, None] / 16
        size = _SIZES[images]
        return interpolate(small, size=(size, size), mode="bilinear")[:, 0].numpy(), scans.target.astype(np.int64)
    try:
        found = MNIST(root, train=True, download=False)
    except RuntimeError as error:
        where = Path(root, "MNIST", "raw")
        raise AdaptError(f"Expected MNIST's four files in {where}, could not read them ({error}).") from error
    return (found.data.float() / 255).numpy(), found.targets.numpy()


@lru_cache(maxsize=2)
def _terciles(images: str, root: str) -> NDArray[np.float64]:
    """The source's terciles `(2, 4)`, by which every domain is described."""
    digits, _ = _digits(images, root)
    found = measured(digits[_positions(images, len(digits), "clean", True)])
    return np.quantile(found[:, :4], [1 / 3, 2 / 3], axis=0)


def _crops(count: int, size: int, draw: np.random.Generator) -> NDArray[np.float32]:
    photos = [np.asarray(image, np.float32).transpose(2, 0, 1) / 255 for image in load_sample_images().images]
    crops = np.empty((count, 3, size, size), np.float32)
    for crop in crops:
        photo = photos[int(draw.integers(len(photos)))]
        top, left = (int(draw.integers(side - size + 1)) for side in photo.shape[1:])
        crop[:] = photo[:, top : top + size, left : left + size]
    return crops
