"""The error that a person reads: one or two lines, no traceback at the command line."""


class AdaptError(Exception):
    """Wrong input: says what was expected, what was found and how to mend it."""


class DivergedError(RuntimeError):
    """A loss term stopped being finite; the benchmark records the cell as `diverged`."""
