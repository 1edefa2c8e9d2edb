"""Label shift: weight the source's classes as they are shared out in the target."""

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from adapt.data.batches import Pair
from adapt.density_ratio import bbse, calibrated, mlls
from adapt.errors import AdaptError
from adapt.methods.base import Method
from adapt.methods.whole_domain import datamodule_of, encode_batches, on_device
from adapt.problems import Classification, Problem


class LabelShift(Method):
    """Train on the source, then continue with each class weighted by w_k = p_t(y = k) / p_s(y = k).

    Papers: Lipton et al., Detecting and Correcting for Label Shift with Black Box Predictors, ICML 2018
    (https://arxiv.org/abs/1802.03916); Saerens et al., Adjusting the Outputs of a Classifier to New a Priori
    Probabilities, Neural Computation 2002 (https://doi.org/10.1162/089976602753284446); Alexandari et al., Maximum
    Likelihood with Bias-Corrected Calibration is Hard-To-Beat at Label Shift Adaptation, ICML 2020
    (https://arxiv.org/abs/1901.06852).

    Formula: `L = CE(f(x_s), y_s)` for the first `source_fraction` of the batches, then
    `L = (1/n) Σ_i w_{y_i} CE(f(x_i), y_i)` over a batch of n source samples. The weights `(K,)` are estimated once,
    between the phases, from the outputs of held-out source samples (their validation set, with labels) and of target
    training samples (without), in evaluation mode. They are scaled to mean 1 over the source's training samples.

    It is for label shift: the classes' shares differ, and what each class looks like does not, p_s(x | y) = p_t(x | y).
    Between hospitals both often change; if the images or tables themselves look different, align first.

    Estimators, pure functions in `adapt.density_ratio`: `mlls` (Saerens' expectation maximisation, with Alexandari's
    calibration), `bbse` (Lipton's inverse of the confusion matrix) and `bbse_soft` (the same of probabilities).
    `train/share_<class>` logs the estimated shares of the target's classes, and `test.json` has them as
    `target_class_shares`. Target training batches are not used, so the batch-norm statistics are the source's.

    Departures: the prior of `mlls` is the mean calibrated probability of the held-out samples, as in the code of
    Alexandari et al. (`abstention`), which corrects the outputs and does not retrain; here the network trains on with
    the weights, as Lipton et al. do. Calibration applies to all estimators; Lipton et al. have none.

    Published: not on a task here.

    Args:
        estimator: How the shares are estimated.
        calibration: What is done to the probabilities before: `bcts` (a temperature and a bias per class),
            `temperature`, or `none`.
        source_fraction: Share of the training without weights; 0 with `init_from`.
        **kwargs: Arguments of `Method`.

    Raises:
        AdaptError: The arguments are out of range, or the held-out samples tell the classes not apart.
    """

    family: ClassVar[str] = "reweighting"
    problems: ClassVar[tuple[type[Problem], ...]] = (Classification,)

    def __init__(
        self,
        estimator: Literal["mlls", "bbse", "bbse_soft"] = "mlls",
        calibration: Literal["bcts", "temperature", "none"] = "bcts",
        source_fraction: float = 0.5,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not 0 <= source_fraction < 1:
            raise AdaptError(f"Expected source_fraction in [0, 1), found {source_fraction}.")
        self.estimator, self.calibration = estimator, calibration
        self.source_fraction = 0.0 if kwargs.get("init_from") else source_fraction
        self.weights: Tensor | None = None
        self.shares: Tensor | None = None

    def losses(self, batch: Pair) -> dict[str, Tensor]:
        """Cross-entropy on the source; weighted by class in the second phase."""
        logits, y = self(batch.source.x).logits, batch.source.y
        if self.weights is None:
            return {"source": self.supervised_loss(logits, y)}
        if self.logs_now and self.shares is not None:
            self.log_values({f"share_{k}": v for k, v in zip(self.problem.names, self.shares, strict=True)})
        each = self.problem.loss(logits, y, label_smoothing=self.label_smoothing, reduction="none")
        return {"source": (self.weights[y] * each).mean()}

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Estimate the weights when the second phase begins."""
        if self.weights is None and self.progress >= self.source_fraction:
            data = datamodule_of(self.trainer, type(self).__name__, "held-out source samples")
            held = encode_batches(self, on_device(data, data.held_out_dataloader(), self.device), labelled=True)
            trained, target = self.encode_domain("source").y, self.encode_domain("target").logits
            assert held.y is not None and trained is not None  # the source's samples have labels
            self.shares, weights = self.estimated(held.logits, held.y, target)
            prior = torch.bincount(trained, minlength=self.num_outputs) / len(trained)
            self.weights = weights / (prior * weights).sum()
        if self.weights is not None and self.shares is not None:
            self.weights, self.shares = self.weights.to(self.device), self.shares.to(self.device)

    def estimated(self, source: Tensor, y: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """The target's class shares `(K,)` and the weights `(K,)`.

        Args:
            source: Logits `(N, K)` of held-out source samples.
            y: Their class indices `(N,)`.
            target: Logits `(M, K)` of target samples.
        """
        if self.calibration != "none":
            scale, biases = calibrated(source, y, bias=self.calibration == "bcts")
            source, target = scale * source + biases, scale * target + biases
        p, q = source.softmax(1), target.softmax(1)
        if self.estimator == "mlls":
            # Where a class is missing among the held-out samples its share tends to 0, by which nothing is divided.
            prior = p.mean(0).clamp(min=1e-6)
            prior = prior / prior.sum()
            shares = mlls(q, prior)
            return shares, shares / prior
        weights = bbse(p, y, q, soft=self.estimator == "bbse_soft")
        shares = weights * torch.bincount(y, minlength=len(weights)) / len(y)
        return shares / shares.sum(), weights

    def findings(self) -> dict[str, Any]:
        """The estimated shares of the target's classes, for `test.json`."""
        if self.shares is None:
            return {}
        return {"target_class_shares": dict(zip(self.problem.names, self.shares.tolist(), strict=True))}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Store the weights, because they are estimated only once."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["label_shift"] = {"weights": self.weights, "shares": self.shares}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the weights."""
        super().on_load_checkpoint(checkpoint)
        kept = checkpoint["label_shift"]
        self.weights, self.shares = kept["weights"], kept["shares"]
