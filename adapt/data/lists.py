"""Image lists: a text file of `path label` per domain, as Office-Home, VisDA-2017 and DomainNet have them."""

import re
import warnings
from collections.abc import Sequence
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import torch

from adapt.data.folders import ImageFolders, Listing
from adapt.data.image_paths import ImagePaths
from adapt.data.images import readable_endings
from adapt.data.labels import Labels, no_labels
from adapt.errors import AdaptError

_LABEL = re.compile(r"(.*)[ \t](.*)")
_HEADER = re.compile(r"(?:path|file|filename|image)s?\s*[ \t,;]\s*(?:label|class|y)\w*", re.I)
_NO_CLASS = re.compile(r"[-+]?[\d.]+")

Label = int | str | None
"""A class's number or name; None where a line has none."""


class ImageLists(ImageFolders):
    """Domains as lists: `<root>/<dataset>/<lists>/<domain>.txt`, each line a path below `<root>/<dataset>` and a label.

    Lists `<domain>_train.txt` and `<domain>_test.txt` (and perhaps `_val`) are official splits, as DomainNet's are. A
    line without a label is a sample without one, and a list without any is a domain without labels. Labels are whole
    numbers, and a class is called after the folder of its images, where all of them lie in one of that name; or labels
    are the names of the classes.

    Args:
        source: One domain, or several to pool.
        target: The domain to adapt to.
        lists: Folder of the lists below the data set's.
        **kwargs: See `ImageFolders`; `unlabelled` names domains whose labels are not read.

    Raises:
        AdaptError: A list is not there or has a line that cannot be read, or its domains do not fit.
    """

    def __init__(self, source: str | list[str], target: str, lists: str = "image_list", **kwargs: Any) -> None:
        self.lists = lists
        self._read_lists: dict[str, dict[str, tuple[ImagePaths, list[Label]]]] = {}
        super().__init__(source, target, **kwargs)

    def inputs_path(self, name: str) -> Path | None:
        """None: a list names files, and no folder of them alone."""
        return None

    def domain_classes(self, name: str) -> Sequence[str]:
        """The classes of a domain; none of one without labels."""
        if name in self.unlabelled:
            return []
        if names := [label for label in self._labels_in(name) if isinstance(label, str)]:
            return names
        folders: dict[int, set[str]] = {}
        for files, labels in self._lists_of(name).values():
            for path, label in zip(files, labels, strict=True):
                if isinstance(label, int):
                    folders.setdefault(label, set()).add(path.parent.name)
        if not folders:
            return []
        missing = sorted(set(range(max(folders) + 1)) - set(folders))
        # A target may lack classes of the source, whichever they are.
        elsewhere = set() if name in self.sources else {k for other in self.sources for k in self._labels_in(other)}
        if not elsewhere.issuperset(missing):
            raise AdaptError(
                f"Expected labels 0 to {max(folders)} in the lists of {name!r}, found none of {missing[:5]}. Number "
                "the classes without a gap."
            )
        single = [next(iter(names)) for names in folders.values()]
        named = all(len(names) == 1 for names in folders.values()) and len(set(single)) == len(single)
        return [next(iter(folders[k])) if named else str(k) for k in sorted(folders)]

    def _find_domains(self, folder: Path) -> list[str]:
        place = self.data_path(self.dataset, self.lists, instructions="Lists lie there as <domain>.txt.")
        found = {_domain_of(path, place)[0] for path in place.glob("[!.]*.txt")}
        if not found:
            raise AdaptError(f"Expected lists as <domain>.txt in {place}, found none. See --data.lists.")
        return sorted(found)

    def _listing(self, name: str) -> dict[str, Listing]:
        if name not in self._listings:
            self._listings[name] = {}
            # Where a target lacks a class, the labels after it move up, as those of folders do.
            number = {label: k for k, label in enumerate(self._labels_in(name))}
            for part, (files, labels) in self._lists_of(name).items():
                known = torch.tensor([label is not None for label in labels])
                y = torch.tensor([-1 if label is None else number[label] for label in labels])
                targets = no_labels(len(files)) if name in self.unlabelled else Labels(y, known)
                self._listings[name][part] = Listing(files, targets)
        return self._listings[name]

    def _labels_in(self, name: str) -> list[int] | list[str]:
        found = {label for _, labels in self._lists_of(name).values() for label in labels if label is not None}
        numbers = [label for label in found if isinstance(label, int)]
        names = [label for label in found if isinstance(label, str)]
        if numbers and names:
            raise AdaptError(
                f"Expected labels of {name!r} that are all whole numbers or all names of classes, found {numbers[0]} "
                f"and {sorted(names)[0][:40]!r}. Write one kind."
            )
        return sorted(numbers) or sorted(names)

    def _lists_of(self, name: str) -> dict[str, tuple[ImagePaths, list[Label]]]:
        if name not in self._read_lists:
            place = self.root / self.dataset / self.lists
            own = {_domain_of(path, place): path for path in sorted(place.glob("[!.]*.txt"))}
            parts = {part: path for (domain, part), path in own.items() if domain == name}
            self._read_lists[name] = {part: read_list(path, self.root / self.dataset) for part, path in parts.items()}
            _warn_of_repeated([files for files, _ in self._read_lists[name].values()], name)
        return self._read_lists[name]


def read_list(path: Path, folder: Path) -> tuple[ImagePaths, list[Label]]:
    """The files of a list, below a folder, and their labels; None where a line has none.

    A blank, a tab, a comma or a semicolon stands before the label.

    Raises:
        AdaptError: It is no UTF-8, empty, a label is no whole number from 0 on, or its first image is not there.
    """
    files: list[Path] = []
    labels: list[Label] = []
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise AdaptError(
            f"Expected a list at {path} as UTF-8, found other bytes ({error.reason}). Save it as UTF-8."
        ) from error
    matches = _named().fullmatch
    for number, line in enumerate(lines, 1):
        if not (line := line.strip()) or (not files and _HEADER.fullmatch(line)):
            continue
        # A path may have blanks in it: what follows the last one is the label.
        head, last = "", line
        named = matches(line)
        if named and f".{named[2].rpartition('.')[2]}".lower() in readable_endings():
            named = None  # `1.jpg copy.jpg` is a path
        if found := named or _LABEL.fullmatch(line):
            head, last = found.groups()
        has_label = bool(named) or (bool(head) and "." not in last and "/" not in last)
        if has_label and not last.isdecimal() and (not named or _NO_CLASS.fullmatch(last)):
            raise AdaptError(
                f"Expected `path label` with a whole number or the name of a class as label in line {number} of "
                f"{path}, found {last[:40]!r} in {line[:80]!r}. Number the classes from 0, or name them."
            )
        files.append(folder / (head.strip() if has_label else line))
        labels.append(None if not has_label else int(last) if last.isdecimal() else last)
    if not files:
        raise AdaptError(f"Expected `path label` lines in {path}, found none.")
    if not files[0].is_file():
        raise AdaptError(f"Expected the images of {path.name} below {folder}, found no file at {files[0]}.")
    return ImagePaths(folder, files), labels


@cache
def _named() -> re.Pattern[str]:
    """A line with a label, which may be a name with blanks, as a path may have some: that ends where an image does."""
    endings = "|".join(re.escape(ending[1:]) for ending in readable_endings())
    return re.compile(rf"(.*\.(?:{endings}))\s*[ \t,;]\s*(.+)", re.IGNORECASE)


def _warn_of_repeated(lists: Sequence[Sequence[Path]], name: str) -> None:
    """Warn of images that stand twice: one of the two may be trained on and the other tested."""
    seen: set[Path] = set()
    repeated = []
    for path in chain.from_iterable(lists):
        if path in seen:
            repeated.append(path)
        seen.add(path)
    if repeated:
        warnings.warn(
            f"{len(repeated)} lines of the lists of {name!r} name an image that stands there before, such as "
            f"{repeated[0].name}: it may be trained on and tested. Name each image once.",
            stacklevel=2,
        )


def _domain_of(path: Path, place: Path) -> tuple[str, str]:
    """The domain and the split of a list; the split is empty where one list holds the domain."""
    base, _, part = path.stem.rpartition("_")
    if part in ("train", "val", "test") and all((place / f"{base}_{each}.txt").is_file() for each in ("train", "test")):
        return base, part
    return path.stem, ""
