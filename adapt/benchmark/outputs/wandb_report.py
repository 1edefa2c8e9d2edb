"""A benchmark as a Report in Weights & Biases: its runs grouped by method, and its comparison's tables."""

from types import ModuleType
from typing import Any

from adapt.benchmark.outputs.cautions import cautions
from adapt.benchmark.outputs.files import Output
from adapt.benchmark.outputs.render import to_markdown
from adapt.benchmark.outputs.tables.accuracy import headline_table, negative_transfers
from adapt.benchmark.outputs.tables.significance import ranking_sentences
from adapt.benchmark.outputs.wandb_runs import JOB_TYPE, TABLES
from adapt.benchmark.statistics.analysis import Analysis
from adapt.errors import AdaptError
from adapt.extras import optional

# W&B refuses longer ones.
_MOST_TITLE = 128

# The width of W&B's panel grid.
_FULL = 24


def intention(output: Output, project: str) -> str:
    """Two lines for a person without a connection: what would be built, and how to build it."""
    tables = f"tables {', '.join(TABLES)} and {len(output.pictures)} pictures"
    return (
        f"Offline: online, this would build the report “{title(output.analysis.planned.benchmark)}” in the project "
        f"{project}, with its runs grouped by method under rule {output.analysis.leading.rule}, {tables}.\n"
        f"To go online: pip install 'adapt-lightning[wandb-report]', run `wandb login`, unset WANDB_MODE, `wandb sync` "
        "the runs; then again."
    )


def title(group: str) -> str:
    """The report's name."""
    return f"{group}: benchmark"[:_MOST_TITLE]


def publish(output: Output, project: str, entity: str | None = None) -> str:
    """Build the report in Weights & Biases and save it.

    The runs have to be there already, and the comparison that `log_comparison` sends.

    Args:
        output: The report, as files.
        project: Project in Weights & Biases.
        entity: User or team that owns the project; by default the one that is logged in.

    Returns:
        The report's address.

    Raises:
        AdaptError: Without wandb-workspaces, or when W&B refuses.
    """
    # By name: the package is typed, and exports its classes without saying so.
    wr: Any = optional(
        "wandb_workspaces.reports.v2", "wandb-workspaces", "wandb-report", "A report in Weights & Biases"
    )
    expr = optional("wandb_workspaces.expr", "wandb-workspaces", "wandb-report", "A report in Weights & Biases")
    measure = output.analysis.leading.measure
    try:
        # Without an entity the library asks W&B for the one that is logged in.
        owner = {} if entity is None else {"entity": entity}
        built = wr.Report(
            project=project,
            title=title(output.analysis.planned.benchmark),
            description=f"Domain adaptation: target test {measure.words} under every selection rule.",
            blocks=_blocks(wr, expr, output, project, owner),
            width="fluid",
            **owner,
        )
        built.save()
    except Exception as error:
        raise AdaptError(
            f"Weights & Biases did not take the report ({type(error).__name__}: {error}). "
            "Check `wandb login` and the project's name; the page on disk is complete without it."
        ) from error
    return str(built.url)


def _blocks(wr: ModuleType, expr: ModuleType, output: Output, project: str, owner: dict[str, str]) -> list[Any]:
    analysis = output.analysis
    said = [
        *cautions(analysis),
        *negative_transfers(analysis.other_summaries),
        *ranking_sentences(analysis.tested),
        *output.remarks,
    ]
    where = {"project": project, **owner}
    ours, job = expr.Metric("Group") == analysis.planned.benchmark, expr.Metric("JobType")
    cells = wr.Runset(name="runs", filters=[ours, job != JOB_TYPE], groupby=["JobType"], **where)
    comparison = wr.Runset(name="comparison", filters=[ours, job == JOB_TYPE], **where)
    kinds = list(dict.fromkeys(picture.kind for picture in output.pictures))
    return [
        wr.TableOfContents(),
        wr.H1(text="Result"),
        wr.MarkdownBlock(text=to_markdown(headline_table(analysis))),
        *(wr.P(text=sentence) for sentence in said),
        wr.H1(text="Runs, grouped by method"),
        wr.PanelGrid(runsets=[cells], panels=_panels(wr, analysis)),
        wr.H1(text="Comparison"),
        wr.PanelGrid(
            runsets=[comparison],
            panels=[
                *(
                    wr.WeavePanelSummaryTable(table_name=name, layout=wr.Layout(x=0, y=12 * k, w=_FULL, h=12))
                    for k, name in enumerate(TABLES)
                ),
                *(
                    wr.MediaBrowser(
                        title=kind,
                        media_keys=[f"pictures/{kind}"],
                        layout=wr.Layout(x=0, y=12 * (len(TABLES) + k), w=_FULL, h=12),
                    )
                    for k, kind in enumerate(kinds)
                ),
            ],
        ),
    ]


def _panels(wr: ModuleType, analysis: Analysis) -> list[Any]:
    measure, headline = analysis.leading.measure, analysis.leading.headline.name
    # Without target labels no run has a target metric.
    domain = "source" if analysis.nothing_measured else "target"
    rules = [summary.rule for summary in analysis.summaries]
    # A cell's job type is its method: one bar per method, over its seeds and tasks, under each rule.
    style = {"groupby": "JobType", "groupby_aggfunc": "mean", "groupby_rangefunc": "stderr"}
    bars = [
        wr.BarPlot(
            title=f"{domain} {measure.words}, {rule}",
            metrics=[wr.SummaryMetric(f"{rule}/{domain}_{measure.name}")],
            layout=wr.Layout(x=12 * (k % 2), y=8 * (k // 2), w=12, h=8),
            **style,
        )
        for k, rule in enumerate(rules)
    ]
    curves = (f"val/source_{headline}", *([] if analysis.nothing_measured else [f"oracle/target_{headline}"]))
    below = 8 * ((len(rules) + 1) // 2)
    lines = [
        wr.LinePlot(
            title=column,
            x="trainer/global_step",
            y=[column],
            layout=wr.Layout(x=12 * k, y=below, w=12, h=8),
            **style,
        )
        for k, column in enumerate(curves)
    ]
    return [*bars, *lines]
