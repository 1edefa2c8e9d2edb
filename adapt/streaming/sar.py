"""Sharpness-aware entropy minimisation on certain samples, with a way back."""

import copy
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from adapt.errors import AdaptError
from adapt.losses import sample_entropy
from adapt.methods.sharpness import Detour
from adapt.streaming.base import StreamMethod, entropy_margin
from adapt.trees import Tree

_DEEP = ("layer4.", "blocks.9.", "blocks.10.", "blocks.11.", "model.norm.")


class SAR(StreamMethod):
    """Minimise the entropy of certain samples where it is sharpest nearby; go back to the source when it collapses.

    Paper: Niu et al., Towards Stable Test-Time Adaptation in Dynamic Wild World, ICLR 2023
    (https://arxiv.org/abs/2302.12400).

    Formula: `min_θ max_{‖ε‖ ≤ ρ} mean_i H_i(θ + ε)` over samples with `H_i < E₀`, once at θ and again at θ + ε. The
    moving average (0.9) of that second loss below e₀ means collapse: the weights become the source's again.

    Departures from the authors' code: e₀ is 0.2 nats there, for 1000 classes; here it is the same share of log K
    (`recovery=0.029`), for a good network on ten classes is below 0.2 nats without any collapse. Where no sample
    passes, there is no step. The optimizer is the base's default; the authors take SGD (`optimizer=sgd, lr=0.00025`).

    Args:
        margin: E₀ as a share of log K.
        rho: ρ, length of the step to the sharpest place.
        recovery: e₀ as a share of log K; 0 never goes back.
        skip: Parts of names of layers that stay fixed: the authors leave out ResNets' last stage and vision
            transformers' last three blocks and last norm.
        **kwargs: Arguments of `StreamMethod`.

    Raises:
        AdaptError: An argument is out of range, or the network has no normalising layer beside those.
    """

    def __init__(
        self,
        *args: Any,
        margin: float = 0.4,
        rho: float = 0.05,
        recovery: float = 0.029,
        skip: Sequence[str] = _DEEP,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        if rho < 0 or not 0 <= recovery < 1:
            raise AdaptError(f"SAR expects rho of at least 0 and recovery in [0, 1), found {rho} and {recovery}.")
        self.margin, self.rho, self.recovery = margin, rho, recovery
        self.train_normalisation([skip] if isinstance(skip, str) else skip)
        self.average: float | None = None
        self.recoveries = 0
        self._detour = Detour()
        self._start = copy.deepcopy([p.detach() for p in self.trained])

    def step(self, x: Tree) -> Tensor:
        """The logits, before a step on the samples that pass twice."""
        logits = self.encode(x).logits
        margin = entropy_margin(self.margin, logits.shape[1], "SAR")
        entropies = sample_entropy(logits)
        sure = entropies < margin
        if sure.any():
            self._detour.go(entropies[sure].mean(), self.trained, self.rho)
            try:
                again = sample_entropy(self.encode(x).logits)[sure]
                again = again[again < margin]
                if len(again):
                    self.optimizer.zero_grad()
                    again.mean().backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            finally:
                self._detour.come_back()
            if len(again):
                self.optimizer.step()
                self.updates += 1
                value = float(again.detach().mean())
                self.average = value if self.average is None else 0.9 * self.average + 0.1 * value
        if self.average is not None and self.average < self.recovery * math.log(logits.shape[1]):
            self._recover()
        return logits

    @torch.no_grad()
    def _recover(self) -> None:
        for parameter, value in zip(self.trained, self._start, strict=True):
            parameter.copy_(value)
        self.restart_optimizer()
        self.average = None
        self.recoveries += 1

    def own_state(self) -> dict[str, Any]:
        """The moving average, and how often it went back."""
        return {"average": self.average, "recoveries": self.recoveries}

    def load_own_state(self, state: dict[str, Any]) -> None:
        """Take them back."""
        self.average, self.recoveries = state["average"], int(state["recoveries"])
