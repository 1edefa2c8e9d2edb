"""Which run to deploy, how good it is likely to be, and what speaks against it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

from adapt.deployment.candidates import Candidate
from adapt.errors import AdaptError
from adapt.estimation import ESTIMATES, agreement, measured
from adapt.monitor.signs import lost_classes

_LOSS = 0.01


@dataclass(frozen=True)
class Choice:
    """What is to be deployed.

    Attributes:
        chosen: The run.
        runner_up: The best run of the next method, or of the same one where there is no other.
        rule: The rule that chose.
        estimate: Name of the estimate.
        accuracy: Estimated target accuracy of the chosen run, in [0, 1]; None where there is no estimate.
        uncertainty: Mean error of that estimate where the truth is known, in [0, 1]; None where it was not measured.
        upper: What 9 of 10 of its errors are below.
        ranking: Method, mean of the rule's value over its seeds, estimated accuracy, number of seeds; best first.
        warnings: What speaks against it, in sentences.
    """

    chosen: Candidate
    runner_up: Candidate | None
    rule: str
    estimate: str | None
    accuracy: float | None
    uncertainty: float | None
    upper: float | None
    ranking: tuple[tuple[str, float, float | None, int], ...]
    warnings: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """What `choice.json` holds."""
        run, other = self.chosen.run, self.runner_up
        return {
            "task": run.task,
            "method": run.method,
            "seed": run.seed,
            "checkpoint": self.chosen.rule,
            "step": self.chosen.step,
            "rule": self.rule,
            "rule_value": self.chosen.scores.get(self.rule, self.chosen.estimates.get(self.rule)),
            "estimated_accuracy": self.accuracy,
            "uncertainty": self.uncertainty,
            "uncertainty_of_9_in_10": self.upper,
            "estimate": self.estimate,
            "estimates": self.chosen.estimates,
            "scores": self.chosen.scores,
            "runner_up": None
            if other is None
            else {
                "method": other.run.method,
                "seed": other.run.seed,
                "estimated_accuracy": None if self.estimate is None else other.estimates.get(self.estimate),
            },
            "ranking": [
                {"method": name, "rule_value": value, "estimated_accuracy": accuracy, "seeds": seeds}
                for name, value, accuracy, seeds in self.ranking
            ],
            "warnings": list(self.warnings),
        }


def choose(candidates: Sequence[Candidate], rule: str) -> Choice:
    """The method whose seeds have the highest mean under a rule, and of its seeds the best one.

    Args:
        candidates: Runs of one task, judged on the same samples.
        rule: Key of a candidate's `scores` or `estimates`.

    Raises:
        AdaptError: No candidate has a value under the rule.
    """
    groups: dict[str, list[Candidate]] = defaultdict(list)
    for candidate in candidates:
        if _value(candidate, rule) is not None:
            groups[candidate.run.method].append(candidate)
    if not groups:
        raise AdaptError(f"Expected runs with a value of the rule {rule}, found none. Give another --rule.")
    ordered = sorted(groups, key=lambda name: -mean(_value(c, rule) or 0.0 for c in groups[name]))
    best = [max(groups[name], key=lambda c: _value(c, rule) or 0.0) for name in ordered]
    chosen = best[0]
    others = [c for c in groups[ordered[0]] if c is not chosen]
    runner_up = best[1] if len(best) > 1 else max(others, key=lambda c: _value(c, rule) or 0.0, default=None)
    for group in groups.values():
        _add_agreement(group)
    name = _estimate_of(chosen)
    found = measured().get(name) if name is not None else None
    return Choice(
        chosen=chosen,
        runner_up=runner_up,
        rule=rule,
        estimate=name,
        accuracy=None if name is None else chosen.estimates[name],
        uncertainty=None if found is None else found.error / 100,
        upper=None if found is None else found.upper / 100,
        ranking=tuple(_ranked(method, groups[method], rule, name) for method in ordered),
        warnings=tuple(_warnings(chosen, candidates, name, None if found is None else found.error / 100)),
    )


def _add_agreement(group: Sequence[Candidate]) -> None:
    """The estimate that takes two seeds."""
    for one in group:
        second = next((c for c in group if c is not one), None)
        if second is not None and one.estimable:
            one.estimates["agreement"] = float(agreement(one.target_logits, second.target_logits))


def _value(candidate: Candidate, rule: str) -> float | None:
    return candidate.scores.get(rule, candidate.estimates.get(rule))


def _estimate_of(candidate: Candidate) -> str | None:
    """The estimate with the smallest measured error among those that there are."""
    known = [name for name in ESTIMATES if name in candidate.estimates]
    errors = {name: found.error for name, found in measured().items()}
    return min(known, key=lambda name: errors.get(name, float("inf")), default=None)


def _ranked(
    method: str, group: Sequence[Candidate], rule: str, name: str | None
) -> tuple[str, float, float | None, int]:
    estimates = [c.estimates[name] for c in group if name in c.estimates] if name is not None else []
    return method, mean(_value(c, rule) or 0.0 for c in group), mean(estimates) if estimates else None, len(group)


def _warnings(chosen: Candidate, candidates: Sequence[Candidate], name: str | None, error: float | None) -> list[str]:
    found = [f"While it trained: {text}" for text in chosen.warned]
    if chosen.counts is not None:
        used, lost = lost_classes(chosen.counts, chosen.source_counts)
        if lost:
            found.append(
                f"Collapse suspected: {lost} of {used} classes are hardly predicted on the target. Look at "
                "predictions.csv; that is right only if the target lacks these classes."
            )
    found += _negative_transfer(chosen, candidates, name, error)
    seeds = sum(c.run.method == chosen.run.method for c in candidates)
    if seeds == 1:
        found.append("One seed alone: how much the seed changes is not known. Train three.")
    if name is None:
        found.append(
            "There is no estimate of its accuracy: that takes classes of both domains, and held-out source samples."
        )
    return [*found, *(f"{note[0].upper()}{note[1:]}." for note in chosen.notes)]


def _negative_transfer(
    chosen: Candidate, candidates: Sequence[Candidate], name: str | None, error: float | None
) -> list[str]:
    baselines = [c for c in candidates if c.baseline]
    if chosen.baseline:
        return []
    if not baselines:
        return ["There is no run on the source alone to compare with: add SourceOnly to the runs."]
    if chosen.counts is None:
        return []
    base = next((c for c in baselines if c.run.seed == chosen.run.seed), baselines[0])
    same = float(agreement(chosen.target_logits, base.target_logits))
    apart = f"adapted and source-only ({base.name}) disagree on {100 * (1 - same):.0f} % of the target"
    if name is None or name not in base.estimates or name not in chosen.estimates:
        return []
    ours, theirs = chosen.estimates[name], base.estimates[name]
    if ours < theirs - _LOSS:
        return [
            f"Negative transfer suspected: {apart}, and source-only is estimated at {100 * theirs:.1f} %, "
            f"{100 * (theirs - ours):.1f} points above."
        ]
    # Where two disagree, one is wrong: more often than both errors together they cannot.
    most = (1 - ours) + (1 - theirs)
    if 1 - same > most + (error or 0.0):
        return [
            f"Negative transfer suspected: {apart}, more than both estimates allow ({100 * most:.0f} %), so that one "
            "of the two is worse than estimated. Label a few dozen of these samples and see which."
        ]
    return []
