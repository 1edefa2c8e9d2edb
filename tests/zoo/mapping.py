"""The methods that map frozen features, here the inputs themselves."""

from adapt.backbones import Identity
from adapt.methods import TCA, LinearCORAL, OTMapping, SubspaceAlignment
from tests.toy import WIDTH
from tests.zoo.case import Case

FROZEN = {"backbone": Identity((WIDTH,))}
CASES = {
    "LinearCORAL": Case(LinearCORAL, FROZEN | {"regularization": 0.01}),
    "SubspaceAlignment": Case(SubspaceAlignment, FROZEN | {"components": 8}),
    "TCA": Case(TCA, FROZEN | {"components": 8}),
    "OTMapping": Case(OTMapping, FROZEN),
}
