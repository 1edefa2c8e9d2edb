"""Estimates of p_t(x) / p_s(x) at the source's samples, one file each: no Lightning, no logging, no state."""

from adapt.density_ratio.kliep import kliep
from adapt.density_ratio.kmm import kmm
from adapt.density_ratio.logistic import logistic
from adapt.density_ratio.rulsif import rulsif

__all__ = ["kliep", "kmm", "logistic", "rulsif"]
