"""Masked image consistency."""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd

from adapt.data.batches import Pair
from adapt.encoding import Encoding
from adapt.errors import AdaptError
from adapt.layers import hide_blocks
from adapt.losses import masked_consistency
from adapt.methods.sdat import SDAT
from adapt.methods.teacher import HasTeacher
from adapt.problems import Classification, Problem


class MaskedConsistency(HasTeacher):
    """The masked consistency as an addition to another method's losses: `class MICDANN(MaskedConsistency, DANN): ...`.

    Args:
        masked_weight: Weight v of the consistency.
        blocks: Blocks along each side of an image.
        masked_share: Probability h of hiding a block.
        decay: Decay of the teacher, at the most: after t steps it is min(1 − 1/(t + 1), decay).
        view: What is done to an image before it is masked, a module from inputs to inputs; None for nothing.
        **kwargs: Arguments of the other method.

    Raises:
        AdaptError: An argument is out of range; while training, the inputs are no images.
    """

    problems: ClassVar[tuple[type[Problem], ...]] = (Classification,)
    needs: ClassVar[str] = "images"

    def __init__(
        self,
        masked_weight: float = 1.0,
        blocks: int = 4,
        masked_share: float = 0.7,
        decay: float = 0.9,
        view: nn.Module | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(decay=decay, **kwargs)
        if masked_weight < 0 or blocks < 1 or not 0 <= masked_share <= 1:
            raise AdaptError(
                f"{type(self).__name__} expects masked_weight >= 0, blocks >= 1 and masked_share in [0, 1], found "
                f"{masked_weight}, {blocks} and {masked_share}."
            )
        self.masked_weight, self.blocks, self.masked_share = masked_weight, blocks, masked_share
        self.view = nn.Identity() if view is None else view

    def decay_after(self, steps: int) -> float:
        """Small at first, so that the teacher soon forgets the network's start."""
        return min(1 - 1 / (steps + 1), self.decay)

    def losses(self, batch: Pair) -> dict[str, Tensor]:
        """The other method's terms, and the masked target's consistency with the teacher."""
        terms = super().losses(batch)
        with torch.no_grad():
            teacher = self.of_all_processes(self.taught(batch.target.x))[0].logits
        masked = self(hide_blocks(self.view(batch.target.x), blocks=self.blocks, rate=self.masked_share)).logits
        if self.logs_now:
            agreed = (masked.argmax(1) == teacher.argmax(1)).float().mean()
            self.log_values({"certainty": teacher.softmax(1).max(1).values.mean(), "agreement": agreed})
        return terms | {"masked": self.masked_weight * masked_consistency(masked, teacher)}

    def taught(self, x: Tensor) -> Encoding:
        """The teacher's features and logits, without dropout."""
        dropped = [m for m in self.teacher.modules() if isinstance(m, _DropoutNd)]
        for module in dropped:
            module.training = False
        return super().taught(x)


class MIC(MaskedConsistency, SDAT):
    """SDAT whose network also recognises target images of which it sees some blocks, by the rest of the picture.

    Paper: Hoyer et al., MIC: Masked Image Consistency for Context-Enhanced Domain Adaptation, CVPR 2023
    (https://arxiv.org/abs/2212.01322).

    Formula: `L = L_SDAT + v · (1/M) Σ_i max q_i CE(f(m_i ⊙ x_t,i), argmax q_i)`, with L_SDAT that of `SDAT`, q the
    softmax of the teacher on the whole image, see `adapt.losses.masked_consistency`, and m a mask that hides each block
    of a grid with probability h. The teacher's parameters are θ' ← d θ' + (1 − d) θ after each step, with
    d = min(1 − 1/(t + 1), 0.9) after t steps. Images `(N, C, H, W)`.

    As in the authors' code: v = 1, h = 0.7, a grid of 4 × 4 (blocks of 64 pixels in images of 224, which their rounding
    makes 4), hidden pixels at 0 of the normalised image, a teacher without dropout and with a batch norm of its own,
    CDAN without entropy and ρ = 0.02; their loss also has MCC, here a penalty (`configs/methods/mic.yaml`). Departures:
    they weigh by the teacher's certainty only where ε of the sharpness is computed, and not in the gradient that is
    applied, while here it weighs there, and ε is that of the source's cross-entropy alone; what they do to a masked
    image's colours is drawn once for a run, and nothing is done here unless `view` is given. Prediction is the
    student's, as theirs.

    Give it a pretrained backbone, or a source run by `init_from`: with the labels of an untrained teacher classes are
    given up. On the toy of tests/zoo whose class also shows in the target's surroundings it is right everywhere from a
    source run, and from a random start gives up two of four classes in one of three seeds. Hidden blocks should be an
    image's mean, so use a datamodule that normalises.

    Other methods get the same from `MaskedConsistency`: `class MICDANN(MaskedConsistency, DANN): ...`. Only images have
    blocks: others are refused. Each step takes a pass of the teacher and one more of the student.

    Published, VisDA-2017, ViT-B/16, mean over classes: 92.8 % (paper's abstract).

    Args:
        sharpness: As in `SDAT`; 0 for CDAN without it.
        entropy: As in `CDAN`.
        **kwargs: Arguments of `MaskedConsistency`, `SDAT`, `CDAN`, `DANN` and `Method`.

    Raises:
        AdaptError: An argument is out of range; while training, the inputs are no images.
    """

    family: ClassVar[str] = "self-training"

    def __init__(self, sharpness: float = 0.02, entropy: bool = False, **kwargs: Any) -> None:
        super().__init__(sharpness=sharpness, entropy=entropy, **kwargs)
