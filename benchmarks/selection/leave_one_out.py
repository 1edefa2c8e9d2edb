"""The rule that the other datasets choose, and what it costs on this one: python benchmarks/selection/leave_one_out.py

The headline's rule was chosen on the datasets whose tables it heads. Here each dataset in turn is left out: the rule
with the smallest mean gap to the oracle on the others (each dataset counts once) is applied to it. Gaps are means over
the methods that adapt, in points of target test accuracy, out of the committed rows.
"""

import csv
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean

from adapt.benchmark.results.results import read_csv
from adapt.benchmark.statistics import rules_of, summarise
from adapt.benchmark.statistics.selection_cost import select
from adapt.benchmark.vocabulary import AVERAGE, DEFAULT_RULE, LAST, ORACLE, SOURCE_ONLY, TARGET_LABELS

ROOT = Path(__file__).resolve().parents[1]
GRIDS = {"Amazon reviews": "amazon", "PACS features": "pacs", "optdigits → photo": "quickstart"}

Gaps = Mapping[str, float]


def of_rows(grid: str) -> dict[str, float]:
    """Gap in points by rule."""
    results = read_csv(ROOT / grid / "results.csv")
    cost = select([summarise(results, rule) for rule in rules_of(results)])[-1]
    return {rule: 100 * e.mean for rule, e in cost.means.items() if e.mean is not None}


def of_means(path: Path) -> dict[str, float]:
    """The same out of a `selection.csv`."""
    with path.open(newline="", encoding="utf-8") as file:
        lines = [x for x in csv.DictReader(file) if x["task"] == AVERAGE and x["rule"] != ORACLE and x["gap"]]
    lines = [x for x in lines if x["setting"] not in (SOURCE_ONLY, TARGET_LABELS)]
    rules = {x["rule"] for x in lines}
    whole = [m for m in {x["method"] for x in lines} if {x["rule"] for x in lines if x["method"] == m} == rules]
    return {r: 100 * fmean(float(x["gap"]) for x in lines if x["rule"] == r and x["method"] in whole) for r in rules}


def main() -> None:
    """Print the table of gaps, and the one of choices."""
    gaps: dict[str, Gaps] = {name: of_rows(grid) for name, grid in GRIDS.items()}
    gaps["digits, USPS ↔ MNIST"] = of_means(ROOT / "selection" / "digits" / "selection.csv")
    rules = sorted(set.intersection(*(set(found) for found in gaps.values())))
    rules.sort(key=lambda rule: fmean(found[rule] for found in gaps.values()))
    print(f"| Rule | {' | '.join(gaps)} | Mean |\n|---|{'--:|' * (len(gaps) + 1)}")
    for rule in rules:
        own = [found[rule] for found in gaps.values()]
        print(f"| {rule} | {' | '.join(f'{gap:.2f}' for gap in own)} | {fmean(own):.2f} |")
    print()
    print("| Left out | The others choose | It costs here | Best rule here | `last` here | Regret |")
    print("|---|---|--:|---|--:|--:|")
    for name, here in gaps.items():
        others = [found for other, found in gaps.items() if other != name]
        chosen = min(rules, key=lambda rule: fmean(found[rule] for found in others))
        best = min(rules, key=lambda rule: here[rule])
        print(
            f"| {name} | {chosen} | {here[chosen]:.2f} | {best} ({here[best]:.2f}) | {here[LAST]:.2f} | "
            f"{here[chosen] - here[best]:.2f} |"
        )
    cost = ", ".join(f"{name} {found[DEFAULT_RULE]:.2f}" for name, found in gaps.items())
    print(f"\nThe default, {DEFAULT_RULE}: {cost}.")


if __name__ == "__main__":
    main()
