"""Instance reweighting: weight source samples by how much they look like the target."""

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from adapt.data.batches import Pair
from adapt.density_ratio import kliep, kmm, logistic, rulsif
from adapt.density_ratio.kmm import solver
from adapt.errors import AdaptError
from adapt.methods.base import Method

Estimator = Literal["logistic", "kmm", "kliep", "rulsif"]


class ImportanceWeighting(Method):
    """Train on the source, then continue with each source sample weighted by w(x) = p_t(x) / p_s(x).

    Papers: Bickel et al., Discriminative Learning for Differing Training and Test Distributions, ICML 2007
    (https://doi.org/10.1145/1273496.1273507); Huang et al., Correcting Sample Selection Bias by Unlabeled Data,
    NeurIPS 2006 (https://papers.nips.cc/paper_files/paper/2006/hash/a2186aa7c086b46ad4e8bf81e2a3a19b-Abstract.html);
    Sugiyama et al., Direct Importance Estimation with Model Selection and Its Application to Covariate Shift
    Adaptation, NeurIPS 2007 (https://papers.nips.cc/paper/2007/hash/be83ab3ecd0db773eb2dc1b0a17836a1-Abstract.html);
    Yamada et al., Relative Density-Ratio Estimation for Robust Distribution Comparison, NeurIPS 2011
    (https://arxiv.org/abs/1106.4729).

    Formula: `L = CE(f(x_s), y_s)` for the first `source_fraction` of the batches, then
    `L = (1/n) Σ_i w_i CE(f(x_i), y_i)` over a batch of n source samples. The weights `(N,)` of all N source samples are
    estimated once, between the phases. They come from one pass over the features `(N, d)` and `(M, d)` of both training
    sets, in evaluation mode and without augmentation. Training looks them up by each sample's index. They are scaled to
    mean 1, so the learning rate keeps its meaning. The same network trains on, so the features may change after the
    estimate. Target training batches are not used, so the batch-norm statistics are the source's.

    Estimators, one file each in `adapt.density_ratio`: `logistic` (Bickel et al.), `kmm` (Huang et al.), `kliep`
    (Sugiyama et al.) and `rulsif` (Yamada et al., the bounded relative ratio). With thousands of source samples `kmm`
    is slow. `train/effective_sample_size`, (Σw)² / Σw² out of N, and `train/largest_weight` show how few samples carry
    the weight. In wide features the domains are so easy to tell apart that only a handful of samples would remain (one
    of Amazon's 1800 reviews). The bound `max_weight` B leaves at least N / B.

    Weights help against covariate shift, p_s(y | x) = p_t(y | x), if the network cannot fit all of the source, or has
    not yet. They do not help against label shift: if p(y) changes and p(x | y) does not, p(y | x) changes too, but
    weights that depend only on x do not change a network that fits p_s(y | x). Target test accuracy in % of a linear
    classifier, means of 3 seeds (tests/methods/test_importance_weighting.py):

    | shift | source only | logistic | kmm | kliep | rulsif | target's labels |
    |---|---|---|---|---|---|---|
    | covariate, a curved boundary | 71.7 | 78.3 | 92.8 | 90.0 | 91.9 | 93.9 |
    | label, a prior of 0.4 becomes 0.9 | 75.9 | 76.0 | 74.9 | 76.4 | 76.8 | 93.9 |

    The logistic ratio is log-linear. If the target is narrower than the source, as here, it is too large far from the
    centre; with the default `max_weight: 10` it reaches 90.8. All columns of the table are without a bound.

    Departures: the papers weight shallow models in input space. The common deep version uses features of the source
    network and a second phase. Bandwidths follow the median heuristic; KLIEP and RuLSIF cross-validate them.

    Published: not on a task here.

    Args:
        estimator: How the weights are estimated.
        source_fraction: Share of the training without weights; 0 with `init_from`.
        max_weight: Bound B on a weight, in multiples of the mean weight; None for no bound.
        bandwidth: Width b of the kernels exp(−d²/b) of `kmm`, `kliep` and `rulsif`, in squared feature units; None for
            the median squared distance.
        centres: Basis functions of `kliep` and `rulsif`, at randomly drawn target samples.
        alpha: Share of the target in the denominator of `rulsif`, in [0, 1).
        **kwargs: Arguments of `Method`.

    Raises:
        AdaptError: The arguments are out of range, OSQP is missing for `kmm`, or no source sample resembles the target.
    """

    family: ClassVar[str] = "reweighting"
    needs: ClassVar[str] = "OSQP for `estimator: kmm` (`pip install 'adapt-lightning[kmm]'`)"

    def __init__(
        self,
        estimator: Estimator = "logistic",
        source_fraction: float = 0.5,
        max_weight: float | None = 10.0,
        bandwidth: float | None = None,
        centres: int = 100,
        alpha: float = 0.1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not 0 <= source_fraction < 1:
            raise AdaptError(f"Expected source_fraction in [0, 1), found {source_fraction}.")
        if max_weight is not None and max_weight < 1:
            raise AdaptError(f"Expected max_weight of at least 1, the weights' mean, found {max_weight}.")
        if estimator == "kmm":
            solver()
        self.estimator, self.max_weight = estimator, max_weight
        self.bandwidth, self.centres, self.alpha = bandwidth, centres, alpha
        self.source_fraction = 0.0 if kwargs.get("init_from") else source_fraction
        self.weights: Tensor | None = None

    def losses(self, batch: Pair) -> dict[str, Tensor]:
        """Cross-entropy on the source; weighted in the second phase."""
        logits, y = self(batch.source.x).logits, batch.source.y
        if self.weights is None:
            return {"source": self.supervised_loss(logits, y)}
        if self.logs_now:
            squared = self.weights.sum().square() / self.weights.square().sum()
            self.log_values({"effective_sample_size": squared, "largest_weight": self.weights.max()})
        each = self.problem.loss(logits, y, label_smoothing=self.label_smoothing, reduction="none")
        return {"source": (self.weights[batch.source.index] * each).mean()}

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Estimate the weights when the second phase begins."""
        if self.weights is None and self.progress >= self.source_fraction:
            source, target = self.encode_domain("source"), self.encode_domain("target")
            self.weights = self.normalised(self.estimated(source.features, target.features))
        if self.weights is not None:
            self.weights = self.weights.to(self.device)

    def estimated(self, source: Tensor, target: Tensor) -> Tensor:
        """The estimator's weights `(N,)` of source features `(N, d)`, given target features `(M, d)`."""
        if self.estimator == "logistic":
            return logistic(source, target)
        if self.estimator == "kmm":
            return kmm(source, target, bandwidth=self.bandwidth)
        if self.estimator == "kliep":
            return kliep(source, target, bandwidth=self.bandwidth, centres=self.centres)
        return rulsif(source, target, bandwidth=self.bandwidth, centres=self.centres, alpha=self.alpha)

    def normalised(self, weights: Tensor) -> Tensor:
        """Scale the weights to mean 1, so that the learning rate keeps its meaning, and bound them.

        Raises:
            AdaptError: All are 0.
        """
        mean = weights.mean()
        if not (torch.isfinite(mean) and mean > 0):
            raise AdaptError(
                f"{self.estimator} found no source sample that resembles the target: the weights' mean is {mean:.3g}. "
                "Raise the bandwidth, or take another estimator."
            )
        weights = weights / mean
        if self.max_weight is None:
            return weights
        # Weight above the bound goes to the other samples. Without this, one huge weight leaves all others near zero.
        bounded = torch.zeros_like(weights, dtype=torch.bool)
        while (above := (weights > self.max_weight) & ~bounded).any():
            bounded |= above
            left, rest = len(weights) - self.max_weight * bounded.sum(), weights[~bounded].sum()
            weights = torch.where(bounded, self.max_weight, weights * (left / rest if rest > 0 else 1.0))
        return weights

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Store the weights, because they are estimated only once."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["importance_weights"] = self.weights

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the weights."""
        super().on_load_checkpoint(checkpoint)
        self.weights = checkpoint["importance_weights"]
