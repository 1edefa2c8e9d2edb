"""Lightning's and torch's errors about a user's settings, as one line."""

import linecache
import re
import traceback

from adapt.errors import chain

# Packages that refuse settings. Errors of other packages may as well be a bug of a network or of ours.
_SPEAKERS = ("lightning", "pytorch_lightning", "torch.optim", "torch.utils.data")


def complaint(error: BaseException) -> str | None:
    """An error in one line if it tells a user what is wrong with a setting; None for any other error.

    Such an error comes from a `raise` of Lightning, or of torch's optimizers, schedules and loaders, or is a division
    by zero in them. Other errors do not count.

    Args:
        error: The error.
    """
    frames = list(traceback.walk_tb(error.__traceback__))
    if not frames:
        return None
    frame, line = frames[-1]
    said = " ".join(str(error).split())
    for link in chain(error):
        # As Lightning says of its loggers; the parser's own error around it lists types.
        hint = re.search(r"Try running `([^`]+)`", str(link)) if isinstance(link, ModuleNotFoundError) else None
        if hint is not None:
            return f"A package that a setting needs is not installed: {hint[1]}"
    if said.startswith("Expected more than 1 value per channel"):
        return "Batch norm cannot train on a single sample, found a batch of one. Give --data.batch_size of at least 2."
    speaker = str(frame.f_globals.get("__name__", ""))
    divides = isinstance(error, ZeroDivisionError)
    raised = linecache.getline(frame.f_code.co_filename, line).strip().startswith("raise ")
    if not re.match(rf"({'|'.join(map(re.escape, _SPEAKERS))})(\.|$)", speaker) or not (raised or divides):
        return None
    owner = frame.f_locals.get("self")
    name = f"{type(owner).__name__}: " if owner is not None and speaker.startswith("torch.") else ""
    if isinstance(error, NotImplementedError) and not said:
        return f"{name}{frame.f_code.co_name}() is not written: the class has to define it."
    return name + ("one of its numbers must not be 0 (it divides by it)." if divides else said)
