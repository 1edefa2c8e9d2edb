"""Which recipe for which kind of data, chosen on development tasks: python benchmarks/recipes/run.py KIND [--out RUNS]

A recipe is the optimizer, whether both domains pass the network together, and the size of a discriminator. All twelve
combinations run with five methods on development tasks, one seed. Within a task and a method they are ranked by
information maximisation at the end of training, which reads no target label, and the best mean rank is the recipe. The
oracle's choice and the target accuracies stand beside it, to show what the choice costs.
"""

import argparse
import itertools
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from scipy import stats

from adapt.benchmark.plan.plan import Cell, read_plan
from adapt.benchmark.results.results import RESULT_FILE, read_result
from adapt.benchmark.statistics.trials import trial_scores
from adapt.benchmark.vocabulary import ORACLE

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
RULE = "information_maximisation"
SEED = 1000

OPTIMIZERS = {
    # Said in full: the adversarial methods' configurations have another β₁, which would stay.
    "Adam 0.001": {"class_path": "torch.optim.Adam", "init_args": {"lr": 0.001, "betas": [0.9, 0.999]}},
    # Less momentum, as is usual where two networks play against each other.
    "Adam 0.001, β₁ 0.5": {"class_path": "torch.optim.Adam", "init_args": {"lr": 0.001, "betas": [0.5, 0.999]}},
    "SGD 0.05": {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.05, "momentum": 0.9, "nesterov": True}},
}
PASSES = {"one pass": True, "two passes": False}
UNITS = {"64 units": 64, "1024 units": 1024}
SCHEDULE = {
    "class_path": "adapt.schedules.InverseDecay",
    "init_args": {"gamma": 10.0, "power": 0.75, "per": "progress"},
}

# Method → its configuration, whether it looks at both domains, whether it has a discriminator.
METHODS: dict[str, tuple[list[Any], bool, bool]] = {
    "SourceOnly": (["source_only"], False, False),
    "MMD": (["mmd"], True, False),
    "CORAL": (["coral"], True, False),
    "DANN": (["dann"], True, True),
    "CDAN + MCC": (["cdan", {"penalties": [{"class_path": "adapt.penalties.MCC"}]}], True, True),
}


def pacs(source: str, target: str) -> list[Any]:
    """A pair of PACS features."""
    return [f"{CONFIGS}/tasks/pacs_features.yaml", {"data": {"init_args": {"source": source, "target": target}}}]


KINDS: dict[str, tuple[dict[str, list[Any]], int]] = {
    "features": (
        {
            "P → A": pacs("photo", "art_painting"),
            "A → C": pacs("art_painting", "cartoon"),
            "C → S": pacs("cartoon", "sketch"),
            "S → P": pacs("sketch", "photo"),
        },
        300,
    ),
    "small_images": (
        {
            "optdigits → photo": [f"{CONFIGS}/tasks/optdigits_photo.yaml"],
            "optdigits → inverted": [f"{CONFIGS}/tasks/optdigits_inverted.yaml"],
        },
        300,
    ),
}


def recipes_of(method: str) -> dict[str, dict[str, Any]]:
    """The combinations that differ for a method, by name."""
    _, two_domains, discriminator = METHODS[method]
    passes = PASSES if two_domains else {"one pass": True}
    units = UNITS if discriminator else {"64 units": 64}
    found = {}
    for optimizer, way, width in itertools.product(OPTIMIZERS, passes, units):
        own = {"discriminator_hidden": units[width], "discriminator_layers": 2} if discriminator else {}
        settings = {"optimizer": OPTIMIZERS[optimizer], "joint_forward": passes[way], "lr_scheduler": SCHEDULE} | own
        found[f"{optimizer}, {way}, {width}"] = settings
    return found


def plan_of(kind: str) -> dict[str, Any]:
    """The grid of a kind of data."""
    tasks, steps = KINDS[kind]
    length = {"trainer": {"max_steps": steps, "val_check_interval": steps}}
    methods = {
        f"{method} | {name}": [
            f"{CONFIGS}/methods/{entries[0]}.yaml",
            *({"model": {"init_args": entry}} for entry in entries[1:]),
            {"model": {"init_args": settings}},
        ]
        for method, (entries, _, _) in METHODS.items()
        for name, settings in recipes_of(method).items()
    }
    tasks = {name: [*entries, length] for name, entries in tasks.items()}
    grid = {"name": f"recipes_{kind}", "seeds": [SEED], "embeddings": False, "checkpoints": "last"}
    return grid | {"tasks": tasks, "methods": methods}


def table(cells: list[Cell]) -> str:
    """A row per recipe: its mean rank by the rule and by the oracle, and the mean target accuracy per method."""
    found = {(cell.task, *cell.method.split(" | ")): cell.directory for cell in cells}
    names = list(recipes_of("DANN"))
    tasks = list(dict.fromkeys(cell.task for cell in cells))

    def folder(task: str, method: str, name: str) -> Path:
        optimizer, way, width = name.rsplit(", ", 2)
        _, two_domains, discriminator = METHODS[method]
        same = (optimizer, way if two_domains else "one pass", width if discriminator else "64 units")
        return found[task, method, ", ".join(same)]

    ranks = {}
    for rule in (RULE, ORACLE):
        scores = [
            [trial_scores(folder(task, method, name)).get(rule, -np.inf) for name in names]
            for task in tasks
            for method in METHODS
        ]
        ranks[rule] = stats.rankdata(-np.array(scores), axis=1).mean(axis=0)
    lines = [f"| recipe | rank by {RULE} | *rank by the oracle* | " + " | ".join(METHODS) + " |"]
    lines.append("|---|--:|--:|" + "--:|" * len(METHODS))
    for row in np.argsort(ranks[RULE], kind="stable"):
        values = [
            np.mean([read_result(folder(task, m, names[row]) / RESULT_FILE).value("last") or np.nan for task in tasks])
            for m in METHODS
        ]
        accuracies = " | ".join(f"{100 * value:.1f}" for value in values)
        lines.append(f"| {names[row]} | {ranks[RULE][row]:.2f} | *{ranks[ORACLE][row]:.2f}* | {accuracies} |")
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Run the grid, and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--out", type=Path, help="results (default: runs/recipes_KIND)")
    parser.add_argument("--jobs", default="auto", help="cells side by side (default: auto)")
    options = parser.parse_args(arguments)
    out = options.out or Path("runs") / f"recipes_{options.kind}"
    out.parent.mkdir(parents=True, exist_ok=True)
    path = out.parent / f"{out.name}.yaml"
    path.write_text(yaml.safe_dump(plan_of(options.kind), sort_keys=False, allow_unicode=True), encoding="utf-8")
    command = [sys.executable, "-m", "adapt", "benchmark", "--config", str(path), "--out", str(out)]
    status = subprocess.run([*command, "--wandb", "disabled", "--jobs", options.jobs], env=os.environ).returncode
    if status == 0:
        print(table(list(read_plan(path, out, "disabled").cells)))
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
