"""Rules and settings as tables name them."""

from adapt.benchmark.vocabulary import ORACLE, SOURCE_ONLY, TARGET_LABELS, UNSUPERVISED
from adapt.selection import SCORES

_WITHOUT_LABELS = " (no target label)"

_RULES = {
    "last": "last training step",
    "source_accuracy": f"best source validation accuracy{_WITHOUT_LABELS}",
    ORACLE: "oracle: best target validation accuracy (uses target labels; for reference only)",
}


def rule_name(rule: str) -> str:
    """What a selection rule does, in words."""
    words = SCORES[rule].words if rule in SCORES else f"best {rule}"
    return _RULES.get(rule, f"{words}{_WITHOUT_LABELS}")


def has_words(rule: str) -> bool:
    """Whether the rule is known here, or by its name alone."""
    return rule in _RULES or rule in SCORES


def looks_at(rule: str) -> str:
    """What a label-free rule reads."""
    if rule == "last":
        return "nothing"
    if rule == "source_accuracy":
        return "source"
    return "both domains" if rule in SCORES and SCORES[rule].needs_source else "target"


def short_name(rule: str) -> str:
    """`rule_name` where everybody knows that no target label is read."""
    return rule_name(rule).removesuffix(_WITHOUT_LABELS)


def labels_used(setting: str) -> str:
    """A setting as the table's column shows it."""
    return {SOURCE_ONLY: "none", UNSUPERVISED: "none", TARGET_LABELS: "all"}.get(setting, setting)
