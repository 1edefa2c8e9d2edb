"""Each rule of three grids against chance and a ceiling, from committed files: python benchmarks/selection/chance.py

`adapt report` does this from the runs' own scores; those of these grids were not kept. What is committed is enough for
the null: a correlation of independent numbers depends on how many checkpoints there are, and on how their accuracies
lie. Two nulls bound what a test with the scores would have used:

- shuffled: every checkpoint has an independent score;
- clustered: a score is a property of the method alone, the same in every task and seed, which is as far as checkpoints
  of one method can be from independent.

A rule outside the second band is told apart from chance whatever its scores look like. Checkpoints are those that some
rule picked, with their test accuracies (Amazon: on thousands of reviews, where the scores were correlated with the
validation accuracy on 200; PACS: validation and test set are the same). Digits: a method's accuracies under every rule.
"""

import csv
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import stats

from adapt.benchmark.results.results import read_csv
from adapt.benchmark.statistics.chance import ceiling
from adapt.benchmark.statistics.paired_tests import holm
from adapt.benchmark.statistics.rank_correlation import ranks, weighted_rows
from adapt.benchmark.vocabulary import AVERAGE, ORACLE, TARGET_LABELS

HERE = Path(__file__).parent
DRAWS = 2000

# benchmarks/pacs/README.md: weighted rank correlation, averaged over tasks. Its rules.csv was not kept.
PACS = {
    **{"information_maximisation": 0.36, "bnm": 0.35, "silhouette": 0.28, "entropy": 0.18, "source_accuracy": 0.08},
    **{"dev": -0.21, "coral": -0.30, "mmd": -0.32, "snd": -0.37, "a_distance": -0.52},
}

# Target validation samples: a tenth of Amazon's 2000 training reviews; PACS validates on the whole target, digits on a
# tenth of USPS's 7291 and of MNIST's 60000 training images.
SAMPLES = {"amazon": 200, "MNIST → USPS": 729, "USPS → MNIST": 6000}
PACS_SAMPLES = 2500

Checkpoints = Mapping[str, Sequence[tuple[str, float]]]


def of_results(path: Path) -> Checkpoints:
    """Method and test accuracy of every checkpoint that some rule picked, by task."""
    found: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for result in sorted(read_csv(path), key=lambda r: (r.task, r.method, r.seed)):
        if result.setting != TARGET_LABELS:
            for accuracy in dict.fromkeys(row["target_accuracy"] for row in result.rows):
                found[result.task].append((result.method, accuracy))
    return found


def of_means(path: Path) -> Checkpoints:
    """The same of a file with means over seeds: one per rule."""
    found: dict[str, list[tuple[str, float]]] = defaultdict(list)
    with path.open(newline="", encoding="utf-8") as file:
        for line in csv.DictReader(file):
            if line["task"] != AVERAGE and line["setting"] != TARGET_LABELS and line["mean"]:
                found[line["task"]].append((line["method"], float(line["mean"])))
    return {task: sorted(own) for task, own in found.items()}


def correlations(path: Path) -> dict[str, float]:
    """Weighted correlation by rule, averaged over tasks."""
    with path.open(newline="", encoding="utf-8") as file:
        lines = [line for line in csv.DictReader(file) if line["task"] == AVERAGE and line["weighted_spearman"]]
    return {line["rule"]: float(line["weighted_spearman"]) for line in lines}


def null(checkpoints: Checkpoints, clustered: bool, samples: Mapping[str, int]) -> npt.NDArray[np.float64]:
    """The correlation, averaged over tasks, of scores that say nothing `(draws,)`."""
    rng = np.random.default_rng(0)
    methods = sorted({method for own in checkpoints.values() for method, _ in own})
    of_method = rng.random((DRAWS, len(methods)))
    found = []
    for task, own in checkpoints.items():
        accuracies = np.array([accuracy for _, accuracy in own])
        if task in samples:  # as they are measured: on few samples, so that they vary and tie
            accuracies = rng.binomial(samples[task], accuracies) / samples[task]
        scores = rng.random((DRAWS, len(own)))
        if clustered:
            scores = of_method[:, [methods.index(method) for method, _ in own]] + 1e-6 * scores
        shared, dense = (stats.rankdata(scores, method=how, axis=1).astype(float) for how in ("average", "dense"))
        found.append(weighted_rows(shared, dense, *ranks(accuracies)))
    return np.asarray(np.mean(found, axis=0))


def p_of(observed: float, draws: npt.NDArray[np.float64]) -> float:
    """Two-sided."""
    tails = (1 + int((draws >= observed).sum()), 1 + int((draws <= observed).sum()))
    return min(1.0, 2 * min(tails) / (len(draws) + 1))


def report(name: str, checkpoints: Checkpoints, found: Mapping[str, float], samples: Mapping[str, int]) -> list[str]:
    """Markdown of one grid."""
    nulls = {kind: null(checkpoints, kind == "clustered", samples) for kind in ("shuffled", "clustered")}
    bands = {
        kind: f"{draws.mean():.2f} [{np.quantile(draws, 0.025):.2f}, {np.quantile(draws, 0.975):.2f}]"
        for kind, draws in nulls.items()
    }
    tested = {kind: holm([p_of(value, draws) for value in found.values()]) for kind, draws in nulls.items()}
    noisy = samples or dict.fromkeys(checkpoints, PACS_SAMPLES)
    top = ceiling(checkpoints, noisy, exact=True)
    assert top is not None
    assert top.within is not None
    over = " to ".join(str(n) for n in sorted(set(noisy.values())))
    counts = sorted({len(own) for own in checkpoints.values()})
    lines = [
        f"### {name}\n",
        f"{len(checkpoints)} tasks, {counts[0]} to {counts[-1]} checkpoints each. "
        f"By chance: shuffled {bands['shuffled']}, "
        f"clustered {bands['clustered']}. A perfect rule, with the binomial noise of {over} "
        f"validation samples: {top.overall.mean:.2f} over all methods, {top.within.mean:.2f} "
        "within one.\n",
        "| Rule | Weighted ρ | p (Holm), shuffled | p (Holm), clustered | Against chance |",
        "|---|--:|--:|--:|---|",
    ]
    for k, (rule, value) in enumerate(found.items()):
        above = "above" if value > nulls["clustered"].mean() else "below"
        sure = tested["clustered"][k] < 0.05
        maybe = tested["shuffled"][k] < 0.05
        verdict = above if sure else f"{above}, if checkpoints were independent" if maybe else "not told apart"
        shown = [f"{tested[kind][k]:.3f}" for kind in ("shuffled", "clustered")]
        lines.append(f"| {rule} | {value:.2f} | {shown[0]} | {shown[1]} | {verdict} |")
    return [*lines, ""]


def main() -> None:
    """Print all three."""
    root = HERE.parent
    amazon, pacs = of_results(root / "amazon" / "results.csv"), of_results(root / "pacs" / "results.csv")
    digits = of_means(HERE / "digits" / "selection.csv")
    for lines in (
        report("Amazon", amazon, correlations(HERE / "amazon" / "rules.csv"), dict.fromkeys(amazon, SAMPLES["amazon"])),
        report("PACS features", pacs, PACS, {}),
        report("Digits", digits, correlations(HERE / "digits" / "rules.csv"), {task: SAMPLES[task] for task in digits}),
    ):
        print("\n".join(lines))


if __name__ == "__main__":
    assert ORACLE not in PACS
    main()
