"""Memory that a step has freed: kept for the next one, unless a person chose otherwise."""

import os
import subprocess
import sys

import pytest

LINES = """
import resource
from adapt.training.memory import keep_freed_memory
import numpy as np

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(2**23)  # 64 MiB: 16384 pages
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

first = [faults() for _ in range(3)][-1]
kept = keep_freed_memory()
print(kept, first, [faults() for _ in range(3)][-1])
"""


def faults(**variables: str) -> tuple[str, int, int]:
    """Whether memory is kept, and pages that the system had to give for an array: before, and afterwards."""
    words = [sys.executable, "-c", LINES]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    said = subprocess.run(words, env=kept | variables, check=True, capture_output=True, text=True).stdout.split()
    return said[0], int(said[1]), int(said[2])


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's own")
def test_a_block_that_was_freed_is_used_again_without_asking_the_system() -> None:
    kept, before, after = faults()
    assert kept == "True"
    assert before > 30  # 32 huge pages, or 16384 small ones
    assert after < before / 10


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's own")
def test_a_persons_own_choice_stands() -> None:
    kept, before, after = faults(MALLOC_MMAP_MAX_="1000")
    assert kept == "False"
    assert after > before / 2
