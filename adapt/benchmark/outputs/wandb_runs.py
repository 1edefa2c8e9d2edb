"""A benchmark's comparison as one run in Weights & Biases, made from what was written."""

import re
import secrets
import shlex
import shutil
from pathlib import Path
from typing import Any

import wandb

from adapt.benchmark.outputs.files import Output, csv_tables
from adapt.benchmark.outputs.table import lines
from adapt.benchmark.outputs.tables.accuracy import negative_transfers
from adapt.benchmark.outputs.words import measured, rule_name
from adapt.benchmark.results.results import csv_columns, csv_rows
from adapt.benchmark.vocabulary import TRIALS_FOLDER
from adapt.files import write_atomically

JOB_TYPE = "comparison"

TABLES = {"summary": "table", "selection": "selection", "significance": "significance", "results": "results"}
"""Name in Weights & Biases → the CSV file that has the same lines."""


def log_comparison(output: Output, project: str, group: str, offline: bool) -> None:
    """Log result rows, summary, selection, tests, bar charts and pictures as one run of job type `comparison`.

    A grid has one such run: the same command, run again, continues it, and replaces what was not sent yet.

    Args:
        output: What was written of the benchmark.
        project: Project in Weights & Biases.
        group: Name of the benchmark, which its cells' runs share.
        offline: Write the run to disk instead of sending it; `wandb sync` sends it later.
    """
    analysis = output.analysis
    folder = output.folder.resolve()
    run_id = _id_of(folder)
    for unsent in folder.glob(f"wandb/offline-run-*-{run_id}"):
        shutil.rmtree(unsent, ignore_errors=True)
    run = wandb.init(
        id=run_id,
        resume=None if offline else "allow",
        project=project,
        group=group,
        job_type=JOB_TYPE,
        name=f"{group} comparison",
        # W&B's service would resolve a relative path in the folder that it was started in.
        dir=str(folder),
        mode="offline" if offline else "online",
        config={"benchmark": group, "rules": {s.rule: rule_name(s.rule, s.headline) for s in analysis.summaries}},
        # A run that some earlier code left open must not receive this table.
        reinit="create_new",
        settings=wandb.Settings(console="off", silent=True),
    )
    try:
        found = {name: (columns, lines(tables, columns)) for name, (tables, columns, _) in csv_tables(analysis).items()}
        found["results"] = csv_columns(analysis.results), csv_rows(analysis.results)
        content: dict[str, Any] = {
            name: wandb.Table(columns=list(found[file][0]), data=found[file][1]) for name, file in TABLES.items()
        }
        measure = analysis.leading.measure
        scale, heading = 100 if measure.share else 1, f"target {measured(measure)}"
        for name, estimates in analysis.leading.columns.items():
            bars = [[method, scale * e.mean] for method, e in estimates.items() if e.mean is not None]
            if bars:
                table = wandb.Table(columns=["method", heading], data=bars)
                content[f"bars/{name}"] = wandb.plot.bar(table, "method", heading, title=name)
        for picture in output.pictures:
            image = wandb.Image(str(picture.path), caption=picture.title)
            content.setdefault(f"pictures/{picture.kind}", []).append(image)
        run.summary["negative_transfer"] = " ".join(negative_transfers(analysis.summaries)) or "none"
        if analysis.unlabelled:
            run.summary["no_target_labels"] = ", ".join(analysis.unlabelled)
        run.log(content)
    except BaseException:
        run.finish(exit_code=1)
        raise
    run.finish()


def unsent_runs(folder: Path) -> list[str]:
    """Patterns of the offline runs of a grid, its cells', trials' and comparison's, as arguments of `wandb sync`.

    Args:
        folder: The grid's folder.
    """
    runs = "wandb/offline-run-*"
    patterns = (f"*/*/*/{runs}", f"{TRIALS_FOLDER}/*/*/*/{runs}", runs)
    return [f"{shlex.quote(str(folder))}/{pattern}" for pattern in patterns if any(folder.glob(pattern))]


def _id_of(folder: Path) -> str:
    """The comparison's id, kept with the grid: a folder that is moved has the same one."""
    path = folder / "wandb" / "comparison.txt"
    try:
        found = path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        found = ""
    if not re.fullmatch(r"[a-z0-9]{8}", found):
        found = secrets.token_hex(4)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, found + "\n")
    return found
