"""Self-ensembling: a mean teacher for domain adaptation."""

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from adapt.data.batches import Pair
from adapt.encoding import Encoding
from adapt.errors import AdaptError
from adapt.layers import Augmentation
from adapt.layers.series import weak_series
from adapt.losses import class_balance, confident, consistency
from adapt.methods.teacher import HasTeacher
from adapt.problems import Classification, Problem
from adapt.schedules import gaussian_ramp


class SelfEnsembling(HasTeacher):
    """Train a student to agree on the target with a teacher, the moving average of its own weights.

    Papers: French, Mackiewicz and Fisher, Self-ensembling for Visual Domain Adaptation, ICLR 2018
    (https://arxiv.org/abs/1706.05208); Tarvainen and Valpola, Mean Teachers Are Better Role Models, NeurIPS 2017
    (https://arxiv.org/abs/1703.01780).

    Formula: `L = CE(s(a(x_s)), y_s) + w · [ (1/M) Σ_j m_j (1/K) Σ_k (s_jk − t_jk)² + b · m̄ · B(s̄) ]`, where s_j and t_j
    are the softmaxes of student and teacher on two different augmentations of x_t,j, m_j = 1[max_k t_jk ≥ τ], m̄ their
    mean, and B the binary cross-entropy of the student's mean prediction s̄ against uniform. After each optimizer step
    the teacher's parameters become θ' ← d θ' + (1 − d) θ. Inputs `(N, ...)` and `(M, ...)`.

    As in the paper and its code: the student encodes source and target in two passes, so that batch norm never mixes
    them (`joint_forward: true` mixes them). The teacher is in training mode on the target batches, so its running
    statistics come from the target and are not an average of the student's. Validation, test and prediction use the
    teacher, also on the source. The default augmentation has the magnitudes of the authors' code, drawn uniformly;
    nothing is flipped. TLlib averages the class balance over the classes.

    Departure: with `init_from` the teacher starts as a copy of that network, otherwise as a copy of the random one.
    `train/confident` is m̄: if it stays near 0, only the source is learned.

    Published: not on a task here with this network.

    Args:
        weight: Weight w of the target's terms.
        decay: Decay d of the teacher.
        confidence: `threshold` as above, or `ramp`: every sample counts, and both terms grow by e^{−5 (1 − p/r)²} over
            the first share r of the training.
        threshold: Smallest probability τ at which the teacher counts.
        ramp: Share r of the training over which the terms grow, for `confidence: ramp`.
        balance: Weight b of the class balance.
        augmentation: Module from inputs to inputs, with new random numbers for source, student and teacher; None is
            affine jitter and noise of 0.1, for time series jitter and scaling. Vectors only get the noise, and 0.3 is
            a better start for them: the student learns nothing from two nearly equal views.
        predict_with: Network for validation, test and prediction: `teacher` or `student`.
        joint_forward: See `Method`.
        **kwargs: Arguments of `Method`.

    Raises:
        AdaptError: An argument is out of range.
    """

    family: ClassVar[str] = "self-training"
    problems: ClassVar[tuple[type[Problem], ...]] = (Classification,)
    needs: ClassVar[str] = "augmentations"

    def __init__(
        self,
        weight: float = 3.0,
        decay: float = 0.99,
        confidence: Literal["threshold", "ramp"] = "threshold",
        threshold: float = 0.968,
        ramp: float = 0.4,
        balance: float = 0.005,
        augmentation: nn.Module | None = None,
        predict_with: Literal["teacher", "student"] = "teacher",
        joint_forward: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(decay=decay, joint_forward=joint_forward, **kwargs)
        if not 0 < ramp <= 1:
            raise AdaptError(f"SelfEnsembling expects a ramp in (0, 1], found {ramp}.")
        self.weight, self.balance = weight, balance
        self.confidence, self.threshold, self.ramp = confidence, threshold, ramp
        self.predict_with = predict_with
        self.augmentation = affine_jitter() if augmentation is None else augmentation

    def losses(self, batch: Pair) -> dict[str, Tensor]:
        """Source cross-entropy, consistency with the teacher, and balance between the classes."""
        taught = self.augmentation(batch.target.x)
        source = batch.source._replace(x=self.augmentation(batch.source.x))
        encoded = self.encode(Pair(source, batch.target._replace(x=self.augmentation(batch.target.x))))
        with torch.no_grad():
            teacher = self.of_all_processes(self.taught(taught))[0].logits
        threshold = self.threshold if self.confidence == "threshold" else 0.0
        share = confident(teacher, threshold).float().mean()
        self.log_values({"confident": share})
        weight = self.weight * self.growth
        student = encoded.target.logits
        return {
            "source": self.supervised_loss(encoded.source.logits, batch.source.y),
            "consistency": weight * consistency(student, teacher, threshold=threshold),
            "balance": weight * self.balance * share * class_balance(student),
        }

    @property
    def growth(self) -> float:
        """Factor on the target's terms at this batch."""
        return gaussian_ramp(self.progress, self.ramp) if self.confidence == "ramp" else 1.0

    def forward(self, x: Tensor) -> Encoding:
        """Features and logits of inputs `(N, ...)`: the student's in training, otherwise those of `predict_with`."""
        return super().forward(x) if self.training or self.predict_with == "student" else self.taught(x)


def affine_jitter() -> Augmentation:
    """The paper's augmentation of digits: affine jitter of standard deviation 0.1, shifts by 2 of 32 pixels, noise."""
    # A uniform draw from ±a has the standard deviation a/√3.
    chain = Augmentation(rotation=10.0, scale=0.17, shear=0.17, translation=0.0625, noise=0.1)
    chain.series = weak_series()
    return chain
