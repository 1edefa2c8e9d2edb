"""A full disk stops a grid; it is no cell's failure."""

import errno
import shutil
from pathlib import Path

from adapt.errors import AdaptError

_FULL = (errno.ENOSPC, errno.EDQUOT)
# Below this a writer that names no reason, as torch's, has failed for want of space.
_NOTHING_BYTES = 2**16


class DiskFullError(AdaptError):
    """No space is left for what a run writes."""


def is_full(error: BaseException, folder: Path) -> bool:
    """Whether an error comes of a full disk: it or one behind it says so, or the folder's disk has no space left."""
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, DiskFullError) or (isinstance(link, OSError) and link.errno in _FULL):
            return True
        link = link.__cause__ or link.__context__
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        return False
    return usage.total > 0 and usage.free < _NOTHING_BYTES
