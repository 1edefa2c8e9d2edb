"""What each rule would choose out of a grid: python benchmarks/selection/choices.py RUNS

Among methods: for each task the method with the highest score at the last validation, mean of the seeds, and that
method's target test accuracy at the last step. Among the checkpoints of a run: in how many runs the rule's pick is the
first validation. Train-on-target is never chosen.
"""

import sys
from collections import Counter, defaultdict
from pathlib import Path
from statistics import fmean

from adapt.benchmark.results.results import read_results
from adapt.benchmark.statistics.rule_ranks import Checkpoint, read_checkpoints
from adapt.benchmark.vocabulary import TARGET_LABELS


def main() -> None:
    """Print a line per rule, and under it one per task."""
    results = [r for r in read_results(Path(sys.argv[1])) if r.setting != TARGET_LABELS]
    test: dict[tuple[str, str], list[float]] = defaultdict(list)
    for result in results:
        test[result.task, result.method] += [value for value in [result.value("last")] if value is not None]
    runs: dict[tuple[str, str, int], list[Checkpoint]] = defaultdict(list)
    for checkpoint in read_checkpoints(results):
        runs[checkpoint.task, checkpoint.method, checkpoint.seed].append(checkpoint)
    scores: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for (task, method, _), own in runs.items():
        for rule, score in max(own, key=lambda c: c.step).scores.items():
            scores[rule, task][method].append(score)
    first: Counter[str] = Counter()
    picked: Counter[str] = Counter()
    for result in results:
        own = runs[result.task, result.method, result.seed]
        for row in result.rows:
            picked[row["rule"]] += 1
            # Metrics count steps from 0, checkpoints from 1.
            first[row["rule"]] += bool(own) and row["step"] == min(c.step for c in own) + 1
    for rule in sorted({rule for rule, _ in scores}):
        print(f"{rule}: first validation in {first[rule]} of {picked[rule]} runs")
        for task in sorted({task for r, task in scores if r == rule}):
            method = max(scores[rule, task], key=lambda m: fmean(scores[rule, task][m]))
            print(f"  {task}: {method}, {100 * fmean(test[task, method]):.1f} %")


if __name__ == "__main__":
    main()
