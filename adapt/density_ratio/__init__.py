"""Estimates of p_t / p_s, one file each: no Lightning, no logging, no state.

Of inputs, at the source's samples: `logistic`, `kmm`, `kliep`, `rulsif`. Of classes, under label shift: `bbse`, `mlls`.
"""

from adapt.density_ratio.bbse import bbse
from adapt.density_ratio.calibration import calibrated
from adapt.density_ratio.kliep import kliep
from adapt.density_ratio.kmm import kmm
from adapt.density_ratio.logistic import logistic
from adapt.density_ratio.mlls import mlls
from adapt.density_ratio.rulsif import rulsif

__all__ = ["bbse", "calibrated", "kliep", "kmm", "logistic", "mlls", "rulsif"]
