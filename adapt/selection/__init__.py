"""Scores and rules that pick a checkpoint, and callbacks that keep one checkpoint per rule."""

from adapt.selection.callback import Scores
from adapt.selection.evaluation import DEFAULT_SCORES, SCORES, Samples, evaluate
from adapt.selection.own import OWN, OwnScore
from adapt.selection.rules import (
    ORACLE_RULES,
    RULES,
    BestCheckpoint,
    checkpoint_path,
    rules_by,
    rules_of,
    selection_callbacks,
)

__all__ = [
    "DEFAULT_SCORES",
    "ORACLE_RULES",
    "OWN",
    "RULES",
    "SCORES",
    "BestCheckpoint",
    "OwnScore",
    "Samples",
    "Scores",
    "checkpoint_path",
    "evaluate",
    "rules_by",
    "rules_of",
    "selection_callbacks",
]
