"""What a hyperparameter search tried, what every rule would have picked of it, and what that costs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from adapt.benchmark.outputs.table import Entry, Rank, Row, Table, Value, unit_of
from adapt.benchmark.outputs.words import difference_of, gap_formula, labels_used, measured, rule_name
from adapt.benchmark.statistics.trials import SearchedStudy, SearchReport
from adapt.benchmark.vocabulary import ORACLE, count
from adapt.measures import Measure

_MOST_DIGITS = 3


def columns_of(report: SearchReport) -> tuple[str, ...]:
    """The columns of `search.csv`: a line per trial and rule; shares in [0, 1]."""
    about = ("task", "method", "setting", "trial", "status", "settings", "rule", "score")
    return (*about, f"target_{report.measure.name}", "picked")


def search_tables(report: SearchReport, cautions: Sequence[str] = ()) -> list[Table]:
    """Per task what every rule would have picked, and the gap to what the oracle would have."""
    tables = []
    for task in dict.fromkeys(study.task for study in report.studies):
        studies = [study for study in report.studies if study.task == task]
        rows = [_row(study, [_picked(study, rule, report.measure) for rule in report.rules]) for study in studies]
        about = f"{task}; trials on the search's seed"
        caption = f"Target test {measured(report.measure)} of the trial that each rule picks, {about}."
        notes = ("In brackets: the trial. oracle: picked by target labels, for reference only.", *cautions)
        tables.append(Table(caption, report.rules, tuple(rows), notes))
        honest = tuple(rule for rule in report.rules if rule != ORACLE)
        if ORACLE in report.rules and honest:
            gaps = [_row(study, _gaps(study, honest, report.measure)) for study in studies]
            how = f"{difference_of(report.measure, gain=False)} ({gap_formula(report.measure)})"
            caption = f"Gap to the oracle's trial in {how}, {about}."
            tables.append(Table(caption, honest, tuple(gaps), ("Bold: the smallest gap of a method.",)))
    return tables


def trial_tables(report: SearchReport) -> list[Table]:
    """Per method and task all trials with their settings and scores."""
    words = measured(report.measure)
    columns = ("status", "settings", "picked by", *(f"{rule}: score, {report.measure.words}" for rule in report.rules))
    return [
        Table(
            f"{study.task}, {study.method}: best score at validation, and target test {words} there.",
            columns,
            tuple(_trial_row(study, number, report) for number in range(len(study.trials))),
        )
        for study in report.studies
    ]


def search_sentence(report: SearchReport) -> str:
    """How the settings behind the reruns were found."""
    runs = [trial for study in report.studies for trial in study.trials]
    lost = sum(trial.status != "ok" for trial in runs)
    on = "per method and task"
    by = f"picked by {report.rule} ({rule_name(report.rule)})"
    if report.development:
        on = f"per method on {count(len(report.development), 'development task')} ({', '.join(report.development)})"
        by += ", by the mean rank over these tasks, none of which is in the table"
    without = [f"{study.method} on {study.task}" for study in report.studies if study.picks.get(report.rule) is None]
    return (
        f"{count(report.trials, 'trial')} ({report.sampler}) {on}, on seed {report.seed}, the same budget for every "
        f"method, {by}; reruns on "
        f"{count(len(report.seeds), 'seed')} ({', '.join(map(str, report.seeds))})."
        + (f" {lost} of {len(runs)} trials have no result." if lost else "")
        + (f" No trial to pick, so no rerun: {'; '.join(without)}." if without else "")
    )


def _row(study: SearchedStudy, entries: Sequence[Entry]) -> Row:
    return study.method, labels_used(study.setting), tuple(entries)


def _picked(study: SearchedStudy, rule: str, measure: Measure) -> Entry:
    value = study.value(rule, measure.name)
    return Entry() if value is None else Entry(value, unit_of(measure), aside=f"({study.picks.get(rule)})")


def _gaps(study: SearchedStudy, rules: Sequence[str], measure: Measure) -> list[Entry]:
    best = study.value(ORACLE, measure.name)
    found = [study.value(rule, measure.name) for rule in rules]
    gaps = [None if best is None or value is None else measure.better(best, value) for value in found]
    entries = [Entry() if gap is None else Entry(gap, unit_of(measure, "difference")) for gap in gaps]
    smallest = min((e.shown for e in entries if e.value is not None), default=None)
    return [replace(e, rank="best") if e.value is not None and e.shown == smallest else e for e in entries]


def _trial_row(study: SearchedStudy, number: int, report: SearchReport) -> Row:
    trial, rules, measure = study.trials[number], report.rules, report.measure
    picked = ", ".join(rule for rule in rules if study.picks.get(rule) == number)
    entries = [Entry(trial.status), Entry(_settings(trial.settings)), Entry(picked or None)]
    for rule in rules:
        score, value = trial.scores.get(rule), trial.result.value(rule, measure.name) if trial.result else None
        rank: Rank = "best" if study.picks.get(rule) == number else ""
        record: dict[str, Value] = {
            "task": study.task,
            "method": study.method,
            "setting": study.setting,
            "trial": number,
            "status": trial.status,
            "settings": json.dumps(trial.settings, ensure_ascii=False),
            "rule": rule,
            "score": score,
            f"target_{measure.name}": value,
            "picked": int(study.picks.get(rule) == number),
        }
        aside = "" if value is None else f"({Entry(value, unit_of(measure)).number})"
        entries.append(Entry(None if score is None else f"{score:.4g}", rank=rank, aside=aside, record=record))
    return f"trial {number}", labels_used(study.setting), tuple(entries)


def _settings(settings: Mapping[str, Any]) -> str:
    """The settings with keys as short as they may be told apart by."""
    shown = []
    for key, value in settings.items():
        parts = [part for part in key.split(".") if part not in ("model", "init_args")]
        lasts = [other.rpartition(".")[2] for other in settings]
        name = parts[-1] if lasts.count(parts[-1]) == 1 else ".".join(parts)
        shown.append(f"{name} {value:.{_MOST_DIGITS}g}" if isinstance(value, float) else f"{name} {value}")
    return ", ".join(shown)
