"""How far each estimate of target accuracy is from the truth, in points, on tasks whose target labels are known.

    ADAPT_DATA=... python benchmarks/estimation/run.py [--config G.yaml] [--out DIR] [--write]

Trains the grid, keeps each run's logits of both test sets under two rules, and compares every estimate with the
accuracy that the labels give. `--write` makes this folder's README and `errors.csv`; `grids.py` puts them together
with all other committed grids. Finished cells are not run twice.
"""

import argparse
import csv
import json
import shlex
import sys
import warnings
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from adapt.benchmark.plan.plan import Cell, read_plan
from adapt.benchmark.run.grid import run_grid
from adapt.encoding import DomainEncoding
from adapt.estimation import ESTIMATES, agreement, estimate
from adapt.methods.checkpoints import read_checkpoint
from adapt.selection import Samples, checkpoint_path, evaluate

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
RULES = ("last", "information_maximisation")
CHECKPOINTS = "information_maximisation"
SAMPLES = 1000
SCORES_TRIED = ("entropy", "information_maximisation", "bnm", "softmax_correlation", "snd", "silhouette")


def train(cell: Cell) -> list[dict[str, Any]]:
    """Train one cell, and keep what it makes of both test sets."""
    from adapt.training.cli import AdaptCLI

    quiet = ["--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false", "--trainer.logger=false"]
    arguments = ["fit", "--config", str(cell.directory / "cell.yaml"), "--run_dir", str(cell.directory), *quiet]
    cli = AdaptCLI(arguments)
    rows = []
    for rule in RULES:
        checkpoint = read_checkpoint(checkpoint_path(cell.directory, rule))
        cli.model.load_state_dict(checkpoint["state_dict"])
        cli.model.eval()
        found = {}
        for domain, loader in zip(("source", "target"), cli.datamodule.test_dataloader(), strict=True):
            parts = defaultdict(list)
            for batch in loader:
                encoding = cli.model.evaluated(cli.datamodule.on_after_batch_transfer(batch, 0).x, domain == "target")
                for name, part in zip(("features", "logits", "y"), (*encoding, batch.y), strict=True):
                    parts[name].append(part.detach().float())
            found |= {f"{domain}_{name}": torch.cat(part).numpy() for name, part in parts.items()}
        np.savez(cell.directory / f"{rule}.npz", **found)
        accuracy = {d: float((found[f"{d}_logits"].argmax(1) == found[f"{d}_y"]).mean()) for d in ("source", "target")}
        rows.append(
            {"rule": rule, "step": int(checkpoint["global_step"])} | {f"{d}_accuracy": a for d, a in accuracy.items()}
        )
    for path in (cell.directory / "checkpoints").glob("*.ckpt"):
        path.unlink()
    return rows


def compare(cells: list[Cell]) -> list[dict[str, Any]]:
    """A row per run, rule and estimate or score."""
    rows = []
    for cell in cells:
        others = [one for one in cells if (one.task, one.method) == (cell.task, cell.method) and one.seed != cell.seed]
        for rule in RULES:
            path = cell.directory / f"{rule}.npz"
            if not path.is_file():
                continue
            kept = path.with_suffix(".json")  # scores take as long as the training of a small network
            if not kept.is_file():
                kept.write_text(json.dumps(_values(path)))
            found = json.loads(kept.read_text())
            second = next((p for one in others if (p := one.directory / f"{rule}.npz").is_file()), None)
            if second is not None:
                logits = (torch.from_numpy(np.load(p)["target_logits"]) for p in (path, second))
                found["agreement"] = float(agreement(*logits))
            about = {"task": cell.task, "method": cell.method, "seed": cell.seed, "rule": rule}
            about["accuracy"] = found.pop("accuracy")
            rows += [about | {"name": name, "value": value} for name, value in found.items()]
    return rows


def _values(path: Path) -> dict[str, float]:
    """The accuracy, the estimates and the scores of one run under one rule."""
    found = {name: torch.from_numpy(part) for name, part in np.load(path).items()}
    accuracy = float((found["target_logits"].argmax(1) == found["target_y"].long()).float().mean())
    kept = {
        d: torch.randperm(len(found[f"{d}_y"]), generator=torch.Generator().manual_seed(0))[:SAMPLES]
        for d in ("source", "target")
    }
    source, target = (
        DomainEncoding(*(found[f"{d}_{part}"][at] for part in ("features", "logits")), found[f"{d}_y"][at].long())
        for d, at in kept.items()
    )
    samples = Samples(target._replace(y=None), source)
    right = float((source.logits.argmax(1) == source.y).float().mean())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            "accuracy": accuracy,
            "source_accuracy": right,
            **estimate(samples),
            **evaluate(samples, SCORES_TRIED),
        }


def choices(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What each rule would have chosen among the methods of a task, and what that costs.

    As `adapt choose` does: the method with the highest mean over seeds, and of its seeds the best.
    """
    values: dict[tuple[str, str], dict[str, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
    accuracies: dict[str, dict[str, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
    for row in rows:
        if row["rule"] == CHECKPOINTS:
            values[row["task"], row["name"]][row["method"]][row["seed"]] = row["value"]
            accuracies[row["task"]][row["method"]][row["seed"]] = row["accuracy"]
    found: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
    for (task, name), methods in values.items():
        truth = accuracies[task]
        method = max(methods, key=lambda m: np.mean(list(methods[m].values())))
        seed = max(methods[method], key=lambda s: methods[method][s])
        best = max(max(of.values()) for of in truth.values())
        method_best = max(float(np.mean(list(of.values()))) for of in truth.values())
        picked = truth[method][seed]
        found[name].append(
            (
                100 * (best - picked),
                100 * (picked - float(np.mean(list(truth["DANN"].values())))),
                100 * (method_best - float(np.mean(list(truth[method].values())))),
            )
        )
    return [
        {
            "rule": name,
            "tasks": len(of),
            "hits": sum(gap <= 1 for *_, gap in of),
            "below_best_method": float(np.mean([gap for *_, gap in of])),
            "below_oracle": float(np.mean([gap for gap, *_ in of])),
            "over_dann": float(np.mean([gain for _, gain, _ in of])),
        }
        for name, of in found.items()
    ]


def summarise(rows: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Errors by estimate, in points."""
    found = {}
    for name in ESTIMATES:
        gaps = np.array([100 * (r["value"] - r["accuracy"]) for r in rows if r["name"] == name])
        gaps = gaps[np.isfinite(gaps)]
        if len(gaps):
            found[name] = {
                "error": round(float(np.abs(gaps).mean()), 2),
                "upper": round(float(np.quantile(np.abs(gaps), 0.9)), 2),
                "bias": round(float(gaps.mean()), 2),
                "cells": len(gaps),
            }
    return found


def groups(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The rows of each family of tasks, and of each rule and method."""
    families = defaultdict(list)
    for row in rows:
        source = row["task"].split(" ")[0]
        target = row["task"].split(" ")[-1]
        family = "digits" if source == "optdigits" else "Amazon" if {source, target} <= set("BDEK") else "PACS"
        families[family].append(row)
        families[f"rule {row['rule']}"].append(row)
        families[row["method"]].append(row)
    return dict(families)


def markdown(rows: list[dict[str, Any]], command: str, cells: int) -> str:
    """The folder's README."""
    every = summarise(rows)
    tasks = list(dict.fromkeys(row["task"] for row in rows))
    methods = list(dict.fromkeys(row["method"] for row in rows))
    done = len({(row["task"], row["method"], row["seed"]) for row in rows})
    text = [
        "# How far the estimates of target accuracy can be trusted",
        "",
        f"{len(tasks)} tasks ({', '.join(tasks)}) × {', '.join(methods)} × seeds × rules `{'` and `'.join(RULES)}`. "
        f"{done} of {cells} trainings are in the tables; runs are trainings × rules. The truth is the accuracy on the "
        "target's test set, of which no estimate reads a label.",
        "Errors are in points: the mean of |estimate − accuracy|, what 9 of 10 errors are below, and the mean of "
        "estimate − accuracy (above 0: it flatters).",
        "B, D, E: Amazon reviews; A, C: PACS on the frozen features of `configs/features/pacs_lite0.yaml`, whole "
        "target.",
        f"`{command}`",
        "",
        "**[All committed grids together](grids.md)** have more runs and kinds of data; what the package quotes is "
        "theirs.",
        "",
        "| estimate | mean error | 9 of 10 below | bias | runs |",
        "|---|--:|--:|--:|--:|",
    ]
    for name, found in sorted(every.items(), key=lambda item: item[1]["error"]):
        text.append(
            f"| `{name}`, {ESTIMATES[name].words} | {found['error']:.1f} | {found['upper']:.1f} | "
            f"{found['bias']:+.1f} | {found['cells']} |"
        )
    parts = groups(rows)
    text += ["", "Mean error by family of tasks, rule and method:", ""]
    text += ["| estimate | " + " | ".join(parts) + " |", "|---|" + "--:|" * len(parts)]
    for name in every:
        cells = [summarise(part).get(name, {}).get("error") for part in parts.values()]
        text.append(f"| `{name}` | " + " | ".join("" if c is None else f"{c:.1f}" for c in cells) + " |")
    text += ["", "## Choosing a method by it", ""]
    text += [
        f"As `adapt choose` does, among {len(methods)} methods, from checkpoints of `{CHECKPOINTS}`: the method with "
        "the highest mean over seeds, and of its seeds the best one. A hit is a method whose mean accuracy is "
        "within 1 point of the best one's. The oracle is the best run of all.",
        "",
        "| rule | hits | below the best method | below the oracle | over always DANN |",
        "|---|--:|--:|--:|--:|",
    ]
    for row in sorted(choices(rows), key=lambda row: row["below_best_method"]):
        text.append(
            f"| `{row['rule']}` | {row['hits']} of {row['tasks']} | {row['below_best_method']:.1f} | "
            f"{row['below_oracle']:.1f} | {row['over_dann']:+.1f} |"
        )
    return "\n".join(text) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, default=ROOT / "configs/benchmarks/estimation.yaml")
    parser.add_argument("--out", type=Path, default=Path("runs/estimation"))
    parser.add_argument("--write", action="store_true", help="write the tables into this folder")
    parser.add_argument("--only-tables", action="store_true", help="train nothing: tables of the cells that are done")
    arguments = parser.parse_args()
    command = "ADAPT_DATA=... " + shlex.join(["python", "benchmarks/estimation/run.py"])
    cells = list(read_plan(arguments.config, arguments.out, "disabled").cells)
    if not arguments.only_tables and run_grid(cells, train, command=command).interrupted:
        sys.exit(130)
    rows = compare(cells)
    text = markdown(rows, command, len(cells))
    print(text)
    if arguments.write:
        (HERE / "README.md").write_text(text)
        with (HERE / "errors.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0], lineterminator="\n")
            writer.writeheader()
            writer.writerows(row | {k: f"{row[k]:.4f}" for k in ("value", "accuracy")} for row in rows)


if __name__ == "__main__":
    main()
