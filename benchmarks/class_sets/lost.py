"""What stands in this folder's README beside the reports: python benchmarks/class_sets/lost.py

What each rule's checkpoint loses to the oracle's, in points, mean over methods, pairs and seeds; and of the open sets
the known and the unknown accuracy under the silhouette.
"""

from pathlib import Path

import numpy as np

from adapt.benchmark.results.results import CellResult, read_csv
from adapt.benchmark.vocabulary import ORACLE

HERE = Path(__file__).resolve().parent
GRIDS = ("open", "partial", "digits_open", "digits_partial")
PARTS = ("known_accuracy", "unknown_accuracy", "h_score")


def lost(results: list[CellResult]) -> dict[str, float]:
    """By rule, the one that loses least first; a rule of the source's headline is called source."""
    found: dict[str, list[float]] = {}
    for result in results:
        best = result.value(ORACLE)
        for row in result.rows:
            if best is not None and (value := result.value(row["rule"])) is not None:
                name = "source" if row["rule"].startswith("source_") else row["rule"]
                found.setdefault(name, []).append(100 * (best - value))
    means = {name: float(np.mean(gaps)) for name, gaps in found.items() if name != ORACLE}
    return dict(sorted(means.items(), key=lambda item: item[1]))


def main() -> None:
    grids = {name: read_csv(HERE / f"{name}.csv") for name in GRIDS}
    for name, results in grids.items():
        print(f"{name}: {', '.join(f'{rule} {gap:.1f}' for rule, gap in lost(results).items())}")
    for name in ("open", "digits_open"):
        print(f"\n{name}, silhouette: {', '.join(PARTS)}")
        for method in dict.fromkeys(result.method for result in grids[name]):
            own = [result for result in grids[name] if result.method == method]
            parts = [[result.value("silhouette", part) or 0.0 for result in own] for part in PARTS]
            print(f"{method}: {', '.join(f'{100 * np.mean(part):.1f}' for part in parts)}")


if __name__ == "__main__":
    main()
