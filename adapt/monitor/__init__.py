"""What warns, in words and without a target label, when adaptation goes wrong while it trains."""

from adapt.monitor.callback import AdaptationWarning, Monitor
from adapt.monitor.log import Warned, summary_of, warnings_of
from adapt.monitor.signs import SIGNS, Seen

__all__ = ["SIGNS", "AdaptationWarning", "Monitor", "Seen", "Warned", "summary_of", "warnings_of"]
