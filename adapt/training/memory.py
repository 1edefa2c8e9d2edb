"""What the C library does with memory that a step has freed."""

import ctypes
import os
import sys

# Of malloc.h.
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
_MOST = 2**31 - 1
_OWN_CHOICES = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_MMAP_MAX_", "GLIBC_TUNABLES")


def keep_freed_memory() -> bool:
    """Let this process, and its copies, keep what they free for the next step, and say whether that worked.

    By default glibc gives each block of more than 32 MiB back to the system, as an image network's activations are, and
    gets it back in the next step as pages that are filled with zeros one by one: two thirds of the time of
    EfficientNet-lite0's evaluation on a CPU. What is free at the end of the heap beyond 2 GiB still goes back: without
    that limit a batch of 256 images held 9 GB. Where a person has set one of the C library's own variables, it stands.
    """
    if sys.platform != "linux" or any(name in os.environ for name in _OWN_CHOICES):
        return False
    try:
        option = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):  # another C library
        return False
    return bool(option(_MMAP_MAX, 0) and option(_TRIM_THRESHOLD, _MOST))
