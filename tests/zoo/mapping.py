"""The methods that map frozen features, here the inputs themselves."""

import torch

from adapt.backbones import Identity
from adapt.methods import TCA, LinearCORAL, OTMapping, SubspaceAlignment
from tests.toy import WIDTH
from tests.zoo.case import Case
from tests.zoo.self_training import Shrunk

# A linear classifier from nothing: the rate that suits the toy's network leaves it half trained.
FROZEN = {"backbone": Identity((WIDTH,)), "optimizer": lambda p: torch.optim.Adam(p, lr=0.02)}
CASES = {
    "LinearCORAL": Case(LinearCORAL, FROZEN | {"regularization": 0.01}),
    "SubspaceAlignment": Case(SubspaceAlignment, FROZEN | {"components": 8}),
    "TCA": Case(TCA, FROZEN | {"components": 7}),
    # A kernel that sees only its neighbourhood needs domains that overlap.
    "TCA, Gaussian": Case(
        TCA, FROZEN | {"kernel": "gaussian", "components": 4, "regularization": 0.001}, module=Shrunk, resume=False
    ),
    "OTMapping": Case(OTMapping, FROZEN),
    "OTMapping, exact": Case(OTMapping, FROZEN | {"plan": "emd"}, resume=False),
    "OTMapping, group lasso": Case(OTMapping, FROZEN | {"plan": "group_lasso", "max_samples": 400}, resume=False),
}
