"""How far each estimate is from the truth, over all committed grids whose rows have estimates; no training.

    python benchmarks/estimation/grids.py [--write]

Rows: this folder's `errors.csv`, and `estimate_...` columns of `benchmarks/*/*.csv`, under the rule `last`. Methods
that train on all target labels are left out, and so are grids whose domains have different classes, where no estimate
holds. `--write` makes `grids.md`, and `adapt/estimation/measured.json`, which `adapt choose` and reports quote as the
uncertainty of an estimate.
"""

import argparse
import csv
import json
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from adapt.benchmark.results.results import git_commit, read_csv
from adapt.benchmark.vocabulary import LAST, SOURCE_ONLY, TARGET_LABELS
from adapt.estimation import ESTIMATES

HERE = Path(__file__).resolve().parent
BENCHMARKS, PACKAGE = HERE.parent, HERE.parents[1] / "adapt"
COMMAND = "python benchmarks/estimation/grids.py --write"
GRIDS = {
    "protocol/amazon": "Amazon reviews",
    "protocol/pacs": "PACS features",
    "several_sources/results": "PACS features",
    "recipes/momentum": "PACS features",
    "recipes/momentum_elsewhere": "",
    "watch/recipe": "wrist-watch",
    "watch/results": "wrist-watch",
    "text/results": "embedded reviews",
}
"""Files of rows, and what kind of data they are; empty where the task's name says it."""
POINT = 0.01


class Run(NamedTuple):
    """One training: where it is from, how accurate it was on the target, and what each estimate said."""

    kind: str
    grid: str
    task: str
    method: str
    setting: str
    accuracy: float
    estimates: dict[str, float]


def kind_of(task: str) -> str:
    ends = {task.split(" ")[0], task.split(" ")[-1]}
    return "Amazon reviews" if ends <= set("BDEK") else "PACS features" if ends <= set("PACS") else "digits"


def runs() -> Iterator[Run]:
    """Every run that has estimates."""
    found: dict[tuple[str, str, str], dict[str, float]] = defaultdict(dict)
    with (HERE / "errors.csv").open(newline="", encoding="utf-8") as file:
        for line in csv.DictReader(file):
            if line["rule"] == LAST:
                own = found[line["task"], line["method"], line["seed"]]
                own |= {line["name"]: float(line["value"]), "accuracy": float(line["accuracy"])}
    for (task, method, _), values in found.items():
        setting = SOURCE_ONLY if method == "SourceOnly" else ""
        yield Run(kind_of(task), "estimation", task, method, setting, values.pop("accuracy"), values)
    for name, kind in GRIDS.items():
        for result in read_csv(path) if (path := BENCHMARKS / f"{name}.csv").is_file() else []:
            row = next((row for row in result.rows if row["rule"] == LAST), None)
            if row is None or not row.get("estimates") or result.setting == TARGET_LABELS:
                continue
            about = (kind or kind_of(result.task), name, result.task, result.method, result.setting)
            yield Run(*about, float(row["target_accuracy"]), dict(row["estimates"]))


def gaps(found: Sequence[Run], name: str) -> np.ndarray:
    """Estimate minus accuracy, in points."""
    values = [100 * (run.estimates.get(name, math.nan) - run.accuracy) for run in found]
    return np.array([value for value in values if math.isfinite(value)])


def summarise(by_kind: dict[str, list[Run]], name: str) -> dict[str, float] | None:
    """An estimate's error over all kinds of data, each of which counts as much as another."""
    parts = [part for own in by_kind.values() if len(part := gaps(own, name))]
    if not parts:
        return None
    every = np.abs(np.concatenate(parts))
    weights = np.concatenate([np.full(len(part), 1 / len(part)) for part in parts])
    order = every.argsort()
    shares = weights[order].cumsum() / weights.sum()
    return {
        "error": round(float(np.mean([np.abs(part).mean() for part in parts])), 2),
        "upper": round(float(every[order][np.searchsorted(shares, 0.9)]), 2),
        "bias": round(float(np.mean([part.mean() for part in parts])), 2),
        "cells": len(every),
    }


class Choice(NamedTuple):
    """What taking the method with the highest mean estimate comes to in one task, in accuracy."""

    lost: float
    over_dann: float
    over_source_only: float


def choices(found: Sequence[Run], name: str) -> list[Choice]:
    """One for each task of each grid."""
    tasks: dict[tuple[str, str], dict[str, list[Run]]] = defaultdict(lambda: defaultdict(list))
    for run in found:
        tasks[run.grid, run.task][run.method].append(run)
    made = []
    for methods in tasks.values():
        truth = {method: float(np.mean([run.accuracy for run in own])) for method, own in methods.items()}
        said = {m: float(np.mean([run.estimates.get(name, math.nan) for run in own])) for m, own in methods.items()}
        said = {method: value for method, value in said.items() if math.isfinite(value)}
        if not said:
            continue
        picked = truth[max(said, key=lambda method: said[method])]
        dann = [value for method, value in truth.items() if method.startswith("DANN")]
        start = [truth[m] for m, own in methods.items() if own[0].setting == SOURCE_ONLY]
        against = (picked - float(np.mean(part)) if part else math.nan for part in (dann, start))
        made.append(Choice(max(truth.values()) - picked, *against))
    return made


def markdown(by_kind: dict[str, list[Run]]) -> str:
    """Both tables."""
    every = [run for own in by_kind.values() for run in own]
    errors = {name: found for name in ESTIMATES if (found := summarise(by_kind, name)) is not None}
    order = sorted(errors, key=lambda name: errors[name]["error"])
    tasks = len({(run.grid, run.task) for run in every})
    heads = [f"{kind} ({len(own)} runs)" for kind, own in by_kind.items()]
    lines = [
        "# The estimates over all committed grids",
        "",
        f"`{COMMAND}`: {len(every)} runs of {tasks} tasks, under the rule `last`, out",
        "of the committed rows. Methods that train on target labels are left out, and domains with different classes.",
        "Mean of |estimate − accuracy| on the target's test set, in points; over all kinds of data each kind counts",
        "the same.",
        "",
        "| estimate | " + " | ".join([*heads, "all kinds", "9 of 10 below", "bias"]) + " |",
        "|---" + "|--:" * (len(heads) + 3) + "|",
    ]
    for name in order:
        parts = [gaps(own, name) for own in by_kind.values()]
        cells = [f"{np.abs(part).mean():.1f}" if len(part) else "–" for part in parts]
        found = errors[name]
        whole = [f"{found['error']:.1f}", f"{found['upper']:.1f}", f"{found['bias']:+.1f}"]
        lines.append(f"| `{name}`, {ESTIMATES[name].words} | " + " | ".join([*cells, *whole]) + " |")
    lines += [
        "",
        "## Choosing a method by it",
        "",
        "In each task of each grid: the method with the highest mean estimate over its seeds, its last checkpoints.",
        "Points of target accuracy below the best method, mean over the tasks of a kind; a hit is within 1 point.",
        "DANN: all its variants.",
        "",
        "| estimate | " + " | ".join([*by_kind, "all tasks", "hits", "over DANN", "over SourceOnly"]) + " |",
        "|---" + "|--:" * (len(by_kind) + 4) + "|",
    ]
    lost = {name: choices(every, name) for name in order}
    for name in sorted(lost, key=lambda name: np.mean([choice.lost for choice in lost[name]])):
        parts = [[100 * choice.lost for choice in choices(own, name)] for own in by_kind.values()]
        cells = [f"{np.mean(part):.1f}" if part else "–" for part in parts]
        made = lost[name]
        hits = f"{sum(choice.lost <= POINT for choice in made)} of {len(made)}"
        over = [f"{100 * np.nanmean(part):+.1f}" for part in list(zip(*made, strict=True))[1:]]
        whole = [f"{100 * np.mean([choice.lost for choice in made]):.1f}", hits, *over]
        lines.append(f"| `{name}` | " + " | ".join([*cells, *whole]) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write grids.md here, and measured.json into the package")
    by_kind: dict[str, list[Run]] = defaultdict(list)
    for run in runs():
        by_kind[run.kind].append(run)
    text = markdown(by_kind)
    print(text)
    if not parser.parse_args().write:
        return
    (HERE / "grids.md").write_text(text, encoding="utf-8")
    content = {
        "command": COMMAND,
        "commit": git_commit(),
        "kinds": {kind: len(own) for kind, own in by_kind.items()},
        "unit": "points of accuracy",
        "errors": {name: found for name in ESTIMATES if (found := summarise(by_kind, name)) is not None},
    }
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    (PACKAGE / "estimation" / "measured.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
