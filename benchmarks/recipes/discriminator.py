"""How DANN stands on small vectors, by optimizer and discriminator: python benchmarks/recipes/discriminator.py

The arrays of docs/notebooks/arrays.ipynb: digits as 64 numbers, and a second device with another gain and another zero
for each. Three seeds, 300 steps. Target labels are read to print the accuracy: what is printed chooses nothing.
"""

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits

import adapt
from adapt.data import InMemory

OPTIMIZERS: dict[str, Callable[..., Any]] = {
    "SGD 0.01, momentum 0.9": partial(torch.optim.SGD, lr=0.01, momentum=0.9),
    "Adam 0.001, β₁ 0.9": partial(torch.optim.Adam, lr=0.001),
    "Adam 0.001, β₁ 0.5": partial(torch.optim.Adam, lr=0.001, betas=(0.5, 0.999)),
}
RUNS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("SourceOnly", "", {}),
    ("DANN", "1024 units (default)", {}),
    ("DANN", "64 units", {"discriminator_hidden": 64}),
)
SEEDS = (0, 1, 2)


def main() -> None:
    """Print a row per method and a column per optimizer."""
    warnings.filterwarnings("ignore")
    x, y = load_digits(return_X_y=True)
    random = np.random.default_rng(0)
    first, second = np.split(random.permutation(len(x)), [900])
    target = x[second] * random.uniform(0.3, 1.5, 64) + random.normal(0, 2, 64)

    def accuracy(method: str, seed: int, **options: Any) -> float:
        data = InMemory(x[first], y[first], target)
        model = adapt.fit(method, data, max_steps=300, device="cpu", seed=seed, **options)
        return 100 * float(np.mean(model.predict(target) == y[second]))

    print(f"| | {' | '.join(OPTIMIZERS)} |\n|---|{'--:|' * len(OPTIMIZERS)}")
    for method, words, options in RUNS:
        cells = []
        for optimizer in OPTIMIZERS.values():
            found = [accuracy(method, seed, optimizer=optimizer, **options) for seed in SEEDS]
            cells.append(f"{np.mean(found):.1f} [{min(found):.1f}, {max(found):.1f}]")
        print(f"| {f'{method}, {words}'.removesuffix(', ')} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
