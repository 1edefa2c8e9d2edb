"""Lists of the methods, penalties and regularisers with their papers, for the documentation."""

import inspect
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TypeVar

import adapt.methods
import adapt.penalties
import adapt.regularisers
from adapt.errors import AdaptError
from adapt.methods import AlternatingMethod, HasTeacher, MappingMethod, MaskedConsistency, Method, SeveralSources
from adapt.penalties import ClassifierPenalty, Penalty, TargetLabelPenalty, WeightPenalty
from adapt.regularisers import FromStart, Regulariser

T = TypeVar("T")
FAMILIES = (
    "bounds",
    "fine-tuning",
    "matching",
    "adversarial",
    "self-training",
    "source-free",
    "reweighting",
    "pixel",
    "mapping",
    "relation",
    "partial and open sets",
    "several sources",
)
_REFERENCE = re.compile(r"(.+?) ?\((https?://[^)]+)\)")


def penalties_table() -> str:
    """Markdown rows of class, description and papers."""
    return _terms_table("penalty", penalties())


def regularisers_table() -> str:
    """Markdown rows of class, description and papers."""
    return _terms_table("regulariser", regularisers())


def methods() -> list[type[Method]]:
    """All methods by family and then by name, with the lower bound first and the upper bound last."""
    found = _classes(
        adapt.methods, Method, (Method, AlternatingMethod, HasTeacher, MappingMethod, MaskedConsistency, SeveralSources)
    )

    def place(method: type[Method]) -> tuple[int, str]:
        if method.target_labels == "all":
            return len(FAMILIES) + 1, method.__name__
        family = FAMILIES.index(method.family) if method.family in FAMILIES else len(FAMILIES)
        return family, method.__name__.lower()

    return sorted(found, key=place)


def penalties() -> list[type[Penalty]]:
    """All penalties by name."""
    return sorted(
        _classes(adapt.penalties, Penalty, (Penalty, TargetLabelPenalty, ClassifierPenalty, WeightPenalty)),
        key=lambda c: c.__name__.lower(),
    )


def regularisers() -> list[type[Regulariser]]:
    """All regularisers by name."""
    found = _classes(adapt.regularisers, Regulariser, (Regulariser, FromStart))
    return sorted(found, key=lambda c: c.__name__.lower())


def papers(cls: type) -> str:
    """The papers in a docstring, each as a Markdown link of authors, title, venue and year.

    Raises:
        AdaptError: It names none.
    """
    paragraphs = (" ".join(part.split()) for part in (inspect.getdoc(cls) or "").split("\n\n"))
    named = next((p for p in paragraphs if re.match(r"Papers?: ", p)), "").partition(": ")[2]
    # Every reference ends with its link in parentheses; remove the word that joins two references.
    found = [(re.sub(r"^\W*(?:and )?", "", text).strip(), link) for text, link in _REFERENCE.findall(named)]
    if not found:
        raise AdaptError(f"Expected a paragraph 'Paper: authors, title, venue (link)' in the docstring of {cls}.")
    return "; ".join(f"[{text}]({link})" for text, link in found)


def fill(path: Path, tables: Mapping[str, str], command: str) -> None:
    """Put tables between their markers in a Markdown file.

    Args:
        path: The file.
        tables: Text by name.
        command: Command that makes them; the opening marker is `<!-- name: command -->`.

    Raises:
        AdaptError: A marker is missing.
    """
    text = path.read_text(encoding="utf-8")
    for name, table in tables.items():
        start, end = f"<!-- {name}: {command} -->\n", f"<!-- /{name} -->"
        if start not in text or end not in text:
            raise AdaptError(f"Expected the markers {start.strip()} and {end} in {path}, found no such pair.")
        before, _, rest = text.partition(start)
        text = before + start + table + end + rest.partition(end)[2]
    path.write_text(text, encoding="utf-8")


def _terms_table(kind: str, classes: Sequence[type]) -> str:
    rows = [f"| {kind} | term | papers |", "|---|---|---|"]
    for cls in classes:
        line = (inspect.getdoc(cls) or "").partition("\n")[0].rstrip(".")
        rows.append(f"| `{cls.__name__}` | {line} | {papers(cls)} |")
    return "\n".join(rows) + "\n"


def _classes(module: ModuleType, base: type[T], without: tuple[type, ...]) -> list[type[T]]:
    named = (getattr(module, name) for name in module.__all__)
    return [c for c in named if inspect.isclass(c) and issubclass(c, base) and c not in without]
