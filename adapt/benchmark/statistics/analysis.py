"""All that a benchmark's results say, computed once; outputs only write it down."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

from adapt.benchmark.results.results import CellResult, measures_of, read_results
from adapt.benchmark.results.units import domain_pair, shared_pairs
from adapt.benchmark.statistics.estimates import Summary, headline, rules_of, summarise
from adapt.benchmark.statistics.method_ranks import MethodRanks, rank_methods
from adapt.benchmark.statistics.paired_tests import Comparison, against_source_only
from adapt.benchmark.statistics.rule_ranks import RuleRanks, rank_rules, read_checkpoints
from adapt.benchmark.statistics.selection_cost import SelectionCost, select
from adapt.benchmark.statistics.strangers import Mixed, mixed_settings, unplanned
from adapt.benchmark.statistics.trials import SearchReport, read_search_report
from adapt.benchmark.vocabulary import CELL_FILE, ORACLE, PLAN_FILE
from adapt.errors import AdaptError
from adapt.measures import Measure
from adapt.monitor import Warned, warnings_of
from adapt.yaml_files import read_yaml


@dataclass(frozen=True)
class Planned:
    """What a grid set out to do, as its folder remembers it; empty where it does not.

    Attributes:
        benchmark: Its name.
        command: What a person typed.
        tasks: In the order of the plan, like the two after it.
        methods: All methods.
        seeds: The seeds that ran.
        metric: The tables' metric; empty for the headline of the problem.
        rule: The rule that heads the report; empty for the default.
        units: Task → the pair of domains that it shares with another task.
        all_seeds: Those of the whole plan, of which `--seeds` runs a part; empty where an older folder does not say.
    """

    benchmark: str = ""
    command: str = ""
    tasks: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()
    metric: str = ""
    rule: str = ""
    units: Mapping[str, str] = field(default_factory=dict)
    all_seeds: tuple[int, ...] = ()


@dataclass(frozen=True)
class Significance:
    """Everything that was tested under one selection rule.

    Attributes:
        summary: The results that it is about; its baseline is what the others are compared with.
        comparisons: The others.
        ranking: Average ranks over tasks, and their test.
    """

    summary: Summary
    comparisons: tuple[Comparison, ...]
    ranking: MethodRanks


@dataclass(frozen=True)
class Analysis:
    """A benchmark's results and what follows from them.

    Attributes:
        planned: What the grid set out to do.
        results: What became of its cells.
        summaries: One per selection rule.
        leading: The headline's.
        selections: One per task, and with several of them their average last.
        rules: The rules ranked, best first.
        tests: One per selection rule.
        tested: The headline's.
        missing: Task, method and seed of the plan's cells that have no result, not even a failure.
        transductive: Tasks whose test set was trained on.
        warnings: Of each result's run, while it trained.
        search: How the settings were found; None without a search.
        unlabelled: Tasks whose target has no labels. The summaries leave them out, unless there are no others.
        partly: By task how many of the target's test samples have a label, where not all have, and how many there are.
        on_source: By rule what these tasks' runs reach on the source's test set.
        mixed: Methods on tasks whose seeds were trained with different settings.
        unplanned: Tasks, methods and seeds with results that are not in the plan.
    """

    planned: Planned
    results: tuple[CellResult, ...]
    summaries: tuple[Summary, ...]
    leading: Summary
    selections: tuple[SelectionCost, ...]
    rules: RuleRanks
    tests: tuple[Significance, ...]
    tested: Significance
    missing: tuple[tuple[str, str, int], ...]
    transductive: tuple[str, ...]
    warnings: tuple[tuple[Warned, ...], ...]
    search: SearchReport | None = None
    unlabelled: tuple[str, ...] = ()
    partly: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    on_source: Mapping[str, Summary] = field(default_factory=dict)
    mixed: tuple[Mixed, ...] = ()
    unplanned: tuple[str, ...] = ()

    @property
    def tasks(self) -> tuple[str, ...]:
        """All tasks: those of the summaries, then those without target labels."""
        return tuple(dict.fromkeys((*self.leading.tasks, *self.unlabelled)))

    @property
    def nothing_measured(self) -> bool:
        """Whether no task has target labels."""
        return set(self.leading.tasks) <= set(self.unlabelled)

    @property
    def oracle(self) -> Summary | None:
        """The summary under the oracle, where it was recorded."""
        return next((summary for summary in self.summaries if summary.rule == ORACLE), None)

    @property
    def other_summaries(self) -> list[Summary]:
        """Those that the headline does not show."""
        return [summary for summary in self.summaries if summary is not self.leading]


def read_analysis(directory: Path) -> Analysis:
    """Analyse the benchmark in a folder.

    Raises:
        AdaptError: When there is no result, or one that cannot be read.
    """
    results = read_results(directory)
    return analyse(results, read_planned(directory), read_search_report(directory))


def analyse(
    results: Sequence[CellResult], planned: Planned | None = None, search: SearchReport | None = None
) -> Analysis:
    """Summaries, costs of selection, ranks and tests; scores and warnings come from the folders of the results."""
    planned = planned or Planned()
    unlabelled = tuple(dict.fromkeys(result.task for result in results if result.target_labelled == 0))
    measured = [result for result in results if result.task not in unlabelled] or results
    rules, measure = rules_of(measured), chosen_measure(results, planned.metric)
    order = (planned.tasks, planned.methods, planned.seeds)
    units = planned.units or units_of(results)
    summaries = tuple(summarise(measured, rule, *order, measure, units=units) for rule in rules)
    leading = rules.index(headline(measured, planned.rule))
    others = [result for result in results if result.task in unlabelled]
    on_source = (
        {rule: summarise(others, rule, *order, measure, "source") for rule in rules_of(others)} if others else {}
    )
    selections = tuple(select(summaries))
    tests = tuple(examine(summary) for summary in summaries)
    return Analysis(
        planned=planned,
        results=tuple(results),
        summaries=summaries,
        leading=summaries[leading],
        selections=selections,
        rules=rank_rules(read_checkpoints(results), selections[-1], next(iter(measures_of(results).values()))),
        tests=tests,
        tested=tests[leading],
        missing=_missing(results, planned),
        transductive=transductive_tasks(results),
        warnings=tuple(warnings_of(result.directory) for result in results),
        search=None if search is None else replace(search, measure=measure),
        unlabelled=unlabelled,
        partly={
            result.task: (result.target_labelled, result.target_samples)
            for result in results
            if result.target_labelled and result.target_samples
        },
        on_source=on_source,
        mixed=mixed_settings(results),
        unplanned=unplanned(results, planned.tasks, planned.methods, planned.all_seeds),
    )


def chosen_measure(results: Sequence[CellResult], metric: str = "") -> Measure:
    """The metric of the tables: the one that the plan names, else the headline.

    Raises:
        AdaptError: No finished run has the one that the plan names.
    """
    known = measures_of(results)
    if not metric or not any(result.rows for result in results):
        return next(iter(known.values()))
    if metric not in known:
        raise AdaptError(
            f"Expected `metric` out of what the results hold ({', '.join(known)}), found {metric!r}. "
            "Change it in the benchmark's file and run the same command: finished cells do not run again."
        )
    return known[metric]


def examine(summary: Summary) -> Significance:
    """Test all methods of a grid under the summary's rule."""
    return Significance(summary, against_source_only(summary), rank_methods(summary))


def read_planned(directory: Path) -> Planned:
    """What a folder remembers of its plan: without the file a report is less tidy, not less true."""
    try:
        content = json.loads((directory / PLAN_FILE).read_text(encoding="utf-8"))
        return Planned(
            benchmark=str(content.get("benchmark") or directory.resolve().name),
            command=str(content.get("command") or ""),
            tasks=tuple(map(str, content.get("tasks", ()))),
            methods=tuple(map(str, content.get("methods", ()))),
            seeds=tuple(map(int, content.get("seeds", ()))),
            metric=str(content.get("metric") or ""),
            rule=str(content.get("rule") or ""),
            units={str(task): str(pair) for task, pair in (content.get("units") or {}).items()},
            all_seeds=tuple(map(int, content.get("all_seeds", ()))),
        )
    except (OSError, ValueError, TypeError, AttributeError):
        return Planned(directory.resolve().name)


def _missing(results: Sequence[CellResult], planned: Planned) -> tuple[tuple[str, str, int], ...]:
    there = {(result.task, result.method, result.seed) for result in results}
    return tuple(cell for cell in product(planned.tasks, planned.methods, planned.seeds) if cell not in there)


def units_of(results: Sequence[CellResult]) -> dict[str, str]:
    """Tasks that share a pair of domains, as the configurations of the runs say, where they are there."""
    tasks = dict.fromkeys(result.task for result in results)
    configs = {task: _config_of(results, task) for task in tasks}
    return shared_pairs({task: domain_pair(config) for task, config in configs.items()})


def transductive_tasks(results: Sequence[CellResult]) -> tuple[str, ...]:
    """Tasks whose test set was trained on, as the configurations of the runs say, where they are there."""

    def transductive(task: str) -> bool:
        arguments = (_config_of(results, task).get("data") or {}).get("init_args") or {}
        return bool(arguments.get("transductive", False))

    return tuple(task for task in dict.fromkeys(result.task for result in results) if transductive(task))


def _config_of(results: Sequence[CellResult], task: str) -> Mapping[str, Any]:
    # Cells of one task share their data: the first configuration that can be read says it.
    for result in results:
        path = result.directory / CELL_FILE
        if result.task == task and path.is_file():
            try:
                config = read_yaml(path)
            except AdaptError:
                continue
            if isinstance(config, Mapping) and isinstance(config.get("data"), Mapping):
                return config
    return {}
