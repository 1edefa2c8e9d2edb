"""The methods in which one part of the network works against another."""

from adapt.methods import ADDA, CDAN, DANN, MCD, MDD, WDGRL
from adapt.penalties import BSP
from tests.zoo.case import Case

CASES = {
    "CDAN": Case(CDAN, {"discriminator_hidden": 64}),
    "CDAN+E": Case(CDAN, {"discriminator_hidden": 64, "entropy": True}, resume=False),
    "CDAN, random map": Case(CDAN, {"discriminator_hidden": 64, "max_product": 100, "random_features": 64}),
    "MDD": Case(MDD, {"head_hidden": 64}),
    "MCD": Case(MCD),
    "MCD, hidden layers": Case(MCD, {"head_layers": 1, "head_hidden": 32}, resume=False),
    "MCD, sliced Wasserstein": Case(MCD, {"discrepancy": "sliced_wasserstein"}),
    "ADDA": Case(ADDA, {"discriminator_hidden": 64}, after_source=True),
    "WDGRL": Case(WDGRL),
    "DANN + BSP": Case(DANN, {"discriminator_hidden": 64, "penalties": [BSP()]}),
}
