"""Errors for people: one or two lines, no traceback at the command line."""

import os
import site
import sysconfig
import traceback
from pathlib import Path

_LONGEST = 300


class AdaptError(Exception):
    """Wrong input: the message says what was expected, what was found and how to fix it."""


class DivergedError(RuntimeError):
    """A loss term is not finite any more; the benchmark records the cell as `diverged`."""


def chain(error: BaseException) -> list[BaseException]:
    """An error and its causes, the first cause last."""
    links: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in links:
        links.append(link)
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return links


def told(error: BaseException) -> BaseException:
    """What of an error's chain says most: one of ours, what a parser of configurations hides, or the error itself."""
    links = chain(error)
    ours = next((link for link in links if isinstance(link, AdaptError)), None)
    hidden = str(error).startswith("Does not validate against any of the Union")
    return ours or (links[-1] if hidden else error)


def line_of(error: AdaptError) -> str:
    """Its message; a loader's worker process puts its whole traceback before it."""
    return str(error).rpartition("AdaptError: ")[2]


def named(error: BaseException) -> str:
    """What nobody expected, in one line: its kind and its words, a way out, and the place in a person's own code.

    Args:
        error: The error.
    """
    reason = told(error)
    said = " ".join(str(reason).split())
    said = said if len(said) <= _LONGEST else f"{said[:_LONGEST]} ..."
    name = type(reason).__name__
    memory = isinstance(reason, MemoryError) or name == "OutOfMemoryError"
    hint = " There is not enough memory: try a smaller --data.batch_size." if memory else ""
    place = own_line(reason) or own_line(error)
    return f"{name}{': ' if said else ''}{said}{hint}{f' ({place})' if place else ''}"


def own_line(error: BaseException) -> str | None:
    """File and line of a person's own code that an error came through last; None where there is none.

    Args:
        error: The error.
    """
    foreign = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    foreign |= {str(Path(__file__).parent), *site.getsitepackages(), site.getusersitepackages()}
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if path.is_file() and not any(path.is_relative_to(folder) for folder in foreign):
            # Of a file elsewhere the name alone: its path would put this machine's folders into results.
            shown = os.path.relpath(path)
            shown = path.name if shown.startswith(os.pardir + os.sep) else shown
            return f"in {shown}, line {frame.lineno}"
    return None


class SampleError(AdaptError):
    """A sample that cannot be used.

    A loader's worker passes its errors on as one text with the whole traceback; this keeps only its last line.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message.rpartition(f"{type(self).__name__}: ")[2].strip())
