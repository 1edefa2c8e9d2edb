"""Rules and settings as tables name them."""

from adapt.benchmark.vocabulary import ORACLE, SOURCE_ONLY, TARGET_LABELS, UNSUPERVISED
from adapt.measures import ACCURACY, Measure
from adapt.selection import SCORES

_WITHOUT_LABELS = " (no target label)"

_RULES = {
    "last": "last training step",
    ORACLE: "oracle: best target validation {headline} (uses target labels; for reference only)",
}


def rule_name(rule: str, headline: Measure = ACCURACY) -> str:
    """What a selection rule does, in words.

    Args:
        rule: The rule.
        headline: The metric that the oracle goes by.
    """
    words = SCORES[rule].words if rule in SCORES else f"best {rule}"
    if _of_source(rule):
        words = f"best source validation {rule.removeprefix('source_').replace('_', ' ')}"
    return _RULES.get(rule, f"{words}{_WITHOUT_LABELS}").format(headline=headline.words)


def has_words(rule: str) -> bool:
    """Whether the rule is known here, or by its name alone."""
    return rule in _RULES or rule in SCORES or _of_source(rule)


def looks_at(rule: str) -> str:
    """What a label-free rule reads."""
    if rule == "last":
        return "nothing"
    if _of_source(rule):
        return "source"
    return "both domains" if rule in SCORES and SCORES[rule].needs_source else "target"


def short_name(rule: str) -> str:
    """`rule_name` where everybody knows that no target label is read."""
    return rule_name(rule).removesuffix(_WITHOUT_LABELS)


def measured(measure: Measure) -> str:
    """A metric with its unit, and the direction where lower is better: `accuracy in %`."""
    if measure.share:
        return f"{measure.words} in %{'' if measure.higher else ' (lower is better)'}"
    about = "; ".join(filter(None, [measure.unit, "" if measure.higher else "lower is better"]))
    words = f"{measure.words} in the labels' unit" if measure.unit else measure.words
    return f"{words} ({about})" if about else words


def difference_of(measure: Measure, gain: bool = True) -> str:
    """What a difference counts, after "in": `points of target test accuracy`.

    Args:
        measure: The metric.
        gain: Whether it is positive where a method is better, which has to be said where lower is better.
    """
    about = [measure.unit] if measure.unit and not measure.share else []
    about += ["positive: lower, so better"] if gain and not measure.higher else []
    words = f"{'points of ' if measure.share else ''}target test {measure.words}"
    return f"{words} ({'; '.join(about)})" if about else words


def amount(number: str, measure: Measure) -> str:
    """A written difference with what it counts: `2.0 points`, `0.51 of mae`."""
    return f"{number} points" if measure.share else f"{number} of {measure.words}"


def gap_formula(measure: Measure, rule: str = "rule") -> str:
    """How a gap to the oracle is taken, such that it is positive where the rule is worse."""
    return f"{ORACLE} − {rule}" if measure.higher else f"{rule} − {ORACLE}"


def _of_source(rule: str) -> bool:
    return rule.startswith("source_")


def labels_used(setting: str) -> str:
    """A setting as the table's column shows it."""
    return {SOURCE_ONLY: "none", UNSUPERVISED: "none", TARGET_LABELS: "all"}.get(setting, setting)
