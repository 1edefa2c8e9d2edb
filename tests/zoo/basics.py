"""The methods that everything else is compared with."""

from adapt.methods import CORAL, DANN, MMD, FineTuning, SourceOnly, TargetOnly
from tests.zoo.case import Case

CASES = {
    "SourceOnly": Case(SourceOnly, learns=False),
    "TargetOnly": Case(TargetOnly, {"data": {"shots": "all"}}, learns=False),
    "FineTuning": Case(FineTuning, {"data": {"shots": 5}}),
    "FineTuning, gradual": Case(FineTuning, {"data": {"shots": 5}, "tune": "gradual"}, resume=False),
    "DANN": Case(DANN, {"discriminator_hidden": 64}),
    "MMD": Case(MMD),
    "MMD, both layers": Case(MMD, {"layers": ["features", "logits"]}, resume=False),
    "MMD, TLlib's kernel": Case(MMD, {"kernel": "tllib"}, resume=False),
    "MMD, biased": Case(MMD, {"estimator": "biased"}, resume=False),
    "CORAL": Case(CORAL, {"weight": 10.0}),
    "CORAL, mean": Case(CORAL, {"weight": 10.0, "scale": "mean"}, resume=False),
}
