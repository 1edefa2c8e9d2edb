"""What a run does with each class of the target's test set: python benchmarks/classes.py RUN_FOLDER [RUN_FOLDER ...]

Out of the `confusion.npz` that every tested run leaves: target accuracy and each class's recall in %, and how often
each class is predicted beside how often it is there.
"""

import sys
from pathlib import Path

import numpy as np


def main() -> None:
    """Print a block of lines per run."""
    for folder in map(Path, sys.argv[1:]):
        with np.load(folder / "confusion.npz") as file:
            matrix, names = file["matrix"], file["class_names"]
        print(f"{folder}: target {100 * matrix.trace() / matrix.sum():.1f} %")
        for k, name in enumerate(names):
            true, predicted = matrix[k].sum(), matrix[:, k].sum()
            print(f"  {name}: recall {100 * matrix[k, k] / max(true, 1):.0f} %, predicted {predicted}, there {true}")


if __name__ == "__main__":
    main()
