"""Mappings and reweightings with classifiers of scikit-learn, on bags of words: method × head.

    ADAPT_DATA=... python benchmarks/classical/run.py --out benchmarks/classical

Twelve pairs of Amazon reviews as log(1 + count) of the most frequent words, each domain standardised by itself, as the
mappings' papers do. Prints the table, and writes every cell into `results.csv`. Nothing is chosen, and no target label
is read but to count what was right.
"""

import argparse
import time
import warnings
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from adapt.benchmark.results.results import CellResult, git_commit, read_csv, write_csv
from adapt.benchmark.vocabulary import SOURCE_ONLY, UNSUPERVISED
from adapt.data import AmazonReviews
from adapt.errors import AdaptError
from adapt.sklearn import ClassicalAdaptationClassifier

DOMAINS = {"B": "books", "D": "dvd", "E": "electronics", "K": "kitchen"}
METHODS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "SourceOnly": ("SourceOnly", {}),
    "LinearCORAL": ("LinearCORAL", {}),
    "SubspaceAlignment": ("SubspaceAlignment", {}),
    "TCA": ("TCA", {}),
    "OTMapping": ("OTMapping", {}),
    "OTMapping, group lasso": ("OTMapping", {"plan": "group_lasso"}),
    "Weights, logistic": ("ImportanceWeighting", {"estimator": "logistic"}),
    "Weights, kmm": ("ImportanceWeighting", {"estimator": "kmm"}),
    "Weights, kliep": ("ImportanceWeighting", {"estimator": "kliep"}),
    "Weights, rulsif": ("ImportanceWeighting", {"estimator": "rulsif"}),
}
# The last one has the penalty that keeps a linear classifier from undoing the alignment of subspaces.
HEADS: Mapping[str, ClassifierMixin] = {
    "1-NN": KNeighborsClassifier(1),
    "logistic, C = 1": LogisticRegression(C=1.0, max_iter=1000),
    "logistic, C = 0.01": LogisticRegression(C=0.01, max_iter=1000),
    "linear SVM": SVC(kernel="linear"),
    "RBF SVM": SVC(),
}
Bags = tuple[NDArray[np.float32], NDArray[np.int64]]


def bags(name: str, split: str) -> Bags:
    """A domain's reviews as log(1 + count) `(N, 5000)`, and whether they are positive."""
    data = AmazonReviews(name, next(other for other in DOMAINS.values() if other != name))
    dataset = data.domain(name, "test" if split == "test" else "train")
    x, y = dataset.__getitems__(range(len(dataset)))
    return data.transform(x).numpy(), y.y.numpy()


def drawn(part: Bags, number: int | None, seed: int) -> Bags:
    """At most so many samples, the same for every method."""
    order = np.random.default_rng(seed).permutation(len(part[1]))[:number]
    return part[0][order], part[1][order]


def cells(task: str, source: Bags, target: Bags, test: Bags, seed: int) -> list[CellResult]:
    """Every method with every head that it takes; the map or the weights are found once for all heads."""
    found = []
    for method, (name, options) in METHODS.items():
        heads = {k: h for k, h in HEADS.items() if not (name == "ImportanceWeighting" and k == "1-NN")}
        model = None
        for head, classifier in heads.items():
            start, row, error = time.perf_counter(), None, None
            try:
                if model is None:
                    model = ClassicalAdaptationClassifier(name, classifier, options, "domains", random_state=seed)
                    model.fit(*source, target[0])
                else:
                    model = model.refit(classifier, *source)
                row = {"rule": "last", "step": 0, "source_accuracy": None, "target_accuracy": float(model.score(*test))}
            except AdaptError as reason:
                model, error = None, str(reason)
            found.append(
                CellResult(
                    task=task,
                    method=f"{method} + {head}",
                    setting=SOURCE_ONLY if name == "SourceOnly" else UNSUPERVISED,
                    seed=seed,
                    status="failed" if row is None else "ok",
                    error=error,
                    rows=() if row is None else (row,),
                    wall_seconds=round(time.perf_counter() - start, 2),
                    config_hash="",
                    commit=git_commit(),
                    versions={},
                    device="cpu",
                    threads=1,
                    command="",
                    started=datetime.now(UTC).isoformat(timespec="seconds"),
                )
            )
    return found


def table(results: Sequence[CellResult]) -> str:
    """Method × head in %, the mean over the pairs, and the gain over source-only with the same head."""
    means: dict[str, list[float]] = {}
    for result in results:
        means.setdefault(result.method, []).extend(filter(None, [result.value("last")]))
    tasks = len({result.task for result in results})

    def cell(method: str, head: str) -> str:
        values, base = means.get(f"{method} + {head}", []), means.get(f"SourceOnly + {head}", [])
        if not values:
            return "–"
        text = f"{100 * np.mean(values):.1f}"
        if method != "SourceOnly" and len(values) == len(base):
            text += f" ({100 * (np.mean(values) - np.mean(base)):+.1f})"
        return text if len(values) == tasks else f"{text}, {len(values)} of {tasks}"

    lines = ["| method | " + " | ".join(HEADS) + " |", "|---" + "|--:" * len(HEADS) + "|"]
    lines += [f"| {method} | " + " | ".join(cell(method, head) for head in HEADS) + " |" for method in METHODS]
    return "\n".join(lines)


def main() -> None:
    """Run the pairs that `results.csv` does not have yet, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of results.csv; pairs in it are not run again")
    parser.add_argument("--words", type=int, default=500, help="the most frequent words of each pair's training sets")
    parser.add_argument("--samples", type=int, default=1000, help="training samples of each domain (the files: 2000)")
    parser.add_argument("--test", type=int, default=1500, help="test samples of the target (the files: 3586 to 5945)")
    parser.add_argument("--seed", type=int, default=0, help="of the draw, and of what a method draws")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    path = arguments.out / "results.csv"
    results = read_csv(path) if path.is_file() else []
    domains = {letter: (bags(name, "train"), bags(name, "test")) for letter, name in DOMAINS.items()}
    for one, other in permutations(DOMAINS, 2):
        task = f"{one} → {other}"
        if any(result.task == task for result in results):
            continue
        start = time.perf_counter()
        source = drawn(domains[one][0], arguments.samples, arguments.seed)
        target = drawn(domains[other][0], arguments.samples, arguments.seed)
        test = drawn(domains[other][1], arguments.test, arguments.seed)
        words = np.argsort(-((source[0] > 0).sum(0) + (target[0] > 0).sum(0)), kind="stable")[: arguments.words]
        parts = ((x[:, words], y) for x, y in (source, target, test))
        results += cells(task, *parts, seed=arguments.seed)
        arguments.out.mkdir(parents=True, exist_ok=True)
        write_csv(results, path)
        print(f"{task}: {time.perf_counter() - start:.0f} s", flush=True)
    print(table(results))


if __name__ == "__main__":
    main()
