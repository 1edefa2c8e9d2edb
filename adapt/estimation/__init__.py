"""Estimates of target accuracy from unlabelled target samples: pure functions of logits, in [0, 1].

Stands above `selection`, whose samples it takes, and below `training`.
"""

from adapt.estimation.agreement import agreement
from adapt.estimation.average_threshold_confidence import average_threshold_confidence
from adapt.estimation.callback import Estimates
from adapt.estimation.difference_of_confidences import difference_of_confidences
from adapt.estimation.evaluation import ESTIMATES, Estimate, Measured, default_estimate, estimate, measured
from adapt.estimation.importance_weighted import importance_weighted
from adapt.estimation.nuclear_norm import nuclear_norm
from adapt.estimation.transport import confidence_optimal_transport

__all__ = [
    "ESTIMATES",
    "Estimate",
    "Estimates",
    "Measured",
    "agreement",
    "average_threshold_confidence",
    "confidence_optimal_transport",
    "default_estimate",
    "difference_of_confidences",
    "estimate",
    "importance_weighted",
    "measured",
    "nuclear_norm",
]
