"""What a hyperparameter search tried, and what every rule would have picked of it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from adapt.benchmark.results.metrics import metrics_file
from adapt.benchmark.results.results import RESULT_FILE, CellResult, measures_of, read_result
from adapt.benchmark.statistics.rule_ranks import read_rules
from adapt.benchmark.vocabulary import ORACLE, SEARCH_FILE
from adapt.errors import AdaptError
from adapt.measures import ACCURACY, Measure
from adapt.selection import rules_by

_DECIMALS = 9


@dataclass(frozen=True)
class TrialRow:
    """One trial: what it tried, and what came of it.

    Attributes:
        settings: Values by dotted key.
        result: None where it has not run.
        scores: Best value at validation per rule, by which the rule compares trials.
    """

    settings: Mapping[str, Any]
    result: CellResult | None
    scores: Mapping[str, float | None]

    @property
    def status(self) -> str:
        """What became of it."""
        return "not run" if self.result is None else self.result.status


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

    def value(self, rule: str, metric: str | None = None) -> float | None:
        """The target's test metric of the trial that a rule picks, at the checkpoint that it picks."""
        number = self.picks.get(rule)
        result = None if number is None else self.trials[number].result
        return None if result is None else result.value(rule, metric)


@dataclass(frozen=True)
class SearchReport:
    """A search, as the files of a benchmark's folder tell it.

    Attributes:
        trials: Trials per method and task.
        sampler: What drew their settings.
        seed: Their seed.
        rule: The rule that picked what was run again.
        seeds: Seeds of the reruns.
        rules: Rules that some trial has a score of, the oracle last.
        measure: The metric of the tables.
        development: Tasks that the settings were chosen on, for all others; empty where each task chose its own.
    """

    trials: int
    sampler: str
    seed: int
    rule: str
    seeds: tuple[int, ...]
    rules: tuple[str, ...]
    studies: tuple[SearchedStudy, ...]
    measure: Measure = ACCURACY
    development: tuple[str, ...] = ()


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
        trials, seed, seeds = int(content["trials"]), int(content["seed"]), tuple(map(int, content["seeds"]))
        sampler, rule = str(content["sampler"]), str(content["rule"])
        development = tuple(map(str, content.get("development", ())))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AdaptError(
            f"{path} is truncated or not a search ({type(error).__name__}: {error}). The same benchmark, run again, "
            "writes it anew and repeats no run."
        ) from error
    studies = _joined(studies) if development else studies
    found = {rule for study in studies for rule, number in study.picks.items() if number is not None}
    order = [*dict.fromkeys(rule for study in studies for rule in study.picks if rule != ORACLE), ORACLE]
    rules = tuple(rule for rule in order if rule in found)
    return SearchReport(trials, sampler, seed, rule, seeds, rules, tuple(studies), development=development)


def best_of(scores: Sequence[float | None]) -> int | None:
    """Position of the highest score, the first of equals; None if there is none."""
    found = [(score, -number) for number, score in enumerate(scores) if score is not None]
    return -max(found)[1] if found else None


def best_together(by_task: Sequence[Sequence[float | None]]) -> int | None:
    """Position of the setting that ranks best over tasks, the first of equals; None if none has a score.

    Scores of different tasks have different scales, so that ranks are averaged: 1 is the highest of a task, ties share
    their rank, and a setting without a score comes last.

    Args:
        by_task: A score per setting, for each task.

    Examples:
        >>> best_together([[0.1, 0.9, 0.8], [50.0, 10.0, 40.0]])
        0
        >>> best_together([[0.1, 0.9, 0.8], [10.0, 50.0, 40.0]])
        1
    """
    found = [scores for scores in by_task if any(score is not None for score in scores)]
    if not found:
        return None
    values = np.array([[-np.inf if score is None else score for score in scores] for scores in found], float)
    ranks = stats.rankdata(-values, axis=1).mean(axis=0)
    return int(np.argmin(np.round(ranks, _DECIMALS)))


def trial_scores(directory: Path) -> dict[str, float]:
    """By rule, the best value that a finished trial logged, its checkpoint's, signed such that more is better."""
    try:
        result = read_result(directory / RESULT_FILE)
    except AdaptError:
        return {}
    if result.status != "ok":
        return {}
    curves = read_rules(metrics_file(directory), result.measures[0])
    return {rule: max(curve.values()) for rule, curve in curves.items()}


def _joined(studies: Sequence[SearchedStudy]) -> list[SearchedStudy]:
    """Studies whose picks are those of all of a method's tasks together."""
    picks: dict[str, dict[str, int | None]] = {}
    for method in dict.fromkeys(study.method for study in studies):
        own = [study for study in studies if study.method == method]
        results = [trial.result for study in own for trial in study.trials]
        for rule, sign in _signs_of(results, [trial.scores for study in own for trial in study.trials]).items():
            found = [[trial.scores.get(rule) for trial in study.trials] for study in own]
            scores = [[None if score is None else sign * score for score in of_task] for of_task in found]
            picks.setdefault(method, {})[rule] = best_together(scores)
    return [replace(study, picks=picks[study.method]) for study in studies]


def _signs_of(results: Sequence[CellResult | None], scored: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """By rule 1 where more is better, else -1; rules that are in the scores alone are a person's own."""
    headline = next(iter(measures_of(result for result in results if result is not None).values()))
    rules = rules_by(headline, own=[rule for scores in scored for rule in scores if rule not in rules_by(headline)])
    return {rule: 1 if looks.mode == "max" else -1 for rule, looks in rules.items() if looks is not None}


def _study(entry: Mapping[str, Any], folder: Path) -> SearchedStudy:
    results: list[CellResult | None] = []
    found = []
    for trial in entry["trials"]:
        try:
            results.append(read_result(folder / trial["folder"] / RESULT_FILE))
        except AdaptError:
            results.append(None)
        found.append(trial_scores(folder / trial["folder"]))
    signs = _signs_of(results, found)
    trials = [
        TrialRow(dict(trial["settings"]), result, {r: signs[r] * own[r] if r in own else None for r in signs})
        for trial, result, own in zip(entry["trials"], results, found, strict=True)
    ]
    picks = {rule: best_of([own.get(rule) for own in found]) for rule in signs}
    setting = str(entry["trials"][0]["setting"]) if entry["trials"] else ""
    return SearchedStudy(str(entry["task"]), str(entry["method"]), setting, tuple(trials), picks)
