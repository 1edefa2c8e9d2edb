"""Training only on the source: the lower bound of every table."""

from typing import ClassVar

from torch import Tensor

from adapt.data.batches import Pair
from adapt.methods.base import Method


class SourceOnly(Method):
    """Cross-entropy on the source; the target is not used, not even for batch-norm statistics.

    Formula: `L = CE(f(x_s), y_s)`, with x_s `(N, ...)` and y_s `(N,)`.

    Paper: Vapnik, Statistical Learning Theory, 1998
    (https://www.wiley.com/en-us/Statistical+Learning+Theory-p-9780471030034), as empirical risk minimisation.
    """

    family: ClassVar[str] = "bounds"
    baseline: ClassVar[bool] = True

    def losses(self, batch: Pair) -> dict[str, Tensor]:
        """Cross-entropy on the source."""
        return {"source": self.supervised_loss(self(batch.source.x).logits, batch.source.y)}
