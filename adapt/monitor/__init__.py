"""Warnings during training when adaptation goes wrong, without target labels."""

from adapt.monitor.callback import AdaptationWarning, Monitor
from adapt.monitor.log import Warned, summary_of, warnings_of
from adapt.monitor.signs import SIGNS, Seen

__all__ = ["SIGNS", "AdaptationWarning", "Monitor", "Seen", "Warned", "summary_of", "warnings_of"]
