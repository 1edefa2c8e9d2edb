"""What a label-free score says of each method of a grid at its end: python benchmarks/recipes/prefers.py RUNS

Mean over seeds of the score of the last validation, a row per method and a column per task; higher is better.
"""

import argparse
from pathlib import Path

import numpy as np

from adapt.benchmark.results.results import read_results
from adapt.benchmark.statistics.trials import trial_scores


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, help="folder of a benchmark whose runs are validated once")
    parser.add_argument("--rule", default="information_maximisation", help="name of the score")
    options = parser.parse_args()
    found: dict[tuple[str, str], list[float]] = {}
    for result in read_results(options.runs):
        found.setdefault((result.method, result.task), []).append(trial_scores(result.directory)[options.rule])
    methods, tasks = (list(dict.fromkeys(key[k] for key in found)) for k in (0, 1))
    print(f"| {options.rule} | {' | '.join(tasks)} |\n|---|{'--:|' * len(tasks)}")
    for method in methods:
        print(f"| {method} | {' | '.join(f'{np.mean(found[method, task]):.2f}' for task in tasks)} |")


if __name__ == "__main__":
    main()
