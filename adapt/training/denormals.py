"""Numbers too small for a CPU to be quick with."""

import torch


def flush_denormals() -> bool:
    """Let this process count numbers below 1.2e-38 as zero, and say whether the CPU can.

    The momentum of a weight that no longer learns, as those behind a dead ReLU unit, halves with every step and is soon
    smaller than any normal number. CPUs take up to a hundred times as long for arithmetic with such numbers. A thread
    keeps the setting that held when it was started, so call this before the first large operation.
    """
    return bool(torch.set_flush_denormal(True))
