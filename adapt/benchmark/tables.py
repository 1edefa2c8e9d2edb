"""A summary as a table of text, and as one of numbers."""

from collections.abc import Callable, Mapping, Sequence

from adapt.benchmark.csv_files import csv_text
from adapt.benchmark.plan import AVERAGE, SOURCE_ONLY, TARGET_LABELS, UNSUPERVISED
from adapt.benchmark.sheet import MISSING, Entry, Rank, Sheet
from adapt.benchmark.statistics import Estimate, Summary

_RULES = {
    "last": "last training step",
    "source_accuracy": "best source validation accuracy (no target label)",
    "entropy": "lowest entropy of the target's predictions (no target label)",
    "information_maximisation": "most certain and diverse target predictions, information maximisation "
    "(no target label)",
    "bnm": "largest nuclear norm of the target's predictions (no target label)",
    "softmax_correlation": "target predictions closest to certain and balanced, SoftmaxCorr (no target label)",
    "snd": "highest soft neighbourhood density, SND (no target label)",
    "silhouette": "best silhouette of the predicted target classes (no target label)",
    "class_ami": "best agreement of predicted target classes and clusters, ClassAMI (no target label)",
    "iwcv": "lowest importance-weighted source risk, IWCV (no target label)",
    "dev": "lowest deep embedded validation risk, DEV (no target label)",
    "mmd": "smallest MMD of the features (no target label)",
    "coral": "smallest CORAL distance of the features (no target label)",
    "a_distance": "smallest proxy A-distance of the features (no target label)",
    "reverse_validation": "best reverse validation (no target label)",
    "oracle": "oracle: best target validation accuracy (uses target labels; for reference only)",
}


def rule_name(rule: str) -> str:
    """What a selection rule does, in words."""
    return _RULES.get(rule, f"best {rule} (no target label)")


def sheet_of(summary: Summary) -> Sheet:
    """The summary as text in cells."""
    rows = _rows(summary)
    return Sheet(caption(summary), tuple(columns_of(summary)), rows, tuple(_notes(summary, rows)))


def caption(summary: Summary) -> str:
    """What the numbers are: unit, interval, seeds, selection rule."""
    seeds = ", ".join(map(str, summary.seeds))
    count = len(summary.seeds)
    over = (
        f"mean ± 95% interval (Student t over {count} seeds: {seeds})"
        if count > 1
        else f"one seed ({seeds}), no interval"
    )
    return f"Target test accuracy in %, {over}. Model selection: {rule_name(summary.rule)}."


CSV_COLUMNS = ("rule", "method", "setting", "task", "mean", "ci95", "n", "n_failed", "negative_transfer")


def csv_table(summaries: Sequence[Summary]) -> str:
    """All summaries as one table of numbers, accuracies in [0, 1]; the average is a task of its own."""
    rows = [
        [summary.rule, method, summary.settings[method], name, e.mean, e.ci, e.n, e.n_failed, e.negative]
        for summary in summaries
        for method in summary.methods
        for name, estimates in columns_of(summary).items()
        if (e := estimates.get(method)) is not None
    ]
    return csv_text(CSV_COLUMNS, rows, ".6f")


def entry(estimate: Estimate | None, seeds: int, rank: Rank = "", average: bool = False) -> Entry:
    """An estimate in percent, with its interval and marks.

    Args:
        estimate: The estimate, if there is one.
        seeds: Seeds of the grid; an estimate of fewer says of how many.
        rank: Emphasis.
        average: Whether it is over tasks, where the seeds in it say enough about failures.
    """
    if estimate is None:
        return Entry(MISSING)
    remarks = {"apart": "↓", "one seed": "↓?", None: ""}[estimate.negative]
    failed = "" if average or not estimate.n_failed else f"failed ({estimate.n_failed} of {seeds})"
    if estimate.mean is None:
        return Entry(failed or MISSING)
    few = f"(n = {estimate.n})" if estimate.n < seeds and not failed else ""
    interval = "" if estimate.ci is None else f" ± {100 * estimate.ci:.1f}"
    return Entry(f"{100 * estimate.mean:.1f}{interval}", rank, " ".join(filter(None, [remarks, few, failed])))


def points(difference: float, ci: float | None = None, sign: str = "") -> str:
    """A difference of accuracies in points, with its interval; `sign` is `+` to have the plus written too."""
    # Adding zero takes the minus from a rounded zero.
    return f"{round(100 * difference, 1) + 0.0:{sign}.1f}" + ("" if ci is None else f" ± {100 * ci:.1f}")


def labels_used(setting: str) -> str:
    """A setting as the table's column shows it."""
    return {SOURCE_ONLY: "none", UNSUPERVISED: "none", TARGET_LABELS: "all"}.get(setting, setting)


def columns_of(summary: Summary) -> dict[str, Mapping[str, Estimate]]:
    """Column name → method → estimate: the tasks, and with several of them their average."""
    columns: dict[str, Mapping[str, Estimate]] = {
        task: {method: summary.cells[method, task] for method in summary.methods if (method, task) in summary.cells}
        for task in summary.tasks
    }
    if summary.averages:
        columns[AVERAGE] = summary.averages
    return columns


def _notes(summary: Summary, rows: Sequence[tuple[str, str, tuple[Entry, ...]]]) -> list[str]:
    sentences = []
    estimates = [*summary.cells.values(), *summary.averages.values()]
    if any(ranks(column, summary.settings) for column in columns_of(summary).values()):
        sentences.append(ranked_note())
    if any(estimate.negative == "apart" for estimate in estimates):
        sentences.append("↓ negative transfer: below source-only, with the 95% intervals apart.")
    if any(estimate.negative == "one seed" for estimate in estimates):
        sentences.append("↓? below source-only, by one seed alone.")
    if any("(n = " in entry.notes for _, _, entries in rows for entry in entries):
        sentences.append("n: seeds in the mean, where fewer than all.")
    if any(average.n < len(summary.seeds) for average in summary.averages.values()):
        sentences.append(f"{AVERAGE}: over the seeds with which a method finished every task; – where there is none.")
    return sentences


def _rows(summary: Summary) -> tuple[tuple[str, str, tuple[Entry, ...]], ...]:
    columns = columns_of(summary)
    places = {name: ranks(estimates, summary.settings) for name, estimates in columns.items()}
    return tuple(
        (
            method,
            labels_used(summary.settings[method]),
            tuple(
                entry(estimates.get(method), len(summary.seeds), places[name].get(method, ""), name == AVERAGE)
                for name, estimates in columns.items()
            ),
        )
        for method in summary.methods
    )


def ranks(estimates: Mapping[str, Estimate], settings: Mapping[str, str]) -> dict[str, Rank]:
    """Best and second best as displayed, within methods that train with the same kind of target labels."""
    found: dict[str, Rank] = {}
    # A method with a handful of target labels does not compete with methods that have none.
    kinds: list[Callable[[str], bool]] = [
        lambda setting: setting in (SOURCE_ONLY, UNSUPERVISED),
        lambda setting: setting not in (SOURCE_ONLY, UNSUPERVISED, TARGET_LABELS),
    ]
    for kind in kinds:
        shown = {
            method: round(100 * estimate.mean, 1)
            for method, estimate in estimates.items()
            if estimate.mean is not None and kind(settings[method])
        }
        found |= best_two(shown)
    return found


def ranked_note(where: str = "") -> str:
    """What bold and underlined mean where `ranks` marked them."""
    return (
        f"Bold: best, underlined: second best{where} among methods that train with the same kind of target labels; "
        "train-on-target is never ranked."
    )


def best_two(shown: Mapping[str, float]) -> dict[str, Rank]:
    """The highest of the displayed values and, of more than two, the second highest; ties share a rank."""
    values = sorted(set(shown.values()), reverse=True)
    if len(shown) < 2:
        return {}
    places: dict[float, Rank] = {values[0]: "best"}
    if len(shown) > 2 and len(values) > 1:
        places[values[1]] = "second"
    return {name: places[value] for name, value in shown.items() if value in places}


def count(number: int, noun: str) -> str:
    """A number and its noun."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
