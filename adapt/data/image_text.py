"""Samples of an image and a text, from a table that names the images."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import pad
from torch.utils.data import Dataset

from adapt.backbones.transformer import tokenise
from adapt.backbones.words import hash_words
from adapt.data.array_files import file_of, is_of, name_and_ending
from adapt.data.base import Split
from adapt.data.batches import Labelled, Unlabelled
from adapt.data.folders import ImageFolders, Listing
from adapt.data.image_paths import ImagePaths
from adapt.data.images import as_picture, open_image, readable_endings
from adapt.data.labels import NO_LABEL, Labels, no_labels
from adapt.data.texts import (
    TABLES,
    by_domain,
    class_labels,
    longest_text_of,
    read_table,
    split_rows,
    splits_of,
    titled,
    tokenised,
    warn_of_unknown,
    without_padding,
)
from adapt.data.views import WithoutLabels
from adapt.errors import AdaptError
from adapt.trees import Tree, collate, take, tree_map

_INSTRUCTIONS = (
    "A domain is a table <domain>.csv (or .tsv, .parquet) with the columns `image` (a path, from the table's folder) "
    "and `text`, and `label` where there are labels; or one table with a column `domain`, named by --data.file."
)


class Pairs(NamedTuple):
    """The rows of one domain.

    Attributes:
        images: Each sample's image, None where it has none.
        texts: Each sample's text, empty where it has none.
        labels: Names of the classes, None where a sample has none.
        names: What the samples are called.
        splits: `train`, `val` or `test` for each sample; None where the table does not say.
        groups: What has to stay in one split, such as each sample's person; None where the table does not say.
    """

    images: list[Path | None]
    texts: list[str]
    labels: list[str | None]
    names: list[str]
    splits: list[str] | None
    groups: list[str] | None = None


class ImageText(ImageFolders):
    """Samples of an image and a text (a caption, a product's title, a report), for `FusionBackbone`.

    A domain is a table `<root>/<dataset>/<domain>.csv` (`.tsv`, `.parquet`) with a column `image`, paths from the
    table's folder or absolute ones, and a column `text`. Further columns are read where they are there: `title`, which
    is put before the text, `label`, the class's name, `split` (`train`, `val`, `test`), `groups`, what is never in two
    splits, and `index`, what a row is called in `predictions.csv`. Or one table, `file`, holds all domains, which its
    column `domain` tells apart. The target needs no labels. A cell of `image` or `text` may be empty, and a whole
    column may be missing: the sample then lacks this modality, and `FusionBackbone` knows it. A row with neither is
    refused.

    Inputs are a dict of `image` `(N, 3, S, S)`, `text`, and `present` `(N, 2)`, whether there is an image and a text.
    With a `tokenizer` a text is `ids` and `mask` for `TransformerBackbone`; without, it is hashed `words` and `mask`
    for `BagOfWords`, which needs no further package. Texts are padded to the longest of the step. An image that is not
    there is one of the mean colour. Images are cropped and flipped in training as in `ImageFolders`: turn `augment` off
    where the texts say left and right.

    Args:
        source: One domain, or several to pool.
        target: The domain to adapt to.
        tokenizer: Hugging Face folder of the text encoder, from which the command line takes it; None for hashed words.
        file: One table, below `dataset`, that holds all domains.
        length: Most tokens, or words, of a text.
        **kwargs: See `ImageFolders`; `dataset` is the folder below the root that holds the tables, and `unlabelled`
            names domains whose labels are not read.

    Raises:
        AdaptError: A domain is not there or cannot be read, an image that a table names is missing, a row has neither
            image nor text, or the classes do not fit; an argument is out of range.
    """

    rows_are_numbered_by_split = False

    def __init__(
        self,
        source: str | list[str],
        target: str,
        tokenizer: str | None = None,
        file: str = "",
        length: int = 64,
        **kwargs: Any,
    ) -> None:
        self.tokenizer, self.file, self.length = tokenizer, file, length
        self._texts: dict[str, dict[str, Tensor]] = {}
        super().__init__(source, target, **kwargs)

    def _check_arguments(self) -> None:
        if self.length < 4:
            raise AdaptError(f"Expected a length of at least 4, found {self.length}.")
        super()._check_arguments()

    def _find_domains(self, folder: Path) -> list[str]:
        if self.file:
            path = self.data_path(self.dataset, self.file, instructions=_INSTRUCTIONS)
            return sorted(_domains_of(path, path.stat().st_mtime_ns))
        tables = (path for path in folder.iterdir() if is_of(path, TABLES) and path.name[0] not in "._")
        known = sorted(name_and_ending(path)[0] for path in tables)
        if not known:
            raise AdaptError(f"Expected tables in {folder}, found none. {_INSTRUCTIONS}")
        return known

    def _check_sources(self) -> None:
        for name in self.sources:
            if len(own := self._named(name)) < 2:
                found = ", ".join(own) or "none"
                raise AdaptError(
                    f"Expected labels of two classes or more in the source {name!r}, found {found}: give its table a "
                    "column `label`."
                )

    def domain_classes(self, name: str) -> Sequence[str]:
        """The classes of one domain, none where it has no labels; a domain may lack some of the source's."""
        own, source = self._named(name), sorted({label for other in self.sources for label in self._named(other)})
        source = _in_order(source)
        told = (self.source_classes, self.target_classes, self.class_sets) != (None, None, None)
        return source if own and set(own) <= set(source) and not told else own

    def label_names(self, name: str) -> Sequence[str]:
        """The classes that a domain's labels number."""
        return self.domain_classes(name) or self.all_classes

    def table(self, name: str) -> Pairs:
        """The rows of a domain as they lie on disk, read once."""
        if self.file:
            path = self.root / self.dataset / self.file
            found = _domains_of(path, path.stat().st_mtime_ns)
            if name not in found:
                self.check_domain(name)
            return found[name]
        own = self.inputs_path(name)
        if own is None:  # the base names it, with what it was probably meant to be
            self.check_domain(name)
            raise AssertionError
        return _read(own, own.stat().st_mtime_ns)

    def inputs_path(self, name: str) -> Path | None:
        """The domain's table, where it has one of its own."""
        return None if self.file else file_of(self.root / self.dataset, name, TABLES)

    def sample_names(self, name: str, split: Split) -> Sequence[str]:
        """Rows of the table, or what its column `index` calls them."""
        names = self.table(name).names
        return [names[row] for row in self._rows(name, split)]

    def _split(self, name: str, split: Split, augmented: bool) -> Dataset[tuple[Any, Any]]:
        table, rows = self.table(name), self._rows(name, split)
        targets = self._listing(name)[""].targets.take(torch.tensor(rows, dtype=torch.long))
        text = take(self.encoded(name), torch.tensor(rows, dtype=torch.long))
        images = [table.images[row] for row in rows]
        how = {"transform": self._pipeline(augmented), "read": self._reader(name), "blank": self._blank()}
        return PairDomain(images, text, _present(images, [table.texts[row] for row in rows]), targets, **how)

    def encoded(self, name: str) -> dict[str, Tensor]:
        """All texts of a domain, tokenised or hashed, at one width, so that domains can be pooled."""
        if name not in self._texts:
            texts = self.table(name).texts
            if self.tokenizer is None:
                found = hash_words(texts, self.length)
            else:
                found = tokenised(tuple(texts), self.tokenizer, self.length)
                warn_of_unknown(found["ids"], found["mask"], self.tokenizer, name)
            self._texts[name] = tree_map(lambda leaf: pad(leaf, (0, self.length - leaf.shape[1])), found)
        return self._texts[name]

    def whole(self, name: str) -> "PairDomain":
        """All samples of a domain in the table's order, as evaluation sees them."""
        table, targets = self.table(name), self._listing(name)[""].targets
        found = self._new(table.images, table.texts)
        found.targets = targets
        return found

    def transform(self, x: Tree) -> Tree:
        """Images become normalised floats; tokens stay what they are."""
        return {**x, "image": super().transform(x["image"])}

    def on_before_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Cut the padding that no text of the step needs, alike in all its parts, which are encoded together."""
        return with_short_texts(batch)

    def read_inputs(self, path: str | Path) -> tuple[Dataset[tuple[Any, Any]], list[str]]:
        """New samples, and what they are called.

        Args:
            path: A table with the columns `image` and `text`, or one of them, whose labels are not looked at; or a
                folder of images, or one image, whose texts are then missing.

        Raises:
            AdaptError: There are no samples, or an image is missing.
        """
        path = Path(path)
        if path.is_dir() or path.suffix.lower() in readable_endings():
            dataset, names = super().read_inputs(path)
            files: list[Path | None] = list(dataset.files)  # type: ignore[attr-defined]  # an ImageDomain
            table = Pairs(files, [""] * len(files), [None] * len(files), names, None)
        else:
            table = read_pairs(path, labelled=False)
        return self._new(table.images, table.texts), table.names

    def prepare(self, inputs: Any) -> Dataset[Any]:
        """Samples that a person has in Python.

        Args:
            inputs: A list of dicts `{"image": ..., "text": ...}`, of which one may be missing or None; an image is
                Pillow's, a path, or bytes in an array; a `title` is put before the text. Or a DataFrame with columns of
                these names.
        """
        records = getattr(inputs, "to_dict", None)
        samples = (
            records("records") if records is not None else [inputs] if isinstance(inputs, Mapping) else list(inputs)
        )
        if odd := [s for s in samples if not isinstance(s, Mapping) or not s.keys() & {"image", "text"}]:
            raise AdaptError(
                f"Expected samples as dicts of image and text, found {type(odd[0]).__name__}: {odd[0]!r:.60}."
            )
        # A gap in a frame is NaN.
        samples = [{k: None if isinstance(v, float) and v != v else v for k, v in s.items()} for s in samples]
        images = [s.get("image") for s in samples]
        texts = titled({name: [s.get(name) or "" for s in samples] for name in ("title", "text")})
        for row, (image, text) in enumerate(zip(images, texts, strict=True)):
            if image is None and not text.strip():
                raise AdaptError(f"Expected an image or a text in each sample, found neither in sample {row} (from 0).")
        return WithoutLabels(self._new(images, texts, as_picture))

    def _new(
        self, images: Sequence[Any], texts: Sequence[str], read: Callable[[Any], Any] = open_image
    ) -> "PairDomain":
        if self.tokenizer is None:
            found = hash_words(texts, self.length)
        else:
            found = tokenise(texts, self.tokenizer, self.length)
        how = {"transform": self._pipeline(False), "read": read, "blank": self._blank()}
        return TrimmedPairs(images, found, _present(images, texts), no_labels(len(images)), **how)

    def _blank(self) -> Tensor:
        shade = torch.tensor([min(max(round(255 * value), 0), 255) for value in self.mean], dtype=torch.uint8)
        return shade[:, None, None].expand(3, self.image_size, self.image_size)

    def _named(self, name: str) -> list[str]:
        hidden = name in self.unlabelled
        return [] if hidden else _in_order({label for label in self.table(name).labels if label is not None})

    def _listing(self, name: str) -> dict[str, Listing]:
        if name not in self._listings:
            table = self.table(name)
            number = {label: k for k, label in enumerate(self.label_names(name))}
            hidden = name in self.unlabelled
            labels = [None if hidden else label for label in table.labels]
            known = torch.tensor([label is not None for label in labels])
            y = torch.tensor([-1 if label is None else number[label] for label in labels])
            files = ImagePaths(self.root / self.dataset, (path for path in table.images if path is not None))
            self._listings[name] = {"": Listing(files, Labels(y, known))}
        return self._listings[name]

    def _rows(self, name: str, split: Split) -> list[int]:
        return split_rows(self, name, split, self.table, self.test_fraction)


class PairDomain(Dataset[tuple[Tree, Any]]):
    """Images that are decoded when they are asked for, each with its text.

    Args:
        files: Image files, or what `read` takes; None where a sample has no image.
        text: All texts as a tree of tensors `(N, L)`.
        present: Whether each sample has an image and a text `(N, 2)`.
        targets: Class indices, as far as there are some.
        transform: What turns an RGB image into bytes `(3, H, W)`.
        read: What reads a file as an RGB image.
        blank: Bytes `(3, H, W)` in the place of an image that is not there.

    Raises:
        UnreadableImageError: When asked for a file that is not an image.
    """

    def __init__(
        self,
        files: Sequence[Any],
        text: dict[str, Tensor],
        present: Tensor,
        targets: Labels,
        transform: Callable[[Image.Image], Tensor],
        read: Callable[[Any], Image.Image],
        blank: Tensor,
    ) -> None:
        self.files, self.text, self.present, self.targets = files, text, present, targets
        self.transform, self.read, self.blank = transform, read, blank

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tree, Any]:
        file = self.files[index]
        image = self.blank if file is None else self.transform(self.read(file))
        label = int(self.targets.y[index]) if self.targets.known[index] else NO_LABEL
        return {"image": image, "text": take(self.text, index), "present": self.present[index]}, label


class TrimmedPairs(PairDomain):
    """Samples of which a batch has only the columns that its longest text needs."""

    def __getitems__(self, indices: Sequence[int]) -> tuple[Tree, Labels]:
        x = collate([self[index][0] for index in indices])
        return x | {"text": without_padding(x["text"])}, self.targets.take(torch.as_tensor(indices))


def with_short_texts(batch: Any) -> Any:
    """A step's parts without the padding that none of their texts needs.

    Args:
        batch: One part or several, whose inputs have `text` with a `mask`.
    """
    parts = [batch] if isinstance(batch, Labelled | Unlabelled) else list(batch)
    longest = max(longest_text_of(part.x["text"]["mask"]) for part in parts)
    cut = [
        part._replace(x=part.x | {"text": tree_map(lambda leaf: leaf[:, :longest], part.x["text"])}) for part in parts
    ]
    return cut[0] if isinstance(batch, Labelled | Unlabelled) else type(batch)(*cut)


def read_pairs(path: Path, labelled: bool = True) -> Pairs:
    """The rows of a table of images and texts.

    Args:
        path: A file `.csv`, `.tsv` or `.parquet`.
        labelled: Whether labels and splits are read.

    Raises:
        AdaptError: It cannot be read, has neither of the columns, or a row has neither an image nor a text; or an image
            is not there.
    """
    if not path.is_file():
        raise AdaptError(f"Expected a table or a folder of images at {path}, found nothing there. {_INSTRUCTIONS}")
    return _pairs(read_table(path), path, labelled)


def _pairs(columns: Mapping[str, list[str]], path: Path, labelled: bool) -> Pairs:
    if not columns.keys() & {"image", "text"}:
        found = ", ".join(map(repr, columns)) or "none"
        raise AdaptError(f"Expected a column `image` or `text` in {path}, found {found[:200]}. {_INSTRUCTIONS}")
    count = len(next(iter(columns.values())))
    if not count:
        raise AdaptError(f"Expected samples in {path}, found no row.")
    blank = [""] * count
    images: list[Path | None] = [path.parent / cell if cell else None for cell in columns.get("image", blank)]
    texts = titled(columns) if "text" in columns else blank
    neither = [row for row in range(count) if images[row] is None and not texts[row].strip()]
    if neither:
        raise AdaptError(
            f"Expected an image or a text in every row of {path}, found {len(neither)} rows with neither, the first of "
            f"them row {neither[0]} (from 0): fill or drop them."
        )
    gone = [row for row, image in enumerate(images) if image is not None and not image.is_file()]
    if gone:
        raise AdaptError(
            f"Expected the images of {path} at the paths in its column `image`, from {path.parent}, found {len(gone)} "
            f"that are not there, the first of them in row {gone[0]} (from 0): {images[gone[0]]}."
        )
    labels = columns.get("label", blank) if labelled else blank
    names = columns.get("index") or [str(row) for row in range(count)]
    splits, groups = (splits_of(dict(columns), path), columns.get("groups")) if labelled else (None, None)
    return Pairs(images, texts, class_labels(labels), list(names), splits, groups)


@lru_cache(maxsize=16)
def _read(path: Path, changed: int) -> Pairs:
    return read_pairs(path)


@lru_cache(maxsize=4)
def _domains_of(path: Path, changed: int) -> dict[str, Pairs]:
    columns = read_table(path)
    if "domain" not in columns:
        found = ", ".join(map(repr, columns)) or "none"
        raise AdaptError(f"Expected a column `domain` in {path}, which holds all domains, found {found[:200]}.")
    # Before the rows are told apart, so that a message counts them as the file does.
    whole = _pairs(columns, path, True)
    return by_domain(whole, columns["domain"], path)


def _present(images: Sequence[Any], texts: Sequence[str]) -> Tensor:
    pairs = zip(images, texts, strict=True)
    return torch.tensor([[image is not None, bool(text.strip())] for image, text in pairs]).reshape(-1, 2)


def _in_order(names: Any) -> list[str]:
    found = set(names)
    return sorted(found, key=int) if all(name.isdecimal() for name in found) else sorted(found)
