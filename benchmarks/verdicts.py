"""What the tests say of every committed grid, with runs and with tasks as the unit: python benchmarks/verdicts.py

Out of the committed rows. Before: Wilcoxon over pairs of task and seed, Holm-corrected, as these tables had it until
November 2026. After: over tasks (pairs of domains), seeds averaged, with an interval over tasks on one side of zero.
"""

from pathlib import Path

from adapt.benchmark.plan.plan import read_plan
from adapt.benchmark.results.results import read_csv
from adapt.benchmark.results.units import domain_pair, shared_pairs
from adapt.benchmark.statistics import Summary, summarise
from adapt.benchmark.statistics.estimates import headline
from adapt.benchmark.statistics.paired_tests import ALPHA, against_source_only, holm, paired, rank_biserial, wilcoxon
from adapt.benchmark.vocabulary import TARGET_LABELS

ROOT = Path(__file__).resolve().parents[1]
PLANS = ROOT / "configs" / "benchmarks"


def units_of(grid: str) -> dict[str, str]:
    """Tasks of a plan that are the same pair of domains."""
    plan = read_plan(PLANS / f"{grid}.yaml")
    return shared_pairs({cell.task: domain_pair(cell.config) for cell in plan.cells})


def before(summary: Summary) -> dict[str, str]:
    """Method → verdict over pairs of task and seed."""
    found: dict[str, dict[tuple[str, int], float]] = {}
    for (method, task), by_seed in summary.accuracies.items():
        found.setdefault(method, {}).update({(task, seed): value for seed, value in by_seed.items()})
    tested = {}
    for method in summary.methods:
        if method != summary.baseline and summary.settings[method] != TARGET_LABELS and summary.baseline is not None:
            values = list(paired(found[method], found[summary.baseline], summary.measure).values())
            if (p := wilcoxon(values)) is not None:
                tested[method] = (p, rank_biserial(values))
    corrected = holm([p for p, _ in tested.values()])
    return {
        method: "better" if effect > 0 else "worse"
        for (method, (_, effect)), p in zip(tested.items(), corrected, strict=True)
        if p < ALPHA and effect
    }


def lines() -> list[str]:
    """A row per grid."""
    found = [
        "| Grid | tasks × seeds | Methods | Before: better, worse | After: better, worse | Lost | Not possible |",
        "|---|--:|--:|--:|--:|---|---|",
    ]
    for path in sorted(ROOT.glob("benchmarks/*/results.csv")):
        grid = path.parent.name
        if not (PLANS / f"{grid}.yaml").is_file():
            continue  # a script's rows, whose references are others
        results = read_csv(path)
        summary = summarise(results, headline(results), units=units_of(grid))
        old, new = before(summary), against_source_only(summary)
        verdicts = {c.method: c.verdict for c in new if c.verdict}
        lost = [f"{method} ({verdict})" for method, verdict in old.items() if verdicts.get(method) != verdict]
        gained = [f"{method} (now {verdict})" for method, verdict in verdicts.items() if method not in old]
        units = len({summary.units.get(task, task) for task in summary.tasks})
        counts = [
            ", ".join(str(list(kinds.values()).count(kind)) for kind in ("better", "worse"))
            for kinds in (old, verdicts)
        ]
        impossible = "yes" if new and all(c.p is None for c in new) else ""
        found.append(
            f"| {grid} | {units} × {len(summary.seeds)} | {len(new)} | {counts[0]} | {counts[1]} | "
            f"{'; '.join([*lost, *gained])} | {impossible} |"
        )
    return found


if __name__ == "__main__":
    print("\n".join(lines()))
