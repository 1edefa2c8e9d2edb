"""What a hyperparameter search tried, what every rule would have picked of it, and what that costs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapt.benchmark.csv_files import csv_text
from adapt.benchmark.results import RESULT_FILE, CellResult, read_result
from adapt.benchmark.search import SEARCH_FILE, best_of, trial_scores
from adapt.benchmark.sheet import MISSING, ORACLE, Entry, Rank, Sheet, to_markdown
from adapt.benchmark.tables import labels_used, points, rule_name
from adapt.errors import AdaptError
from adapt.selection import RULES

CSV_COLUMNS = ("task", "method", "setting", "trial", "status", "settings", "rule", "score", "target_accuracy", "picked")
_MOST_DIGITS = 3


@dataclass(frozen=True)
class TrialRow:
    """One trial: what it tried, and what came of it.

    Attributes:
        settings: Values by dotted key.
        result: None where it has not run.
        scores: Highest value at validation per rule, by which the rule compares trials.
    """

    settings: Mapping[str, Any]
    result: CellResult | None
    scores: Mapping[str, float | None]


@dataclass(frozen=True)
class SearchedStudy:
    """All trials of one method on one task.

    Attributes:
        setting: Which target labels the method trains on.
        picks: Number of the trial that each rule picks; None without a score.
    """

    task: str
    method: str
    setting: str
    trials: tuple[TrialRow, ...]
    picks: Mapping[str, int | None]

    def accuracy(self, rule: str) -> float | None:
        """Target test accuracy of the trial that a rule picks, at the checkpoint that it picks."""
        number = self.picks.get(rule)
        result = None if number is None else self.trials[number].result
        return None if result is None else result.accuracy(rule)


@dataclass(frozen=True)
class SearchReport:
    """A search, as the files of a benchmark's folder tell it.

    Attributes:
        sentence: How the settings behind the reruns were found.
        rules: Rules that some trial has a score of, the oracle last.
    """

    sentence: str
    rules: tuple[str, ...]
    studies: tuple[SearchedStudy, ...]


def read_search_report(directory: Path) -> SearchReport | None:
    """What was searched for the benchmark in a folder; None where nothing was.

    Raises:
        AdaptError: When the search's file cannot be read.
    """
    path = directory / SEARCH_FILE
    if not path.exists():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        studies = [_study(entry, directory / content["folder"]) for entry in content["studies"]]
        sentence = _sentence(content, studies)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AdaptError(
            f"{path} is truncated or not a search ({type(error).__name__}: {error}). The same benchmark, run again, "
            "writes it anew and repeats no run."
        ) from error
    found = {rule for study in studies for rule, number in study.picks.items() if number is not None}
    return SearchReport(sentence, tuple(rule for rule in RULES if rule in found), tuple(studies))


def search_sheets(report: SearchReport) -> list[Sheet]:
    """Per task what every rule would have picked, and the gap to what the oracle would have."""
    sheets = []
    for task in dict.fromkeys(study.task for study in report.studies):
        studies = [study for study in report.studies if study.task == task]
        rows = [_row(study, [_picked(study, rule) for rule in report.rules]) for study in studies]
        about = f"{task}; trials on the search's seed"
        caption = f"Target test accuracy in % of the trial that each rule picks, {about}."
        notes = ("In brackets: the trial. oracle: picked by target labels, for reference only.",)
        sheets.append(Sheet(caption, report.rules, tuple(rows), notes))
        honest = tuple(rule for rule in report.rules if rule != ORACLE)
        if ORACLE in report.rules and honest:
            gaps = [_row(study, _gaps(study, honest)) for study in studies]
            caption = f"Gap to the oracle's trial in points of target test accuracy (oracle − rule), {about}."
            sheets.append(Sheet(caption, honest, tuple(gaps), ("Bold: the smallest gap of a method.",)))
    return sheets


def search_markdown(report: SearchReport) -> str:
    """The sentence, what every rule would have picked, and all trials with their settings and scores."""
    parts = ["# Hyperparameter search\n", report.sentence + "\n", *map(to_markdown, search_sheets(report))]
    parts.append("## Trials\n")
    for study in report.studies:
        rows = [_trial_row(study, number, report.rules) for number in range(len(study.trials))]
        columns = ("status", "settings", "picked by", *(f"{rule}: score, accuracy" for rule in report.rules))
        caption = f"{study.task}, {study.method}: best score at validation, and target test accuracy in % there."
        parts.append(to_markdown(Sheet(caption, columns, tuple(rows))))
    return "\n".join(parts)


def search_csv(report: SearchReport) -> str:
    """A line per trial and rule; accuracies in [0, 1]."""
    rows = []
    for study in report.studies:
        for number, trial in enumerate(study.trials):
            settings = json.dumps(trial.settings, ensure_ascii=False)
            left = [study.task, study.method, study.setting, number, _status(trial), settings]
            for rule in report.rules:
                accuracy = None if trial.result is None else trial.result.accuracy(rule)
                rows.append([*left, rule, trial.scores[rule], accuracy, int(study.picks[rule] == number)])
    return csv_text(CSV_COLUMNS, rows)


def _study(entry: Mapping[str, Any], folder: Path) -> SearchedStudy:
    trials = []
    for trial in entry["trials"]:
        directory = folder / trial["folder"]
        try:
            result = read_result(directory / RESULT_FILE)
        except AdaptError:
            result = None
        found = trial_scores(directory)
        scores = {rule: found.get(rule) for rule, metric in RULES.items() if metric is not None}
        trials.append(TrialRow(dict(trial["settings"]), result, scores))
    picks = {
        rule: best_of([trial.scores[rule] for trial in trials]) for rule, metric in RULES.items() if metric is not None
    }
    setting = str(entry["trials"][0]["setting"]) if entry["trials"] else ""
    return SearchedStudy(str(entry["task"]), str(entry["method"]), setting, tuple(trials), picks)


def _sentence(content: Mapping[str, Any], studies: Sequence[SearchedStudy]) -> str:
    rule, seeds = content["rule"], content["seeds"]
    runs = [trial for study in studies for trial in study.trials]
    lost = sum(_status(trial) != "ok" for trial in runs)
    without = [f"{study.method} on {study.task}" for study in studies if study.picks[rule] is None]
    count = "trial" if content["trials"] == 1 else "trials"
    return (
        f"{content['trials']} {count} ({content['sampler']}) per method and task on seed {content['seed']}, the same "
        f"budget for every method, picked by {rule} ({rule_name(rule)}); reruns on {len(seeds)} "
        f"{'seed' if len(seeds) == 1 else 'seeds'} ({', '.join(map(str, seeds))})."
        + (f" {lost} of {len(runs)} trials have no result." if lost else "")
        + (f" No trial to pick, so no rerun: {'; '.join(without)}." if without else "")
    )


def _row(study: SearchedStudy, entries: Sequence[Entry]) -> tuple[str, str, tuple[Entry, ...]]:
    return study.method, labels_used(study.setting), tuple(entries)


def _picked(study: SearchedStudy, rule: str) -> Entry:
    accuracy = study.accuracy(rule)
    return Entry(MISSING) if accuracy is None else Entry(f"{100 * accuracy:.1f}", "", f"({study.picks[rule]})")


def _gaps(study: SearchedStudy, rules: Sequence[str]) -> list[Entry]:
    best = study.accuracy(ORACLE)
    found = [study.accuracy(rule) for rule in rules]
    gaps = [None if best is None or a is None else round(100 * (best - a), 1) for a in found]
    smallest = min((gap for gap in gaps if gap is not None), default=None)
    ranks: list[Rank] = ["best" if gap == smallest else "" for gap in gaps]
    return [
        Entry(MISSING) if gap is None else Entry(points(gap / 100), rank) for gap, rank in zip(gaps, ranks, strict=True)
    ]


def _trial_row(study: SearchedStudy, number: int, rules: Sequence[str]) -> tuple[str, str, tuple[Entry, ...]]:
    trial = study.trials[number]
    picked = ", ".join(rule for rule in rules if study.picks[rule] == number)
    entries = [Entry(_status(trial)), Entry(_settings(trial.settings)), Entry(picked or MISSING)]
    for rule in rules:
        score, accuracy = trial.scores[rule], trial.result.accuracy(rule) if trial.result else None
        shown = MISSING if score is None else f"{score:.4g}"
        rank: Rank = "best" if study.picks[rule] == number else ""
        entries.append(Entry(shown, rank, "" if accuracy is None else f"({100 * accuracy:.1f})"))
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


def _status(trial: TrialRow) -> str:
    return "not run" if trial.result is None else trial.result.status
