"""A benchmark's comparison as one run in Weights & Biases, made from the files on disk."""

from pathlib import Path
from typing import Any

import wandb

from adapt.benchmark.report import Report, build_report
from adapt.benchmark.results import CSV_COLUMNS, csv_rows, read_results
from adapt.benchmark.selection_table import CSV_COLUMNS as SELECTION_COLUMNS
from adapt.benchmark.selection_table import negative_transfers, selection_rows
from adapt.benchmark.significance_table import CSV_COLUMNS as SIGNIFICANCE_COLUMNS
from adapt.benchmark.significance_table import significance_rows
from adapt.benchmark.statistics import Summary
from adapt.benchmark.tables import CSV_COLUMNS as SUMMARY_COLUMNS
from adapt.benchmark.tables import columns_of, rule_name

JOB_TYPE = "comparison"


def log_comparison(
    directory: Path, project: str, group: str, offline: bool, save_dir: Path, report: Report | None = None
) -> None:
    """Log result rows, summary, selection, tests, bar charts and pictures as one run of job type `comparison`.

    Args:
        directory: The benchmark's folder.
        project: Project in Weights & Biases.
        group: Name of the benchmark, which its cells' runs share.
        offline: Write the run to disk instead of sending it; `wandb sync` sends it later.
        save_dir: Where Weights & Biases keeps its files.
        report: The report, if it was just built; otherwise it is built here.

    Raises:
        AdaptError: When there is no result, or one that cannot be read.
    """
    report = report or build_report(directory)
    save_dir.mkdir(parents=True, exist_ok=True)
    rows = csv_rows(read_results(directory))
    summary_rows = [row for summary in report.summaries for row in _summary_rows(summary)]
    run = wandb.init(
        project=project,
        group=group,
        job_type=JOB_TYPE,
        name=f"{group} comparison",
        # W&B's service would resolve a relative path in the folder that it was started in.
        dir=str(save_dir.resolve()),
        mode="offline" if offline else "online",
        config={"benchmark": group, "rules": {s.rule: rule_name(s.rule) for s in report.summaries}},
        # A run that some earlier code left open must not receive this table.
        reinit="create_new",
        settings=wandb.Settings(console="off", silent=True),
    )
    try:
        content: dict[str, Any] = {
            "results": wandb.Table(columns=list(CSV_COLUMNS), data=rows),
            "summary": wandb.Table(columns=list(SUMMARY_COLUMNS), data=summary_rows),
            "selection": wandb.Table(columns=list(SELECTION_COLUMNS), data=selection_rows(report.selections)),
            "significance": wandb.Table(columns=list(SIGNIFICANCE_COLUMNS), data=significance_rows(report.tests)),
        }
        for name, estimates in columns_of(report.leading).items():
            bars = [[method, 100 * e.mean] for method, e in estimates.items() if e.mean is not None]
            if bars:
                table = wandb.Table(columns=["method", "target accuracy in %"], data=bars)
                content[f"bars/{name}"] = wandb.plot.bar(table, "method", "target accuracy in %", title=name)
        for picture in report.pictures:
            image = wandb.Image(str(picture.path), caption=picture.title)
            content.setdefault(f"pictures/{picture.kind}", []).append(image)
        run.summary["negative_transfer"] = " ".join(negative_transfers(report.summaries)) or "none"
        run.log(content)
    except BaseException:
        run.finish(exit_code=1)
        raise
    run.finish()


def _summary_rows(summary: Summary) -> list[list[Any]]:
    return [
        [summary.rule, method, summary.settings[method], name, e.mean, e.ci, e.n, e.n_failed, e.negative]
        for name, estimates in columns_of(summary).items()
        for method, e in estimates.items()
    ]
