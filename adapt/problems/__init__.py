"""What is predicted: the output layer, the supervised loss, the metrics and the columns of a prediction.

Imports losses and layers only.
"""

from adapt.problems.base import Problem, as_problem, described_problem
from adapt.problems.classification import UNKNOWN, Classification, ClassSets
from adapt.problems.multi_label import MultiLabel
from adapt.problems.regression import Regression

__all__ = [
    "UNKNOWN",
    "ClassSets",
    "Classification",
    "MultiLabel",
    "Problem",
    "Regression",
    "as_problem",
    "described_problem",
]
