"""What all methods prefer alike among the trials of a protocol: python benchmarks/recipes/trials.py amazon|pacs

The trials of a method on a task are ranked by information maximisation, which reads no target label, and by target test
accuracy. Each setting's ranks are averaged over methods and tasks. With four trials chance is 2.5; a setting that is
good for every method would have a lower rank in both columns. Reads benchmarks/protocol/KIND_trials.csv.
"""

import csv
import json
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

ROWS = Path(__file__).resolve().parents[1] / "protocol"
RULE, ACCURACY = "information_maximisation", "target_accuracy"
RATES = {"below 0.001": 0.001, "from 0.001 to 0.003": 0.003, "over 0.003": float("inf")}


def rate(settings: Mapping[str, Any]) -> str | None:
    """The learning rate, in three bins."""
    found = settings.get("optimizer.init_args.lr")
    return None if found is None else next(name for name, most in RATES.items() if found < most)


def named(name: str) -> Callable[[Mapping[str, Any]], str | None]:
    """A setting's value as a text, None where the method has none."""
    return lambda settings: None if name not in settings else str(settings[name])


SETTINGS: dict[str, Callable[[Mapping[str, Any]], str | None]] = {
    "learning rate": rate,
    "dropout": named("backbone.init_args.dropout"),
    "one pass for both domains": named("joint_forward"),
    "decay of the rate": named("lr_scheduler.init_args.gamma"),
    "units of the discriminator": named("discriminator_hidden"),
    "largest λ": named("max_lambda"),
}


def main(kind: str) -> None:
    """Print the table."""
    trials = defaultdict(list)
    with (ROWS / f"{kind}_trials.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["method"] != "TargetOnly":
                trials[row["method"], row["task"]].append(row)
    ranks: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    for rows in trials.values():
        values = [[float(row[column] or "nan") for row in rows] for column in (RULE, ACCURACY)]
        placed = [stats.rankdata(-np.nan_to_num(value, nan=-np.inf)) for value in values]
        for row, by_rule, by_accuracy in zip(rows, *placed, strict=True):
            settings = json.loads(row["settings"])
            for name, value_of in SETTINGS.items():
                if (value := value_of(settings)) is not None:
                    ranks[name, value].append((float(by_rule), float(by_accuracy)))
    print("| setting | value | trials | rank by information maximisation | rank by target accuracy |")
    print("|---|--:|--:|--:|--:|")
    for (name, value), found in sorted(ranks.items(), key=lambda item: (list(SETTINGS).index(item[0][0]), item[0][1])):
        rule, accuracy = np.mean(found, axis=0)
        print(f"| {name} | {value} | {len(found)} | {rule:.2f} | {accuracy:.2f} |")


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in ("amazon", "pacs"):
        sys.exit(__doc__)
    main(sys.argv[1])
