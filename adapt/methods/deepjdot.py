"""Deep joint distribution optimal transport."""

from typing import Any, ClassVar, Literal

from torch import Tensor

from adapt.data.batches import Pair
from adapt.losses import deepjdot
from adapt.losses.deepjdot import pot
from adapt.methods.base import Method
from adapt.problems import Classification, Problem


class DeepJDOT(Method):
    """Optimal transport from labelled source samples to target samples and their predictions.

    Paper: Damodaran et al., DeepJDOT: Deep Joint Distribution Optimal Transport for Unsupervised Domain Adaptation,
    ECCV 2018 (https://arxiv.org/abs/1803.10081).

    Formula: `L = CE(f(x_s), y_s) + w · Σ_ij γ_ij [α ‖g(x_s^i) − g(x_t^j)‖² + λ_t CE(y_s^i, f(x_t^j))]`, with γ
    `(N, M)` the plan that minimises the sum for the current network, between uniform weights 1/N and 1/M. Features g
    `(N, d)` and `(M, d)`, target predictions f `(M, K)`. So a target sample takes over the labels of the source samples
    that it is assigned to.

    As in the paper: exact plan on each batch (on a GPU an entropic one, see `solver`), cost, α = 0.001 and λ_t =
    0.0001. The paper's start from a source-trained network is `init_from`. Departures: the authors' code finds γ with
    squared distances between one-hot labels and softmax, then minimises the cross-entropy; here both use the same cost.
    Their source batches hold equally many samples of every class; ours are random. The plan must move all mass: if the
    class shares of the two batches differ, some target samples are assigned to wrong classes. Large batches help (the
    paper's have 500). α weights a sum over d features: a wider layer needs a smaller α.

    Published: MNIST→USPS 95.7, USPS→MNIST 96.4, SVHN→MNIST 96.7, MNIST→MNIST-M 92.4 % (paper).

    Args:
        weight: Weight w of the transport cost, for α and λ_t together.
        alpha: Weight α of the squared feature distances.
        label_weight: Weight λ_t of the cross-entropies.
        solver: How the plan is found: `exact` on the CPU (a GPU then waits at every step), `sinkhorn` on the device, or
            `auto`: exact if the network is on the CPU.
        entropy: ε of `sinkhorn`, as a share of the mean cost; a smaller ε is closer to the exact plan.
        **kwargs: Arguments of `Method`.

    Raises:
        AdaptError: POT is not installed, and `solver` may need it.
    """

    family: ClassVar[str] = "matching"
    problems: ClassVar[tuple[type[Problem], ...]] = (Classification,)
    needs: ClassVar[str] = "POT (`pip install 'adapt-lightning[ot]'`)"

    def __init__(
        self,
        weight: float = 1.0,
        alpha: float = 0.001,
        label_weight: float = 1e-4,
        solver: Literal["auto", "exact", "sinkhorn"] = "auto",
        entropy: float = 0.01,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if solver != "sinkhorn":
            pot()
        self.weight, self.alpha, self.label_weight = weight, alpha, label_weight
        self.solver, self.entropy = solver, entropy

    def losses(self, batch: Pair) -> dict[str, Tensor]:
        """Source cross-entropy and the cost of the optimal plan."""
        source, target = self.encode(batch)
        cost = deepjdot(
            source.features,
            target.features,
            batch.source.y,
            target.logits,
            alpha=self.alpha,
            label_weight=self.label_weight,
            solver=self.solver,
            entropy=self.entropy,
        )
        return {"source": self.supervised_loss(source.logits, batch.source.y), "transport": self.weight * cost}
