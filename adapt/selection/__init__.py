"""Rules that pick a checkpoint, and what keeps one checkpoint per rule."""

from adapt.selection.rules import ORACLE_RULES, RULES, checkpoint_path, selection_callbacks

__all__ = ["ORACLE_RULES", "RULES", "checkpoint_path", "selection_callbacks"]
