"""Texts of several domains, tokenised once."""

import contextlib
import hashlib
import io
import os
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad
from torch.utils.data import Dataset

from adapt.backbones.transformer import encoder_folder, read_tokenizer, tokenise
from adapt.data.array_files import as_texts, file_of, is_of, load_arrays, name_and_ending, read_lines
from adapt.data.base import DomainDataModule, Split
from adapt.data.batches import Labelled, Unlabelled
from adapt.data.columns import given_columns
from adapt.data.named_columns import refuse_absent_names
from adapt.data.splits import held_out, refuse_shared_groups, shared_rows, warn_of_no_group
from adapt.data.views import Inputs, TensorDomain
from adapt.errors import AdaptError
from adapt.files import write_atomically
from adapt.trees import Tree, take, tree_map

Whole = TypeVar("Whole", bound=tuple[Any, ...])

_UNKNOWN = 0.3
_WHOLE = re.compile(r"-?\d+(\.0*)?")
TABLES = (".csv", ".tsv", ".parquet")
_INSTRUCTIONS = (
    "A domain is a table <domain>.csv (or .tsv, .parquet) with a column `text`, if there are `title` and `label`, or a "
    "folder <domain>/<class>/<name>.txt, without the classes where there are no labels. Columns of other names are "
    "named: --data.text, --data.label."
)


@dataclass(frozen=True)
class Names:
    """What the columns of a table of texts are called.

    Attributes:
        text: The texts.
        title: What is put before them.
        label: The classes.
        index: What a row is called.
        groups: What has to stay in one split, such as a person.
        split: Its split.
        domain: Its domain, in a table of all domains.
    """

    text: str = "text"
    title: str = "title"
    label: str = "label"
    index: str = "index"
    groups: str = "groups"
    split: str = "split"
    domain: str = "domain"

    def of(self, columns: Mapping[str, list[str]]) -> dict[str, list[str]]:
        """The columns by what they mean."""
        return {meaning: columns[name] for meaning, name in asdict(self).items() if name in columns}


STANDARD = Names()


class TextTable(NamedTuple):
    """The texts of one file or folder.

    Attributes:
        texts: Each sample's title and text.
        labels: Names of the classes, None where a sample has none.
        names: What the samples are called: rows of a table, files of a folder.
        splits: `train`, `val` or `test` for each sample; None where the table does not say.
        groups: What has to stay in one split, such as each text's person; None where the table does not say.
        columns: Names of the table's columns; None of files.
    """

    texts: list[str]
    labels: list[str | None]
    names: list[str]
    splits: list[str] | None
    groups: list[str] | None = None
    columns: tuple[str, ...] | None = None


class Texts(DomainDataModule):
    """Texts from tables or text files, for `TransformerBackbone`.

    A domain is `<root>/<folder>/<domain>.csv` (`.tsv`, `.parquet`) with the column `text` and, where they are known,
    `title`, which is put before the text, `label`, the class's name, `split` (`train`, `val`, `test`), `groups`, what
    is never in two splits, and `index`, what a row is called in `predictions.csv`. Or it is a folder of text files,
    `<domain>/<class>/<name>.txt`, or `<domain>/<name>.txt` without labels. The target may have no labels. Without
    `split`, splits are drawn: `test_fraction` for testing, of the rest `val_fraction`.

    Columns of other names are named (`text`, `title`, `label`, ...). One table of all domains, `file`, has a column
    that says each row's domain.

    Texts are tokenised once and kept, cut after `length` tokens. Inputs are a dict of `ids` and `mask` `(N, L)`, padded
    to the longest text of the step.

    Args:
        source: One domain, or several to pool.
        target: The domain to adapt to.
        tokenizer: Hugging Face folder of the tokenizer; the command line takes the backbone's.
        folder: Folder below the root that holds the domains; the root itself when empty.
        file: One table below that folder that holds all domains.
        text: Column of the texts.
        title: Column of what is put before them, if it is there.
        label: Column of the classes.
        index: Column of what a row is called; its number where there is none.
        groups: Column of what has to stay in one split, such as a text's author, if it is there.
        split: Column of each row's split, if it is there.
        domain_column: Column of each row's domain, with `file`.
        length: Most tokens of a text.
        transductive: Train and test on the whole target, and validate and test on the held-out share of the source.
        test_fraction: Share of each domain that is its test set, where the tables do not say it.
        **kwargs: See `DomainDataModule`.

    Raises:
        AdaptError: A domain is not there or cannot be read, has no text, or has other classes than its partner; there
            is no tokenizer; an argument is out of range.
    """

    rows_are_numbered_by_split = False

    def __init__(
        self,
        source: str | list[str],
        target: str,
        tokenizer: str | None = None,
        folder: str = "",
        file: str = "",
        text: str = "text",
        title: str = "title",
        label: str = "label",
        index: str = "index",
        groups: str = "groups",
        split: str = "split",
        domain_column: str = "domain",
        length: int = 128,
        transductive: bool = False,
        test_fraction: float = 0.2,
        **kwargs: Any,
    ) -> None:
        self.tokenizer, self.folder, self.file, self.length = tokenizer, folder, file, length
        self.names = Names(text, title, label, index, groups, split, domain_column)
        self.transductive, self.test_fraction = transductive, test_fraction
        self.input_shape = (length,)
        super().__init__(source, target, **kwargs)

    def _check_arguments(self) -> None:
        if not 0 < self.test_fraction < 1:
            raise AdaptError(f"Expected a test fraction between 0 and 1, found {self.test_fraction}.")
        if self.length < 4:
            raise AdaptError(f"Expected a length of at least 4 tokens, found {self.length}.")
        folder = self.data_path(self.folder, self.file, instructions=_INSTRUCTIONS)
        named = list(asdict(self.names).values())
        if len(set(named)) < len(named):
            raise AdaptError(f"Expected a column for each meaning, found {', '.join(named)}.")
        self.known_domains = sorted(self._of_file()) if self.file else text_domains(folder)
        if not self.known_domains:
            raise AdaptError(f"Expected texts in {folder}, found none. {_INSTRUCTIONS}")
        used = [name for name in self.known_domains if name in self.sources or name == self.target]
        options = {"title": "title", "index": "index", "groups": "groups", "split": "split", "domain": "domain_column"}
        names, usual = (
            {option: getattr(known, field) for field, option in options.items()} for known in (self.names, STANDARD)
        )
        refuse_absent_names(names, usual, {name: self.table(name).columns or () for name in used})
        for name in used:
            warn_of_no_group(_array(self.table(name).groups), name)
        of_source = class_names([self.table(name) for name in used if name != self.target])
        self.class_names = of_source
        if not set(class_names([self.table(self.target)]) if self.target in used else ()) <= set(of_source):
            self.class_names = class_names([self.table(name) for name in used])
        super()._check_arguments()
        labelled = of_source if set(used) & set(self.sources) else self.class_names
        if len(labelled) < 2:
            found = ", ".join(labelled) or "none"
            raise AdaptError(
                f"Expected labels of two classes or more in {', '.join(self.sources)}, found {found}: give the table a "
                f"column `{self.names.label}`, or name the one that has them (--data.label)."
            )

    def domain_classes(self, name: str) -> Sequence[str]:
        """The classes of one domain, none where it has no labels; a domain may lack some of the source's."""
        own = class_names([self.table(name)])
        source = class_names([self.table(other) for other in self.known_domains if other in self.sources])
        told = (self.source_classes, self.target_classes, self.class_sets) != (None, None, None)
        return source if own and set(own) <= set(source) and not told else own

    def domain(self, name: str, split: Split) -> Dataset[tuple[Any, Any]]:
        """One split of a domain, the same for every seed of an experiment."""
        whole = self.encoded(name)
        at = torch.tensor(self._rows(name, split), dtype=torch.long)
        return TensorDomain(take(whole.x, at), whole.y[at], whole.labelled[at])

    def sample_names(self, name: str, split: Split) -> Sequence[str]:
        """Rows of the table, or the files."""
        names = self.table(name).names
        return [names[row] for row in self._rows(name, split)]

    def transform(self, x: Tree) -> Tree:
        """Tokens stay what they are."""
        return x

    def on_before_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Cut the padding that no text of the step needs, alike in all its parts, which are encoded together."""
        parts = [batch] if isinstance(batch, Labelled | Unlabelled) else list(batch)
        longest = max(longest_text_of(part.x["mask"]) for part in parts)
        cut = [part._replace(x=tree_map(lambda leaf: leaf[:, :longest], part.x)) for part in parts]
        return cut[0] if isinstance(batch, Labelled | Unlabelled) else type(batch)(*cut)

    def read_inputs(self, path: str | Path) -> tuple[Dataset[tuple[Any, Any]], list[str]]:
        """New texts, from a table or from text files, and what they are called.

        Args:
            path: A table with the column `text` (labels are not looked at), a text file, or a folder of text files.

        Raises:
            AdaptError: There are no texts.
        """
        table = read_texts(Path(path), labelled=False, names=self.names)
        return Trimmed(self.tokenise(table.texts), None), table.names

    def prepare(self, inputs: Any) -> Inputs:
        """Texts that a person has in Python.

        Args:
            inputs: A list of strings, or a DataFrame, dict of columns or list of dicts with `text` and, if there is,
                `title`.
        """
        columns = as_columns(inputs)
        if columns is not None and self.names.text not in columns:
            found = ", ".join(map(repr, columns)) or "none"
            raise AdaptError(f"Expected a column `{self.names.text}`, found {found}.")
        if columns is not None:
            inputs = titled(self.names.of(columns))
        texts = [inputs] if isinstance(inputs, str) else list(inputs)
        if not texts or not all(isinstance(text, str) for text in texts):
            raise AdaptError("Expected a list of texts, found something else: give strings, or the path of a table.")
        return TrimmedInputs(self.tokenise(texts))

    def tokenise(self, texts: Sequence[str]) -> dict[str, Tensor]:
        """Tokens of texts as `ids` `(N, L)`, int32, and `mask` `(N, L)`, uint8.

        Args:
            texts: The texts.

        Raises:
            AdaptError: There is no tokenizer, or its texts are shorter than `length`.
        """
        return tokenise(texts, self._tokenizer_folder(), self.length)

    def _tokenizer_folder(self) -> str:
        if self.tokenizer is None:
            raise AdaptError(
                "Texts expects a tokenizer, the Hugging Face folder of the text encoder: give --data.tokenizer FOLDER, "
                "or --model.backbone TransformerBackbone --model.backbone.path FOLDER."
            )
        return self.tokenizer

    def table(self, name: str) -> TextTable:
        """The texts of a domain as they lie on disk, read once."""
        if self.file:
            if name not in (found := self._of_file()):
                self.check_domain(name)
            return found[name]
        path = table_of(self.root / self.folder, name)
        if not path.exists():  # the base names it, with what it was probably meant to be
            self.check_domain(name)
        return _read(path, newest(path), self.names)

    def _of_file(self) -> dict[str, TextTable]:
        path = self.root / self.folder / self.file
        return _domains_of(path, newest(path), self.names)

    def encoded(self, name: str) -> TensorDomain:
        """All texts of a domain, tokenised, whatever the splits make of them."""
        table, tokenizer = self.table(name), self._tokenizer_folder()
        found = tokenised(tuple(table.texts), tokenizer, self.length)
        warn_of_unknown(found["ids"], found["mask"], tokenizer, name)
        # One width for all domains, so that they can be pooled; batches are cut to what they need.
        x = tree_map(lambda leaf: pad(leaf, (0, self.length - leaf.shape[1])), found)
        number = {label: k for k, label in enumerate(self.all_classes)}
        if other := sorted({label for label in table.labels if label is not None} - number.keys()):
            raise AdaptError(f"Expected the classes {', '.join(number)} in {name!r}, found {', '.join(other[:5])} too.")
        labelled = torch.tensor([label is not None for label in table.labels])
        y = torch.tensor([0 if label is None else number[label] for label in table.labels])
        return TensorDomain(x, y, labelled)

    def _rows(self, name: str, split: Split) -> list[int]:
        return split_rows(self, name, split, self.table, self.test_fraction)


class Trimmed(TensorDomain):
    """Texts of which a batch has only the columns that its longest one needs."""

    def __getitems__(self, indices: Sequence[int]) -> Any:
        x, y = super().__getitems__(indices)
        return without_padding(x), y


class TrimmedInputs(Inputs):
    """The same without labels."""

    def __getitems__(self, indices: Sequence[int]) -> Tree:
        return without_padding(super().__getitems__(indices))


class SplitTable(Protocol):
    """What splits depend on."""

    @property
    def names(self) -> list[str]:
        """What the samples are called."""
        ...

    @property
    def splits(self) -> list[str] | None:
        """The split of each row, None where the table does not say."""
        ...

    @property
    def groups(self) -> list[str] | None:
        """What has to stay in one split, for each row; None where the table does not say."""
        ...


def split_rows(
    data: DomainDataModule, name: str, split: Split, table_of: Callable[[str], SplitTable], test_fraction: float
) -> list[int]:
    """The rows of a table that a split of its domain holds, the same for every seed of an experiment.

    Args:
        data: Whose domain it is; it says what is held out, and whether the target is whole.
        name: The domain.
        split: `train`, `val` or `test`.
        table_of: The table of each domain.
        test_fraction: Share that is for testing, where the table does not say it.

    Raises:
        AdaptError: There is one group alone, or the table has a group in two splits.
    """
    table = table_of(name)
    member = _array(table.groups)

    def cut(rows: Tensor, fraction: float) -> tuple[Tensor, Tensor]:
        return held_out(rows, member, fraction, data.split_seed, name)

    rows = torch.arange(len(table.names))
    if data.transductive:
        if name == data.target:
            return rows.tolist()
        held, rest = cut(rows, data.val_fraction)
        return (rest if split == "train" else held).tolist()
    parts: dict[Any, Tensor] = {}
    if table.splits is not None:
        said = np.array(table.splits)
        parts = {part: rows[torch.from_numpy(said == part)] for part in ("train", "val", "test")}
        refuse_shared_groups(parts, member, name)
    elif member is not None:
        used = {each: table_of(each) for each in dict.fromkeys([*data.sources, data.target])}
        parts = shared_rows(
            name,
            {each: _array(found.groups) for each, found in used.items()},
            {each: _array(found.splits) for each, found in used.items()},
            test_fraction,
            data.val_fraction,
            data.split_seed,
        )
    if "test" not in parts:
        parts["test"], parts["train"] = cut(parts.get("train", rows), test_fraction)
    if split == "test" or len(parts.get("val", ())):
        return parts[split].tolist()
    val, train = cut(parts["train"], data.val_fraction)
    return (val if split == "val" else train).tolist()


def _array(values: list[str] | None) -> NDArray[np.str_] | None:
    return None if values is None else np.array(values, dtype=str)


def text_domains(folder: Path) -> list[str]:
    """Names of the domains in a folder: tables, and folders that hold text files."""
    tables = {name_and_ending(path)[0] for path in folder.iterdir() if is_of(path, TABLES) and path.name[0] not in "._"}
    folders = {path.name for path in folder.iterdir() if path.is_dir() and any(_text_files(path))}
    return sorted(tables | folders)


def table_of(folder: Path, name: str) -> Path:
    """The table of a domain, or its folder, whether it is there or not.

    Raises:
        AdaptError: It has two tables.
    """
    return file_of(folder, name, TABLES) or folder / name


def class_names(tables: Sequence[TextTable]) -> list[str]:
    """The labels' names, in the order of numbers where all of them are numbers, otherwise in the alphabet's."""
    names = {label for table in tables for label in table.labels if label is not None}
    return sorted(names, key=int) if all(name.isdecimal() for name in names) else sorted(names)


def read_texts(path: Path, labelled: bool = True, names: Names = STANDARD) -> TextTable:
    """Texts from a table, a text file, or a folder of them.

    Args:
        path: The file or folder.
        labelled: Whether labels and splits are read.
        names: What its columns are called.

    Raises:
        AdaptError: It is not there, cannot be read, or has no texts.
    """
    if path.is_dir():
        return _from_files(path, list(_text_files(path)), labelled)
    if not path.is_file():
        raise AdaptError(f"Expected texts at {path}, found nothing there. {_INSTRUCTIONS}")
    if is_of(path, (".txt",)):
        return _from_files(path.parent, [path], False)
    return _of_columns(read_table(path), path, labelled, names)


def _of_columns(found: Mapping[str, list[str]], path: Path, labelled: bool, names: Names) -> TextTable:
    if names.text not in found:
        there = ", ".join(map(repr, found)) or "none"
        raise AdaptError(
            f"Expected a column `{names.text}` in {path}, found {there[:200]}: name the one that has the texts "
            "(--data.text)."
        )
    columns = names.of(found)
    texts = titled(columns)
    if not texts:
        raise AdaptError(f"Expected texts in {path}, found no row.")
    if empty := [row for row, text in enumerate(texts) if not text.strip()]:
        raise AdaptError(
            f"Expected a text in every row of {path}, found {len(empty)} rows without one, the first of them row "
            f"{empty[0]} (from 0): fill or drop them."
        )
    given = columns.get("label") if labelled else None
    labels = class_labels(given or [""] * len(texts))
    splits, groups = (splits_of(columns, path), columns.get("groups")) if labelled else (None, None)
    names_of_rows = columns.get("index") or [str(row) for row in range(len(texts))]
    return TextTable(texts, labels, names_of_rows, splits, groups, tuple(found))


def read_table(path: Path) -> dict[str, list[str]]:
    """The columns of a table as texts, without blanks around them; an empty cell is an empty text.

    Args:
        path: A file `.csv`, `.tsv` or `.parquet`, whose first row names the columns.

    Raises:
        AdaptError: It is of another kind, or cannot be read.
    """
    if not is_of(path, TABLES):
        raise AdaptError(f"Expected a table as .csv, .tsv or .parquet, or text files, found {path}.")
    return _parquet(path) if is_of(path, (".parquet",)) else read_lines(path, "\t" if is_of(path, (".tsv",)) else ",")


def as_columns(inputs: Any) -> dict[str, list[str]] | None:
    """The columns of a table that a person has in Python, as `read_table` gives those of a file; None of other things.

    Without this a DataFrame would be a list of the names of its columns.
    """
    rows = isinstance(inputs, list) and any(isinstance(row, Mapping) for row in inputs)
    if not rows and not isinstance(inputs, Mapping) and not hasattr(inputs, "columns"):
        return None
    return {
        name: [text.strip() for text in as_texts(values).tolist()] for name, values in given_columns(inputs).items()
    }


def class_labels(texts: Sequence[str]) -> list[str | None]:
    """Labels of a column, None where there is none: 1.0, as pandas writes whole numbers beside gaps, is 1."""
    given = [text for text in texts if text]
    whole = bool(given) and all(_WHOLE.fullmatch(text) for text in given)
    return [(text.partition(".")[0] if whole else text) or None for text in texts]


def titled(columns: Mapping[str, Sequence[str]]) -> list[str]:
    """The texts of a table, each after its title where there is a column of them."""
    titles = columns.get("title", [""] * len(columns["text"]))
    return ["\n".join(filter(None, pair)) for pair in zip(titles, columns["text"], strict=True)]


def splits_of(columns: Mapping[str, list[str]], path: Path) -> list[str] | None:
    """The split of each row, None where the table does not say.

    Raises:
        AdaptError: It says something else than `train`, `val` and `test`.
    """
    splits = columns.get("split")
    if splits and (odd := sorted(set(splits) - {"train", "val", "test"})):
        raise AdaptError(f"Expected splits train, val and test in {path}, found {odd[0]!r}.")
    return splits


def newest(path: Path) -> int:
    """When a file, or the newest in a folder, was changed last, in nanoseconds."""
    files = [path, *(_text_files(path) if path.is_dir() else ())]
    return max(int(file.stat().st_mtime_ns) for file in files)


def _text_files(folder: Path) -> list[Path]:
    found = [path for path in folder.rglob("*") if is_of(path, (".txt",)) and path.is_file()]
    return sorted(path for path in found if not any(part[0] == "." for part in path.relative_to(folder).parts))


def _from_files(folder: Path, files: Sequence[Path], labelled: bool) -> TextTable:
    if not files:
        raise AdaptError(f"Expected text files (*.txt) in {folder}, found none. {_INSTRUCTIONS}")
    texts: list[str] = []
    for path in files:
        try:
            texts.append(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise AdaptError(f"Expected text as UTF-8 in {path}, could not read it ({error}).") from error
        if not texts[-1].strip():
            raise AdaptError(f"Expected a text in {path}, found an empty file: fill or remove it.")
    names = [path.relative_to(folder) for path in files]
    labels = [name.parts[0] if labelled and len(name.parts) > 1 else None for name in names]
    return TextTable(texts, labels, [name.as_posix() for name in names], None)


def _parquet(path: Path) -> dict[str, list[str]]:
    return {name: [text.strip() for text in as_texts(values).tolist()] for name, values in load_arrays(path).items()}


@lru_cache(maxsize=16)
def _read(path: Path, changed: int, names: Names) -> TextTable:
    return read_texts(path, names=names)


@lru_cache(maxsize=4)
def _domains_of(path: Path, changed: int, names: Names) -> dict[str, TextTable]:
    columns = read_table(path)
    if names.domain not in columns:
        found = ", ".join(map(repr, columns)) or "none"
        raise AdaptError(
            f"Expected each row's domain as `{names.domain}` in {path}, found {found[:200]}: name the column that says "
            "it (--data.domain_column)."
        )
    # Before the rows are told apart, so that a message counts them as the file does.
    whole = _of_columns(columns, path, True, names)
    parts = by_domain(whole._replace(columns=None), columns[names.domain], path)
    return {name: part._replace(columns=whole.columns) for name, part in parts.items()}


def by_domain(whole: Whole, domains: Sequence[str], path: Path) -> dict[str, Whole]:
    """The rows of a table of all domains, told apart.

    Args:
        whole: Its columns, of which some may be None.
        domains: The domain of each row.
        path: Where it lies, for the message.

    Raises:
        AdaptError: A row has no domain.
    """
    found: dict[str, Whole] = {}
    for name in sorted(set(domains)):
        at = [row for row, said in enumerate(domains) if said == name]
        if not name:
            raise AdaptError(f"Expected a domain in every row of {path}, found none in row {at[0]} (from 0).")
        parts = (None if column is None else [column[row] for row in at] for column in whole)
        found[name] = type(whole)(*parts)  # type: ignore[arg-type]  # a named tuple takes them one by one
    return found


@lru_cache(maxsize=16)
def tokenised(texts: tuple[str, ...], tokenizer: str, length: int) -> dict[str, Tensor]:
    """As `tokenise`, out of the user's cache where these texts were tokenised before."""
    folder = encoder_folder(tokenizer)
    parts = [f"{length}\0".encode()]
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "spiece.model", "config.json"):
        parts.append((folder / name).read_bytes() if (folder / name).is_file() else b"")
    digest = hashlib.sha256(b"\0".join([*parts, "\0".join(texts).encode("utf-8", "surrogatepass")])).hexdigest()[:24]
    base = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    path = base / "adapt-lightning" / "texts" / f"{digest}.npz"
    try:
        with np.load(path, allow_pickle=False) as file:
            kept = {name: torch.from_numpy(file[name]) for name in ("ids", "mask")}
        if len(kept["ids"]) == len(texts):
            return kept
    except Exception:  # there is none, or it is damaged: it is written anew
        pass
    found = tokenise(texts, tokenizer, length)
    buffer = io.BytesIO()
    np.savez(buffer, ids=found["ids"].numpy(), mask=found["mask"].numpy())
    with contextlib.suppress(OSError):  # a home that nobody may write to costs a second a run
        write_atomically(path, buffer.getvalue())
    return found


def warn_of_unknown(ids: Tensor, mask: Tensor, tokenizer: str, name: str) -> None:
    """Warn where many tokens of a domain are unknown to a tokenizer."""
    unknown = _unknown(tokenizer)
    if unknown is None:
        return
    share = float((ids == unknown).sum()) / max(1.0, float(mask.sum()))
    if share > _UNKNOWN:
        warnings.warn(
            f"{100 * share:.0f} % of the tokens of {name!r} are unknown to the tokenizer in {tokenizer}: is it this "
            "language's, and does its folder hold the vocabulary?",
            stacklevel=2,
        )


@lru_cache(maxsize=4)
def _unknown(tokenizer: str) -> int | None:
    found: int | None = read_tokenizer(tokenizer).unk_token_id
    return found


def without_padding(x: Any) -> Tree:
    """Texts `ids` and `mask` `(N, L)`, cut to the longest of them."""
    longest = longest_text_of(x["mask"])
    return tree_map(lambda leaf: leaf[:, :longest], x)


def longest_text_of(mask: Tensor) -> int:
    """How many columns the longest of some texts takes."""
    return max(1, int(mask.any(0).sum()))
