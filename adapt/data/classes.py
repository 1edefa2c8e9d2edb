"""Which classes the two domains have, and what becomes of labels where they are not the same."""

import difflib
import unicodedata
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import Dataset

from adapt.data.checks import check_class_names
from adapt.data.labels import NO_LABEL, Labels
from adapt.data.views import TensorDomain, fetch, whole
from adapt.errors import AdaptError
from adapt.problems import Classification, ClassSets
from adapt.trees import Tree

_LEFT_OUT = -1
_SHOWN = 6


class Relation(NamedTuple):
    """How the classes of a source and a target relate.

    Attributes:
        class_sets: `closed`, `partial`, `open` or `universal`.
        classes: The source's classes, which are the problem's.
        missing: Those of them that the target has not.
        private: The target's classes that the source has not.
        unchanged: Whether all samples keep the labels that they have.
    """

    class_sets: ClassSets
    classes: tuple[str, ...]
    missing: tuple[str, ...]
    private: tuple[str, ...]
    unchanged: bool


def relate_classes(
    sources: Mapping[str, Sequence[str]],
    target: tuple[str, Sequence[str]],
    source_classes: Sequence[str] | None = None,
    target_classes: Sequence[str] | None = None,
    class_sets: ClassSets | None = None,
) -> Relation:
    """How the domains' classes relate, as somebody says or as their names tell.

    Args:
        sources: The class names of each source domain.
        target: The target's name and its class names, none where no sample has a label.
        source_classes: The classes that the source is to keep; all when None.
        target_classes: The classes that the target is to keep; all when None.
        class_sets: How they are said to relate; None finds out, and takes a target without labels for closed.

    Raises:
        AdaptError: A name is not known, the sources differ, or the classes do not relate as was said.

    Examples:
        >>> relate_classes({"a": ["x", "y", "z"]}, ("b", ["y", "z", "w"])).class_sets
        'universal'
    """
    domain, found = target
    if class_sets not in (None, "closed", "partial", "open", "universal"):
        raise AdaptError(f"Expected class_sets closed, partial, open or universal, found {class_sets!r}.")
    own = {name: _chosen("source_classes", source_classes, names, name) for name, names in sources.items()}
    own = {name: names for name, names in own.items() if names}
    check_class_names(own)
    one = next(iter(own), "")
    classes: Sequence[str] = own.get(one, ())
    theirs = _chosen("target_classes", target_classes, found, domain)
    missing = tuple(name for name in classes if name not in theirs) if theirs else ()
    private = tuple(name for name in theirs if name not in classes) if classes else ()
    if classes and theirs and len(missing) == len(classes):
        raise AdaptError(
            f"Expected the same classes in {one!r} and {domain!r}, or some that they share, found {_listed(classes)} "
            f"and {_listed(theirs)}.\nRename or choose classes, or name a domain whose folders are no classes as "
            "unlabelled."
        )
    actual: ClassSets = ("universal" if missing else "open") if private else "partial" if missing else "closed"
    if "closed" in (class_sets, actual) and class_sets in (None, "closed"):
        if actual == "closed":  # or their order may differ
            check_class_names({one: classes, domain: theirs} if classes and theirs else {})
        else:
            _refuse(f"the same classes in {one!r} and {domain!r}", one, missing, domain, private, actual)
    if class_sets == "partial" and private:
        _refuse(f"no class of {domain!r} that {one!r} has not", one, (), domain, private, actual)
    if class_sets == "open" and missing:
        _refuse(f"every class of {one!r} in {domain!r}, as in open sets", one, missing, domain, (), actual)
    same = source_classes is None and target_classes is None and (class_sets or actual) == "closed"
    return Relation(class_sets or actual, tuple(classes), missing, private, same)


def with_unseen(relation: Relation, unseen: Sequence[str], target: tuple[str, Sequence[str]]) -> Relation:
    """A relation in which some classes that the source has not are answers all the same.

    Args:
        relation: How the domains' classes relate, the source's without these.
        unseen: Names of these classes.
        target: The target's name and its class names, none where no sample has a label.

    Raises:
        AdaptError: The target has labels, and none of one of these classes.

    Examples:
        >>> target = ("b", ["x", "y", "z"])
        >>> found = with_unseen(relate_classes({"a": ["x", "y"]}, target), ["z"], target)
        >>> found.class_sets, found.classes
        ('closed', ('x', 'y', 'z'))
    """
    domain, theirs = target
    names = tuple(map(str, unseen))
    for name in names:
        if theirs and name not in theirs:
            close = difflib.get_close_matches(name, theirs, n=1)
            raise AdaptError(
                f"Expected unseen_classes out of {_listed(theirs)}, the classes of {domain!r}, found {name!r}."
                + (f" Did you mean {close[0]!r}?" if close else "")
            )
    private = tuple(name for name in relation.private if name not in names)
    sets: ClassSets = (
        ("universal" if relation.missing else "open") if private else ("partial" if relation.missing else "closed")
    )
    return Relation(sets, (*relation.classes, *names), relation.missing, private, False)


def _refuse(expected: str, one: str, missing: Sequence[str], domain: str, private: Sequence[str], actual: str) -> None:
    parts = [(one, missing), (domain, private)]
    only = "; ".join(f"only {name!r} has {_listed(names)}" for name, names in parts if names)
    raise AdaptError(
        f"Expected {expected}, found that {only}.\n"
        f"Remove or rename these classes, or say that they differ: --data.class_sets {actual}."
    )


def _chosen(argument: str, asked: Sequence[str] | None, names: Sequence[str], domain: str) -> Sequence[str]:
    if asked is None:
        return names
    if not names:
        raise AdaptError(
            f"Expected labels of {domain!r} to choose classes by, found none. Leave --data.{argument} out."
        )
    wanted = [str(name) for name in asked]
    if not wanted or len(set(wanted)) < len(wanted):
        raise AdaptError(f"Expected {argument} as class names, each once, found {', '.join(wanted) or 'none'}.")
    for name in wanted:
        if name not in names:
            close = difflib.get_close_matches(name, names, n=1)
            raise AdaptError(
                f"Expected {argument} out of {_listed(names)}, the classes of {domain!r}, found {name!r}."
                + (f" Did you mean {close[0]!r}?" if close else "")
            )
    return [name for name in names if name in wanted]


def warn_of_near_names(names: Iterable[str]) -> None:
    """Warn of classes whose names differ in case, blanks or the way of writing an accent alone, as slips in tables do.

    Args:
        names: Those of all classes. Single letters may well be classes beside their capitals.

    Examples:
        >>> warn_of_near_names(["cat", "dog", "a", "A"])
    """
    alike: dict[str, list[str]] = {}
    for name in sorted(names):
        alike.setdefault(" ".join(unicodedata.normalize("NFKC", name).casefold().split()), []).append(name)
    pairs = [_told(group) for word, group in alike.items() if len(group) > 1 < len(word)]
    if pairs:
        warnings.warn(
            f"Classes that differ in case, blanks or accents alone: {_listed(pairs)}. Write one of them where the same "
            "is meant: they are trained as different classes.",
            stacklevel=1,
        )


def _told(names: Sequence[str]) -> str:
    """Names that may look the same: then in ASCII, so that the difference is seen."""
    same = len({unicodedata.normalize("NFC", name) for name in names}) < len(names)
    return " and ".join(ascii(name) if same else repr(name) for name in names)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


class Relabelling(NamedTuple):
    """What becomes of the labels of a domain.

    Attributes:
        names: The classes that the domain numbers 0, 1, ...
        numbers: The problem's number of each of these, −1 for one that is left out.
        unlabelled: Whether samples without a label stay.
    """

    names: tuple[str, ...]
    numbers: Tensor
    unlabelled: bool

    @classmethod
    def of(
        cls, names: Sequence[str], relation: Relation, role: Literal["source", "target"], kept: Sequence[str] | None
    ) -> "Relabelling":
        """That of a domain.

        Args:
            names: The classes that the domain numbers 0, 1, ...
            relation: How the classes of both domains relate.
            role: The domain's.
            kept: The classes that it is to keep; all when None.
        """
        known = {name: k for k, name in enumerate(relation.classes)}
        stays = set(names) if kept is None else set(map(str, kept))
        rejects = role == "target" and relation.class_sets in ("open", "universal")
        other = len(known) if rejects else _LEFT_OUT
        numbers = [known.get(name, other) if name in stays else _LEFT_OUT for name in names]
        return cls(tuple(names), torch.tensor(numbers), kept is None)


class Selection(NamedTuple):
    """The samples of a split that are kept.

    Attributes:
        rows: Their positions `(N,)`.
        labels: Their labels, as the problem numbers them.
    """

    rows: Tensor
    labels: Labels


def select(labels: Labels, relabelling: Relabelling, where: str) -> Selection:
    """The samples that are kept, by their labels.

    Args:
        labels: Those of a whole split.
        relabelling: What becomes of them.
        where: Whose they are, for the message.

    Raises:
        SampleError: A label is no class.
    """
    y = torch.full((len(labels.known),), _LEFT_OUT)
    if labels.known.any():
        at = labels.known.nonzero().flatten()
        y[at] = relabelling.numbers[Classification(relabelling.names).labels(labels.y[at], where, at)]
    stays = torch.where(labels.known, y != _LEFT_OUT, torch.tensor(relabelling.unlabelled))
    rows = stays.nonzero().flatten()
    return Selection(rows, Labels(y[rows], labels.known[rows]))


def selected(dataset: Dataset[Any], chosen: Selection) -> Dataset[Any]:
    """The kept samples of a split, with the problem's labels; in memory where the split is."""
    kept = whole(dataset)
    if kept is not None:
        return TensorDomain(kept.at(chosen.rows).x, chosen.labels.y, chosen.labels.known)
    return Relabelled(dataset, chosen)


class Relabelled(Dataset[tuple[Tree, Any]]):
    """Some samples of a dataset, with other labels.

    Args:
        dataset: The samples `(x, y)`.
        chosen: Which of them, and their labels.
    """

    def __init__(self, dataset: Dataset[Any], chosen: Selection) -> None:
        self.dataset, self.rows, self.targets = dataset, chosen.rows, chosen.labels

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[Tree, Any]:
        x = self.dataset[int(self.rows[index])][0]
        return x, self.targets.y[index] if self.targets.known[index] else NO_LABEL

    def __getitems__(self, indices: Sequence[int]) -> tuple[Tree, Labels]:
        at = torch.as_tensor(indices)
        return fetch(self.dataset, self.rows[at].tolist())[0], self.targets.take(at)
