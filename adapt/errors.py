"""The error that a person reads: one or two lines, no traceback at the command line."""


class AdaptError(Exception):
    """Wrong input: says what was expected, what was found and how to mend it."""


class DivergedError(RuntimeError):
    """A loss term stopped being finite; the benchmark records the cell as `diverged`."""


def chain(error: BaseException) -> list[BaseException]:
    """An error and those behind it, the first one last."""
    links: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in links:
        links.append(link)
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return links


class SampleError(AdaptError):
    """A sample that cannot be used.

    A loader's worker hands its errors on as one text with the whole traceback; of that, this keeps the last line.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message.rpartition(f"{type(self).__name__}: ")[2].strip())
