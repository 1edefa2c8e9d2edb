"""Scores for choosing a model without target labels: pure functions, higher is better."""

from adapt.selection.scores.a_distance import a_distance
from adapt.selection.scores.bnm import bnm
from adapt.selection.scores.class_ami import class_ami
from adapt.selection.scores.coral import coral
from adapt.selection.scores.density_ratio import domain_log_odds
from adapt.selection.scores.entropy import entropy
from adapt.selection.scores.importance_weighted import dev, iwcv
from adapt.selection.scores.information_maximisation import information_maximisation
from adapt.selection.scores.mmd import mmd
from adapt.selection.scores.reverse_validation import reverse_validation
from adapt.selection.scores.silhouette import silhouette
from adapt.selection.scores.snd import snd
from adapt.selection.scores.softmax_correlation import softmax_correlation
from adapt.selection.scores.source_accuracy import source_accuracy

__all__ = [
    "a_distance",
    "bnm",
    "class_ami",
    "coral",
    "dev",
    "domain_log_odds",
    "entropy",
    "information_maximisation",
    "iwcv",
    "mmd",
    "reverse_validation",
    "silhouette",
    "snd",
    "softmax_correlation",
    "source_accuracy",
]
