"""Which pretrained network to take, before training: scores of its features of the labelled source. Pure functions."""

from adapt.transferability.h_score import h_score
from adapt.transferability.leep import leep
from adapt.transferability.log_me import log_me
from adapt.transferability.nce import nce
from adapt.transferability.ranking import RANKINGS, Ranking, rank_features
from adapt.transferability.trans_rate import trans_rate

__all__ = ["RANKINGS", "Ranking", "h_score", "leep", "log_me", "nce", "rank_features", "trans_rate"]
