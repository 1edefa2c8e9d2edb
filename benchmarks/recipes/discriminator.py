"""How large a discriminator DANN stands on small vectors: python benchmarks/recipes/discriminator.py

The arrays of docs/notebooks/arrays.ipynb: digits as 64 numbers, and a second device with another gain and another zero
for each. One seed, 300 steps. Target labels are read to print the accuracy: what is printed chooses nothing.
"""

import warnings
from typing import Any

import numpy as np
from sklearn.datasets import load_digits

import adapt
from adapt.data import InMemory

RUNS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("SourceOnly", "", {}),
    ("DANN", "1024 units (default)", {}),
    ("DANN", "64 units", {"discriminator_hidden": 64}),
    ("DANN", "one layer of 128 units", {"discriminator_hidden": 128, "discriminator_layers": 1}),
    ("DANN", "1024 units, λ ≤ 0.3", {"max_lambda": 0.3}),
)


def main() -> None:
    """Print a line per run."""
    warnings.filterwarnings("ignore")
    x, y = load_digits(return_X_y=True)
    random = np.random.default_rng(0)
    first, second = np.split(random.permutation(len(x)), [900])
    target = x[second] * random.uniform(0.3, 1.5, 64) + random.normal(0, 2, 64)
    for method, words, options in RUNS:
        model = adapt.fit(method, InMemory(x[first], y[first], target), max_steps=300, device="cpu", **options)
        print(f"{method} {words}: {100 * np.mean(model.predict(target) == y[second]):.1f}".replace(" :", ":"))


if __name__ == "__main__":
    main()
