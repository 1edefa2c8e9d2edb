"""What a hyperparameter search tried, what every rule would have picked of it, and what that costs."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from adapt.benchmark.outputs.table import Entry, Rank, Row, Table, Value
from adapt.benchmark.outputs.words import labels_used, rule_name
from adapt.benchmark.statistics.trials import SearchedStudy, SearchReport
from adapt.benchmark.vocabulary import ORACLE, count

COLUMNS = ("task", "method", "setting", "trial", "status", "settings", "rule", "score", "target_accuracy", "picked")
"""Of `search.csv`: a line per trial and rule; accuracies in [0, 1]."""

_MOST_DIGITS = 3


def search_tables(report: SearchReport) -> list[Table]:
    """Per task what every rule would have picked, and the gap to what the oracle would have."""
    tables = []
    for task in dict.fromkeys(study.task for study in report.studies):
        studies = [study for study in report.studies if study.task == task]
        rows = [_row(study, [_picked(study, rule) for rule in report.rules]) for study in studies]
        about = f"{task}; trials on the search's seed"
        caption = f"Target test accuracy in % of the trial that each rule picks, {about}."
        notes = ("In brackets: the trial. oracle: picked by target labels, for reference only.",)
        tables.append(Table(caption, report.rules, tuple(rows), notes))
        honest = tuple(rule for rule in report.rules if rule != ORACLE)
        if ORACLE in report.rules and honest:
            gaps = [_row(study, _gaps(study, honest)) for study in studies]
            caption = f"Gap to the oracle's trial in points of target test accuracy (oracle − rule), {about}."
            tables.append(Table(caption, honest, tuple(gaps), ("Bold: the smallest gap of a method.",)))
    return tables


def trial_tables(report: SearchReport) -> list[Table]:
    """Per method and task all trials with their settings and scores."""
    columns = ("status", "settings", "picked by", *(f"{rule}: score, accuracy" for rule in report.rules))
    return [
        Table(
            f"{study.task}, {study.method}: best score at validation, and target test accuracy in % there.",
            columns,
            tuple(_trial_row(study, number, report.rules) for number in range(len(study.trials))),
        )
        for study in report.studies
    ]


def search_sentence(report: SearchReport) -> str:
    """How the settings behind the reruns were found."""
    runs = [trial for study in report.studies for trial in study.trials]
    lost = sum(trial.status != "ok" for trial in runs)
    without = [f"{study.method} on {study.task}" for study in report.studies if study.picks[report.rule] is None]
    return (
        f"{count(report.trials, 'trial')} ({report.sampler}) per method and task on seed {report.seed}, the same "
        f"budget for every method, picked by {report.rule} ({rule_name(report.rule)}); reruns on "
        f"{count(len(report.seeds), 'seed')} ({', '.join(map(str, report.seeds))})."
        + (f" {lost} of {len(runs)} trials have no result." if lost else "")
        + (f" No trial to pick, so no rerun: {'; '.join(without)}." if without else "")
    )


def _row(study: SearchedStudy, entries: Sequence[Entry]) -> Row:
    return study.method, labels_used(study.setting), tuple(entries)


def _picked(study: SearchedStudy, rule: str) -> Entry:
    accuracy = study.accuracy(rule)
    return Entry() if accuracy is None else Entry(accuracy, "percent", aside=f"({study.picks[rule]})")


def _gaps(study: SearchedStudy, rules: Sequence[str]) -> list[Entry]:
    best = study.accuracy(ORACLE)
    found = [study.accuracy(rule) for rule in rules]
    gaps = [None if best is None or a is None else round(100 * (best - a), 1) for a in found]
    smallest = min((gap for gap in gaps if gap is not None), default=None)
    return [Entry() if g is None else Entry(g / 100, "points", rank="best" if g == smallest else "") for g in gaps]


def _trial_row(study: SearchedStudy, number: int, rules: Sequence[str]) -> Row:
    trial = study.trials[number]
    picked = ", ".join(rule for rule in rules if study.picks[rule] == number)
    entries = [Entry(trial.status), Entry(_settings(trial.settings)), Entry(picked or None)]
    for rule in rules:
        score, accuracy = trial.scores[rule], trial.result.accuracy(rule) if trial.result else None
        rank: Rank = "best" if study.picks[rule] == number else ""
        record: dict[str, Value] = {
            "task": study.task,
            "method": study.method,
            "setting": study.setting,
            "trial": number,
            "status": trial.status,
            "settings": json.dumps(trial.settings, ensure_ascii=False),
            "rule": rule,
            "score": score,
            "target_accuracy": accuracy,
            "picked": int(study.picks[rule] == number),
        }
        aside = "" if accuracy is None else f"({100 * accuracy:.1f})"
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
